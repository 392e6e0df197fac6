//! Texts that repeat what somebody typed, without the secrets in it.

use std::borrow::Cow;

/// Takes secrets out of a text that repeats what was typed. A password may hold any character, so
/// too much is removed: from the first `://` to the last `@`, and from the first `password=` or its like to the end.
pub fn redact(text: &str) -> Cow<'_, str> {
    let text = match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            Cow::Owned(format!("{}***{}", &text[..scheme + 3], &text[at..]))
        }
        _ => Cow::Borrowed(text),
    };
    match value_of_a_secret(&text) {
        Some(at) => Cow::Owned(format!("{}***", &text[..at])),
        None => text,
    }
}

/// Where the value of the first `password=`, `Pwd=` or `secret_token =` begins.
fn value_of_a_secret(text: &str) -> Option<usize> {
    // Bytes of ASCII letters alone change, so places stay what they are.
    let lower = text.to_ascii_lowercase();
    let assigned = |word: &str| {
        let found = lower.match_indices(word);
        found
            .filter_map(|(at, _)| {
                let rest = &lower[at..];
                let equals = rest.find('=')?;
                let named = rest[..equals]
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ' '));
                named.then_some(at + equals + 1)
            })
            .min()
    };
    ["pass", "pwd", "secret", "token"]
        .into_iter()
        .filter_map(assigned)
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_typed_in_the_wrong_place_is_not_repeated() {
        assert_eq!(
            redact("unrecognized subcommand 'postgres://ana:p@ss@db/shop'"),
            "unrecognized subcommand 'postgres://***@db/shop'"
        );
        assert_eq!(redact("'a://u:1 2'3\"@x y' ..."), "'a://***@x y' ...");
        assert_eq!(redact("no address, a@b"), "no address, a@b");
        for (text, shown) in [
            (
                "unexpected argument 'host=db password=a b' found",
                "unexpected argument 'host=db password=***",
            ),
            ("'Server=db;Uid=u;Pwd=x;'", "'Server=db;Uid=u;Pwd=***"),
            (
                "'postgres://db/shop?sslpassword=x' found",
                "'postgres://db/shop?sslpassword=***",
            ),
            ("a token is needed", "a token is needed"),
        ] {
            assert_eq!(redact(text), shown);
        }
    }
}
