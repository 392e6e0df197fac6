//! Curfew against the outside: real Django, real databases, a real window, a real notification daemon.
//! `cargo xtask test` sets up what these need and runs them. A module is a subject; add a test where its
//! subject is, or a module where it has none.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[macro_use]
#[path = "outside/harness/mod.rs"]
mod harness;

/// The Django site that the rest stands on does what Django does.
#[path = "outside/ground.rs"]
mod ground;

/// Who is shown, in which state, by what evidence; their sessions.
#[path = "outside/states.rs"]
mod states;

/// Logout and sweep, as Django answers afterwards.
#[path = "outside/signout.rs"]
mod signout;

/// Impersonation: sessions that belong to two users.
#[path = "outside/impersonation.rs"]
mod impersonation;

/// API tokens of those who are signed out, with the packages that make them.
#[path = "outside/tokens.rs"]
mod tokens;

/// The sweep beside the usual periodic task.
#[path = "outside/twin.rs"]
mod twin;

/// What "verified" stands on.
#[path = "outside/verified.rs"]
mod verified;

/// People who come back, two sweepers, a request under way.
#[path = "outside/races.rs"]
mod races;

/// A laptop whose clock is wrong.
#[path = "outside/clock.rs"]
mod clock;

/// View-only, no journal, no evidence, too many people, exempt people.
#[path = "outside/refusals.rs"]
mod refusals;

/// Sites of other shapes, and rows that cannot be read.
#[path = "outside/discovery.rs"]
mod discovery;

/// User keys of every type, and sessions that spell them in other ways.
#[path = "outside/keys.rs"]
mod keys;

/// Several schemas in one database.
#[path = "outside/schemas.rs"]
mod schemas;

/// PgBouncer before the database.
#[path = "outside/pooler.rs"]
mod pooler;

/// Projects of django-tenants: a site for each tenant.
#[path = "outside/tenants.rs"]
mod tenants;

/// User models that inherit from others, and the backends that let users in.
#[path = "outside/inherited.rs"]
mod inherited;

/// What a site's records of activity are worth: how coarse they are, whose clock made them, what contradicts them.
#[path = "outside/idle.rs"]
mod idle;

/// Sites taken from their Django projects.
#[path = "outside/import.rs"]
mod import;

/// Signatures, passwords and the SECRET_KEY.
#[path = "outside/trust.rs"]
mod trust;

/// The record of deeds.
#[path = "outside/journal.rs"]
mod journal;

/// Signals, kills and full disks in the middle of an action.
#[path = "outside/interrupted.rs"]
mod interrupted;

/// Webhook messages that are not delivered at once.
#[path = "outside/webhooks.rs"]
mod webhooks;

/// The canary search.
#[path = "outside/secrets.rs"]
mod secrets;

/// Locked tables, and processes that are killed.
#[path = "outside/faults.rs"]
mod faults;

/// `curfew sweep --every`.
#[path = "outside/timer.rs"]
mod timer;

/// Wrong usage, bad input, help, doctor: the words and the exit statuses.
#[path = "outside/words.rs"]
mod words;

/// Sites that can be looked at and not be changed, as `doctor` sees them.
#[path = "outside/doctor.rs"]
mod doctor;

/// Paths that are no files, and names that hide something.
#[path = "outside/hostile.rs"]
mod hostile;

/// A server that offers no TLS.
#[path = "outside/tls.rs"]
mod tls;

/// `curfew demo`.
#[path = "outside/demo.rs"]
mod demo;

/// Every database, session engine and cache: one contract.
#[path = "outside/engines/mod.rs"]
mod engines;

/// The real window: what it shows, and what it does to a site.
#[path = "outside/window/mod.rs"]
mod window;
