//! What the dialects spell differently: moments, ids, the clock, the tail of a text.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::temporal::DateTimePrinter;
use jiff::tz::TimeZone;
use sea_query::{Alias, Expr, ExprTrait, IntoTableRef, Query, SelectStatement, TableRef, Value};

use super::id_form::{Compared, IdForm};
use super::key::UserId;
use super::schema::{Dialect, TableName, TimeColumn, UserTable};
use super::statement::Read;

/// Length of the tail of a signed session's data that holds its timestamp and signature.
const TAIL: i32 = 64;

pub fn col(name: &str) -> Expr {
    Expr::col(Alias::new(name))
}

pub fn table(name: &TableName) -> TableRef {
    match &name.schema {
        Some(schema) => (Alias::new(schema), Alias::new(&name.name)).into_table_ref(),
        None => Alias::new(&name.name).into_table_ref(),
    }
}

/// A column of this table, where others are beside it.
pub fn of(table: &TableName, column: &str) -> Expr {
    let (name, column) = (Alias::new(&table.name), Alias::new(column));
    match &table.schema {
        Some(schema) => Expr::col((Alias::new(schema), name, column)),
        None => Expr::col((name, column)),
    }
}

/// A selection from the user table, with the tables that its model inherits from.
pub fn from_users(users: &UserTable) -> SelectStatement {
    let mut query = Query::select().from(table(&users.table)).to_owned();
    for parent in &users.parents {
        let key = of(&parent.table, &parent.key);
        query.inner_join(table(&parent.table), key.eq(of(&users.table, &users.id)));
    }
    query
}

pub fn text(dialect: Dialect, expr: Expr) -> Expr {
    match dialect {
        Dialect::Postgres => Expr::cust_with_exprs("CAST($1 AS text)", [expr]),
        Dialect::Mysql => Expr::cust_with_exprs("CAST(? AS CHAR)", [expr]),
        Dialect::Sqlite => Expr::cust_with_exprs("CAST(? AS TEXT)", [expr]),
    }
}

/// MySQL's collations take `A` for `a` and drop spaces at the end; bytes are compared as they are.
fn bytes(expr: Expr) -> Expr {
    Expr::cust_with_exprs("CAST(CONVERT(? USING utf8mb4) AS BINARY)", [expr])
}

/// Exactly this text.
pub fn same(dialect: Dialect, expr: Expr, text: &str) -> Expr {
    match dialect {
        Dialect::Postgres | Dialect::Sqlite => expr.eq(text),
        Dialect::Mysql => bytes(expr).eq(text),
    }
}

/// Exactly one of these texts.
pub fn same_as_one<'a>(dialect: Dialect, expr: Expr, texts: impl Iterator<Item = &'a str>) -> Expr {
    match dialect {
        Dialect::Postgres => any_of(expr, texts.map(str::to_owned).collect::<Vec<String>>()),
        Dialect::Sqlite => expr.is_in(texts),
        Dialect::Mysql => bytes(expr).is_in(padded(texts)),
    }
}

/// So many that few lengths occur: MySQL's driver prepares a statement anew for each number of values. Which they are is
/// the same.
fn padded<T: Clone>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.collect();
    if let Some(last) = values.last().cloned() {
        values.resize(values.len().next_power_of_two(), last);
    }
    values
}

/// A column that holds exactly one of these texts, found by its index.
pub fn among<'a>(
    dialect: Dialect,
    column: &str,
    texts: impl Iterator<Item = &'a str> + Clone,
) -> Expr {
    match dialect {
        Dialect::Postgres | Dialect::Sqlite => alike(dialect, column, texts),
        Dialect::Mysql => {
            alike(dialect, column, texts.clone()).and(same_as_one(dialect, col(column), texts))
        }
    }
}

/// A column that holds one of these texts, or what its collation takes for one: for whoever compares the answer with them.
pub fn alike<'a>(dialect: Dialect, column: &str, texts: impl Iterator<Item = &'a str>) -> Expr {
    match dialect {
        Dialect::Postgres | Dialect::Sqlite => same_as_one(dialect, col(column), texts),
        Dialect::Mysql => col(column).is_in(padded(texts)),
    }
}

