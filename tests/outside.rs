//! Curfew against the outside: real Django, real databases, a real window, a real notification daemon.
//! `cargo xtask test` sets up what these need and runs them. A module is a subject; add a test where its
//! subject is, or a module where it has none.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "outside/harness/mod.rs"]
mod harness;

/// The Django site that the rest stands on does what Django does.
#[path = "outside/ground.rs"]
mod ground;
