//! What the role may do: the rights that the server lists, then the statements of a sign-out, rolled back.

use sqlx::{AssertSqlSafe, Postgres};

use super::rights_mysql;
use super::sheet::{Finding, bad, good};
use crate::config::SiteConfig;
use crate::error::Error;
use crate::site::wiring::Explored;
use crate::store::db::{Db, Pool, explain};
use crate::store::lines::Lines;
use crate::store::schema::{Dialect, TableName, UserTable};
use crate::store::{held_up, policies, prove};

/// The rights on both tables, wherever they lie.
pub(super) async fn asked(config: &SiteConfig, db: &Db, explored: &Explored) -> Finding {
    let lacks = match listed(config, db, explored).await {
        Ok(lacks) => lacks,
        Err(error) => {
            return bad(
                explain(&error).message,
                "let the role ask for its own rights",
            );
        }
    };
    if !lacks.is_empty() {
        return bad(format!("{} missing", lacks.len()), lacks.join("; "));
    }
    match proven(config, db, explored).await {
        Ok(()) => good(said(config, explored)),
        Err((dialect, error)) => bad(error.message.clone(), remedy(dialect, &error)),
    }
}

/// The rights that the role lacks, each as the statement that grants it. SQLite has no such list.
async fn listed(
    config: &SiteConfig,
    db: &Db,
    explored: &Explored,
) -> Result<Vec<String>, sqlx::Error> {
    let mut lacks = Vec::new();
    if let Some(table) = &explored.schema.sessions {
        match beside(db, explored).pool() {
            Pool::Postgres(pool) => lacks.extend(on_sessions(&pool, &table.table).await?),
            Pool::Mysql(pool) => {
                lacks.extend(rights_mysql::on_sessions(&pool, &table.table).await?);
            }
            Pool::Sqlite(_) => {}
        }
    }
    let (users, switch) = (&explored.schema.users, config.account_switch);
    match db.pool() {
        Pool::Postgres(pool) => lacks.extend(on_users(&pool, users, switch).await?),
        Pool::Mysql(pool) => lacks.extend(rights_mysql::on_users(&pool, users, switch).await?),
        Pool::Sqlite(_) => {}
    }
    Ok(lacks)
}

/// The database of the session table.
fn beside<'a>(db: &'a Db, explored: &'a Explored) -> &'a Db {
    explored.apart.as_ref().unwrap_or(db)
}

/// The columns of the user table that Curfew writes on this site.
fn written<'a>(config: &SiteConfig, users: &'a UserTable) -> impl Iterator<Item = &'a str> {
    let switch = users.is_active.as_deref().filter(|_| config.account_switch);
    [users.flag.as_deref(), switch].into_iter().flatten()
}

/// Runs each statement that a sign-out would run, on no row.
async fn proven(config: &SiteConfig, db: &Db, explored: &Explored) -> Result<(), (Dialect, Error)> {
    if let Some(table) = &explored.schema.sessions {
        let there = beside(db, explored);
        let deleted = prove::may_delete(there, &table.table).await;
        deleted.map_err(|error| (there.dialect(), error))?;
    }
    let users = &explored.schema.users;
    for column in written(config, users) {
        let set = prove::may_write(db, users.place_of(column).0, column).await;
        set.map_err(|error| (db.dialect(), error))?;
    }
    Ok(())
}

/// What the role may do on this site.
fn said(config: &SiteConfig, explored: &Explored) -> String {
    let schema = &explored.schema;
    let mut may = vec!["may read the tables".to_owned()];
    if schema.sessions.is_some() {
        may.push("delete sessions".into());
    }
    may.extend(written(config, &schema.users).map(|column| format!("write {column}")));
    let mut said = may.join(", ");
    if let Some(table) = schema
        .sessions
        .as_ref()
        .filter(|table| !table.transactional)
    {
        said.push_str(&format!(
            "; {} has no transactions, so a sign-out that fails there can be done in part",
            table.table.shown()
        ));
    }
    said
}

