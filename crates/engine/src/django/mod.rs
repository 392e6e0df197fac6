//! Bytes to values: what Django writes into a session row, and back again.
//! Pure: no I/O, no clock, no database; time comes in as an argument.
//! Invariant: nothing read here is run, and no input panics or inflates past 1 MiB.

pub mod auth_hash;
pub mod backends;
pub mod secret;
pub mod session;

mod base62;
mod pickle;
mod signing;
