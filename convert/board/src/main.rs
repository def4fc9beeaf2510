//! The command `lacewing` of boards: all but the converter.

use std::process::ExitCode;

fn main() -> ExitCode {
    lacewing_board::cli::board::main()
}
