//! Which rows were committed since a look, by PostgreSQL's own numbers: each row bears that of the transaction that wrote
//! it, and whoever looks sees no row of a transaction that was not over, nor of any later one.
//!
//! A busy site saves thousands of sessions in the seconds that each look goes back for those that were committed late:
//! by their numbers they are handed over once. A look by which something is decided goes back for all of them (`Mark::freshen`).
//!
//! What this does not see: a server that crashed, lost numbers it had not written down, and gave them out again before the
//! next look. A listing finds what was saved with those.

use jiff::{SignedDuration, Timestamp};
use sea_query::Expr;

use crate::store::schema::TimeColumn;
use crate::store::statement::Cell;

/// What a look has seen.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    /// The lowest number that was not over.
    lowest: u64,
    /// Since when the server has run: another server, or this one restored, counts for itself.
    server: Cell,
    /// Sessions of other ages it has not looked for.
    ages: Vec<SignedDuration>,
    /// Nor for what was saved after this moment.
    until: Timestamp,
}

impl Seen {
    /// What a look asks for, as a text and a moment of this column's kind.
    pub fn columns(like: &TimeColumn) -> [Expr; 2] {
        let began = match like.zone {
            None => "pg_postmaster_start_time()",
            Some(_) => "CAST(pg_postmaster_start_time() AS timestamp)",
        };
        [
            Expr::cust("CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text)"),
            Expr::cust(began),
        ]
    }

    /// The answer to that. None: the server does not say.
    pub fn told(row: &[Cell], ages: &[SignedDuration], until: Timestamp) -> Option<Self> {
        let [Cell::Text(lowest), server @ Cell::Int(_), ..] = row else {
            return None;
        };
        Some(Self {
            lowest: lowest.parse().ok()?,
            server: server.clone(),
            ages: ages.to_vec(),
            until,
        })
    }

    /// It has not asked for what was saved later.
    pub fn until(&self) -> Timestamp {
        self.until
    }

    /// Whether a look for these ages need not find again what this one has seen.
    pub fn covers(&self, ages: &[SignedDuration]) -> bool {
        ages.iter().all(|age| self.ages.contains(age))
    }

    /// Whether this is the same server, later on.
    pub fn follows(&self, before: &Self) -> bool {
        self.server == before.server && self.lowest >= before.lowest
    }

    /// The row may have been committed since. Ages of numbers are compared, for a row's number has half the digits that the
    /// server counts with, and begins anew; a row too old for that passes as a new one.
    pub fn since(&self) -> Expr {
        let number = self.lowest & u64::from(u32::MAX);
        Expr::cust_with_exprs(
            "age(xmin) <= (SELECT age(CAST(CAST($1 AS text) AS xid)))",
            [Expr::val(number.to_string())],
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn told(lowest: &str, server: i64) -> Option<Seen> {
        let row = [Cell::Text(lowest.into()), Cell::Int(server), Cell::Int(3)];
        Seen::told(&row, &[SignedDuration::from_secs(1)], Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_look_follows_another_only_at_the_same_server() {
        let before = told("5000000000", 7).unwrap();
        assert!(told("5000000000", 7).unwrap().follows(&before));
        assert!(told("5000000001", 7).unwrap().follows(&before));
        assert!(!told("4999999999", 7).unwrap().follows(&before));
        assert!(!told("5000000001", 8).unwrap().follows(&before));
        assert_eq!(told("-", 7), None);
        assert_eq!(
            Seen::told(
                &[Cell::Null, Cell::Null, Cell::Int(3)],
                &[],
                Timestamp::UNIX_EPOCH
            ),
            None
        );
    }

    #[test]
    fn other_ages_are_looked_for_anew() {
        let seen = told("1", 7).unwrap();
        let ages = [1, 2].map(SignedDuration::from_secs);
        assert!(seen.covers(&ages[..1]) && seen.covers(&[]));
        assert!(!seen.covers(&ages));
    }
}
