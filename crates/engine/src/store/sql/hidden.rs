//! What the database does behind a role's back: rows that policies and views hide, and deletions that triggers, rules and
//! policies swallow. Also the users whose activity shows that they are signed in.

use jiff::{SignedDuration, Timestamp};
use sea_query::{Cond, Expr, ExprTrait, Query, SelectStatement};

use super::plain_view::shows_all_of;
use super::{SqlSessions, SqlStore};
use crate::error::Result;
use crate::store::expr;
use crate::store::hiding::{HiddenBy, Hiding};
use crate::store::policies;
use crate::store::schema::{Dialect, TableName};
use crate::store::statement::{Cell, Read};

/// Stands for the text of what is no view.
const TABLE: &str = "table";
/// A user's activity may be a little newer than the clock that was read before.
const MARGIN: SignedDuration = SignedDuration::from_mins(1);

/// The table itself and, if it is a view, everything that the view reads from: whether policies hide rows of it, and the
/// text of a view.
fn sources() -> String {
    let hides = policies::limit("c.oid", 'r');
    format!(
        "WITH RECURSIVE sources(rel) AS (
          SELECT to_regclass($1)::oid
          UNION SELECT d.refobjid FROM sources s
            JOIN pg_catalog.pg_rewrite r ON r.ev_class = s.rel AND r.ev_type = '1'
            JOIN pg_catalog.pg_depend d ON d.objid = r.oid AND d.classid = 'pg_catalog.pg_rewrite'::regclass
             AND d.refclassid = 'pg_catalog.pg_class'::regclass)
        SELECT CAST(CASE WHEN {hides} THEN 1 ELSE 0 END AS bigint),
          CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END
        FROM sources s JOIN pg_catalog.pg_class c ON c.oid = s.rel"
    )
}

/// Views of views are followed so far at MariaDB and in SQLite.
const DEEPEST: usize = 8;

/// Triggers BEFORE or INSTEAD OF a DELETE, rules on DELETE, policies for DELETE or for all commands, and row level security
/// itself: without a policy, nothing may be deleted.
const KEEPING: &str = "SELECT 'trigger ' || tgname FROM pg_catalog.pg_trigger
     WHERE tgrelid = to_regclass($1) AND NOT tgisinternal AND tgenabled <> 'D' AND tgtype & 8 <> 0 AND tgtype & 66 <> 0
    UNION ALL SELECT 'rule ' || rulename FROM pg_catalog.pg_rewrite WHERE ev_class = to_regclass($1) AND ev_type = '4'
    UNION ALL SELECT 'policy ' || polname FROM pg_catalog.pg_policy WHERE polrelid = to_regclass($1) AND polcmd IN ('d', '*')
    UNION ALL SELECT 'row level security' FROM pg_catalog.pg_class WHERE oid = to_regclass($1) AND row_security_active(oid)";

fn quoted(table: &TableName) -> String {
    let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    match &table.schema {
        Some(schema) => format!("{}.{}", quote(schema), quote(&table.name)),
        None => quote(&table.name),
    }
}

impl SqlSessions {
    /// What hides rows of this table from this role.
    pub(super) async fn rows_hidden(&self) -> Result<Option<Hiding>> {
        let by = match self.dialect() {
            Dialect::Postgres => self.hidden_by_postgres().await?,
            Dialect::Mysql | Dialect::Sqlite => self.hidden_by_view().await?,
        };
        let table = self.table.table.shown();
        Ok(by.map(|by| Hiding { table, by }))
    }

    async fn hidden_by_postgres(&self) -> Result<Option<HiddenBy>> {
        let query = about(
            &sources(),
            &self.table.table,
            "x.hides, x.text",
            "x(hides, text)",
        );
        let rows = self.db.rows(&query, &[Read::Int, Read::Text]).await?;
        let mut part = false;
        for row in rows {
            let mut cells = row.into_iter();
            if matches!(cells.next(), Some(Cell::Int(1))) {
                return Ok(Some(HiddenBy::RowSecurity));
            }
            let text = cells.next().and_then(Cell::text);
            part |= text.is_some_and(|text| shows_all_of(&text).is_none());
        }
        Ok(part.then_some(HiddenBy::View))
    }

    /// Follows views down to a table. A view whose text this role cannot read may show a part of the rows.
    async fn hidden_by_view(&self) -> Result<Option<HiddenBy>> {
        let mut table = self.table.table.clone();
        for _ in 0..DEEPEST {
            let rows = self.db.rows(&self.view_text(&table), &[Read::Text]).await?;
            let found = rows.into_iter().flatten().next().and_then(Cell::text);
            let text = match found.as_deref() {
                Some(TABLE) => return Ok(None),
                Some(text) => text,
                None => return Ok(Some(HiddenBy::View)),
            };
            match shows_all_of(text) {
                Some(next) => table = next,
                None => return Ok(Some(HiddenBy::View)),
            }
        }
        Ok(Some(HiddenBy::View))
    }

    /// Asks for the text of a view, or for [`TABLE`].
    fn view_text(&self, table: &TableName) -> SelectStatement {
        let name = table.name.as_str();
        let mut query = Query::select();
        if self.dialect() == Dialect::Sqlite {
            query
                .expr(Expr::cust(format!(
                    "CASE type WHEN 'view' THEN sql ELSE '{TABLE}' END"
                )))
                .from("sqlite_master")
                .and_where(Expr::cust("type IN ('table', 'view')"))
                .and_where(Expr::cust_with_values("lower(name) = lower(?)", [name]));
        } else {
            let place = table.schema.as_deref();
            query
                .expr(Expr::cust(format!(
                    "CASE WHEN t.TABLE_TYPE = 'VIEW' THEN (SELECT v.VIEW_DEFINITION FROM information_schema.VIEWS v
                      WHERE v.TABLE_SCHEMA = t.TABLE_SCHEMA AND v.TABLE_NAME = t.TABLE_NAME) ELSE '{TABLE}' END
                     FROM information_schema.TABLES t"
                )))
                .and_where(Expr::cust_with_values(
                    "t.TABLE_SCHEMA = COALESCE(?, DATABASE())",
                    [place],
                ))
                .and_where(Expr::cust_with_values("t.TABLE_NAME = ?", [name]));
        }
        query
    }

    /// What can keep a row of this table although its deletion succeeds.
    pub(super) async fn row_keepers(&self) -> Result<Vec<String>> {
        let table = &self.table.table;
        let query = match self.dialect() {
            Dialect::Postgres => about(KEEPING, table, "x.v", "x(v)"),
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
pub(super) fn about(
    statement: &str,
    table: &TableName,
    columns: &str,
    named: &str,
) -> SelectStatement {
    let inner = Expr::cust_with_values(
        format!("{columns} FROM ({statement}) AS {named}").replace("$1", "CAST($1 AS text)"),
        [quoted(table)],
    );
    Query::select().expr(inner).to_owned()
}

impl SqlStore {
    /// How many users were active or signed in after `since` and not after `now`. Stops counting at `most`.
    pub(super) async fn users_seen_since(
        &self,
        since: Timestamp,
        now: Timestamp,
        most: u32,
    ) -> Result<u32> {
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
        let query = expr::from_users(users)
            .expr(expr::text(d, expr::col(&users.id)))
            .cond_where(any)
            .limit(u64::from(most))
            .to_owned();
        let rows = self.db.rows(&query, &[Read::Text]).await?;
        Ok(u32::try_from(rows.len()).unwrap_or(u32::MAX))
    }
}
