//! Wrong usage, on one line: clap's own text spans several, and scripts with `--json` want a document.

use std::ffi::OsString;

use clap::error::ErrorKind;

use crate::failure::Failure;
use crate::words::redact;

/// Whether `--json` was typed, for command lines that could not be read.
pub fn wants_json(typed: &[OsString]) -> bool {
    typed
        .iter()
        .take_while(|word| *word != "--")
        .any(|word| word == "--json")
}

/// Help and version are answers, not errors.
pub fn is_answer(error: &clap::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    )
}

/// Clap's paragraphs as one line: what is wrong, the hint, where to read on.
pub fn failure(error: &clap::Error, typed: &[OsString]) -> Failure {
    let text = error.render().to_string();
    let parts: Vec<String> = text
        .split("\n\n")
        .map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|part| !part.is_empty())
        .collect();
    let what = match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            "a command is needed, such as 'curfew users'"
        }
        _ => parts
            .first()
            .map_or("wrong usage", |part| part.trim_start_matches("error: ")),
    };
    let what = without_pairs(&redact(what), typed);
    let tip = parts
        .iter()
        .filter_map(|part| part.strip_prefix("tip: "))
        .map(|tip| format!("; {}", without_pairs(&redact(tip), typed)))
        .collect::<String>();
    let command = command_typed(typed).map_or_else(String::new, |name| format!("{name} "));
    Failure::usage(format!("{what}{tip} (see 'curfew {command}--help')"))
}

/// A text without those of the typed words that may be a login of another program's form: `user:password@tcp(host)/db`,
/// `host:5432:db:user:password`.
fn without_pairs(text: &str, typed: &[OsString]) -> String {
    let words = typed.iter().skip(1).filter_map(|word| word.to_str());
    let suspect = words.filter(|word| {
        let colons = word.matches(':').count();
        !word.starts_with('-') && (colons > 1 || colons == 1 && word.contains('@'))
    });
    suspect.fold(text.to_owned(), |text, word| text.replace(word, "***"))
}

fn command_typed(typed: &[OsString]) -> Option<String> {
    use clap::CommandFactory;
    let cli = crate::args::Cli::command();
    let mut words = typed.iter().skip(1).filter_map(|word| word.to_str());
    let command = words.find_map(|word| cli.find_subcommand(word))?;
    let name = command.get_name().to_owned();
    // `site add` has a help of its own.
    Some(
        match words.next().and_then(|word| command.find_subcommand(word)) {
            Some(deed) => format!("{name} {}", deed.get_name()),
            None => name,
        },
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use clap::Parser;

    use super::*;
    use crate::args::Cli;
    use crate::failure::Status;

    fn typed(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    fn message(line: &str) -> String {
        let typed = typed(line);
        let failure = failure(&Cli::try_parse_from(&typed).expect_err(line), &typed);
        assert_eq!(failure.status, Status::Usage);
        assert!(!failure.message.contains('\n'), "{}", failure.message);
        failure.message
    }

    #[test]
    fn every_usage_error_is_one_line_with_the_way_on() {
        assert_eq!(
            message("curfew logout"),
            "the following required arguments were not provided: <USER>... (see 'curfew logout --help')"
        );
        let text = message("curfew user");
        assert!(
            text.contains("'user'") && text.contains("'users'"),
            "{text}"
        );
        let text = message("curfew users --state asleep");
        assert!(
            text.contains("overdue") && text.contains("--state"),
            "{text}"
        );
        let text = message("curfew site add /srv/shop");
        assert!(text.ends_with("(see 'curfew site add --help')"), "{text}");
        assert!(message("curfew --json").starts_with("a command is needed"));
        assert!(message("curfew").starts_with("a command is needed"));
    }

    #[test]
    fn a_password_in_the_wrong_place_is_not_repeated() {
        let text = message("curfew postgres://ana:s3cret@db/shop users");
        assert!(
            !text.contains("s3cret") && text.contains("db/shop"),
            "{text}"
        );
        for line in [
            "curfew users postgres://db/shop?password=s3cret",
            "curfew host=db;password=s3cret",
            "curfew users Server=db;Pwd=s3cret",
            "curfew db:5432:shop:u:s3cret",
            "curfew users u:s3cret@tcp(db)/shop",
        ] {
            let text = message(line);
            assert!(!text.contains("s3cret"), "{text}");
            assert!(text.ends_with("--help')"), "{text}");
        }
    }

    #[test]
    fn json_is_seen_even_where_the_rest_is_wrong() {
        assert!(wants_json(&typed("curfew users --nonsense --json")));
        assert!(!wants_json(&typed("curfew users --nonsense")));
        assert!(!wants_json(&typed("curfew sessions -- --json")));
    }
}
