//! A statement made by sea-query, and the values its rows hold. The only place where SQL text is handed
//! to the driver.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use sea_query::{
    DeleteStatement, Expr, MysqlQueryBuilder, PostgresQueryBuilder, Query, SqliteQueryBuilder,
};
use sea_query_sqlx::{SqlxBinder, SqlxValues};
use sqlx::{
    AssertSqlSafe, ColumnIndex, Decode, Executor, MySqlConnection, PgConnection, Row, Sqlite, Type,
};

use super::lines::all;
use super::schema::Dialect;
use super::zone;

/// What statements at MySQL bear, which knows connections by no name: see [`super::mysql`].
pub(super) const MARK: &str = "/*application='curfew'*/";

/// A value of a row, as statements here ask for it.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Cell {
    pub fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Self::Int(n) => Some(n.to_string()),
            Self::Null => None,
        }
    }

    pub fn bytes(self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Text(text) => text.into_bytes(),
            Self::Int(_) | Self::Null => Vec::new(),
        }
    }

    pub fn truth(&self) -> bool {
        matches!(self, Self::Int(n) if *n != 0)
    }

    /// Microseconds since 1970, or Django's text: of this zone's wall clock, where neither says more.
    pub fn time(&self, zone: &TimeZone) -> Option<Timestamp> {
        match self {
            Self::Int(us) => {
                let at = Timestamp::from_microsecond(*us).ok()?;
                if *zone == TimeZone::UTC {
                    return Some(at);
                }
                zone::moment(zone, TimeZone::UTC.to_datetime(at))
            }
            Self::Text(text) => parse_time(text, zone),
            Self::Bytes(bytes) => parse_time(std::str::from_utf8(bytes).ok()?, zone),
            Self::Null => None,
        }
    }
}

/// `2026-11-23 10:00:00.123456`, with or without fraction, `T` or an offset.
fn parse_time(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let text = text.trim();
    let stamp = || text.parse().ok();
    let wall = || zone::moment(zone, text.parse::<DateTime>().ok()?);
    // What fails is put into words, which takes longer than reading what does not.
    let after_date = text.get(DATE.len()..).unwrap_or_default();
    match after_date.contains(['+', '-', 'Z', 'z']) {
        true => stamp().or_else(wall),
        false => wall().or_else(stamp),
    }
}

const DATE: &str = "2026-11-23";

/// What to read out of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    Int,
    /// A timestamp of PostgreSQL's, with or without a zone, as it lies there: its microseconds since 2000.
    Moment,
    Text,
    Bytes,
}

/// A statement's text and values, ready for the driver.
#[derive(Clone)]
pub struct Statement {
    sql: String,
    values: SqlxValues,
    shape: Vec<Read>,
}

impl Statement {
    /// Of a dialect. `shape` says what its rows hold; empty for none.
    pub fn new(dialect: Dialect, query: &impl SqlxBinder, shape: &[Read]) -> Self {
        let (sql, values) = match dialect {
            Dialect::Postgres => query.build_sqlx(PostgresQueryBuilder),
            Dialect::Mysql => {
                let (sql, values) = query.build_sqlx(MysqlQueryBuilder);
                (format!("{sql} {MARK}"), values)
            }
            Dialect::Sqlite => query.build_sqlx(SqliteQueryBuilder),
        };
        Self {
            sql,
            values,
            shape: shape.to_vec(),
        }
    }

    /// A deletion at MariaDB, which fails at once where somebody holds a row of it, or the table, and says this of each that
    /// it took. In MySQL's dialect there is no word for either.
    pub(super) fn deleting_at_once(
        query: &DeleteStatement,
        returning: Vec<Expr>,
        shape: &[Read],
    ) -> Self {
        let (sql, values) = query.build_sqlx(MysqlQueryBuilder);
        let (select, _) = Query::select()
            .exprs(returning)
            .build_sqlx(MysqlQueryBuilder);
        let returning = select.trim_start_matches("SELECT ");
        Self {
            sql: format!(
                "SET STATEMENT innodb_lock_wait_timeout = 0, lock_wait_timeout = 0 FOR {sql} RETURNING {returning} {MARK}"
            ),
            values,
            shape: shape.to_vec(),
        }
    }

