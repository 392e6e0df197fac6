//! What is wrong with a `config.toml` that cannot be read: the line, the key, its section, and the right form.
//! Invariant: no value of the file is repeated, because it may be a secret in the wrong place.

use super::file::without_values;

/// The keys of each section. A test holds them against those that are read.
const KEYS: [(&str, &[&str]); 8] = [
    (
        "[[site]]",
        &[
            "name",
            "url",
            "read_url",
            "schema",
            "armed",
            "automatic_sweep",
            "time_zone",
            "account_switch",
            "revoke_tokens",
            "own_username",
            "password_command",
            "secret_key_command",
            "health_url",
            "webhook",
            "journal_heads",
            "system_log",
            "users",
            "sessions",
            "activity",
            "policy",
            "notify",
        ],
    ),
    (
        "[site.users]",
        &[
            "table",
            "id",
            "username",
            "last_activity",
            "flag",
            "backends",
            "backends_admitting_disabled",
        ],
    ),
    (
        "[site.sessions]",
        &[
            "engine",
            "base",
            "url",
            "password_command",
            "table",
            "user",
            "saved_every_request",
            "cookie_age",
            "cache",
            "cache_password_command",
            "cache_key_prefix",
            "cache_version",
            "cache_key",
            "path",
            "cookie_name",
            "loginas_key",
        ],
    ),
    ("[site.activity]", &["activity_grain"]),
    (
        "[site.policy]",
        &[
            "idle_after",
            "sign_out_after",
            "sweep_every",
            "max_share",
            "exempt",
        ],
    ),
    (
        "exempt under [site.policy]",
        &["staff", "superusers", "usernames"],
    ),
    (
        "[site.notify]",
        &["idle", "idle_from", "sweeps", "connection"],
    ),
    ("[site.webhook]", &["url", "secret", "secret_command"]),
];

const TRUTHS: [&str; 10] = [
    "armed",
    "automatic_sweep",
    "account_switch",
    "revoke_tokens",
    "saved_every_request",
    "staff",
    "superusers",
    "idle",
    "sweeps",
    "connection",
];
const DURATIONS: [&str; 6] = [
    "idle_after",
    "sign_out_after",
    "sweep_every",
    "cookie_age",
    "activity_grain",
    "idle_from",
];
const LISTS: [&str; 3] = ["backends", "backends_admitting_disabled", "usernames"];
const NUMBERS: [&str; 2] = ["cache_version", "max_share"];

/// One line about an error of the file's reader at this place of the text.
pub(super) fn explain(text: &str, start: Option<usize>, message: &str) -> String {
    let Some(before) = start.and_then(|start| text.get(..start)) else {
        return without_values(message);
    };
    let number = before.matches('\n').count() + 1;
    let line = text.lines().nth(number - 1).unwrap_or_default();
    let what = match field(message, "unknown field `") {
        Some(field) => unknown(text, number, line, field),
        None => match key(before, line) {
            Some(key) => value(text, number, key, message),
            None if line.trim() == "[site]" => {
                "a site is [[site]], with two brackets on each side".into()
            }
            None => without_values(message),
        },
    };
    format!("line {number}: {what}")
}

/// A key that this section has not.
fn unknown(text: &str, number: usize, line: &str, field: &str) -> String {
    if line.trim_start().starts_with('[') {
        let sections = KEYS.map(|(section, _)| section);
        let sections = sections.iter().filter(|section| section.starts_with('['));
        let known: Vec<&str> = sections.copied().collect();
        let written = line.split('#').next().unwrap_or_default().trim();
        return format!(
            "unknown field `{field}`: there is no section {written}; the sections are {}",
            known.join(", ")
        );
    }
    let here = match line.split_once('{') {
        Some((start, _)) if start.split('=').next().map(str::trim) == Some("exempt") => {
            "exempt under [site.policy]".to_owned()
        }
        _ => section(text, number),
    };
    let elsewhere: Vec<&str> = KEYS
        .iter()
        .filter(|(_, keys)| keys.contains(&field))
        .map(|(section, _)| *section)
        .collect();
    let known = KEYS.iter().find(|(section, _)| *section == here);
    match (elsewhere.as_slice(), known) {
        ([], Some((_, keys))) => format!(
            "unknown field `{field}` under {here}; its keys are {}",
            keys.join(", ")
        ),
        ([], None) => format!("unknown field `{field}`; a site begins with the line [[site]]"),
        (places, _) => format!(
            "unknown field `{field}` under {here}; it belongs to {}",
            places.join(" or ")
        ),
    }
}

/// A value that its key does not take.
fn value(text: &str, number: usize, key: &str, message: &str) -> String {
    let here = section(text, number);
    let form = if TRUTHS.contains(&key) {
        format!("write {key} = true or {key} = false, in small letters and without quotes")
    } else if DURATIONS.contains(&key) {
        format!("write it in quotes as {key} = \"90s\", \"5m\", \"2h\" or \"14d\"")
    } else if LISTS.contains(&key) {
        format!("write {key} = [\"one\", \"another\"]")
    } else if NUMBERS.contains(&key) {
        format!("write {key} as a number without quotes")
    } else if key == "exempt" {
        "write exempt = { staff = false, superusers = false, usernames = [\"one\", \"another\"] }"
            .into()
    } else if message.contains("must be quoted") || message.contains("expected a string") {
        format!("write it in quotes as {key} = \"...\"")
    } else {
        return format!("{key} under {here}: {}", without_values(message));
    };
    format!("{key} under {here}: {}; {form}", without_values(message))
}

