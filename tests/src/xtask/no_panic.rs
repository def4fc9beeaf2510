//! `cargo xtask no-panic`: the proof by linking that the runtime cannot panic.
//!
//! `tests/no-panic` links only if nothing reaches its panic handler. It is built twice: as it is,
//! which must link, and with a panic put in, which must not. The second build shows that the first
//! one proves something.
//!
//! To find a panic that was let in, link with `RUSTFLAGS=-Clink-arg=--defsym=lacewing_can_panic=0` and look in the
//! disassembly for who calls `core::panicking`. Usual finds: `chunks_exact` of a length not known to be positive,
//! `rev` of a `zip`, `step_by`, slicing by a range, division.

use anyhow::{Context, Result, ensure};

use super::bare_metal::BareMetal;
use super::{paths, process};

const TRIPLE: &str = "thumbv7em-none-eabihf";
/// The undefined function that the panic handler calls.
const SYMBOL: &str = "lacewing_can_panic";

/// Builds both ways.
pub(super) fn command() -> Result<()> {
    let compiler = BareMetal::find(TRIPLE)?;
    let _lock = paths::lock(&compiler.target_dir(), "no-panic")?;
    build(&compiler, &[]).context("a panic can be reached, or the build failed otherwise")?;
    let injected = build(&compiler, &["--features", "inject-panic"]);
    let error = injected.err().context("a panic was put in, and it linked")?;
    let error = format!("{error:#}");
    ensure!(error.contains(SYMBOL), "the build failed otherwise: {error}");
    eprintln!("the runtime links without a panic, and does not link with one");
    Ok(())
}

fn build(compiler: &BareMetal, features: &[&str]) -> Result<()> {
    let package = paths::root().join("tests/no-panic");
    let mut cargo = compiler.cargo(&package, "build")?;
    cargo.args(["--release", "--quiet"]).args(features);
    process::output(&mut cargo).map(drop)
}
