//! The command line: one file for each command, beside what they share.
//!
//! Every command takes its arguments and a [`Terminal`], and says all through it: the report for people, or one JSON object.

mod arguments;
mod bench;
mod budget;
mod compare;
mod completions;
mod convert;
mod demo;
mod draw;
mod engine;
mod eval;
mod failure;
mod files;
mod inspect;
mod numbers;
mod predict;
mod program;
mod quantization;
mod regions;
mod report;
mod run;
mod samples;
mod survey;
mod targets;
mod terminal;

use std::process::ExitCode;

use clap::{ColorChoice, Parser, Subcommand};

use failure::Failure;
use terminal::Terminal;

/// Turns ONNX models into compact int8 files that run anywhere on the edge, with the same bits everywhere.
#[derive(Debug, Parser)]
#[command(name = "lacewing", version, propagate_version = true, after_help = EXAMPLES)]
struct Cli {
    /// Write one JSON object to stdout; text and progress go to stderr
    #[arg(long, global = true)]
    json: bool,
    /// Say more
    #[arg(short, long, global = true)]
    verbose: bool,
    /// When to use colors
    #[arg(long, global = true, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    color: ColorChoice,
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
    Inspect(inspect::Args),
    Run(run::Args),
    Eval(eval::Args),
    Compare(compare::Args),
    Bench(bench::Args),
    Targets(targets::Args),
    Demo(demo::Args),
    Completions(completions::Args),
}

/// Runs the command line. The exit status is 0 if all is done, 1 if the model or the data are wrong, 2 for wrong usage.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let terminal = Terminal::new(cli.json, cli.verbose, cli.color);
    match run(&cli.command, &terminal) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            terminal.fail(&failure);
            ExitCode::from(failure.status())
        }
    }
}

fn run(command: &Command, terminal: &Terminal) -> Result<(), Failure> {
    match command {
        Command::Convert(args) => convert::run(args, terminal),
        Command::Inspect(args) => inspect::run(args, terminal),
        Command::Run(args) => run::run(args, terminal),
        Command::Eval(args) => eval::run(args, terminal),
        Command::Compare(args) => compare::run(args, terminal),
        Command::Bench(args) => bench::run(args, terminal),
        Command::Targets(args) => targets::run(args, terminal),
        Command::Demo(args) => demo::run(args, terminal),
        Command::Completions(args) => completions::run(args, terminal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

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
