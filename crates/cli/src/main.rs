//! Curfew at a terminal and on servers: reads the command line, runs one command, ends with its status.
//! What can be typed is in `args`, what is printed goes through `output`, each command has its file.

mod args;
mod commands;
mod context;
mod failure;
mod output;
mod service;
mod stop;
mod table;
mod usage;
mod words;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use clap::error::ErrorKind;
use tracing_subscriber::EnvFilter;

use crate::args::Cli;
use crate::context::Context;
use crate::failure::{Failure, Status};
use crate::output::Output;

fn main() -> ExitCode {
    ExitCode::from(run() as u8)
}

fn run() -> Status {
    let typed: Vec<OsString> = std::env::args_os().collect();
    let output = Output::new(usage::wants_json(&typed));
    let cli = match Cli::try_parse_from(&typed) {
        Ok(cli) => cli,
        Err(error) => return not_a_command(output, &error, &typed),
    };
    quiet_panics();
    log();
    let ended = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Failure::internal(format!("cannot start: {e}")))
        .and_then(|runtime| {
            // A task of its own, so that a panic in it is an error line and a status like any other.
            let ended = runtime.block_on(async {
                tokio::spawn(dispatch(cli, output))
                    .await
                    .unwrap_or_else(|_| {
                        Err(Failure::internal(
                            "a fault in Curfew itself; please report it with what you typed",
                        ))
                    })
            });
            runtime.shutdown_timeout(Duration::from_millis(200));
            ended
        });
    ended.unwrap_or_else(|failure| {
        output.failure(&failure);
        failure.status
    })
}

async fn dispatch(cli: Cli, output: Output) -> Result<Status, Failure> {
    let context = Context::new(cli.site, cli.schema, cli.session_engine, output)?;
    commands::run(&context, cli.command).await
}

/// Help and version on standard output; anything else is wrong usage.
fn not_a_command(output: Output, error: &clap::Error, typed: &[OsString]) -> Status {
    let help = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if usage::is_answer(error) {
        return match output.text(&error.render().ansi().to_string()) {
            Ok(_) => Status::Done,
            Err(failure) => {
                output.failure(&failure);
                failure.status
            }
        };
    }
    if help && !output.is_json() {
        output.aside(&error.render().ansi().to_string());
    } else {
        output.failure(&usage::failure(error, typed));
    }
    Status::Usage
}

/// The place of a panic is enough: its text could hold anything.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|info| {
        if let Some(place) = info.location() {
            let place = format!("curfew: fault at {}:{}\n", place.file(), place.line());
            Output::new(false).aside(&place);
        }
    }));
}

/// What the engine logs goes to standard error, where `CURFEW_LOG` asks for it (`debug`, `info`, ...).
fn log() {
    let Ok(filter) = EnvFilter::try_from_env("CURFEW_LOG") else {
        return;
    };
    let colours = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .with_writer(std::io::stderr)
        .init();
}
