//! One file a command: ask the engine, say the answer. No rule is decided here.

mod account;
mod completions;
mod demo;
mod doctor;
mod every;
mod journal;
mod logout;
mod man;
mod sessions;
mod site;
mod sweep;
mod unreadable;
mod users;

use serde::Serialize;

use crate::args::Command;
use crate::context::Context;
use crate::failure::{Failure, Status};

/// A report, and why the journal lacks its outcome, if it does.
#[derive(Serialize)]
pub struct WithJournal<'a, T> {
    #[serde(flatten)]
    report: &'a T,
    #[serde(skip_serializing_if = "Option::is_none")]
    journal_incomplete: Option<&'a str>,
}

impl<'a, T> WithJournal<'a, T> {
    pub fn new(report: &'a T, journal: Option<&'a str>) -> Self {
        Self {
            report,
            journal_incomplete: journal,
        }
    }
}

pub async fn run(context: &Context, command: Command) -> Result<Status, Failure> {
    tracing::debug!(command = name(&command), "runs");
    match command {
        Command::Users(args) => users::run(context, args).await,
        Command::Sessions(args) => match args.user {
            Some(user) => sessions::run(context, &user).await,
            None => unreadable::run(context).await,
        },
        Command::Logout(args) => logout::run(context, args).await,
        Command::Suspend(args) => account::run(context, args, false).await,
        Command::Allow(args) => account::run(context, args, true).await,
        Command::Sweep(args) => sweep::run(context, args).await,
        Command::Journal(args) => journal::run(context, &args),
        Command::Doctor => doctor::run(context).await,
        Command::Site(args) => site::run(context, args.deed).await,
        Command::Demo(args) => demo::run(context, args).await,
        Command::Completions(args) => completions::run(context.output, &args),
        Command::Man(args) => man::run(context.output, &args),
    }
}

/// A command without its arguments: one in a wrong place may be a password.
fn name(command: &Command) -> String {
    let whole = format!("{command:?}");
    let letters = whole.chars().take_while(char::is_ascii_alphanumeric);
    letters.collect()
}
