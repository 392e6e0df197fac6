//! What can be typed: the commands, their options, and how each value is read.
//! A value that makes no sense ends here, with exit status 2, before a site is asked anything.

mod people;

use std::path::PathBuf;
use std::time::Duration;

pub use people::{AccountArgs, LogoutArgs, SessionsArgs};

use clap::{Args, Parser, Subcommand, ValueEnum};
use curfew_engine::demo::DEFAULT_USERS;
use curfew_engine::view::{Filter, Sort};

#[derive(Debug, Parser)]
#[command(
    name = "curfew",
    version,
    about = "Shows who is signed in to a Django site and who is idle, and signs them out",
    after_help = "\
Examples:
  curfew demo                                         a site to try things on
  curfew --site postgres://curfew@db/shop users       who is signed in
  curfew --site shop sweep --dry-run                  whom a sweep would sign out

Exit status: 0 done; 1 failed; 2 wrong usage; 3 refused by a guard; 4 done in part, or not verified.",
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// The site: postgres://user@host/db, mysql://user@host/db, sqlite:///path, or the name of a configured one
    /// [default: CURFEW_SITE, else the only configured site]
    #[arg(long, global = true, value_name = "SITE", display_order = 100)]
    pub site: Option<String>,

    /// The schema of the site's tables, where the database has several
    /// [default: schema in config.toml, else what the address or the role's search path says]
    #[arg(long, global = true, value_name = "NAME", display_order = 100)]
    pub schema: Vec<String>,

    /// The site's SESSION_ENGINE, where its configuration does not state it
    /// [default: CURFEW_SESSION_ENGINE]
    #[arg(long, global = true, value_name = "ENGINE", display_order = 100)]
    pub session_engine: Option<String>,

    /// Print JSON for scripts: one document, times in UTC
    #[arg(long, global = true, display_order = 101)]
    pub json: bool,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the people who are signed in, or flagged as here
    #[command(after_help = "Example:\n  curfew users --state idle --sort -idle --limit 20")]
    Users(UsersArgs),
    /// List one person's sessions, or those that cannot be read
    #[command(
        after_help = "Examples:\n  curfew sessions ana\n  curfew sessions id:42\n  curfew sessions --unreadable"
    )]
    Sessions(SessionsArgs),
    /// Sign people out now, or end one session, and look again that it is so
    #[command(after_help = "\
Examples:
  curfew logout ana --reason 'account taken over'
  curfew logout ana ben id:42
  curfew logout ana --session 3f9c0a1b2d4e
  curfew logout ana --wait                            looks for a minute where a session can come back
  curfew logout --unreadable --session 3f9c0a1b2d4e

Exit status: 3 where this site's sessions cannot be ended from outside; 4 where it was done in part,
or could not be verified. Of several people the highest.")]
    Logout(LogoutArgs),
    /// Switch an account off and end all of its sessions, where account_switch is on for the site
    #[command(after_help = "Example:\n  curfew suspend ana --reason 'account taken over'")]
    Suspend(AccountArgs),
    /// End the sessions left of a suspended account, and let its owner sign in again
    #[command(after_help = "Example:\n  curfew allow ana --reason 'password changed'")]
    Allow(AccountArgs),
    /// Sign out everyone who has been idle for too long
    #[command(after_help = "\
Examples:
  curfew sweep --dry-run                  whom it would sign out, touching nothing
  curfew sweep --sign-out-after 1h
  curfew --site shop sweep --every 5m     stays, and sweeps every five minutes")]
    Sweep(SweepArgs),
    /// Show what was done to sites from here, by whom and how it ended
    #[command(after_help = "Examples:\n  curfew journal --limit 10\n  curfew journal --verify")]
    Journal(JournalArgs),
    /// Check that a site can be watched and swept, and say what to do where it cannot
    #[command(after_help = "Example:\n  curfew --site postgres://curfew@db/shop doctor")]
    Doctor,
    /// Add a site from its Django project, list the configured sites, remove one
    #[command(
        after_help = "Examples:\n  curfew site add --django /srv/shop/manage.py --dry-run\n  curfew site list"
    )]
    Site(SiteArgs),
    /// Make a demo site, with people who come and go until Ctrl-C
    #[command(after_help = "Example:\n  curfew demo --users 200 --path /tmp/demo.sqlite3")]
    Demo(DemoArgs),
    /// Print the completions for a shell
    #[command(
        after_help = "Example:\n  curfew completions bash > ~/.local/share/bash-completion/completions/curfew"
    )]
    Completions(CompletionsArgs),
    /// Print a manual page (roff)
    #[command(after_help = "Examples:\n  curfew man | man -l -\n  curfew man sweep | man -l -")]
    Man(ManArgs),
}

