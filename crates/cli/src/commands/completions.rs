//! `curfew completions SHELL`.

use clap::CommandFactory;

use crate::args::{Cli, CompletionsArgs};
use crate::failure::{Failure, Status};
use crate::output::Output;

pub fn run(output: Output, args: &CompletionsArgs) -> Result<Status, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "curfew", &mut script);
    output.text(&String::from_utf8_lossy(&script))?;
    Ok(Status::Done)
}
