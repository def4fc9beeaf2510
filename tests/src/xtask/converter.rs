//! The command `lacewing`, built in release where it works long.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::{paths, process};

/// What a plan of the memory is made for: the converter's `--optimize`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Optimize {
    /// Every layer in one go
    Speed,
    /// A small arena, whose layers are computed in few goes
    Balanced,
    /// The smallest arena
    Ram,
}

impl Optimize {
    /// Its name on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Speed => "speed",
            Self::Balanced => "balanced",
            Self::Ram => "ram",
        }
    }
}

/// The command with its first arguments.
pub(super) fn command(arguments: &[&str]) -> Command {
    let mut command = process::cargo(&paths::root());
    command.args(["run", "--release", "--quiet", "-p", "lacewing-convert", "--"]).args(arguments);
    command
}

/// Writes a quantized model for a target.
pub(super) fn convert(model: &Path, target: &str, optimize: Optimize, lace: &Path) -> Result<()> {
    let mut convert = command(&["convert", "--target", target, "--optimize", optimize.name()]);
    convert.arg(model.canonicalize()?).arg("-o").arg(lace);
    process::output(&mut convert).map(drop)
}

/// Writes the demo's model for a target: its images are bytes that stand for 0..1.
pub(super) fn convert_demo(target: &str, precision: &str, lace: &Path) -> Result<()> {
    let folder = paths::root().join("convert/demo");
    let mut convert = process::built("lacewing-convert", "lacewing")?;
    convert.args(["convert", "--target", target, "--precision", precision, "--input-scale", "0.00392156862745098"]);
    convert.arg(folder.join("fashion.onnx")).arg("-o").arg(lace).arg("--calib").arg(folder.join("calib.npz"));
    process::output(&mut convert).map(drop)
}
