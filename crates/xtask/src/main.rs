//! The project's own commands. Each subject has its file; this one only tells them apart.

mod bench;
mod check;
mod deny;
mod display;
mod fuzz;
mod node;
mod package;
mod place;
mod process;
mod python;
mod run;
mod servers;
mod strays;
mod system;
mod tally;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own commands
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what is missing, build, and open the window
    Run(run::Options),
    /// Install what is missing, and run all tests against real servers, a real Django and a real window
    Test(test::Options),
    /// Run one command on the servers and the screen of the tests, for a test at a time
    Ground(test::GroundOptions),
    /// Throw random bytes at the engine's readers, for an hour each
    Fuzz(fuzz::Options),
    /// Format, lints, types, licences, bindings and docs
    Check,
    /// Hold Curfew's work against the raw statements, and write docs/benchmarks.md
    Bench(bench::Options),
    /// Build the window's packages for Debian and Fedora
    Package,
}

fn main() -> ExitCode {
    let task = Arguments::parse().task;
    let outcome = process::listen_for_interrupts().and_then(|()| match task {
        Task::Run(options) => run::run(&options).map(|()| true),
        Task::Test(options) => test::run(&options),
        Task::Ground(options) => test::run_on_ground(&options),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Bench(options) => bench::run(&options).map(|()| true),
        Task::Check => check::run(),
        Task::Package => package::run().map(|()| true),
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // 130 is what shells say of a command that Ctrl-C ended.
        Err(_) if process::interrupted() => ExitCode::from(130),
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
