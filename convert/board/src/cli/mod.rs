//! The command line: one file for each command, beside what they share.
//!
//! Every command takes its arguments and a [`Terminal`], and says all through it: the report for people, or one JSON object.
//! [`board`] is the command of boards. The converter's has these commands too, and reads more files: see [`engine::Formats`].

pub mod arguments;
pub mod bench;
pub mod board;
pub mod completions;
pub mod deploy;
pub mod device;
pub mod engine;
pub mod eval;
pub mod failure;
pub mod files;
#[cfg(feature = "gpu")]
mod gpu;
pub mod inspect;
pub mod memory;
pub mod numbers;
pub mod predict;
pub mod program;
pub mod run;
pub mod samples;
pub mod store;
pub mod targets;
pub mod terminal;

use std::process::ExitCode;

use clap::ColorChoice;

use failure::Failure;
use terminal::Terminal;

/// What every command takes.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Globals {
    /// Write one JSON object to stdout; text and progress go to stderr
    #[arg(long, global = true)]
    json: bool,
    /// Say more
    #[arg(short, long, global = true)]
    verbose: bool,
    /// When to use colors
    #[arg(long, global = true, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    color: ColorChoice,
}

impl Globals {
    /// Runs a command. The exit status is 0 if all is done, 1 if the model or the data are wrong, 2 for wrong usage.
    pub fn status(self, command: impl FnOnce(&Terminal) -> Result<(), Failure>) -> ExitCode {
        let terminal = Terminal::new(self.json, self.verbose, self.color);
        match command(&terminal) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                terminal.fail(&failure);
                ExitCode::from(failure.status())
            }
        }
    }
}
