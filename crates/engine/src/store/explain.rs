//! A driver's error as one line with a code.

use sqlx::error::DatabaseError;
use sqlx::mysql::MySqlDatabaseError;

use super::mysql;
use crate::error::{Code, Error};

/// A driver's error as one line with a code. Drivers name hosts, tables and roles, never values of ours.
pub fn explain(error: &sqlx::Error) -> Error {
    match error {
        sqlx::Error::Database(db) => {
            let (code, fix) = match db.try_downcast_ref::<MySqlDatabaseError>() {
                Some(db) => mysql::verdict(db.number()),
                None => by_state(db.as_ref()),
            };
            Error::new(code, format!("the database says: {}{fix}", db.message()))
        }
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
                "the encrypted connection failed ({e}); name the certificate with sslrootcert= (MySQL: ssl-ca=), or say sslmode= (ssl-mode=)"
            ),
        ),
        other => Error::new(Code::Database, format!("the database driver says: {other}")),
    }
}

/// Someone else holds what was asked for, or held it for too long.
pub(crate) fn held_up(error: &Error) -> bool {
    let text = error.message.to_lowercase();
    error.code == Code::Database && text.contains("lock") && !text.contains("transaction block")
}

/// As if a lock had not been to be had: for what took too long to be gone on with.
pub(super) fn put_off() -> Error {
    let text = "locks were waited for too long; look again in a moment";
    Error::new(Code::Database, text)
}

/// PostgreSQL's codes; SQLite has none of these.
fn by_state(db: &dyn DatabaseError) -> (Code, &'static str) {
    let state = db.code().unwrap_or_default();
    let code = match state.as_ref() {
        "28P01" | "28000" | "42501" | "3D000" => Code::Denied,
        s if s.starts_with("08") || s.starts_with("57P") || s == "53300" => Code::Unreachable,
        _ => Code::Database,
    };
    let fix = match state.as_ref() {
        "28P01" | "28000" => "; check user and password",
        "3D000" => "; check the database's name",
        "42501" => "; grant the role what `curfew doctor` lists",
        _ => "",
    };
    (code, fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_that_was_aborted_holds_nothing_up() {
        let says = |text: &str| held_up(&Error::new(Code::Database, format!("it says: {text}")));
        assert!(says("canceling statement due to lock timeout"));
        assert!(says("database is locked"));
        assert!(held_up(&put_off()));
        assert!(!says(
            "current transaction is aborted, commands ignored until end of transaction block"
        ));
    }
}
