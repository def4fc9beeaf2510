//! Files in a JavaScript engine: `tests/wasm`, built with vectors and run by Node.js.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::bare_metal::{self, BareMetal};
use super::sysroot::Sysroot;
use super::{batch, paths, process};

/// WebAssembly in a JavaScript engine.
pub(super) const TRIPLE: &str = "wasm32-unknown-unknown";
const LIMIT: Duration = Duration::from_secs(600);

/// What is missing, if anything is.
pub(super) fn missing() -> Result<Option<String>> {
    if paths::program("node").is_none() {
        return Ok(Some("no node".into()));
    }
    let compiler = bare_metal::rustup_has(TRIPLE)? || Sysroot::find()?.is_some() && bare_metal::linker().is_ok();
    Ok((!compiler).then(|| format!("no core library for {TRIPLE}")))
}

/// Runs files, each with the arena that it starts from; gives the arenas that they leave, one behind the other.
pub(super) fn run<'f>(files: impl IntoIterator<Item = (&'f [u8], &'f [u8])>) -> Result<Vec<u8>> {
    let (package, folder) = (paths::root().join("tests/wasm"), tempfile::tempdir()?);
    let compiler = BareMetal::find(TRIPLE)?;
    process::run(cargo(&compiler, &package)?.args(["--release", "--quiet"]))?;
    fs::write(folder.path().join("input.bin"), batch::input(files))?;
    let mut node = Command::new("node");
    node.current_dir(&folder).arg(package.join("run.mjs")).arg(compiler.executable("lacewing_wasm.wasm"));
    let ended = process::within(LIMIT, &mut node)?;
    let said = ended.stderr.trim();
    ensure!(ended.status.is_some_and(|status| status.success()) && said == "Simd128", "node: {said}");
    Ok(fs::read(folder.path().join("output.bin"))?)
}

/// `cargo build` of a package in `folder`, with vectors.
pub(super) fn cargo(compiler: &BareMetal, folder: &Path) -> Result<Command> {
    let mut cargo = compiler.cargo(folder, "build")?;
    cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker()?);
    let remap = format!("--remap-path-prefix={}=", paths::cargo_home().display());
    cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", format!("-Ctarget-feature=+simd128 {remap}"));
    Ok(cargo)
}

/// Of LLVM's linkers the one for WebAssembly; Rust's own is all of them.
fn linker() -> Result<OsString> {
    Ok(bare_metal::linker()?.to_string_lossy().replace("ld.lld", "wasm-ld").into())
}
