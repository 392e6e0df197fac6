//! What every cache promises, written once and run on a plain Redis, a Cluster, behind Sentinels, over a socket, over
//! TLS and as a user of few rights. `cargo xtask test` starts the servers that are shared; the others are started here.
//! A module is a subject; add a test where its subject is.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[macro_use]
#[allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "of the database's ground only a part is stood on here"
)]
#[path = "../common/mod.rs"]
mod common;

/// Servers of one test alone.
mod servers;

/// Every kind of server, and what the site writes there.
#[macro_use]
mod ground;

/// Whoever looks.
mod seen;

/// What a look hands over, and what it leaves out.
mod looks;

/// Deleting, whatever the state and on condition.
mod deletes;

/// A sweep of people whose sessions lie in a cache alone.
mod sweeps;

/// How the form of the keys is found.
mod forms;

/// Servers that go away, come back, or hand over to another.
mod down;

/// Rows in a table and copies in a cache.
mod copies;

/// Copies in memcached.
mod memcached;
