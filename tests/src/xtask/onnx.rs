//! `cargo xtask onnx`: the cases of ONNX's own backend suite, converted and run.
//!
//! The runner is a package of its own, because it needs the converter. The cases are written by `tests/onnx/make.py`, once for
//! each version of it and of what it requires.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::{paths, process, python};

/// Convert and run ONNX's backend suite, and compare what passes with `tests/onnx/pass.txt`
#[derive(Default, clap::Args)]
pub(super) struct Args {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Write what passes to `pass.txt`
    #[arg(long)]
    bless: bool,
    /// Run these only, and say why they fail: operators, or parts of names, with `*` for any text, separated by commas
    #[arg(long, value_name = "PATTERN")]
    only: Option<String>,
    /// Say why cases fail, and which reasons are frequent
    #[arg(long)]
    why: bool,
    /// A folder that `make.py` wrote, instead of the installed one
    #[arg(long, value_name = "DIR")]
    cases: Option<PathBuf>,
}

/// Builds the runner and starts it.
pub(super) fn command(args: &Args) -> Result<()> {
    let cases = args.cases.clone().map_or_else(installed, |cases| Ok(Some(cases)))?;
    let cases = cases.context("the suite's cases are not installed: `cargo xtask install`, or --cases DIR")?;
    let mut runner = process::built("lacewing-onnx-suite", "lacewing-onnx-suite")?;
    runner.arg("--cases").arg(cases);
    let flags = [("--json", args.json), ("--bless", args.bless), ("--why", args.why)];
    runner.args(flags.iter().filter(|(_, given)| *given).map(|(flag, _)| flag));
    runner.args(args.only.iter().flat_map(|only| ["--only", only]));
    let status = runner.stdin(Stdio::null()).status().context("cannot start the runner")?;
    match status.code() {
        Some(0) => Ok(()),
        Some(1) => {
            bail!("the suite does not pass as listed; `cargo xtask onnx --why` says more, `--bless` lists it anew")
        }
        _ => bail!("the suite's runner failed ({status})"),
    }
}

/// The cases, if they were written for this `make.py`.
pub(super) fn installed() -> Result<Option<PathBuf>> {
    let cases = folder()?.join("cases");
    Ok(cases.join("made.txt").is_file().then_some(cases))
}

/// Writes the cases if they are not there: a virtual environment, the pinned packages, `make.py`.
pub(super) fn provide() -> Result<()> {
    if installed()?.is_some() {
        return Ok(());
    }
    let (folder, source) = (folder()?, source());
    let python = python::environment(&source.join("requirements.txt"))?;
    process::run(Command::new(&python).arg(source.join("make.py")).arg(folder.join("cases")))?;
    match installed()? {
        Some(_) => Ok(()),
        None => bail!("make.py left no complete suite in {}", folder.display()),
    }
}

fn source() -> PathBuf {
    paths::root().join("tests/onnx")
}

fn folder() -> Result<PathBuf> {
    python::made("onnx-suite", &source())
}