/// One value for all of them: the statement is the same however many there are, and is planned once.
fn any_of(expr: Expr, values: impl Into<Value>) -> Expr {
    Expr::cust_with_exprs("$1 = ANY($2)", [expr, Expr::val(values)])
}

/// A text column and a moment's that hold one of these pairs, each moment of which [`is_exact`]; PostgreSQL's alone.
pub fn pairs(text: &str, time: &TimeColumn, pairs: &[(&str, Timestamp)]) -> Expr {
    let texts: Vec<String> = pairs.iter().map(|(text, _)| (*text).to_owned()).collect();
    let times = pairs.iter().map(|(_, at)| micros(time.wall(*at)) as f64);
    let epoch = match time.zone {
        None => "TIMESTAMPTZ 'epoch'",
        Some(_) => "TIMESTAMP 'epoch'",
    };
    let moment = format!("{epoch} + us * INTERVAL '1 microsecond'");
    Expr::cust_with_exprs(
        format!("($1, $2) IN (SELECT t, {moment} FROM unnest($3, $4) AS given(t, us))"),
        [
            col(text),
            col(&time.name),
            Expr::val(texts),
            Expr::val(times.collect::<Vec<f64>>()),
        ],
    )
}

/// What a clock shows, in microseconds since 1970.
fn micros(wall: DateTime) -> i64 {
    let at = TimeZone::UTC.to_timestamp(wall).unwrap_or(Timestamp::MAX);
    at.as_microsecond()
}

/// Whether [`pairs`] has exactly this moment: a double holds microseconds since 1970 until the year 2255.
pub fn is_exact(time: &TimeColumn, at: Timestamp) -> bool {
    micros(time.wall(at)).unsigned_abs() < 1 << f64::MANTISSA_DIGITS
}

/// A truth as 1, 0 or NULL.
pub fn truth(dialect: Dialect, name: &str) -> Expr {
    match dialect {
        Dialect::Postgres => {
            Expr::cust_with_exprs("CAST(CAST($1 AS integer) AS bigint)", [col(name)])
        }
        Dialect::Mysql => Expr::cust_with_exprs("CAST(? AS SIGNED)", [col(name)]),
        Dialect::Sqlite => Expr::cust_with_exprs("CAST(? AS INTEGER)", [col(name)]),
    }
}

/// A moment as it lies there (PostgreSQL) or as text. Infinity reads as NULL. Without a zone of its own it is a wall
/// clock's: read it with the column's zone.
pub fn time(dialect: Dialect, column: &TimeColumn) -> Expr {
    match dialect {
        // Mostly no cast at all, and cheaper than any arithmetic.
        Dialect::Postgres => {
            let as_it_is = match column.zone {
                None => "CAST($1 AS timestamptz)",
                Some(_) => "CAST($1 AS timestamp)",
            };
            Expr::cust_with_exprs(as_it_is, [col(&column.name)])
        }
        Dialect::Mysql | Dialect::Sqlite => text(dialect, col(&column.name)),
    }
}

/// The latest moment of a column in a group, read as [`time`] is.
pub fn latest(dialect: Dialect, column: &TimeColumn) -> Expr {
    let latest = match (dialect, &column.zone) {
        (Dialect::Postgres, None) => "CAST(MAX($1) AS timestamptz)",
        (Dialect::Postgres, Some(_)) => "CAST(MAX($1) AS timestamp)",
        (Dialect::Mysql, _) => "CAST(MAX(?) AS CHAR)",
        (Dialect::Sqlite, _) => "CAST(MAX(?) AS TEXT)",
    };
    Expr::cust_with_exprs(latest, [col(&column.name)])
}

/// How [`time`] and [`now`] are read.
pub fn time_shape(dialect: Dialect) -> Read {
    match dialect {
        Dialect::Postgres => Read::Moment,
        Dialect::Mysql | Dialect::Sqlite => Read::Text,
    }
}

