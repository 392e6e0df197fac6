//! What the role may do, asked of the server itself.

use sqlx::PgPool;

use super::{bad, good, rights_mysql};
use crate::config::SiteConfig;
use crate::site::wiring::Explored;
use crate::store::db::{Db, Pool, explain};
use crate::store::schema::{Dialect, TableName, UserTable};
use crate::view::Check;

/// The rights on both tables, wherever they lie. None: no database here has rights to be asked for.
pub(super) async fn asked(config: &SiteConfig, db: &Db, explored: &Explored) -> Option<Check> {
    let beside = explored.apart.as_ref().unwrap_or(db);
    let lacks = async {
        let mut lacks = Vec::new();
        if let Some(table) = &explored.schema.sessions {
            match beside.pool() {
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
            Pool::Mysql(pool) => {
                lacks.extend(rights_mysql::on_users(&pool, users, switch).await?);
            }
            Pool::Sqlite(_) => {}
        }
        Ok(lacks)
    };
    let rows_beside = explored.schema.sessions.is_some().then_some(beside);
    let asked = [Some(db), rows_beside].into_iter().flatten();
    if asked.map(Db::dialect).all(|d| d == Dialect::Sqlite) {
        return None;
    }
    Some(match lacks.await {
        Err(error) => cannot_ask(&error),
        Ok(lacks) if lacks.is_empty() => good(
            "rights",
            "may read both tables, delete sessions and write the flag",
        ),
        Ok(lacks) => bad(
            "rights",
            format!("{} missing", lacks.len()),
            lacks.join("; "),
        ),
    })
}

fn cannot_ask(error: &sqlx::Error) -> Check {
    bad(
        "rights",
        explain(error).message,
        "let the role ask for its own rights",
    )
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

async fn on_sessions(pool: &PgPool, table: &TableName) -> Result<Vec<String>, sqlx::Error> {
    let table = quoted(table);
    let (read, delete): (bool, bool) = sqlx::query_as(
        "SELECT has_table_privilege($1, 'SELECT'), has_table_privilege($1, 'DELETE')",
    )
    .bind(&table)
    .fetch_one(pool)
    .await?;
    Ok([(read, "SELECT"), (delete, "DELETE")]
        .into_iter()
        .filter(|(may, _)| !may)
        .map(|(_, right)| format!("GRANT {right} ON {table} TO the role"))
        .collect())
}

async fn on_users(
    pool: &PgPool,
    users: &UserTable,
    switch: bool,
) -> Result<Vec<String>, sqlx::Error> {
    let table = quoted(&users.table);
    let switch = users.is_active.as_deref().filter(|_| switch);
    let (read, flag, active): (bool, bool, bool) = sqlx::query_as(
        "SELECT has_table_privilege($1, 'SELECT') OR has_any_column_privilege($1, 'SELECT'),
                CASE WHEN $2::text IS NULL THEN true ELSE has_column_privilege($1, $2::text, 'UPDATE') END,
                CASE WHEN $3::text IS NULL THEN true ELSE has_column_privilege($1, $3::text, 'UPDATE') END",
    )
    .bind(&table)
    .bind(users.flag.as_deref())
    .bind(switch)
    .fetch_one(pool)
    .await?;
    let mut lacks = Vec::new();
    if !read {
        lacks.push(format!("GRANT SELECT ON {table} TO the role"));
    }
    for (may, column) in [(flag, users.flag.as_deref()), (active, switch)] {
        if let Some(column) = column.filter(|_| !may) {
            lacks.push(format!(
                "GRANT UPDATE ({}) ON {table} TO the role",
                quote(column)
            ));
        }
    }
    Ok(lacks)
}