fn remedy(dialect: Dialect, error: &Error) -> &'static str {
    if held_up(error) {
        return "run doctor again in a moment";
    }
    match dialect {
        Dialect::Postgres => {
            "give the address of the primary, or let this role write; nobody can be signed out until then"
        }
        Dialect::Mysql => {
            "give the address of the primary, or let this account write; nobody can be signed out until then"
        }
        Dialect::Sqlite => {
            "run Curfew as a user who may write the file and its folder; nobody can be signed out until then"
        }
    }
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn quoted(table: &TableName) -> String {
    match &table.schema {
        Some(schema) => format!("{}.{}", quote(schema), quote(&table.name)),
        None => quote(&table.name),
    }
}

async fn on_sessions(
    pool: &Lines<Postgres>,
    table: &TableName,
) -> Result<Vec<String>, sqlx::Error> {
    let table = quoted(table);
    let (read, delete): (bool, bool) = sqlx::query_as(
        "SELECT has_table_privilege($1, 'SELECT'), has_table_privilege($1, 'DELETE')",
    )
    .bind(&table)
    .fetch_one(pool)
    .await?;
    let mut lacks: Vec<String> = [(read, "SELECT"), (delete, "DELETE")]
        .into_iter()
        .filter(|(may, _)| !may)
        .map(|(_, right)| format!("GRANT {right} ON {table} TO the role"))
        .collect();
    lacks.extend(kept_by_policies(pool, &table, &[('r', "SELECT"), ('d', "DELETE")]).await?);
    Ok(lacks)
}

/// The commands that row level security limits for this role.
async fn kept_by_policies(
    pool: &Lines<Postgres>,
    table: &str,
    commands: &[(char, &str)],
) -> Result<Vec<String>, sqlx::Error> {
    let mut lacks = Vec::new();
    for (letter, command) in commands {
        let limited = policies::limit("to_regclass($1)", *letter);
        let limited: Option<bool> = sqlx::query_scalar(AssertSqlSafe(format!("SELECT {limited}")))
            .bind(table)
            .fetch_one(pool)
            .await?;
        if limited == Some(true) {
            lacks.push(format!(
                "BYPASSRLS for the role, or a policy FOR {command} ON {table} USING (true)"
            ));
        }
    }
    Ok(lacks)
}

async fn on_users(
    pool: &Lines<Postgres>,
    users: &UserTable,
    switch: bool,
) -> Result<Vec<String>, sqlx::Error> {
    let mut lacks = Vec::new();
    for table in users
        .parents
        .iter()
        .map(|parent| &parent.table)
        .chain([&users.table])
    {
        lacks.extend(on_user_table(pool, users, table, switch).await?);
    }
    Ok(lacks)
}

async fn on_user_table(
    pool: &Lines<Postgres>,
    users: &UserTable,
    place: &TableName,
    switch: bool,
) -> Result<Vec<String>, sqlx::Error> {
    let table = quoted(place);
    let here = |column: &&str| users.place_of(column).0 == place;
    let flag_here = users.flag.as_deref().filter(here);
    let switch = users.is_active.as_deref().filter(|_| switch).filter(here);
    let (read, flag, active): (bool, bool, bool) = sqlx::query_as(
        "SELECT has_table_privilege($1, 'SELECT') OR has_any_column_privilege($1, 'SELECT'),
                CASE WHEN $2::text IS NULL THEN true ELSE has_column_privilege($1, $2::text, 'UPDATE') END,
                CASE WHEN $3::text IS NULL THEN true ELSE has_column_privilege($1, $3::text, 'UPDATE') END",
    )
    .bind(&table)
    .bind(flag_here)
    .bind(switch)
    .fetch_one(pool)
    .await?;
    let mut lacks = Vec::new();
    if !read {
        lacks.push(format!("GRANT SELECT ON {table} TO the role"));
    }
    let updates = flag_here.or(switch).map(|_| ('w', "UPDATE"));
    let commands: Vec<_> = [('r', "SELECT")].into_iter().chain(updates).collect();
    lacks.extend(kept_by_policies(pool, &table, &commands).await?);
    for (may, column) in [(flag, flag_here), (active, switch)] {
        if let Some(column) = column.filter(|_| !may) {
            lacks.push(format!(
                "GRANT UPDATE ({}) ON {table} TO the role",
                quote(column)
            ));
        }
    }
    Ok(lacks)
}
