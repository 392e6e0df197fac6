//! What `cargo xtask test` sets up and names in the environment.

/// The value of one of the `CURFEW_TEST_...` variables.
pub fn setting(name: &str) -> String {
    match std::env::var(name) {
        Ok(value) if !value.is_empty() => value,
        _ => panic!("{name} is not set: run cargo xtask test"),
    }
}
