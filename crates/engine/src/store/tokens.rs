//! API tokens in tables of the users' database: how many of a user are live, and the one statement that revokes those of a
//! table. Which tables these are is found elsewhere ([`crate::tokens`]).
//! Invariant: a token itself is never selected. Only rows are counted.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use sea_query::{Alias, Cond, Expr, ExprTrait, Query, SelectStatement};

use super::db::{Db, Failure};
use super::expr;
use super::id_form::IdForm;
use super::key::UserId;
use super::prove;
use super::schema::{Dialect, TableName, TimeColumn};
use super::statement::{Cell, Read, Statement};
use crate::error::{Code, Error, Result};

/// An expired token stays expired for a server whose clock is behind the database's by so much.
const WELL_PAST: SignedDuration = SignedDuration::from_hours(24);

/// A table that holds tokens of users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenTable {
    pub kind: TokenKind,
    pub table: TableName,
    /// The column that names the user, and what it holds.
    pub user: String,
    pub user_form: IdForm,
    /// Conditions that a row has to meet to let anybody in.
    pub live: Vec<Live>,
    pub expires: Option<TimeColumn>,
    pub revoke: Revoke,
}

/// What a table's rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    Drf,
    Knox,
    JwtRefresh,
    OauthAccess,
    OauthRefresh,
    OauthGrant,
    OauthDevice,
    /// A table, or a column, of the site's own.
    Own,
}

/// One condition of a live row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Live {
    /// The moment is in the future, or not set.
    Future(TimeColumn),
    /// Nothing is in the column.
    Unset(String),
    /// The column holds this truth, or nothing.
    Is(String, bool),
    /// The column holds a text.
    Filled(String),
    /// No row of this table names the row's key in this column.
    Unlisted {
        table: TableName,
        column: String,
        key: String,
    },
}

/// How the package of a table revokes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revoke {
    Delete,
    /// Puts the expiry into the past. Other tables may refer to the row.
    Expire(TimeColumn),
    /// Writes the moment of the revocation.
    Stamp(TimeColumn),
    /// Lists the row's key, and the moment, in another table.
    List {
        table: TableName,
        token: String,
        at: TimeColumn,
        key: String,
    },
    /// Nobody knows how.
    Unknown,
}

impl TokenTable {
    /// Columns without a zone of their own hold this zone's wall clock (USE_TZ off).
    pub fn in_zone(mut self, zone: &TimeZone) -> Self {
        let mut columns: Vec<&mut TimeColumn> = self.expires.iter_mut().collect();
        columns.extend(self.live.iter_mut().filter_map(|live| match live {
            Live::Future(column) => Some(column),
            _ => None,
        }));
        match &mut self.revoke {
            Revoke::Expire(column) | Revoke::Stamp(column) => columns.push(column),
            Revoke::List { at, .. } => columns.push(at),
            Revoke::Delete | Revoke::Unknown => {}
        }
        for column in columns {
            column.in_zone(zone);
        }
        self
    }

    /// The right that the revocation needs, as an administrator grants it.
    pub fn grant(&self) -> Option<String> {
        let here = self.table.shown();
        Some(match &self.revoke {
            Revoke::Delete => format!("GRANT DELETE ON {here}"),
            Revoke::Expire(column) | Revoke::Stamp(column) => {
                format!("GRANT UPDATE ({}) ON {here}", column.name)
            }
            Revoke::List { table, .. } => format!("GRANT INSERT ON {}", table.shown()),
            Revoke::Unknown => return None,
        })
    }

    /// The live rows of these users.
    fn these(&self, d: Dialect, ids: &[UserId], now: Timestamp) -> Option<Cond> {
        let own = expr::one_of(d, &self.user, self.user_form, ids)?;
        Some(self.live(d, now).add(own))
    }

