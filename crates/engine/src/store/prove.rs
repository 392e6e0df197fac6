//! Proof that a role may do what a sign-out does. The statements of a sign-out run on no row, and are rolled back.
//! A list of rights does not tell: a standby, a read-only role and a read-only folder refuse what was granted.

use sea_query::{Alias, Expr, Query};
use sqlx::AssertSqlSafe;

use super::db::{Db, Failure};
use super::expr;
use super::schema::TableName;
use super::statement::Statement;
use super::tx::Tx;
use crate::error::Result;

/// Deletes no row of a table, and rolls back.
///
/// # Errors
/// What the database said.
pub async fn may_delete(db: &Db, table: &TableName) -> Result<()> {
    let query = Query::delete()
        .from_table(expr::table(table))
        .and_where(Expr::cust("1 = 0"))
        .to_owned();
    try_out(db, Statement::new(db.dialect(), &query, &[])).await
}

/// Sets a Boolean column of no row, and rolls back.
///
/// # Errors
/// What the database said.
pub async fn may_write(db: &Db, table: &TableName, column: &str) -> Result<()> {
    let query = Query::update()
        .table(expr::table(table))
        .value(Alias::new(column), false)
        .and_where(Expr::cust("1 = 0"))
        .to_owned();
    try_out(db, Statement::new(db.dialect(), &query, &[])).await
}

/// Runs a statement, and rolls back.
///
/// # Errors
/// What the database said.
pub(super) async fn try_out(db: &Db, statement: Statement) -> Result<()> {
    let work = db.clone();
    db.finish(async move {
        let mut tx = work.begin().await?;
        let done = match tx.count(statement).await {
            Ok(_) => touch_the_file(&mut tx).await,
            Err(error) => Err(error),
        };
        tx.abandon().await;
        done.map_err(Failure::from)
    })
    .await
}

/// SQLite makes its journal, and so finds out that the folder is read-only, at the first page that changes. Without a
/// commit, the page never reaches the file.
async fn touch_the_file(tx: &mut Tx) -> Result<(), sqlx::Error> {
    let Tx::Sqlite(tx) = tx else {
        return Ok(());
    };
    let version: i64 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(&mut **tx)
        .await?;
    sqlx::raw_sql(AssertSqlSafe(format!("PRAGMA user_version = {version}")))
        .execute(&mut **tx)
        .await?;
    Ok(())
}
