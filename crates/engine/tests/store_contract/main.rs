//! What every store promises, written once and run on SQLite, PostgreSQL and MariaDB (`cargo xtask test` starts them).
//! A module is a subject; add a test where its subject is.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[macro_use]
#[path = "../common/mod.rs"]
mod common;

/// What a look hands over, and what it leaves out.
mod looks;

/// Ids, names, column types and texts as sites have them.
mod columns;

/// Deleting and clearing the flag whatever the activity.
mod deletes;

/// A sweep's batch: who goes, who is spared.
mod sweep;

/// A batch that names sessions with their dates.
mod dated;

/// What is asked of PostgreSQL, counted.
mod counts;

/// What a deed asks of MariaDB, counted.
mod commands;

/// SQLite's rows by their numbers.
mod numbers;

/// What is handed over once.
mod seen;

/// A site that saves thousands of sessions between two looks.
mod crowd;

/// Batches of one sweep that are under way together.
mod side_by_side;

/// Tables that are not much larger than what is asked for.
mod small;

/// A network and a server with faults.
mod faults;
mod wire;

/// Someone else at work in the same moment.
mod locks;

/// Wall clocks: USE_TZ off, and the nights on which the clocks change.
mod zones;

/// A session table's own columns beside Django's.
mod own;
/// Tables that PostgreSQL does not copy.
mod refused;
/// A replica that is looked at in the primary's place.
mod replica;
/// MySQL's rights, refusals and other databases.
mod rights;
/// A long way to the server.
mod way;
