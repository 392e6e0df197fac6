//! SQLite's tables by the numbers of their rows, which is how they lie in the file: along a key each row lies on another
//! page.

use jiff::Timestamp;
use sea_query::{Alias, Expr, ExprTrait, Order, Query};

use super::SqlSessions;
use crate::error::Result;
use crate::store::key::SessionKey;
use crate::store::schema::Dialect;
use crate::store::statement::{Cell, Read};
use crate::store::{SessionRow, expr};

/// SQLite's own name for a row's number, and the one of three that nobody gives a column.
const NUMBER: &str = "_rowid_";

/// The state of the file's schema, where the table numbers its rows and has no column of that name. Whoever makes a table
/// anew, as Django's migrations do, gives its rows other numbers, and the schema another state.
const NUMBERING: &str = "(SELECT schema_version FROM pragma_schema_version WHERE EXISTS (\
     SELECT 1 FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND NOT wr AND name = ? COLLATE NOCASE) \
     AND NOT EXISTS (SELECT 1 FROM pragma_table_xinfo(?) WHERE name = '_rowid_' COLLATE NOCASE))";

/// What a step of a reading comes after. None: it is the first.
#[derive(Debug, Clone)]
pub(super) enum After {
    Key(Option<SessionKey>),
    Number(Option<i64>),
}

/// Some sessions, and where there are more.
pub(super) struct Step {
    pub rows: Vec<SessionRow>,
    pub next: Option<After>,
}

impl SqlSessions {
    /// Tells a numbering of the table's rows from any later one. None: they have no numbers.
    pub(super) async fn numbering(&self) -> Result<Option<i64>> {
        if self.dialect() != Dialect::Sqlite {
            return Ok(None);
        }
        let name = self.table.table.name.as_str();
        let query = Query::select()
            .expr(Expr::cust_with_values(NUMBERING, [name, name]))
            .to_owned();
        let rows = self.db.rows(&query, &[Read::Int]).await?;
        Ok(rows.into_iter().flatten().find_map(number))
    }

    /// Usable sessions in the order of their numbers.
    pub(super) async fn numbered(
        &self,
        now: Timestamp,
        after: Option<i64>,
        size: u32,
    ) -> Result<Step> {
        let mut query = self.select_sessions();
        // No index by its date would be any quicker, where nearly all are to be read.
        let expires = Expr::cust_with_exprs("+?", [self.expires()]);
        query
            .expr(expr::col(NUMBER))
            .and_where(expires.gt(self.moment(now)))
            .order_by(Alias::new(NUMBER), Order::Asc)
            .limit(u64::from(size));
        if let Some(after) = after {
            query.and_where(expr::col(NUMBER).gt(after));
        }
        let mut shape = self.whole_shape();
        shape.push(Read::Int);
        let found = self.db.rows(&query, &shape).await?;
        let full = found.len() >= size as usize;
        let (mut rows, mut last) = (Vec::with_capacity(found.len()), None);
        for mut row in found {
            last = row.pop().and_then(number);
            rows.extend(self.session_row(row));
        }
        let next = last.filter(|_| full).map(|last| After::Number(Some(last)));
        Ok(Step { rows, next })
    }
}

fn number(cell: Cell) -> Option<i64> {
    match cell {
        Cell::Int(number) => Some(number),
        Cell::Null | Cell::Text(_) | Cell::Bytes(_) => None,
    }
}
