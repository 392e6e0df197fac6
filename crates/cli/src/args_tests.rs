#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use clap::CommandFactory;

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

fn fails(line: &str) -> String {
    let error = parse(line).expect_err(line);
    assert_eq!(error.exit_code(), 2, "{line}");
    error.to_string()
}

#[test]
fn the_commands_are_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_shows_an_example() {
    for command in Cli::command().get_subcommands() {
        let help = command.get_after_help().map(ToString::to_string);
        assert!(
            help.is_some_and(|text| text.contains("Example") && text.contains("  curfew ")),
            "{}",
            command.get_name()
        );
    }
}

#[test]
fn site_and_json_stand_anywhere() {
    for line in [
        "curfew --site shop --json users",
        "curfew users --site shop --json",
        "curfew --json users --site=shop",
    ] {
        let cli = parse(line).unwrap();
        assert!(cli.json, "{line}");
        assert_eq!(cli.site.as_deref(), Some("shop"), "{line}");
    }
}

#[test]
fn durations_are_read_as_documented() {
    for (text, seconds) in [
        ("90s", 90),
        ("5m", 300),
        ("2h", 7200),
        ("14d", 1_209_600),
        ("1h30m", 5400),
        ("1h 30m", 5400),
    ] {
        assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
    }
    for text in [
        "",
        "5",
        "m",
        "5M",
        "5min",
        "-5m",
        "1.5h",
        "500ms",
        "5 apples",
        "0s",
        "0m 0s",
        "4000d",
        "99999999999999999999s",
    ] {
        assert!(duration(text).is_err(), "{text}");
    }
}

#[test]
fn a_bad_duration_is_a_usage_error_that_says_how() {
    let text = fails("curfew sweep --every 0m");
    assert!(text.contains("--every") && text.contains("zero"), "{text}");
    let text = fails("curfew sweep --sign-out-after 5M");
    assert!(
        text.contains("--sign-out-after") && text.contains("5m"),
        "{text}"
    );
}

#[test]
fn orders_are_columns_with_an_optional_minus() {
    let order = |line: &str| match parse(line).unwrap().command {
        Command::Users(args) => args.sort.unwrap(),
        other => panic!("{other:?}"),
    };
    let ascending = order("curfew users --sort last_seen");
    assert_eq!(
        (ascending.column, ascending.descending),
        (Sort::LastSeen, false)
    );
    for line in ["curfew users --sort -idle", "curfew users --sort=-idle"] {
        let descending = order(line);
        assert_eq!(
            (descending.column, descending.descending),
            (Sort::Idle, true)
        );
    }
    assert_eq!(
        order("curfew users --sort Last-Seen").column,
        Sort::LastSeen
    );
}

#[test]
fn an_unknown_column_names_the_known_ones() {
    for line in ["curfew users --sort shoe", "curfew users --sort --json"] {
        let text = fails(line);
        for (name, _) in COLUMNS {
            assert!(text.contains(name), "{text}");
        }
    }
}

#[test]
fn fingerprints_are_hex_of_four_to_twelve_digits() {
    assert_eq!(fingerprint("3F9C0A1B2D4E").as_deref(), Ok("3f9c0a1b2d4e"));
    assert_eq!(fingerprint("3f9c").as_deref(), Ok("3f9c"));
    for text in ["", "3f9", "3f9c0a1b2d4e0", "3f9g", "  3f9c"] {
        assert!(fingerprint(text).is_err(), "{text}");
    }
}

#[test]
fn users_are_named_or_numbered() {
    assert_eq!(user("ana").as_deref(), Ok("ana"));
    assert_eq!(user("id:42").as_deref(), Ok("id:42"));
    assert_eq!(user("李雷").as_deref(), Ok("李雷"));
    for text in ["", "  ", "id:"] {
        assert!(user(text).is_err(), "{text:?}");
    }
}

#[test]
fn wrong_usage_has_status_two() {
    for line in [
        "curfew",
        "curfew frobnicate",
        "curfew users --limit 0",
        "curfew users --limit many",
        "curfew users --state asleep",
        "curfew sessions",
        "curfew sessions ana --unreadable",
        "curfew logout",
        "curfew logout ana --session xyz",
        "curfew logout --unreadable",
        "curfew logout ana --unreadable --session 3f9c",
        "curfew suspend",
        "curfew suspend ana ben",
        "curfew allow",
        "curfew sweep --nonsense",
        "curfew completions tcsh",
        "curfew demo --users 0",
    ] {
        fails(line);
    }
}

#[test]
fn people_are_logged_out_together_and_the_unreadable_by_their_mark() {
    let logout = |line: &str| match parse(line).unwrap().command {
        Command::Logout(args) => args,
        other => panic!("{other:?}"),
    };
    let args = logout("curfew logout ana id:42 --wait --yes --reason gone");
    assert_eq!(args.users, ["ana", "id:42"]);
    assert!(args.wait && args.yes && !args.unreadable);
    let args = logout("curfew logout --unreadable --session 3f9c0a1b2d4e");
    assert!(args.users.is_empty() && args.unreadable && !args.wait);
    match parse("curfew sessions --unreadable").unwrap().command {
        Command::Sessions(args) => assert!(args.unreadable && args.user.is_none()),
        other => panic!("{other:?}"),
    }
}
