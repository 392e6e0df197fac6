//! A driver's error as one line with a code.

use sqlx::error::DatabaseError;
use sqlx::mysql::MySqlDatabaseError;

use super::db::too_slow;
use super::lines::{SILENCE, is_silent};
use super::{mysql, sqlite};
use crate::error::{Code, Error};

/// Of a lock that was not to be had.
pub(super) const HELD: &str =
    "; another transaction holds a row of it, or the table: try again in a moment";
/// Of a statement that the server ended.
pub(super) const DEADLINE: &str = "; the server or the line to it is slow: try again later";
const FILE_HELD: &str = "; another process is writing to the file: try again in a moment";

/// A driver's error as one line with a code. Drivers name hosts, tables and roles, never values of ours.
pub fn explain(error: &sqlx::Error) -> Error {
    match error {
        sqlx::Error::Database(db) => {
            let (code, fix) = match db.try_downcast_ref::<MySqlDatabaseError>() {
                Some(db) => mysql::verdict(db.number()),
                None if sqlite::is_busy(error) => (Code::Held, FILE_HELD),
                None if sqlite::is_read_only(error) => (Code::Database, sqlite::MAKE_WRITABLE),
                None => by_state(db.as_ref()),
            };
            Error::new(code, format!("the database says: {}{fix}", db.message()))
        }
        error if is_silent(error) => too_slow(SILENCE),
        sqlx::Error::Io(e) => Error::new(
            Code::Unreachable,
            format!("the database cannot be reached ({e}); check host, port and that it runs"),
        ),
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => Error::new(
            Code::Unreachable,
            "no connection to the database in time; check that it runs and takes connections",
        ),
        sqlx::Error::Tls(e) => Error::new(
            Code::Denied,
            format!(
                "the encrypted connection failed ({e}); turn TLS on at the server, and name the authority of its certificate with sslrootcert= (MySQL: ssl-ca=), or choose less with sslmode= (ssl-mode=) in the address"
            ),
        ),
        other => Error::new(Code::Database, format!("the database driver says: {other}")),
    }
}

/// Somebody else holds what was asked for.
pub(crate) fn held_up(error: &Error) -> bool {
    error.code == Code::Held
}

/// PostgreSQL's codes; SQLite has none of these.
fn by_state(db: &dyn DatabaseError) -> (Code, &'static str) {
    let state = db.code().unwrap_or_default();
    let code = match state.as_ref() {
        "28P01" | "28000" | "42501" | "3D000" => Code::Denied,
        // The server's own deadline for a statement.
        "57014" => Code::TooSlow,
        // A lock that was not to be had in time, or only by a deadlock.
        "55P03" | "40P01" => Code::Held,
        s if s.starts_with("08") || s.starts_with("57P") || s == "53300" => Code::Unreachable,
        _ => Code::Database,
    };
    let fix = match state.as_ref() {
        "28P01" | "28000" => {
            "; check user and password: the password comes from the address, password_command, the keychain or PGPASSWORD"
        }
        "3D000" => "; check the database's name",
        "42501" => "; grant the role what `curfew doctor` lists",
        "25006" => {
            "; it is read-only: give the address of the primary, or let the role write (default_transaction_read_only)"
        }
        "55P03" | "40P01" => HELD,
        "57014" => DEADLINE,
        _ => "",
    };
    (code, fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_lock_that_was_not_to_be_had_holds_up() {
        for (number, held) in [(1205, true), (1213, true), (3572, true), (1451, false)] {
            let (code, _) = mysql::verdict(number);
            assert_eq!(code == Code::Held, held, "{number}");
        }
    }
}
