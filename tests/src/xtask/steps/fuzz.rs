//! A minute of fuzzing, shared by all fuzz targets.

use std::process::Command;

use anyhow::Result;

use super::Outcome;
use crate::xtask::{paths, process};

const SECONDS: usize = 60;
const TARGETS: [&str; 2] = ["model_read", "onnx_import"];

/// Runs each target for its share; a crash is an error.
pub(super) fn run() -> Result<Outcome> {
    if paths::program("cargo-fuzz").is_none() {
        return Ok(Outcome::NotInstalled("no cargo-fuzz".into()));
    }
    if process::output(Command::new("rustup").args(["run", "nightly", "rustc", "-V"])).is_err() {
        let advice = "no nightly compiler: `rustup toolchain install nightly`";
        return Ok(Outcome::Skipped(advice.into()));
    }
    for target in TARGETS {
        let mut fuzz = Command::new("rustup");
        fuzz.current_dir(paths::root().join("tests/fuzz"))
            .args(["run", "nightly", "cargo", "fuzz", "run", "--fuzz-dir", "."])
            .arg("--target-dir")
            .arg(paths::target_dir().join("fuzz"))
            .args([target, "--"])
            .arg(format!("-max_total_time={}", SECONDS / TARGETS.len()));
        process::run(&mut fuzz)?;
    }
    Ok(Outcome::Passed)
}
