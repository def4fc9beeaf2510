//! The command `lacewing`: converts, looks into, runs and measures models.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