/// A moment to compare a column with, as Django compares it.
pub fn moment(dialect: Dialect, column: &TimeColumn, at: Timestamp) -> Expr {
    shown(dialect, column, column.wall(at))
}

/// What the column's clock showed, in the column's own terms.
pub fn shown(dialect: Dialect, column: &TimeColumn, wall: DateTime) -> Expr {
    match dialect {
        Dialect::Postgres => {
            let value = [Expr::val(micros(wall) as f64 / 1e6)];
            if column.zone.is_some() {
                Expr::cust_with_exprs("(to_timestamp($1) AT TIME ZONE 'UTC')", value)
            } else {
                Expr::cust_with_exprs("to_timestamp($1)", value)
            }
        }
        Dialect::Mysql => {
            let wall = wall.max(FIRST_OF_MYSQL);
            Expr::cust_with_exprs("CAST(? AS DATETIME(6))", [Expr::val(django_text(wall))])
        }
        Dialect::Sqlite => Expr::val(django_text(wall)),
    }
}

/// As [`shown`], and the planner does not see what it is. Of a range with values that it sees, PostgreSQL makes a plan at
/// each asking, which takes longer than to find that nothing is in it.
pub fn shown_unseen(dialect: Dialect, column: &TimeColumn, wall: DateTime) -> Expr {
    let shown = shown(dialect, column, wall);
    match dialect {
        Dialect::Postgres => Expr::cust_with_exprs("(SELECT $1)", [shown]),
        Dialect::Mysql | Dialect::Sqlite => shown,
    }
}

/// The first moment that MySQL's documentation grants.
const FIRST_OF_MYSQL: DateTime = jiff::civil::date(1000, 1, 1).at(0, 0, 0, 0);

/// As Django writes moments into SQLite: six digits, none where they are zero.
fn django_text(wall: DateTime) -> String {
    const WHOLE: DateTimePrinter = DateTimePrinter::new().separator(b' ');
    const FINE: DateTimePrinter = WHOLE.precision(Some(6));
    let wall = wall.round(jiff::Unit::Microsecond).unwrap_or(wall);
    match wall.subsec_nanosecond() {
        0 => WHOLE.datetime_to_string(&wall),
        _ => FINE.datetime_to_string(&wall),
    }
}

/// A column that holds one of these users' ids; none where no id can be one of this form.
pub fn one_of(dialect: Dialect, column: &str, form: IdForm, ids: &[UserId]) -> Option<Expr> {
    let ids = ids.iter().map(UserId::as_str);
    let values: Vec<Expr> = match form {
        IdForm::Integer if dialect == Dialect::Postgres => {
            let ids: Vec<i64> = ids.filter_map(|id| id.parse().ok()).collect();
            return (!ids.is_empty()).then(|| any_of(col(column), ids));
        }
        IdForm::Integer => ids.filter_map(|id| integer(dialect, id)).collect(),
        IdForm::Uuid => ids
            .filter_map(UserId::from_uuid_text)
            .map(|id| match dialect {
                Dialect::Postgres => {
                    Expr::cust_with_exprs("CAST($1 AS uuid)", [Expr::val(id.as_str())])
                }
                // MariaDB's own type takes it without hyphens, too.
                Dialect::Mysql | Dialect::Sqlite => Expr::val(id.as_str().replace('-', "")),
            })
            .collect(),
        IdForm::Hex(compared) => {
            let texts = ids.flat_map(|id| match UserId::from_uuid_text(id) {
                Some(id) => {
                    let hex = id.as_str().replace('-', "");
                    [Some(hex.to_uppercase()), Some(hex)]
                }
                None => [Some(id.to_owned()), None],
            });
            return one_text(dialect, column, compared, texts.flatten().collect());
        }
        IdForm::Text(compared) => {
            let mut texts: Vec<String> = ids.map(str::to_owned).collect();
            // Ids are compared in lower case; some sites keep UUIDs in upper case.
            let upper = |text: &String| UserId::is_uuid_text(text).then(|| text.to_uppercase());
            texts.extend(texts.iter().filter_map(upper).collect::<Vec<_>>());
            return one_text(dialect, column, compared, texts);
        }
    };
    let values = match dialect {
        Dialect::Mysql => padded(values.into_iter()),
        Dialect::Postgres | Dialect::Sqlite => values,
    };
    (!values.is_empty()).then(|| col(column).is_in(values))
}

