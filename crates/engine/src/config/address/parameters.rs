//! The parameters behind an address's question mark, as far as secrets may stand among them.

use url::Url;

/// Moves a password from the parameters to its place before the @, so that one rule covers it. The last one counts, as
/// for the driver.
///
/// # Errors
/// What is wrong. The text repeats neither a name nor a value: both may be parts of a password.
pub(super) fn settle(url: &mut Url) -> Result<(), &'static str> {
    let all: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let (passwords, others): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|(name, _)| name.eq_ignore_ascii_case("password"));
    if others.iter().any(|(name, _)| may_hold_a_secret(name)) {
        return Err(
            "has a secret among its parameters that Curfew cannot use; leave it out, and give a key without a passphrase",
        );
    }
    let Some((_, password)) = passwords.last() else {
        return Ok(());
    };
    url.set_password(Some(password))
        .map_err(|()| "has a password and no host; write it before the @, user:password@host")?;
    if others.is_empty() {
        url.set_query(None);
    } else {
        url.query_pairs_mut().clear().extend_pairs(others);
    }
    Ok(())
}

fn may_hold_a_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["pass", "pwd", "secret", "token"]
        .iter()
        .any(|word| name.contains(word))
}
