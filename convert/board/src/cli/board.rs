//! The command of boards: what needs the converter says so.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use super::engine::{Engine, Formats};
use super::failure::Failure;
use super::terminal::Terminal;
use super::{Globals, bench, completions, deploy, eval, inspect, run, store, targets};

/// Runs compact int8 models on this board, with the same bits as everywhere.
#[derive(Debug, Parser)]
#[command(name = "lacewing", version, propagate_version = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  lacewing run model.lace --input x.npy
  lacewing bench model.lace
  lacewing inspect model.lace

This build is without the converter.";

#[derive(Debug, Subcommand)]
enum Command {
    Inspect(inspect::Args<LaceAlone>),
    Run(run::Args<LaceAlone>),
    Eval(eval::Args<LaceAlone>),
    Bench(bench::Args),
    Targets(targets::Args),
    Deploy(deploy::Args),
    Board(store::Args),
    Completions(completions::Args),
    #[command(flatten)]
    Absent(Absent),
}

/// Commands of the converter.
#[derive(Debug, Subcommand)]
enum Absent {
    /// Not in this build: convert models on a PC
    #[command(hide = true)]
    Convert(Anything),
    /// Not in this build: compare models on a PC
    #[command(hide = true)]
    Compare(Anything),
    /// Not in this build: see the demo on a PC
    #[command(hide = true)]
    Demo(Anything),
}

/// Whatever was written.
#[derive(Debug, clap::Args)]
struct Anything {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    words: Vec<OsString>,
}

/// Runs the command line.
#[must_use]
pub fn main() -> ExitCode {
    let Cli { globals, command } = Cli::parse();
    globals.status(|terminal| command.run(terminal))
}

impl Command {
    fn run(&self, terminal: &Terminal) -> Result<(), Failure> {
        match self {
            Command::Inspect(args) => inspect::run(args, terminal),
            Command::Run(args) => run::run(args, terminal),
            Command::Eval(args) => eval::run(args, terminal),
            Command::Bench(args) => bench::run(args, terminal),
            Command::Deploy(args) => deploy::run(args, terminal),
            Command::Board(args) => store::run(args, terminal),
            Command::Targets(args) => targets::run(args, terminal),
            Command::Completions(args) => completions::run(args, Cli::command(), terminal),
            Command::Absent(_) => Err(Failure::usage(ABSENT)),
        }
    }
}

const ABSENT: &str = "this build is without the converter: convert and compare models with `lacewing` on a PC, \
                      and bring the .lace file here with `lacewing deploy`";

/// `.lace` files and no others.
#[derive(Debug, clap::Args)]
pub struct LaceAlone {}

impl Formats for LaceAlone {
    fn open(&self, _file: &[u8], _path: &Path) -> Result<Box<dyn Engine>, Failure> {
        Err(Failure::new(format!("not a .lace file, and {ABSENT}")))
    }

    fn inspect(&self, file: &[u8], path: &Path, _terminal: &Terminal) -> Result<(), Failure> {
        self.open(file, path).map(drop)
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
    fn every_command_that_is_shown_has_examples_in_its_help() {
        for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let call = format!("lacewing {}", command.get_name());
            assert!(examples.contains(&call), "{call}");
            assert!(command.get_about().is_some(), "{call}");
        }
    }

    #[test]
    fn what_needs_the_converter_says_so() {
        let words = ["lacewing", "convert", "model.onnx", "-o", "model.lace", "--calib", "x.npz"];
        let cli = Cli::try_parse_from(words).expect("any words are taken");
        let failure =
            cli.command.run(&Terminal::new(false, false, clap::ColorChoice::Never)).expect_err("no converter");
        assert!(failure.to_string().contains("on a PC"), "{failure}");
    }
}