#[derive(Debug, Args)]
pub struct UsersArgs {
    /// Only people in this state
    #[arg(long, value_name = "STATE")]
    pub state: Option<StateArg>,
    /// Only people with this in their username, name, e-mail or id
    #[arg(long, value_name = "TEXT")]
    pub search: Option<String>,
    /// Sort by this column; -COLUMN reverses
    #[arg(
        long,
        value_name = "COLUMN",
        value_parser = order,
        allow_hyphen_values = true,
        long_help = "Sort by state, username, email, last_seen, idle, sessions, role or evidence; \
                     -COLUMN reverses"
    )]
    pub sort: Option<Order>,
    /// Reverse the order
    #[arg(long)]
    pub desc: bool,
    /// At most this many people
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
}

#[derive(Debug, Args)]
pub struct SweepArgs {
    /// Say who would be signed out, and touch nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Idle is who was last seen longer ago than this
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub idle_after: Option<Duration>,
    /// Sign out who was last seen longer ago than this
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub sign_out_after: Option<Duration>,
    /// State how often the site records the activity of a user who is working
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub activity_grain: Option<Duration>,
    /// Sweep even where it takes unusually many people
    #[arg(long)]
    pub force: bool,
    /// Stay, and sweep at once and then this often, until Ctrl-C or SIGTERM
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub every: Option<Duration>,
}

#[derive(Debug, Args)]
pub struct JournalArgs {
    /// Only check that no line was changed, dropped or moved
    #[arg(long)]
    pub verify: bool,
    /// And that it has each entry whose head this file names: the file of journal_heads, or a log
    #[arg(long, value_name = "FILE", requires = "verify")]
    pub against: Option<std::path::PathBuf>,
    /// At most this many, the newest [default: all with --json, else 50]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
}

#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct SiteArgs {
    #[command(subcommand)]
    pub deed: SiteDeed,
}

#[derive(Debug, Subcommand)]
pub enum SiteDeed {
    /// Ask a Django project for its database, sessions, cache, users and keys, and configure the site
    #[command(after_help = "\
Examples:
  curfew site add --django /srv/shop/manage.py --dry-run   what it would take, saving nothing
  curfew site add --django . --python .venv --name shop
  curfew site add --django . --schema acme --schema beta   two tenants of a django-tenants project

The project is asked through its own Python, in its own folder, with the variables of this shell. Passwords and keys go
into the keychain; without one, into commands that ask the project again.
Exit status: 4 where the site was saved and does not open.")]
    Add(SiteAddArgs),
    /// List the configured sites
    #[command(after_help = "Example:\n  curfew site list")]
    List,
    /// Take a site out of the configuration, and its secrets out of the keychain
    #[command(after_help = "Example:\n  curfew site remove shop")]
    Remove(SiteRemoveArgs),
}

#[derive(Debug, Args)]
pub struct SiteAddArgs {
    /// The project's manage.py, or the folder that holds it
    #[arg(long, value_name = "PATH")]
    pub django: PathBuf,
    /// The project's Python, or its virtual environment
    /// [default: the environment that is switched on, one beside the project, python3]
    #[arg(long, value_name = "PATH")]
    pub python: Option<PathBuf>,
    /// The site's name [default: the project's folder]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The settings' module, where manage.py does not name the right one
    #[arg(long, value_name = "MODULE")]
    pub settings: Option<String>,
    /// How long the project may take to answer
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub timeout: Duration,
    /// Add one site for every tenant of a django-tenants project; --schema NAME, once or more, adds some of them
    #[arg(long, conflicts_with = "schema")]
    pub all_schemas: bool,
    /// Say what would be taken, and save nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Take the place of a configured site of this name, whose other settings stay
    #[arg(long)]
    pub replace: bool,
}

