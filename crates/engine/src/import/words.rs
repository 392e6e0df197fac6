//! A project's own words, made fit for an error: one line, and without what looks like a secret in it.

use secrecy::zeroize::Zeroizing;

/// Names of variables that hold what no error may repeat.
const TELLING: [&str; 9] = [
    "SECRET",
    "PASS",
    "PWD",
    "TOKEN",
    "KEY",
    "DSN",
    "URL",
    "CREDENTIAL",
    "AUTH",
];
/// A shorter value would take harmless letters out of any text.
const SHORTEST: usize = 6;
const LONGEST: usize = 400;
const HIDDEN: &str = "***";

/// Takes secrets out of texts: those it was told of, and what stands where secrets stand.
pub(super) struct Redact(Vec<Zeroizing<String>>);

impl Redact {
    /// Knows the values of this process's variables that are called like secrets.
    pub fn from_environment() -> Self {
        let telling = |name: &str| {
            let name = name.to_uppercase();
            TELLING.iter().any(|word| name.contains(word)) && name != "PWD" && name != "OLDPWD"
        };
        let values = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| telling(name))
            .map(|(_, value)| value);
        let mut new = Self(Vec::new());
        values.for_each(|value| new.know(&value));
        new
    }

    pub fn know(&mut self, secret: &str) {
        if secret.trim().len() >= SHORTEST {
            self.0.push(Zeroizing::new(secret.trim().to_owned()));
        }
    }

    /// The text without them, on one line, and not longer than people read.
    pub fn text(&self, text: &str) -> String {
        let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for secret in &self.0 {
            text = text.replace(secret.as_str(), HIDDEN);
        }
        let text = assignments(&credentials(&text));
        match text.char_indices().nth(LONGEST) {
            Some((at, _)) => format!("{}...", &text[..at]),
            None => text,
        }
    }
}

/// Without what stands between `://` and the last `@` of a word.
fn credentials(text: &str) -> String {
    let hide = |word: &str| match (word.find("://"), word.rfind('@')) {
        (Some(start), Some(end)) if start + 3 < end => {
            format!("{}{HIDDEN}{}", &word[..start + 3], &word[end..])
        }
        _ => word.to_owned(),
    };
    text.split(' ').map(hide).collect::<Vec<_>>().join(" ")
}

/// Without what follows `password=`, `'PASSWORD': ` and the like.
fn assignments(text: &str) -> String {
    let mut hide = false;
    let word = |word: &str| {
        if std::mem::take(&mut hide) {
            return HIDDEN.to_owned();
        }
        let lower = word.to_lowercase();
        let named = ["password", "passwd", "secret_key", "pwd"]
            .iter()
            .find_map(|name| Some(lower.find(name)? + name.len()));
        let Some(end) = named.filter(|end| word.is_char_boundary(*end)) else {
            return word.to_owned();
        };
        let rest = word[end..].trim_start_matches(['"', '\'', ']']);
        match rest.strip_prefix(['=', ':']) {
            Some("") => {
                hide = true;
                word.to_owned()
            }
            Some(_) => format!("{}={HIDDEN}", &word[..end]),
            None => word.to_owned(),
        }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// The last line that says something: of a traceback, what went wrong.
pub(super) fn last_line(words: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(words);
    let line = text.lines().rev().map(str::trim).find(|l| !l.is_empty())?;
    // django.core.exceptions.ImproperlyConfigured says no more than its last word.
    let short = match line.split_once(": ") {
        Some((kind, rest)) if !kind.contains(' ') => {
            format!("{}: {rest}", kind.rsplit('.').next().unwrap_or(kind))
        }
        _ => line.to_owned(),
    };
    Some(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_repeated() {
        let mut redact = Redact(Vec::new());
        redact.know("hunter22");
        redact.know("short");
        for (text, shown) in [
            ("cannot use hunter22 here", "cannot use *** here"),
            ("too short a word", "too short a word"),
            (
                "no such host: postgres://ana:p@ss@db/shop",
                "no such host: postgres://***@db/shop",
            ),
            (
                "dsn: host=db password=secret x",
                "dsn: host=db password=*** x",
            ),
            (
                "{'PASSWORD': 'top', 'HOST': 'db'}",
                "{'PASSWORD': *** 'HOST': 'db'}",
            ),
            ("KeyError: 'DB_PASSWORD'", "KeyError: 'DB_PASSWORD'"),
            (
                "The SECRET_KEY setting must not be empty.",
                "The SECRET_KEY setting must not be empty.",
            ),
            ("one\n  line", "one line"),
        ] {
            assert_eq!(redact.text(text), shown);
        }
        assert!(redact.text(&"é".repeat(1000)).len() < 1000);
    }

    #[test]
    fn the_last_line_of_a_traceback_says_it() {
        let words = b"Traceback (most recent call last):\n  File \"x\"\n\
            django.core.exceptions.ImproperlyConfigured: Set the DB variable.\n\n";
        assert_eq!(
            last_line(words).as_deref(),
            Some("ImproperlyConfigured: Set the DB variable.")
        );
        assert_eq!(
            last_line(b"sorry: no way\n").as_deref(),
            Some("sorry: no way")
        );
        assert_eq!(last_line(b" \n"), None);
    }
}
