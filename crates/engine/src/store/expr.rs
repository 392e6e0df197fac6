//! What the dialects spell differently: moments, ids, the clock, the tail of a text.

use jiff::Timestamp;
use sea_query::{Alias, Expr, ExprTrait, IntoTableRef, TableRef};

use super::catalog::Kind;
use super::key::UserId;
use super::schema::{Dialect, TableName, TimeColumn};

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

pub fn text(dialect: Dialect, expr: Expr) -> Expr {
    match dialect {
        Dialect::Postgres => Expr::cust_with_exprs("CAST($1 AS text)", [expr]),
        Dialect::Sqlite => Expr::cust_with_exprs("CAST(? AS TEXT)", [expr]),
    }
}

/// A truth as 1, 0 or NULL.
pub fn truth(dialect: Dialect, name: &str) -> Expr {
    match dialect {
        Dialect::Postgres => {
            Expr::cust_with_exprs("CAST(CAST($1 AS integer) AS bigint)", [col(name)])
        }
        Dialect::Sqlite => Expr::cust_with_exprs("CAST(? AS INTEGER)", [col(name)]),
    }
}

/// A moment as microseconds since 1970 (PostgreSQL) or as Django's text (SQLite). Infinity reads as NULL.
pub fn time(dialect: Dialect, column: &TimeColumn) -> Expr {
    match dialect {
        Dialect::Postgres => Expr::cust_with_exprs(
            "CASE WHEN isfinite($1) THEN CAST(EXTRACT(EPOCH FROM $2) * 1000000 AS bigint) END",
            [col(&column.name), col(&column.name)],
        ),
        Dialect::Sqlite => text(dialect, col(&column.name)),
    }
}

/// A moment to compare a column with.
pub fn moment(dialect: Dialect, column: &TimeColumn, at: Timestamp) -> Expr {
    match dialect {
        Dialect::Postgres => {
            // A double holds microseconds since 1970 exactly until the year 2255.
            let seconds = at.as_microsecond() as f64 / 1e6;
            let value = [Expr::val(seconds)];
            if column.naive {
                Expr::cust_with_exprs("(to_timestamp($1) AT TIME ZONE 'UTC')", value)
            } else {
                Expr::cust_with_exprs("to_timestamp($1)", value)
            }
        }
        Dialect::Sqlite => Expr::val(sqlite_text(at)),
    }
}

/// As Django writes moments into SQLite: UTC, six digits, none where they are zero.
fn sqlite_text(at: Timestamp) -> String {
    let at = at.round(jiff::Unit::Microsecond).unwrap_or(at);
    if at.subsec_nanosecond() == 0 {
        at.strftime("%Y-%m-%d %H:%M:%S").to_string()
    } else {
        at.strftime("%Y-%m-%d %H:%M:%S.%6f").to_string()
    }
}

/// A user's id as the column holds it; none where it cannot be one.
pub fn id(dialect: Dialect, kind: Kind, id: &UserId) -> Option<Expr> {
    Some(match kind {
        Kind::Integer => Expr::val(id.as_str().parse::<i64>().ok()?),
        Kind::Uuid => {
            let id = UserId::from_uuid_text(id.as_str())?;
            match dialect {
                Dialect::Postgres => {
                    Expr::cust_with_exprs("CAST($1 AS uuid)", [Expr::val(id.as_str())])
                }
                Dialect::Sqlite => Expr::val(id.as_str().replace('-', "")),
            }
        }
        _ => Expr::val(id.as_str()),
    })
}

/// The last 64 characters of a session's data.
pub fn tail(dialect: Dialect, column: &str) -> Expr {
    match dialect {
        Dialect::Postgres => Expr::cust_with_exprs("RIGHT($1, $2)", [col(column), Expr::val(TAIL)]),
        Dialect::Sqlite => Expr::cust_with_exprs(
            "substr(CAST(? AS TEXT), ?)",
            [col(column), Expr::val(-TAIL)],
        ),
    }
}

/// The database's own clock.
pub fn now(dialect: Dialect) -> Expr {
    match dialect {
        Dialect::Postgres => {
            Expr::cust("CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS bigint)")
        }
        Dialect::Sqlite => Expr::cust("strftime('%Y-%m-%d %H:%M:%f', 'now')"),
    }
}

/// The column is unset, or not after this moment.
pub fn not_after(dialect: Dialect, column: &TimeColumn, at: Timestamp) -> Expr {
    col(&column.name)
        .is_null()
        .or(col(&column.name).lte(moment(dialect, column, at)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_django_writes_them() {
        let at: Timestamp = "2026-11-23T10:00:00.000123Z".parse().unwrap();
        assert_eq!(sqlite_text(at), "2026-11-23 10:00:00.000123");
        let at: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        assert_eq!(sqlite_text(at), "2026-11-23 10:00:00");
    }
}