    fn live(&self, d: Dialect, now: Timestamp) -> Cond {
        let mut all = Cond::all();
        for live in &self.live {
            all = match live {
                Live::Future(column) => all.add(
                    Cond::any()
                        .add(expr::col(&column.name).is_null())
                        .add(expr::col(&column.name).gt(expr::moment(d, column, now))),
                ),
                Live::Unset(column) => all.add(expr::col(column).is_null()),
                Live::Is(column, truth) => all.add(
                    Cond::any()
                        .add(expr::col(column).is_null())
                        .add(expr::col(column).eq(*truth)),
                ),
                Live::Filled(column) => all
                    .add(expr::col(column).is_not_null())
                    .add(expr::col(column).ne("")),
                Live::Unlisted { table, column, key } => {
                    // `NOT IN` would match no row if one listed key were NULL.
                    let listed = Query::select()
                        .expr(Expr::cust("1"))
                        .from(expr::table(table))
                        .and_where(expr::of(table, column).eq(expr::of(&self.table, key)))
                        .to_owned();
                    all.add(Expr::not_exists(listed))
                }
            };
        }
        all
    }

    /// Counts the rows that meet `these`, by user.
    fn count(&self, d: Dialect, these: Cond) -> (SelectStatement, Vec<Read>) {
        let mut query = Query::select();
        query
            .expr(expr::text(d, expr::col(&self.user)))
            .expr(Expr::cust("COUNT(*)"))
            .from(expr::table(&self.table))
            .cond_where(these)
            .add_group_by([expr::col(&self.user)]);
        let mut shape = vec![Read::Text, Read::Int];
        if let Some(expires) = &self.expires {
            query.expr(expr::latest(d, expires));
            query.expr(expr::col(&expires.name).count());
            shape.extend([expr::time_shape(d), Read::Int]);
        }
        (query, shape)
    }

    /// Revokes the rows that meet `these`.
    fn revocation(&self, d: Dialect, these: Cond, now: Timestamp) -> Option<Statement> {
        let set = |column: &TimeColumn, to: Timestamp| {
            let update = Query::update()
                .table(expr::table(&self.table))
                .value(Alias::new(&column.name), expr::moment(d, column, to))
                .cond_where(these.clone())
                .to_owned();
            Statement::new(d, &update, &[])
        };
        Some(match &self.revoke {
            Revoke::Delete => {
                let delete = Query::delete()
                    .from_table(expr::table(&self.table))
                    .cond_where(these)
                    .to_owned();
                Statement::new(d, &delete, &[])
            }
            Revoke::Expire(column) => set(column, now.checked_sub(WELL_PAST).unwrap_or(now)),
            Revoke::Stamp(column) => set(column, now),
            Revoke::List {
                table,
                token,
                at,
                key,
            } => {
                let rows = Query::select()
                    .expr(expr::col(key))
                    .expr(expr::moment(d, at, now))
                    .from(expr::table(&self.table))
                    .cond_where(these)
                    .to_owned();
                let mut insert = Query::insert();
                insert
                    .into_table(expr::table(table))
                    .columns([Alias::new(token), Alias::new(&at.name)]);
                insert.select_from(rows).ok()?;
                Statement::new(d, &insert, &[])
            }
            Revoke::Unknown => return None,
        })
    }
}

/// Live tokens of one user in one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub user: UserId,
    pub count: u32,
    /// When the last of them expires. `None` if one never does, or nobody knows.
    pub until: Option<Timestamp>,
}

/// The token tables of one site.
#[derive(Clone)]
pub struct Tokens {
    db: Db,
    pub tables: Vec<TokenTable>,
}

impl Tokens {
    pub fn new(db: Db, tables: Vec<TokenTable>) -> Self {
        Self { db, tables }
    }