    /// The server may take a while for each row, and keeps the statement under a name if it is `named`.
    pub(super) async fn on_postgres(
        self,
        connection: &mut PgConnection,
        named: bool,
    ) -> Result<Vec<Vec<Cell>>, sqlx::Error> {
        let query = sqlx::query_with(AssertSqlSafe(self.sql), self.values).persistent(named);
        let rows = all(query.fetch(connection)).await?;
        rows.iter().map(|row| cells(row, &self.shape)).collect()
    }

    pub(super) async fn on_mysql(
        self,
        connection: &mut MySqlConnection,
    ) -> Result<Vec<Vec<Cell>>, sqlx::Error> {
        let query = sqlx::query_with(AssertSqlSafe(self.sql), self.values);
        let rows = all(query.fetch(connection)).await?;
        rows.iter().map(|row| cells(row, &self.shape)).collect()
    }

    /// How many rows it changed.
    pub(super) async fn count_on_mysql(
        self,
        connection: &mut MySqlConnection,
    ) -> Result<u64, sqlx::Error> {
        sqlx::query_with(AssertSqlSafe(self.sql), self.values)
            .execute(connection)
            .await
            .map(|done| done.rows_affected())
    }

    pub(super) async fn count_on_postgres(
        self,
        connection: &mut PgConnection,
        named: bool,
    ) -> Result<u64, sqlx::Error> {
        sqlx::query_with(AssertSqlSafe(self.sql), self.values)
            .persistent(named)
            .execute(connection)
            .await
            .map(|done| done.rows_affected())
    }

    pub(super) async fn count_on_sqlite<'c>(
        self,
        executor: impl Executor<'c, Database = Sqlite>,
    ) -> Result<u64, sqlx::Error> {
        sqlx::query_with(AssertSqlSafe(self.sql), self.values)
            .execute(executor)
            .await
            .map(|done| done.rows_affected())
    }

    pub(super) async fn on_sqlite<'c>(
        self,
        executor: impl Executor<'c, Database = Sqlite>,
    ) -> Result<Vec<Vec<Cell>>, sqlx::Error> {
        let rows = sqlx::query_with(AssertSqlSafe(self.sql), self.values)
            .fetch_all(executor)
            .await?;
        rows.iter().map(|row| cells(row, &self.shape)).collect()
    }
}

// Unchecked on purpose: the statements cast every column to the type read here, and the
// driver's own check would refuse equal things (varchar and text, bytes of a text).
fn cells<'r, R: Row>(row: &'r R, shape: &[Read]) -> Result<Vec<Cell>, sqlx::Error>
where
    usize: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
{
    shape
        .iter()
        .enumerate()
        .map(|(i, read)| {
            Ok(match read {
                Read::Int => row
                    .try_get_unchecked::<Option<i64>, _>(i)?
                    .map_or(Cell::Null, Cell::Int),
                Read::Moment => row
                    .try_get_unchecked::<Option<i64>, _>(i)?
                    .map_or(Cell::Null, moment),
                Read::Text | Read::Bytes => row
                    .try_get_unchecked::<Option<Vec<u8>>, _>(i)?
                    .map_or(Cell::Null, |bytes| cell(bytes, *read)),
            })
        })
        .collect()
}

/// Text that is not UTF-8 is one odd value, not the end of a reading.
fn cell(bytes: Vec<u8>, read: Read) -> Cell {
    match read {
        Read::Text => Cell::Text(match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(e) => String::from_utf8_lossy(e.as_bytes()).into_owned(),
        }),
        Read::Int | Read::Moment | Read::Bytes => Cell::Bytes(bytes),
    }
}

