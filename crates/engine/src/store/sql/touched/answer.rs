//! How a database hands over the keys and dates of what was saved: row by row, or all of them in one row where that is
//! quicker.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sea_query::{Cond, Expr, Query, SelectStatement, UnionType};
use zeroize::Zeroizing;

use super::super::arrays::elements;
use super::super::listing::Course;
use super::super::reach::Span;
use super::super::seen::Seen;
use super::super::{KEY, SqlSessions};
use crate::error::{Code, Error, Result};
use crate::store::schema::Dialect;
use crate::store::statement::{Cell, Read, field};
use crate::store::{KeyRef, SessionKey, Sink, expr};

/// Keys and dates, as a statement returned them.
pub(super) enum Found {
    Rows(Vec<Vec<Cell>>),
    /// PostgreSQL's, in its binary form.
    Arrays {
        keys: Zeroizing<Vec<u8>>,
        dates: Vec<u8>,
    },
}

/// What was asked for beside them, the time, and those.
pub(super) type Answer = (Vec<Cell>, Timestamp, Found);

impl SqlSessions {
    /// The time, what the server's numbers tell, and what was saved so. None: it does not let them be asked for, or tells no
    /// time.
    pub(super) async fn ask(
        &self,
        saved: Cond,
        soon: bool,
        course: &mut Course,
    ) -> Result<Option<Answer>> {
        let touched = self.select_touched(saved);
        let asked = match course.numbered {
            true => Seen::columns(&self.table.expires),
            false => ["NULL", "NULL"].map(Expr::cust),
        };
        let answer = match self.dialect() {
            Dialect::Postgres if soon => self.as_arrays(asked, touched).await,
            Dialect::Sqlite if soon => self.as_texts(asked, touched).await,
            _ => self.as_rows(asked, touched).await,
        };
        match answer {
            Err(error)
                if course.numbered && matches!(error.code, Code::Database | Code::Denied) =>
            {
                tracing::warn!(%error, "what was saved is found by its dates alone");
                (course.numbered, course.no_numbers) = (false, true);
                Ok(None)
            }
            answer => answer,
        }
    }

    /// Keys and dates of what was saved so.
    pub(super) fn select_touched(&self, saved: Cond) -> SelectStatement {
        let d = self.dialect();
        Query::select()
            .expr_as(expr::text(d, expr::col(KEY)), "key")
            .expr_as(expr::time(d, &self.table.expires), "date")
            .from(expr::table(&self.table.table))
            .cond_where(saved)
            .to_owned()
    }

    /// What is asked for beside them, the time, and the sessions.
    async fn as_rows(&self, asked: [Expr; 2], touched: SelectStatement) -> Result<Option<Answer>> {
        let [text, moment] = self.dates_shape();
        let mut query = Query::select()
            .exprs(asked)
            .expr(expr::now(self.dialect()))
            .to_owned();
        let no_time = Expr::cust("NULL");
        query.union(UnionType::All, touched.to_owned().expr(no_time).to_owned());
        let mut rows = self.db.rows(&query, &[text, moment, moment]).await?;
        let clock = |row: &Vec<Cell>| row.get(2).and_then(|cell| cell.time(&TimeZone::UTC));
        let Some(at) = rows.iter().position(|row| clock(row).is_some()) else {
            return Ok(None);
        };
        let told = rows.swap_remove(at);
        Ok(clock(&told).map(|now| (told, now, Found::Rows(rows))))
    }

    /// As [`Self::as_rows`], all in one row.
    async fn as_arrays(
        &self,
        asked: [Expr; 2],
        touched: SelectStatement,
    ) -> Result<Option<Answer>> {
        let [text, moment] = self.dates_shape();
        // As of its begin, for the arrays are full before the row is made.
        let query = Query::select()
            .exprs(asked)
            .expr(Expr::cust("statement_timestamp()"))
            .expr(Expr::cust("array_agg(saved.key)"))
            .expr(Expr::cust("array_agg(saved.date)"))
            .from_subquery(touched, "saved")
            .to_owned();
        let shape = [text, moment, moment, Read::Bytes, Read::Bytes];
        let row = self.db.rows(&query, &shape).await?.pop();
        let mut cells = row.unwrap_or_default();
        let dates = cells.pop().map(Cell::bytes).unwrap_or_default();
        let keys = Zeroizing::new(cells.pop().map(Cell::bytes).unwrap_or_default());
        let now = cells.pop().and_then(|cell| cell.time(&TimeZone::UTC));
        Ok(now.map(|now| (cells, now, Found::Arrays { keys, dates })))
    }

    /// As [`Self::as_rows`], all in one row: SQLite's driver hands over each value by itself, which takes longer than reading
    /// it.
    async fn as_texts(&self, asked: [Expr; 2], touched: SelectStatement) -> Result<Option<Answer>> {
        let [text, moment] = self.dates_shape();
        let nothing = || Expr::cust("NULL");
        // The time in the first row, so that it is taken before the others are read.
        let all = Query::select()
            .expr_as(nothing(), "key")
            .expr_as(nothing(), "date")
            .expr_as(expr::now(self.dialect()), "at")
            .union(
                UnionType::All,
                touched.to_owned().expr(nothing()).to_owned(),
            )
            .to_owned();
        let query = Query::select()
            .exprs(asked)
            .expr(Expr::cust("min(saved.at)"))
            .expr(Expr::cust("json_group_array(saved.key)"))
            .expr(Expr::cust("json_group_array(saved.date)"))
            .from_subquery(all, "saved")
            .to_owned();
        let shape = [text, moment, moment, Read::Text, Read::Text];
        let row = self.db.rows(&query, &shape).await?.pop();
        let mut cells = row.unwrap_or_default();
        let dates = texts(cells.pop())?;
        let keys = texts(cells.pop())?;
        let now = cells.pop().and_then(|cell| cell.time(&TimeZone::UTC));
        let rows = keys.zip(dates).map(|(key, date)| vec![key, date]);
        Ok(now.map(|now| (cells, now, Found::Rows(rows.collect()))))
    }

