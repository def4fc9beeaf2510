//! The firmware example, built and run as its README says.

use anyhow::{Context, Result, ensure};

use super::{Outcome, missing_for_boards};
use crate::xtask::bare_metal::BareMetal;
use crate::xtask::{paths, process};

const FOLDER: &str = "firmware-examples/qemu-mps2-an386-classify";
const TRIPLE: &str = "thumbv7em-none-eabihf";
/// What the image in the example shows.
const EXPECTED: &str = "Ankle boot";

/// Runs the example; its log must name the right class.
pub(super) fn run() -> Result<Outcome> {
    if let Some(missing) = missing_for_boards()? {
        return Ok(Outcome::NotInstalled(missing));
    }
    if paths::program("defmt-print").is_none() {
        return Ok(Outcome::NotInstalled("no defmt-print".into()));
    }
    let compiler = BareMetal::find(TRIPLE)?;
    let mut cargo = compiler.cargo(&paths::root().join(FOLDER), "run")?;
    let log = process::output(cargo.args(["--release", "--quiet"]))?;
    eprint!("{log}");
    let line = log.lines().find(|line| line.contains("class"));
    let line = line.with_context(|| format!("the example logged no class: {log}"))?;
    ensure!(line.contains(EXPECTED), "`{line}` instead of {EXPECTED}");
    Ok(Outcome::Passed)
}
