//! What the database does behind a role's back: rows that policies hide, and deletions that triggers, rules and policies
//! swallow. Also the users whose activity shows that they are signed in.

use jiff::{SignedDuration, Timestamp};
use sea_query::{Cond, Expr, ExprTrait, Query, SelectStatement};

use super::{SqlSessions, SqlStore};
use crate::doubt::MOST;
use crate::error::Result;
use crate::store::expr;
use crate::store::schema::{Dialect, TableName};
use crate::store::statement::{Cell, Read};

/// A user's activity may be a little newer than the clock that was read before.
const MARGIN: SignedDuration = SignedDuration::from_mins(1);

/// The table itself, and where it is a view, what the view reads from.
const HIDING: &str = "SELECT CAST(count(*) AS bigint) FROM (
      SELECT to_regclass($1)::oid AS rel
      UNION SELECT d.refobjid FROM pg_catalog.pg_rewrite r
        JOIN pg_catalog.pg_depend d ON d.objid = r.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass
       WHERE r.ev_class = to_regclass($1)) AS t
    JOIN pg_catalog.pg_class c ON c.oid = t.rel WHERE row_security_active(c.oid)";

/// Triggers BEFORE or INSTEAD OF a DELETE, rules on DELETE, and policies for DELETE or for all commands.
const KEEPING: &str = "SELECT 'trigger ' || tgname FROM pg_catalog.pg_trigger
     WHERE tgrelid = to_regclass($1) AND NOT tgisinternal AND tgenabled <> 'D' AND tgtype & 8 <> 0 AND tgtype & 66 <> 0
    UNION ALL SELECT 'rule ' || rulename FROM pg_catalog.pg_rewrite WHERE ev_class = to_regclass($1) AND ev_type = '4'
    UNION ALL SELECT 'policy ' || polname FROM pg_catalog.pg_policy WHERE polrelid = to_regclass($1) AND polcmd IN ('d', '*')";

fn quoted(table: &TableName) -> String {
    let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    match &table.schema {
        Some(schema) => format!("{}.{}", quote(schema), quote(&table.name)),
        None => quote(&table.name),
    }
}

impl SqlSessions {
    /// The table of which row level security hides rows from this role.
    pub(super) async fn rows_hidden(&self) -> Result<Option<String>> {
        if self.dialect() != Dialect::Postgres {
            return Ok(None);
        }
        let query = about(HIDING, &self.table.table);
        let rows = self.db.rows(&query, &[Read::Int]).await?;
        let hiding = rows.into_iter().flatten().next();
        let hides = matches!(hiding, Some(Cell::Int(n)) if n > 0);
        Ok(hides.then(|| self.table.table.shown()))
    }

    /// What can keep a row of this table although its deletion succeeds.
    pub(super) async fn row_keepers(&self) -> Result<Vec<String>> {
        let table = &self.table.table;
        let query = match self.dialect() {
            Dialect::Postgres => about(KEEPING, table),
            // Neither can swallow a deletion in silence: a trigger that is against it raises an error.
            Dialect::Mysql => return Ok(Vec::new()),
            Dialect::Sqlite => Query::select()
                .expr(Expr::cust("'trigger ' || name"))
                .from("sqlite_master")
                .and_where(expr::col("type").eq("trigger"))
                .and_where(Expr::cust_with_values(
                    "lower(tbl_name) = lower(?)",
                    [table.name.as_str()],
                ))
                .and_where(Expr::cust("upper(sql) LIKE '%DELETE%'"))
                .to_owned(),
        };
        let rows = self.db.rows(&query, &[Read::Text]).await?;
        Ok(rows.into_iter().flatten().filter_map(Cell::text).collect())
    }
}

/// A whole statement about one table of PostgreSQL's.
fn about(statement: &str, table: &TableName) -> SelectStatement {
    let inner = Expr::cust_with_values(
        format!("x.v FROM ({statement}) AS x(v)").replace("$1", "CAST($1 AS text)"),
        [quoted(table)],
    );
    Query::select().expr(inner).to_owned()
}

impl SqlStore {
    /// How many users were active or signed in after `since` and not after `now`. Stops counting at [`MOST`].
    pub(super) async fn users_seen_since(&self, since: Timestamp, now: Timestamp) -> Result<u32> {
        let d = self.dialect();
        let users = &self.users;
        let until = now.checked_add(MARGIN).unwrap_or(now);
        let mut any = Cond::any();
        let mut columns = 0;
        for column in [&users.last_activity, &users.last_login]
            .into_iter()
            .flatten()
        {
            let within = expr::maybe_after(d, column, since).and(expr::not_after(d, column, until));
            any = any.add(within);
            columns += 1;
        }
        if columns == 0 {
            return Ok(0);
        }
        let query = Query::select()
            .expr(expr::text(d, expr::col(&users.id)))
            .from(expr::table(&users.table))
            .cond_where(any)
            .limit(u64::from(MOST))
            .to_owned();
        let rows = self.db.rows(&query, &[Read::Text]).await?;
        Ok(u32::try_from(rows.len()).unwrap_or(u32::MAX))
    }
}