/// The key whose value begins here, or whose line this is.
fn key<'t>(before: &'t str, line: &'t str) -> Option<&'t str> {
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let before = before.get(start..).unwrap_or_default();
    let name = match before.rsplit_once('=') {
        Some((name, _)) => name,
        None => line.split_once('=')?.0,
    };
    let name = name.rsplit(['{', ',']).next().unwrap_or(name).trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (!name.is_empty() && name.chars().all(plain)).then_some(name)
}

/// The section that this line is in, as people write it.
fn section(text: &str, number: usize) -> String {
    let above = text.lines().take(number);
    let headers = above
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| line.starts_with('[') && line.ends_with(']') && !line.contains('='));
    headers.last().unwrap_or("the file's beginning").to_owned()
}

fn field<'m>(message: &'m str, before: &str) -> Option<&'m str> {
    message.split_once(before)?.1.split('`').next()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;

    use super::super::file::parse;
    use super::*;

    const SITE: &str = "[[site]]\nname = \"shop\"\nurl = \"sqlite:///s.sqlite3\"\n";

    fn said(rest: &str) -> String {
        let text = format!("{SITE}{rest}");
        let error = parse(&text, Path::new("config.toml")).unwrap_err();
        error.message
    }

    #[test]
    fn a_mistake_is_told_with_its_line_its_key_and_the_right_form() {
        for (rest, parts) in [
            (
                "armed = yes",
                &["line 4: armed under [[site]]", "armed = true"][..],
            ),
            ("armed = \"true\"", &["line 4: armed", "without quotes"]),
            ("armed = True", &["line 4: armed", "small letters"]),
            ("arned = true", &["line 4: ", "`arned`", "armed"]),
            (
                "idle_after = \"5m\"",
                &["line 4", "`idle_after`", "it belongs to [site.policy]"],
            ),
            (
                "[site.policy]\nidle_after = 5",
                &["line 5: idle_after under [site.policy]", "\"5m\""],
            ),
            (
                "[site.policy]\nsweep_every = soon",
                &["line 5: sweep_every", "\"5m\""],
            ),
            (
                "[site.policy]\nexempt = [\"ana\"]",
                &["line 5: exempt", "usernames = ["],
            ),
            (
                "[site.policy]\nexempt = { usernames = \"ana\" }",
                &["line 5: usernames", "usernames = [\""],
            ),
            (
                "[site.policy]\nexempt = { staff = yes }",
                &["line 5: staff", "staff = true"],
            ),
            (
                "[site.policy]\nexempt = { names = [] }",
                &["`names` under exempt", "staff, superusers, usernames"],
            ),
            (
                "[site.session]\nengine = \"x\"",
                &["line 4: ", "no section [site.session]", "[site.sessions]"],
            ),
            (
                "[policy]\nidle_after = \"5m\"",
                &["line 4: ", "no section [policy]", "[site.policy]"],
            ),
            (
                "[site.sessions]\nengine = db",
                &["line 5: engine", "in quotes"],
            ),
        ] {
            let message = said(rest);
            for part in parts {
                assert!(message.contains(part), "{rest}: {message}");
            }
        }
        let alone = parse("[site]\nname = \"x\"", Path::new("c")).unwrap_err();
        assert!(alone.message.contains("[[site]]"), "{alone}");
    }

    #[test]
    fn no_value_is_repeated() {
        for rest in [
            "armed = \"hunter2\"",
            "password = \"hunter2\"",
            "armed = hunter2",
            "[site.policy]\nidle_after = \"hunter2\"",
            "[site.sessions]\nbase = \"hunter2\"",
            "[site.webhook]\nurl = 1\nsecret = \"hunter2\"",
            "[hunter2.x]\ny = 1",
        ] {
            let message = said(rest);
            let named = rest.starts_with('[') && rest.contains("hunter2.x");
            assert!(named || !message.contains("hunter2"), "{message}");
        }
    }

    #[test]
    fn the_keys_are_those_that_are_read() {
        for (section, keys) in KEYS {
            let text = match section {
                "[[site]]" => format!("{SITE}no_such_key = 1"),
                "exempt under [site.policy]" => {
                    format!("{SITE}[site.policy]\nexempt = {{ no_such_key = 1 }}")
                }
                other => format!("{SITE}{other}\nno_such_key = 1"),
            };
            let error = toml_edit::de::from_str::<super::super::file::RawFile>(&text);
            let message = error.err().unwrap().message().to_owned();
            let read: Vec<&str> = message.split('`').skip(3).step_by(2).collect();
            assert_eq!(read, keys, "{section}");
        }
    }
}
