//! `lacewing completions`.

use std::io;

use clap::Command;
use clap_complete::{Shell, generate};

use super::failure::Failure;
use super::terminal::Terminal;

/// Write a shell's completion script to stdout
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The shell
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  lacewing completions bash > ~/.local/share/bash-completion/completions/lacewing
  lacewing completions zsh > ~/.zfunc/_lacewing";

/// Runs it, for the command line of this build.
///
/// # Errors
/// Standard output cannot be written.
pub fn run(args: &Args, mut command: Command, terminal: &Terminal) -> Result<(), Failure> {
    let mut script = Vec::new();
    generate(args.shell, &mut command, "lacewing", &mut script);
    let script = String::from_utf8(script)?;
    if terminal.json() {
        return terminal.object(&serde_json::json!({ "shell": args.shell.to_string(), "script": script }));
    }
    io::Write::write_all(&mut io::stdout(), script.as_bytes())?;
    Ok(())
}