#[derive(Debug, Args)]
pub struct SiteRemoveArgs {
    /// The site's name
    pub name: String,
}

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// How many people the site has
    #[arg(long, value_name = "N", default_value_t = DEFAULT_USERS, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub users: u32,
    /// The SQLite file [default: demo.sqlite3 among Curfew's own files]
    #[arg(long, value_name = "FILE")]
    pub path: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// bash, zsh, fish, elvish or powershell
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub struct ManArgs {
    /// The command whose page it is; none for curfew's own
    pub command: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StateArg {
    Active,
    Idle,
    Overdue,
    Stale,
    Unknown,
}

impl From<StateArg> for Filter {
    fn from(state: StateArg) -> Self {
        match state {
            StateArg::Active => Self::Active,
            StateArg::Idle => Self::Idle,
            StateArg::Overdue => Self::Overdue,
            StateArg::Stale => Self::Stale,
            StateArg::Unknown => Self::Unknown,
        }
    }
}

/// A column to sort by, and whether backwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    pub column: Sort,
    pub descending: bool,
}

const COLUMNS: [(&str, Sort); 8] = [
    ("state", Sort::State),
    ("username", Sort::Username),
    ("email", Sort::Email),
    ("last_seen", Sort::LastSeen),
    ("idle", Sort::Idle),
    ("sessions", Sort::Sessions),
    ("role", Sort::Role),
    ("evidence", Sort::Evidence),
];

fn order(text: &str) -> Result<Order, String> {
    let (name, descending) = match text.strip_prefix('-') {
        Some(name) => (name, true),
        None => (text, false),
    };
    let wanted = name.to_lowercase().replace('-', "_");
    COLUMNS
        .iter()
        .find(|(name, _)| *name == wanted)
        .map(|&(_, column)| Order { column, descending })
        .ok_or_else(|| {
            let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
            format!("no such column, choose one of {}", names.join(", "))
        })
}

fn user(text: &str) -> Result<String, String> {
    match text.strip_prefix("id:") {
        Some("") => Err("an id must follow id:, as in id:42".into()),
        _ if text.trim().is_empty() => Err("a username or id:VALUE is needed".into()),
        _ => Ok(text.to_owned()),
    }
}

fn fingerprint(text: &str) -> Result<String, String> {
    let hex = text.to_ascii_lowercase();
    if (4..=12).contains(&hex.len()) && hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        Ok(hex)
    } else {
        Err(
            "a fingerprint is 12 hex digits, of which the first 4 or more are enough; \
             'curfew sessions USER' shows them"
                .into(),
        )
    }
}

/// Whole seconds up to ten years, in the units of the documentation: `90s`, `5m`, `2h`, `14d`, `1h30m`.
/// humantime alone would read `5M` as five months.
fn duration(text: &str) -> Result<Duration, String> {
    const MOST: Duration = Duration::from_secs(3650 * 86_400);
    let form = "write it as 90s, 5m, 2h, 14d or 1h30m";
    if !text
        .chars()
        .all(|c| c.is_ascii_digit() || c == ' ' || "smhd".contains(c))
        || text.contains("ms")
    {
        return Err(format!("not a duration, {form}"));
    }
    let duration =
        humantime::parse_duration(text).map_err(|_| format!("not a duration, {form}"))?;
    if duration.is_zero() {
        return Err("a duration of zero makes no sense here, the least is 1s".into());
    }
    if duration > MOST {
        return Err("too long, the most is 3650d".into());
    }
    Ok(duration)
}

#[cfg(test)]
#[path = "args_tests.rs"]
mod tests;
