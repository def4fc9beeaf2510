//! The command line: one file for each command that the converter adds to those of boards.
//!
//! What these share, and the commands of boards, are in [`lacewing_board::cli`].

mod budget;
mod compare;
mod convert;
mod demo;
mod draw;
mod import;
mod problems;
mod quantization;
mod regions;
mod report;
mod survey;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use lacewing_board::cli::{
    Globals, arguments, bench, completions, deploy, engine, eval, failure, files, inspect, memory, numbers, predict,
    program, run, samples, store, targets, terminal,
};

use failure::Failure;
use import::ImportArgs;
use terminal::Terminal;

/// Turns ONNX models into compact int8 files that run anywhere on the edge, with the same bits everywhere.
#[derive(Debug, Parser)]
#[command(name = "lacewing", version, propagate_version = true, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  lacewing demo
  lacewing convert model.onnx -o model.lace --calib samples.npz
  lacewing eval model.lace --data test.npz
  lacewing inspect model.lace";

#[derive(Debug, Subcommand)]
enum Command {
    Convert(convert::Args),
    Inspect(inspect::Args<ImportArgs>),
    Run(run::Args<ImportArgs>),
    Eval(eval::Args<ImportArgs>),
    Compare(compare::Args),
    Bench(bench::Args),
    Targets(targets::Args),
    Deploy(deploy::Args),
    Board(store::Args),
    Demo(demo::Args),
    Completions(completions::Args),
}

/// Runs the command line.
pub(crate) fn main() -> ExitCode {
    let Cli { globals, command } = Cli::parse();
    globals.status(|terminal| command.run(terminal).map_err(problems::told))
}

impl Command {
    fn run(&self, terminal: &Terminal) -> Result<(), Failure> {
        match self {
            Command::Convert(args) => convert::run(args, terminal),
            Command::Inspect(args) => inspect::run(args, terminal),
            Command::Run(args) => run::run(args, terminal),
            Command::Eval(args) => eval::run(args, terminal),
            Command::Compare(args) => compare::run(args, terminal),
            Command::Bench(args) => bench::run(args, terminal),
            Command::Deploy(args) => deploy::run(args, terminal),
            Command::Board(args) => store::run(args, terminal),
            Command::Targets(args) => targets::run(args, terminal),
            Command::Demo(args) => demo::run(args, terminal),
            Command::Completions(args) => completions::run(args, Cli::command(), terminal),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples_in_its_help() {
        for command in Cli::command().get_subcommands() {
            let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let call = format!("lacewing {}", command.get_name());
            assert!(examples.contains(&call), "{call}");
            assert!(command.get_about().is_some(), "{call}");
        }
    }
}
