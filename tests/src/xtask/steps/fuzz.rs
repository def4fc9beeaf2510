//! A minute of fuzzing, shared by the fuzz targets.
//!
//! As one step among others it fuzzes the device's reader alone: building tract once more, with coverage, takes longer than any other step.
//! `cargo xtask test --only fuzz` does all of it.

use std::fs;
use std::process::Command;

use anyhow::Result;

use super::Outcome;
use crate::xtask::{paths, process};

/// A program of `tests/fuzz`.
struct Target {
    name: &'static str,
    /// How it is built. tract is large: it gets no sanitizer, and `model_read` does not wait for it.
    build: &'static [&'static str],
    /// A folder of inputs to start from.
    seeds: &'static str,
}

/// The build of the targets that import.
const IMPORT: &[&str] = &["--sanitizer", "none", "--codegen-units", "16"];

const TARGETS: [Target; 3] = [
    Target { name: "model_read", build: &["--no-default-features"], seeds: "tests/data/golden" },
    Target { name: "onnx_import", build: IMPORT, seeds: "tests/onnx_ops" },
    Target { name: "tflite_import", build: IMPORT, seeds: "tests/tflite" },
];

/// For each target.
const SECONDS: u32 = 20;

/// Runs each target for its share; a crash is an error.
pub(super) fn run() -> Result<Outcome> {
    if paths::program("cargo-fuzz").is_none() {
        return Ok(Outcome::NotInstalled("no cargo-fuzz".into()));
    }
    if process::output(Command::new("rustup").args(["run", "nightly", "rustc", "-V"])).is_err() {
        let advice = "no nightly compiler: `rustup toolchain install nightly`";
        return Ok(Outcome::Skipped(advice.into()));
    }
    let (with_tract, without): (Vec<_>, Vec<_>) = TARGETS.iter().partition(|target| target.build == IMPORT);
    without.into_iter().try_for_each(fuzz)?;
    if process::is_whole() {
        return Ok(Outcome::Skipped("the fuzz targets that import; `--only fuzz` runs them".into()));
    }
    with_tract.into_iter().try_for_each(fuzz)?;
    Ok(Outcome::Passed)
}

/// What is found, inputs and crashes, stays in the target directory.
fn fuzz(target: &Target) -> Result<()> {
    let folder = paths::target_dir().join("fuzz");
    let corpus = folder.join("corpus").join(target.name);
    fs::create_dir_all(&corpus)?;
    let mut fuzz = Command::new("rustup");
    fuzz.current_dir(paths::root().join("tests/fuzz"))
        .args(["run", "nightly", "cargo", "fuzz", "run", "--fuzz-dir", "."])
        .args(target.build)
        .arg("--target-dir")
        .arg(&folder)
        .arg(target.name)
        .args([corpus, paths::root().join(target.seeds)])
        .arg("--")
        .arg(format!("-max_total_time={SECONDS}"))
        .arg(format!("-artifact_prefix={}/{}-", folder.display(), target.name));
    process::run(&mut fuzz)
}