    /// Live tokens of these users in one table, at the database's `now`. Users without any are left out.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub async fn held(
        &self,
        table: &TokenTable,
        ids: &[UserId],
        now: Timestamp,
    ) -> Result<Vec<Held>> {
        let mut all = Vec::new();
        for ids in ids.chunks(self.db.chunk()) {
            let Some(these) = table.these(self.db.dialect(), ids, now) else {
                continue;
            };
            let rows = self.counted(table, these).await?;
            all.extend(rows.into_iter().filter_map(|row| held(table, row)));
        }
        Ok(all)
    }

    async fn counted(&self, table: &TokenTable, these: Cond) -> Result<Vec<Vec<Cell>>> {
        let (query, shape) = table.count(self.db.dialect(), these);
        let rows = self.db.rows(&query, &shape).await;
        rows.map_err(|error| denied(error, || format!("GRANT SELECT ON {}", table.table.shown())))
    }

    /// Whether this account may count the tokens of a table. No row meets the question.
    ///
    /// # Errors
    /// What the database said, with the right that is missing.
    pub async fn may_count(&self, table: &TokenTable, now: Timestamp) -> Result<()> {
        let nothing = table.live(self.db.dialect(), now).add(Expr::cust("1 = 0"));
        self.counted(table, nothing).await.map(|_| ())
    }

    /// Revokes the user's live tokens of one table, and returns how many this call revoked.
    ///
    /// # Errors
    /// If the database refuses. Then nothing of this table is revoked.
    pub async fn revoke(&self, table: &TokenTable, id: &UserId, now: Timestamp) -> Result<u32> {
        let d = self.db.dialect();
        let these = table.these(d, std::slice::from_ref(id), now);
        let Some(statement) = these.and_then(|these| table.revocation(d, these, now)) else {
            return Ok(0);
        };
        let db = self.db.clone();
        let revoked = self.db.finish(async move {
            let mut tx = db.begin().await?;
            match tx.count(statement).await {
                Ok(count) => tx.commit().await.map(|()| count),
                Err(error) => {
                    tx.abandon().await;
                    Err(Failure::from(error))
                }
            }
        });
        let revoked = revoked
            .await
            .map_err(|error| denied(error, || table.grant().unwrap_or_default()))?;
        Ok(u32::try_from(revoked).unwrap_or(u32::MAX))
    }
}

impl Tokens {
    /// Whether this account may revoke in a table. The package's statement runs on no row, and is rolled back.
    ///
    /// # Errors
    /// What the database said, with the right that is missing.
    pub async fn may_revoke(&self, table: &TokenTable, now: Timestamp) -> Result<()> {
        let nothing = Cond::all().add(Expr::cust("1 = 0"));
        let Some(statement) = table.revocation(self.db.dialect(), nothing, now) else {
            return Ok(());
        };
        let tried = prove::try_out(&self.db, statement).await;
        tried.map_err(|error| denied(error, || table.grant().unwrap_or_default()))
    }

    /// The right without which this account does not see every table, if it lacks that right. MySQL and MariaDB show only
    /// tables on which an account has some right. They refuse a question about a table that is not there, unless the
    /// account may read every table.
    ///
    /// # Errors
    /// If the database cannot be asked.
    pub async fn hidden(&self, users: &TableName) -> Result<Option<String>> {
        if self.db.dialect() != Dialect::Mysql {
            return Ok(None);
        }
        let nowhere = TableName {
            schema: users.schema.clone(),
            name: "curfew_asks_for_no_table".into(),
        };
        let query = Query::select()
            .expr(Expr::cust("1"))
            .from(expr::table(&nowhere))
            .to_owned();
        match self.db.rows(&query, &[Read::Int]).await {
            Err(error) if error.code == Code::Denied => {
                let place = users.schema.as_deref().map_or("", |schema| schema);
                let all = match place {
                    "" => "*".to_owned(),
                    place => format!("{place}.*"),
                };
                Ok(Some(format!("GRANT SELECT ON {all}")))
            }
            Err(error) if error.code == Code::Unreachable => Err(error),
            _ => Ok(None),
        }
    }
}

/// Names the right that is missing.
fn denied(error: Error, grant: impl FnOnce() -> String) -> Error {
    match error.code {
        Code::Denied => Error::new(
            Code::Denied,
            format!("the role lacks a right: {} TO the role", grant()),
        ),
        _ => error,
    }
}

fn held(table: &TokenTable, row: Vec<Cell>) -> Option<Held> {
    let mut cells = row.into_iter();
    let user = table.user_form.id(&cells.next()?.text()?);
    let Cell::Int(count) = cells.next()? else {
        return None;
    };
    let latest = cells
        .next()
        .zip(table.expires.as_ref())
        .and_then(|(cell, column)| cell.time(column.zone()));
    let all_expire = matches!(cells.next(), Some(Cell::Int(with)) if with == count);
    Some(Held {
        user,
        count: u32::try_from(count).unwrap_or(u32::MAX),
        until: latest.filter(|_| all_expire),
    })
}
