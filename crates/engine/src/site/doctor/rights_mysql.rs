//! What the account may do, asked of MySQL by statements that touch nothing: rights come to an account in too many
//! ways (by server, database, table, column, role) to be read out of lists.

use sqlx::mysql::MySqlDatabaseError;
use sqlx::{AssertSqlSafe, MySql, Row};

use crate::store::lines::Lines;
use crate::store::schema::{TableName, UserTable};

fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn quoted(table: &TableName) -> String {
    match &table.schema {
        Some(schema) => format!("{}.{}", quote(schema), quote(&table.name)),
        None => quote(&table.name),
    }
}

/// Whether a statement would be let through.
async fn may(pool: &Lines<MySql>, statement: String) -> Result<bool, sqlx::Error> {
    let asked = sqlx::raw_sql(AssertSqlSafe(statement)).execute(pool).await;
    let number = match &asked {
        Err(sqlx::Error::Database(error)) => error
            .try_downcast_ref::<MySqlDatabaseError>()
            .map(MySqlDatabaseError::number),
        _ => None,
    };
    match (asked, number) {
        // A server that is read-only refuses even the question. That is no missing right, and the proof finds it.
        (Ok(_), _) | (Err(_), Some(1290 | 1792 | 1836)) => Ok(true),
        (Err(_), Some(1044 | 1142 | 1143)) => Ok(false),
        (Err(other), _) => Err(other),
    }
}

/// To whom rights are granted.
async fn account(pool: &Lines<MySql>) -> Result<String, sqlx::Error> {
    let row = sqlx::query("SELECT CURRENT_USER()").fetch_one(pool).await?;
    let account: String = row.try_get_unchecked(0)?;
    let (user, host) = account.rsplit_once('@').unwrap_or((&account, "%"));
    let text = |part: &str| format!("'{}'", part.replace('\'', "''"));
    Ok(format!("{}@{}", text(user), text(host)))
}

pub(super) async fn on_sessions(
    pool: &Lines<MySql>,
    table: &TableName,
) -> Result<Vec<String>, sqlx::Error> {
    let table = quoted(table);
    let mut lacks = Vec::new();
    let whose = account(pool).await?;
    // To lock rows takes the right to read them and the right to delete them.
    let read = format!("SELECT session_key, session_data, expire_date FROM {table} WHERE 1 = 0");
    if !may(pool, read).await? {
        lacks.push(format!("GRANT SELECT ON {table} TO {whose}"));
    }
    if !may(pool, format!("EXPLAIN DELETE FROM {table} WHERE 1 = 0")).await? {
        lacks.push(format!("GRANT DELETE ON {table} TO {whose}"));
    }
    Ok(lacks)
}

pub(super) async fn on_users(
    pool: &Lines<MySql>,
    users: &UserTable,
    switch: bool,
) -> Result<Vec<String>, sqlx::Error> {
    let table = quoted(&users.table);
    let mut lacks = Vec::new();
    let whose = account(pool).await?;
    let id = quote(&users.id);
    if !may(pool, format!("SELECT {id} FROM {table} WHERE 1 = 0")).await? {
        lacks.push(format!("GRANT SELECT ON {table} TO {whose}"));
    }
    let switch = users.is_active.as_deref().filter(|_| switch);
    for parent in &users.parents {
        let (table, key) = (quoted(&parent.table), quote(&parent.key));
        if !may(pool, format!("SELECT {key} FROM {table} WHERE 1 = 0")).await? {
            lacks.push(format!("GRANT SELECT ON {table} TO {whose}"));
        }
    }
    for column in [users.flag.as_deref(), switch].into_iter().flatten() {
        let table = quoted(users.place_of(column).0);
        let column = quote(column);
        let write = format!("EXPLAIN UPDATE {table} SET {column} = 0 WHERE 1 = 0");
        if !may(pool, write).await? {
            lacks.push(format!("GRANT UPDATE ({column}) ON {table} TO {whose}"));
        }
    }
    Ok(lacks)
}