    /// Says how many they are.
    pub(super) async fn take_touched(
        &self,
        found: Found,
        span: Span,
        sink: &mut dyn Sink,
    ) -> Result<usize> {
        // Columns of the table's own may tell more.
        let own = self.whole_shape().len() > self.session_shape().len();
        let span = (!own).then_some(span);
        let (many, wanted) = match found {
            Found::Rows(rows) => {
                let named: Vec<_> = rows
                    .into_iter()
                    .filter_map(|row| self.key_and_date(row))
                    .collect();
                let lent = named.iter().map(|(key, date)| (key.lend(), *date));
                (named.len(), which(lent.collect(), span, sink))
            }
            Found::Arrays { keys, dates } => {
                let texts =
                    elements(&keys).map(|key| String::from_utf8_lossy(key.unwrap_or_default()));
                let texts: Vec<_> = texts.collect();
                let dates = elements(&dates).map(|date| self.expiry(&field(date, Read::Moment)));
                let lent = texts.iter().zip(dates);
                let lent = lent.map(|(key, date)| (KeyRef::new(key), date));
                (texts.len(), which(lent.collect(), span, sink))
            }
        };
        self.read_keys(&wanted, sink).await?;
        Ok(many)
    }
}

/// What is in a list of SQLite's, as JSON.
fn texts(list: Option<Cell>) -> Result<impl Iterator<Item = Cell>> {
    // A key that is no UTF-8 makes it none.
    let list = Zeroizing::new(list.and_then(Cell::text).unwrap_or_default());
    let texts: Vec<Option<String>> = serde_json::from_str(&list)
        .map_err(|e| Error::new(Code::Database, format!("SQLite's list cannot be read: {e}")))?;
    let cells = texts.into_iter();
    Ok(cells.map(|text| text.map_or(Cell::Null, Cell::Text)))
}

/// Those of them that are asked for whole.
fn which(
    found: Vec<(KeyRef<'_>, Timestamp)>,
    within: Option<Span>,
    sink: &mut dyn Sink,
) -> Vec<SessionKey> {
    let wanted = sink.saved(&found, within).into_iter();
    let wanted = wanted.filter_map(|place| found.get(place));
    wanted.map(|(key, _)| key.to_key()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
    use sqlx::{AssertSqlSafe, Connection};

    use super::*;
    use crate::store::schema::{SessionTable, TableName, TimeColumn};
    use crate::store::sqlite;

    /// Keys that no Django makes, and how many of them are keys at all.
    const ODD: [(&str, usize); 2] = [
        ("", 0),
        (
            r#"('"a", "b"]'), ('a\b\u0041'), ('a' || char(0, 1, 9)), ('钥匙🔑'), (CAST(x'61ff' AS TEXT)), (x'ff62'), (7), (NULL)"#,
            7,
        ),
    ];

    fn table() -> SessionTable {
        SessionTable {
            table: TableName {
                schema: None,
                name: "django_session".into(),
            },
            expires: TimeColumn {
                name: "expire_date".into(),
                zone: Some(TimeZone::UTC),
                digits: None,
            },
            user: None,
            ip: None,
            device: None,
            seen: None,
            transactional: true,
            keyed: true,
        }
    }

    #[tokio::test]
    async fn in_one_row_sqlite_hands_over_what_it_does_in_many() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("site.sqlite3");
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true);
        let mut file = SqliteConnection::connect_with(&options).await.unwrap();
        let create = "CREATE TABLE django_session (session_key, expire_date DEFAULT '2026-11-30 10:00:00.25')";
        sqlx::raw_sql(create).execute(&mut file).await.unwrap();
        let sessions = SqlSessions::new(sqlite::connect(&path).await.unwrap(), table());
        for (keys, many) in ODD {
            if many > 0 {
                let insert = format!("INSERT INTO django_session (session_key) VALUES {keys}");
                let insert = sqlx::raw_sql(AssertSqlSafe(insert));
                insert.execute(&mut file).await.unwrap();
            }
            let asked = || ["NULL", "NULL"].map(Expr::cust);
            let touched = || sessions.select_touched(Cond::all());
            let one = sessions
                .as_texts(asked(), touched())
                .await
                .unwrap()
                .unwrap();
            let each = sessions.as_rows(asked(), touched()).await.unwrap().unwrap();
            assert!(one.1 <= each.1, "the time of its begin");
            let [one, each] = [one, each].map(|(told, _, found)| {
                let Found::Rows(rows) = found else {
                    panic!("SQLite has no arrays");
                };
                let named = rows
                    .into_iter()
                    .filter_map(|row| sessions.key_and_date(row));
                let named: Vec<_> = named.collect();
                (told.into_iter().take(2).collect::<Vec<_>>(), named)
            });
            assert_eq!((one.1.len(), &one), (many, &each));
        }
    }
}
