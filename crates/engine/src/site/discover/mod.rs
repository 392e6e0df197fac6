//! Which tables and columns are a site's sessions, users, activity and flag. Pure: from a catalog and what
//! the operator configured. Everything found says why; what is ambiguous is asked, naming the candidates.

mod columns;
mod home;
mod sessions;
mod users;

pub use sessions::{by_table, engine_of, in_use, usual};

use home::{Home, Wanted, home};
use sessions::session_table;
pub(super) use users::ASKS;
use users::user_table;

use crate::config::{Engine, SessionsConfig, UsersConfig};
use crate::error::{Code, Error, Result};
use crate::store::catalog::Table;
use crate::store::schema::{Schema, TableName};
use crate::view::Found;

/// The tables of a site's database, and what the operator says of them.
#[derive(Clone, Copy)]
pub struct Catalog<'a> {
    pub tables: &'a [Table],
    /// Those of the sessions' own database, if they have one.
    pub apart: Option<&'a [Table]>,
    /// The schema that the operator named.
    pub schema: Option<&'a str>,
}

/// The tables and columns, and what to tell people about them.
pub fn discover(
    tables: &[Table],
    users: &UsersConfig,
    sessions: &SessionsConfig,
) -> Result<(Schema, Vec<Found>)> {
    let catalog = Catalog {
        tables,
        apart: None,
        schema: None,
    };
    catalog.discover(users, sessions)
}

impl Catalog<'_> {
    /// The tables and columns, and what to tell people about them.
    pub fn discover(
        &self,
        users: &UsersConfig,
        sessions: &SessionsConfig,
    ) -> Result<(Schema, Vec<Found>)> {
        let (mut about_users, mut found) = (Vec::new(), Vec::new());
        let rows = Engine::of(sessions).map_or(true, |engine| engine.has_rows());
        let own = home(
            self.tables,
            Wanted {
                schema: self.schema,
                users: Some(users),
                sessions: Some(sessions).filter(|_| rows && self.apart.is_none()),
            },
        )?;
        let user_table = user_table(&own, users, &mut about_users);
        // A database without sessions is the plainer fault of the two, and said first.
        let session_table = match self.apart {
            None => {
                let beside = user_table.as_ref().ok().map(|(table, _)| *table);
                session_table(&own, sessions, beside, &mut found)?
            }
            Some(apart) => {
                session_table(&self.apart(apart, sessions)?, sessions, None, &mut found)?
            }
        };
        let (_, users) = user_table?;
        if let Some(schema) = self.schema {
            found.push(Found {
                what: "schema".into(),
                value: Some(schema.into()),
                because: "configured".into(),
            });
        }
        found.extend(about_users);
        Ok((
            Schema {
                sessions: session_table,
                users,
            },
            found,
        ))
    }

    /// The usual session tables of the site's schema.
    pub fn usual(
        &self,
        users: &UsersConfig,
        sessions: &SessionsConfig,
    ) -> Result<Vec<crate::store::schema::SessionTable>> {
        let own = home(
            self.tables,
            Wanted {
                schema: self.schema,
                users: Some(users),
                sessions: Some(sessions),
            },
        )?;
        Ok(usual(own.own().iter().copied()))
    }

    /// The tables of the sessions' own database. The named schema is the users', and counts there if it exists.
    fn apart<'t>(&self, apart: &'t [Table], sessions: &SessionsConfig) -> Result<Home<'t>> {
        let there = |schema: &&str| apart.iter().any(|table| table.place == **schema);
        home(
            apart,
            Wanted {
                schema: self.schema.filter(there),
                users: None,
                sessions: Some(sessions),
            },
        )
    }
}

/// Lower case, letters and digits alone: `"Last seen at"` and `lastSeenAt` are the same word.
fn bare(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

fn table_name(table: &Table) -> TableName {
    TableName {
        schema: table.schema.clone(),
        name: table.name.clone(),
    }
}

fn list(tables: &[&Table]) -> String {
    let mut names: Vec<String> = tables.iter().map(|t| t.shown()).collect();
    names.sort();
    names.join(", ")
}

fn no_table(what: &str, name: &str) -> Error {
    Error::new(
        Code::NotDjango,
        format!(
            "there is no table {name:?} (configured for the {what}); correct [site.{what}] table"
        ),
    )
}

#[cfg(test)]
mod tests;
