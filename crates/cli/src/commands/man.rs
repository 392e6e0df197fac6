//! `curfew man [COMMAND]`: the manual's pages, from the same words as the help.

use clap::CommandFactory;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::args::{Cli, ManArgs};
use crate::failure::{Failure, Status};
use crate::output::Output;

const SITES: &[(&str, &str)] = &[
    (
        "postgres://user:password@host:port/db",
        "A site on PostgreSQL.",
    ),
    (
        "sqlite:///absolute/path.sqlite3",
        "A site on SQLite. The file must exist.",
    ),
    ("NAME", "A site of the configuration."),
];

const STATUS: &[(&str, &str)] = &[
    ("0", "Done."),
    ("1", "Failed."),
    ("2", "Wrong usage."),
    (
        "3",
        "Refused by a guard: view-only, no evidence of activity, too many people at once, journal not writable, your own account, account switch off, sessions out of reach.",
    ),
    ("4", "Done in part, or not verified."),
];

const ENVIRONMENT: &[(&str, &str)] = &[
    ("CURFEW_SITE", "The site, where --site is not given."),
    (
        "CURFEW_CONFIG_DIR",
        "Where config.toml is, in place of the platform's usual folder.",
    ),
    (
        "CURFEW_STATE_DIR",
        "Where the journal is kept, in place of the platform's usual folder.",
    ),
    (
        "CURFEW_SECRET_KEY",
        "The site's SECRET_KEY, to check signatures with.",
    ),
    (
        "CURFEW_LOG",
        "Log to standard error: error, warn, info, debug or trace.",
    ),
    ("NO_COLOR", "Set to anything: no colours."),
];

pub fn run(output: Output, args: &ManArgs) -> Result<Status, Failure> {
    let page = match &args.command {
        None => whole(),
        Some(name) => command(name)?,
    }
    .map_err(|e| Failure::output(&e))?;
    output.text(&String::from_utf8_lossy(&page))?;
    Ok(Status::Done)
}

fn built() -> clap::Command {
    let mut cli = Cli::command().disable_help_subcommand(true);
    cli.build();
    cli
}

fn whole() -> std::io::Result<Vec<u8>> {
    let man = Man::new(built()).manual("Curfew");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    man.render_subcommands_section(&mut page)?;
    let mut more = Roff::new();
    for (title, items) in [
        ("SITES", SITES),
        ("EXIT STATUS", STATUS),
        ("ENVIRONMENT", ENVIRONMENT),
    ] {
        more.control("SH", [title]);
        for (term, meaning) in items {
            more.control("TP", []);
            more.text([bold(*term)]);
            more.text([roman(*meaning)]);
        }
    }
    more.to_writer(&mut page)?;
    Ok(page)
}

fn command(name: &str) -> Result<std::io::Result<Vec<u8>>, Failure> {
    let cli = built();
    let Some(command) = cli.find_subcommand(name) else {
        let names: Vec<&str> = cli.get_subcommands().map(clap::Command::get_name).collect();
        return Err(Failure::usage(format!(
            "no command '{name}', choose one of {}",
            names.join(", ")
        )));
    };
    let title = format!("curfew-{}", command.get_name());
    let man = Man::new(command.clone()).title(title).manual("Curfew");
    let mut page = Vec::new();
    Ok(man.render(&mut page).map(|()| page))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_page_tells_statuses_and_variables() {
        let page = String::from_utf8(whole().unwrap()).unwrap();
        for word in [
            "EXIT STATUS",
            "CURFEW_SITE",
            "CURFEW_STATE_DIR",
            "curfew\\-sweep",
        ] {
            assert!(page.contains(word), "{word}\n{page}");
        }
    }

    #[test]
    fn every_command_has_a_page() {
        for sub in built().get_subcommands() {
            let page = String::from_utf8(command(sub.get_name()).unwrap().unwrap()).unwrap();
            assert!(page.contains("Example"), "{page}");
        }
        assert_eq!(command("nonsense").unwrap_err().status, Status::Usage);
    }
}
