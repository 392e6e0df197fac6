//! What keeps a user here although the sweep meant to sign them out, each cause in its own words.

use sqlx::postgres::PgDatabaseError;

use super::explain::{explain, held_up};
use super::schema::Dialect;
use crate::error::{Code, Error};

/// Why a user stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hold {
    /// The policy leaves this user alone, for this reason.
    Exempt(&'static str),
    /// The user was seen, or a session was saved, after the plan.
    SeenAgain,
    /// A session came back after its deletion.
    CameBack,
    /// Somebody writes this user's own row right now: a sign of activity.
    Written,
    /// Another transaction has locked a row.
    Row,
    /// The table is locked.
    Table,
    /// Another process writes to the SQLite file.
    File,
    /// The batch took too long to go on with it.
    Slow,
    /// The database refused the deletion with an error.
    Refused,
    /// The database deleted nothing, and reported no error.
    Swallowed,
    /// The connection broke before the server said whether the sign-out was written.
    Unsure,
}

impl Hold {
    pub fn why(self) -> &'static str {
        match self {
            Self::Exempt(why) => why,
            Self::SeenAgain => "was seen again in the meantime",
            Self::CameBack => "came back",
            Self::Written => "is being changed right now",
            Self::Row => "another transaction holds one of their rows",
            Self::Table => "the table is locked, by an ALTER TABLE or a backup perhaps",
            Self::File => "another process is writing to the database file",
            Self::Slow => "the database was too slow",
            Self::Refused => "stays: the database refused to delete their sessions",
            Self::Swallowed => {
                "the database kept their sessions and reported no error; look for a trigger or a policy on the session table"
            }
            Self::Unsure => {
                "the connection broke while this was being written, so it is unknown whether they were signed out"
            }
        }
    }

    /// Whether such a user is kept although nothing of their own doing speaks for it.
    pub fn keeps(self) -> bool {
        match self {
            Self::Exempt(_) | Self::SeenAgain | Self::CameBack | Self::Written => false,
            Self::Row
            | Self::Table
            | Self::File
            | Self::Slow
            | Self::Refused
            | Self::Swallowed
            | Self::Unsure => true,
        }
    }

    /// The same as the error of an action that waited in vain.
    pub(super) fn error(self) -> Error {
        Error::new(Code::Held, format!("{}: try again in a moment", self.why()))
    }

    /// Which lock a statement waited for in vain. Returns `None` for other errors. `table` tells that on MySQL only a lock on
    /// the whole table can have been in the way. On PostgreSQL [`Hold::Table`] may be the second to wait for a row, whom the
    /// server does not tell which one: see [`super::sql`]'s `blocked`.
    pub(super) fn of(dialect: Dialect, error: &sqlx::Error, table: bool) -> Option<Self> {
        if !held_up(&explain(error)) {
            return None;
        }
        Some(match dialect {
            Dialect::Sqlite => Self::File,
            Dialect::Mysql if table => Self::Table,
            Dialect::Mysql => Self::Row,
            Dialect::Postgres => match error {
                sqlx::Error::Database(said) => match said
                    .try_downcast_ref::<PgDatabaseError>()
                    .and_then(PgDatabaseError::r#where)
                {
                    Some(_) => Self::Row,
                    None => Self::Table,
                },
                _ => Self::Row,
            },
        })
    }
}
