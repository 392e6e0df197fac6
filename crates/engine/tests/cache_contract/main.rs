//! What every cache promises, written once and run on a plain Redis, a Cluster, behind Sentinels, over a socket, over
//! TLS and as a user of few rights. `cargo xtask test` starts the servers that are shared; the others are started here.
//! A module is a subject; add a test where its subject is.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

/// Servers, and what the site writes there.
#[macro_use]
mod ground;

/// Whoever looks.
mod seen;

/// What a look hands over, and what it leaves out.
mod looks;

/// Deleting, whatever the state and on condition.
mod deletes;