/// PostgreSQL counts from 2000. What is infinite is no moment.
fn moment(micros: i64) -> Cell {
    const EPOCH: i64 = 946_684_800_000_000;
    match micros {
        i64::MIN | i64::MAX => Cell::Null,
        micros => micros.checked_add(EPOCH).map_or(Cell::Null, Cell::Int),
    }
}

/// A field of PostgreSQL's binary form.
pub(super) fn field(bytes: Option<&[u8]>, read: Read) -> Cell {
    let number = |bytes: &[u8]| bytes.try_into().ok().map(i64::from_be_bytes);
    match (bytes, read) {
        (None, _) => Cell::Null,
        (Some(bytes), Read::Int) => number(bytes).map_or(Cell::Null, Cell::Int),
        (Some(bytes), Read::Moment) => number(bytes).map_or(Cell::Null, moment),
        (Some(bytes), Read::Text | Read::Bytes) => cell(bytes.to_vec(), read),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use sea_query::{Alias, ExprTrait};

    use super::*;

    #[test]
    fn fields_in_binary_are_counted_from_2000_and_infinity_is_none() {
        let at =
            |micros: i64| field(Some(&micros.to_be_bytes()), Read::Moment).time(&TimeZone::UTC);
        assert_eq!(at(0), "2000-01-01T00:00:00Z".parse().ok());
        assert_eq!(at(-1), "1999-12-31T23:59:59.999999Z".parse().ok());
        for none in [i64::MIN, i64::MAX, i64::MAX - 1] {
            assert_eq!(at(none), None);
        }
        for read in [Read::Int, Read::Moment] {
            assert_eq!(field(Some(b"short"), read), Cell::Null);
            assert_eq!(field(None, read), Cell::Null);
        }
        assert_eq!(
            field(Some(&[0, 0, 0, 0, 0, 0, 0, 7]), Read::Int),
            Cell::Int(7)
        );
        assert_eq!(field(Some(b"ana"), Read::Text), Cell::Text("ana".into()));
    }

    #[test]
    fn a_deletion_at_once_says_what_it_took_and_bears_the_mark_at_its_end() {
        let (table, key) = (Alias::new("s"), || Expr::col(Alias::new("k")));
        let mut deletion = Query::delete();
        deletion.from_table(table).and_where(key().eq("a"));
        let statement = Statement::deleting_at_once(&deletion, vec![key()], &[Read::Text]);
        // By its end it is found among the server's statements.
        assert_eq!(
            statement.sql,
            "SET STATEMENT innodb_lock_wait_timeout = 0, lock_wait_timeout = 0 FOR DELETE FROM `s` WHERE `k` = ? RETURNING `k` /*application='curfew'*/"
        );
    }

    #[test]
    fn times_are_read_in_every_form_that_django_writes() {
        let want: Timestamp = "2026-11-23T10:00:00.25Z".parse().unwrap();
        let utc = &TimeZone::UTC;
        for text in [
            "2026-11-23 10:00:00.250000",
            "2026-11-23T10:00:00.25",
            "2026-11-23 10:00:00.25Z",
            "2026-11-23 11:00:00.25+01:00",
        ] {
            assert_eq!(Cell::Text(text.into()).time(utc), Some(want), "{text}");
        }
        assert_eq!(Cell::Text("never".into()).time(utc), None);
        assert_eq!(Cell::Int(want.as_microsecond()).time(utc), Some(want));
        // As the wall clock had it; an offset of its own says more.
        let berlin = &TimeZone::get("Europe/Berlin").unwrap();
        for text in ["2026-11-23 11:00:00.25", "2026-11-23 10:00:00.25+00:00"] {
            assert_eq!(Cell::Text(text.into()).time(berlin), Some(want), "{text}");
        }
        let hour = 3_600_000_000;
        assert_eq!(
            Cell::Int(want.as_microsecond() + hour).time(berlin),
            Some(want)
        );
    }
}
