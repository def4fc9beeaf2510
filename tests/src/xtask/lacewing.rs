//! The command `lacewing`, built in release.

use std::process::Command;

use super::{paths, process};

/// The command with its first arguments.
pub(super) fn command(arguments: &[&str]) -> Command {
    let mut command = process::cargo(&paths::root());
    command.args(["run", "--release", "--quiet", "-p", "lacewing-convert", "--"]).args(arguments);
    command
}