/// A text column that equals one of these texts by its own comparison.
fn one_text(
    dialect: Dialect,
    column: &str,
    compared: Compared,
    texts: Vec<String>,
) -> Option<Expr> {
    if texts.is_empty() {
        return None;
    }
    let all = || texts.iter().map(String::as_str);
    let own_type = match compared {
        Compared { caseless: true, .. } => Some("citext"),
        Compared { padded: true, .. } => Some("bpchar"),
        Compared { .. } => None,
    };
    Some(match (dialect, own_type) {
        (Dialect::Postgres, Some(own_type)) => Expr::cust_with_exprs(
            format!("$1 = ANY(CAST($2 AS {own_type}[]))"),
            [col(column), Expr::val(texts)],
        ),
        (Dialect::Mysql, Some(_)) => alike(dialect, column, all()),
        _ => among(dialect, column, all()),
    })
}

fn integer(dialect: Dialect, id: &str) -> Option<Expr> {
    match id.parse::<i64>() {
        Ok(id) => Some(Expr::val(id)),
        // Only MySQL has unsigned columns.
        Err(_) if dialect == Dialect::Mysql => id.parse::<u64>().ok().map(Expr::val),
        Err(_) => None,
    }
}

/// The last 64 characters of a session's data.
pub fn tail(dialect: Dialect, column: &str) -> Expr {
    match dialect {
        Dialect::Postgres => Expr::cust_with_exprs("RIGHT($1, $2)", [col(column), Expr::val(TAIL)]),
        Dialect::Mysql => Expr::cust_with_exprs("RIGHT(?, ?)", [col(column), Expr::val(TAIL)]),
        Dialect::Sqlite => Expr::cust_with_exprs(
            "substr(CAST(? AS TEXT), ?)",
            [col(column), Expr::val(-TAIL)],
        ),
    }
}

/// The database's own clock, in UTC.
pub fn now(dialect: Dialect) -> Expr {
    match dialect {
        Dialect::Postgres => Expr::cust("clock_timestamp()"),
        Dialect::Mysql => Expr::cust("CAST(UTC_TIMESTAMP(6) AS CHAR)"),
        Dialect::Sqlite => Expr::cust("strftime('%Y-%m-%d %H:%M:%f', 'now')"),
    }
}

/// After this moment, or maybe after it: where the clocks go back, a wall time can be both.
pub fn maybe_after(dialect: Dialect, column: &TimeColumn, at: Timestamp) -> Expr {
    col(&column.name).gt(shown(dialect, column, column.over(at)))
}

/// Not after this moment for sure. NULL is not.
pub fn surely_not_after(dialect: Dialect, column: &TimeColumn, at: Timestamp) -> Expr {
    col(&column.name).lte(shown(dialect, column, column.over(at)))
}

/// The column is unset, or not after this moment for sure.
pub fn not_after(dialect: Dialect, column: &TimeColumn, at: Timestamp) -> Expr {
    col(&column.name)
        .is_null()
        .or(surely_not_after(dialect, column, at))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_few_lengths_hold_the_same_values() {
        assert!(padded(std::iter::empty::<u32>()).is_empty());
        assert_eq!(padded(1..=3), [1, 2, 3, 3]);
        assert_eq!(padded(1..=4), [1, 2, 3, 4]);
        assert_eq!(padded(0..350).len(), 512);
    }

    #[test]
    fn moments_are_written_as_django_writes_them() {
        let text = |at: &str| django_text(at.parse().unwrap());
        let fine = "2026-11-23 10:00:00.000123";
        assert_eq!(text("2026-11-23T10:00:00.000123"), fine);
        assert_eq!(text("2026-11-23T10:00:00"), "2026-11-23 10:00:00");
        assert_eq!(text("2026-11-23T10:00:00.5"), "2026-11-23 10:00:00.500000");
    }
}
