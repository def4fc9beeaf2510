//! The firmware example, built and run as its README says, and what it takes.

use std::fs;

use anyhow::{Context, Result, ensure};

use super::{Outcome, missing_for_boards};
use crate::xtask::bare_metal::BareMetal;
use crate::xtask::model::ModelFile;
use crate::xtask::sizes::{self, Row};
use crate::xtask::{elf, paths, process};

const NAME: &str = "qemu-mps2-an386-classify";
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
    let mut cargo = BareMetal::find(TRIPLE)?.cargo(&paths::root().join(FOLDER), "run")?;
    let log = process::output(cargo.args(["--release", "--quiet"]))?;
    eprint!("{log}");
    let line = log.lines().find(|line| line.contains("class"));
    let line = line.with_context(|| format!("the example logged no class: {log}"))?;
    ensure!(line.contains(EXPECTED), "`{line}` instead of {EXPECTED}");
    sizes::check(&[sizes()?])?;
    Ok(Outcome::Passed)
}

/// What the example takes; nothing in it measures the stack.
pub(in crate::xtask) fn sizes() -> Result<Row> {
    let compiler = BareMetal::find(TRIPLE)?;
    let folder = paths::root().join(FOLDER);
    process::run(compiler.cargo(&folder, "build")?.args(["--release", "--quiet"]))?;
    let model = ModelFile::open(&folder.join("fashion.lace"))?;
    let sizes = elf::sizes(&fs::read(compiler.executable(NAME))?, Some(model.bytes()))?;
    let bytes = [Some(sizes.text), Some(sizes.rodata), Some(model.model()?.arena_len() as u64), None];
    Ok(Row { firmware: NAME.into(), model: "fashion".into(), bytes })
}
