//! The steps of `cargo xtask test`, in their order.

use std::process::Command;

use anyhow::Result;
use lacewing_targets::boards::BARE_METAL_TRIPLES;

use super::bare_metal::BareMetal;
use super::sysroot::Sysroot;
use super::{bare_metal, no_panic, onnx, paths, process};

pub(super) mod boards;
pub(super) mod example;
mod fuzz;
pub(super) mod gpu;
mod linux;
mod package;
mod records;
mod web;

/// How a step ended, if it did not fail.
pub(super) enum Outcome {
    /// Everything was run.
    Passed,
    /// Something was not run, and installing would not help.
    Skipped(String),
    /// Something was not run because a tool is missing that `--install` provides.
    NotInstalled(String),
}

/// A part of the test run.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// Whether it needs nothing that `--install` provides.
    pub(super) bare: bool,
    pub(super) run: fn() -> Result<Outcome>,
}

const fn bare(name: &'static str, about: &'static str, run: fn() -> Result<Outcome>) -> Step {
    Step { name, about, bare: true, run }
}

const fn step(name: &'static str, about: &'static str, run: fn() -> Result<Outcome>) -> Step {
    Step { name, about, bare: false, run }
}

/// All steps in the order in which they begin: those that need no tools, which are installed meanwhile, then the long ones.
pub(super) const STEPS: [Step; 19] = [
    bare("fmt", "rustfmt has nothing to change", fmt),
    bare("build", "the workspace and its tests compile", build),
    bare("clippy", "clippy has nothing to say", clippy),
    bare("doc", "the documentation builds without warnings", doc),
    step("test", "unit, documentation, property and golden tests", tests),
    step("package", "packages for boards are well formed and say what the host says", package::run),
    step("web", "the npm package in Node.js, and the demo page in a browser, within the budget of sizes", web::run),
    step("records", "random records on boards with kernels of their own", records::step),
    step("qemu", "the same output on the host and on every board, within the budget of sizes", boards::qemu),
    step(
        "linux",
        "the example for Linux boards says the same on 64-bit and 32-bit Arm and on RISC-V as on the host",
        linux::run,
    ),
    step("count", "the instruction counter and loud failures, on every board", boards::count),
    step("gpu", "the same bits on a GPU, by two drivers in software", gpu::run),
    step("no-std", "the runtime builds for every bare-metal target", no_std),
    step("processors", "random records on processors of Linux boards", records::processors),
    step("wasm", "random records in a JavaScript engine", records::wasm),
    step("example", "the firmware example classifies its image, within its budget", example::run),
    step("onnx", "ONNX's backend suite passes as listed", onnx_suite),
    step("no-panic", "the runtime cannot panic, by linking", no_panic_link),
    step("fuzz", "some fuzzing of the reader of models, and of the importers where it is run alone", fuzz::run),
];

/// Packages outside the workspace.
const FIRMWARE: [&str; 5] =
    ["tests/firmware", "tests/linux", "tests/no-panic", "tests/wasm", "firmware-examples/qemu-mps2-an386-classify"];

fn workspace(arguments: &[&str]) -> Command {
    let mut cargo = process::cargo(&paths::root());
    cargo.args(arguments);
    cargo
}

fn fmt() -> Result<Outcome> {
    process::run(&mut workspace(&["fmt", "--all", "--check"]))?;
    for package in FIRMWARE {
        let folder = paths::root().join(package);
        process::run(process::cargo(&folder).args(["fmt", "--check"]))?;
    }
    Ok(Outcome::Passed)
}

fn build() -> Result<Outcome> {
    process::run(&mut workspace(&["test", "--workspace", "--no-run"]))?;
    process::run(&mut workspace(&["build", "--workspace", "--bins"]))?;
    Ok(Outcome::Passed)
}

fn clippy() -> Result<Outcome> {
    let everything = ["clippy", "--workspace", "--all-targets", "--all-features"];
    let plain = ["clippy", "--package", "lacewing", "--package", "lacewing-targets"];
    let deny = ["--", "-Dwarnings"];
    process::run(workspace(&everything).args(deny))?;
    process::run(workspace(&plain).args(deny))?;
    Ok(Outcome::Passed)
}

fn doc() -> Result<Outcome> {
    let mut cargo = workspace(&["doc", "--workspace", "--no-deps", "--all-features"]);
    process::run(cargo.env("RUSTDOCFLAGS", "-Dwarnings"))?;
    Ok(Outcome::Passed)
}

fn tests() -> Result<Outcome> {
    process::run_tests(&mut workspace(&["test", "--workspace", "--exclude", "lacewing-gpu", "--no-fail-fast"]))?;
    // Within the workspace the converter turns features on; here none is.
    process::run_tests(&mut workspace(&["test", "--package", "lacewing"]))?;
    Ok(Outcome::Passed)
}

/// The two crates that devices run, built as they are, and checked with the features that firmware may want.
fn no_std() -> Result<Outcome> {
    let missing = missing_triples()?;
    let there = BARE_METAL_TRIPLES.iter().filter(|triple| !missing.contains(triple));
    let compilers: Vec<_> = there.map(|triple| BareMetal::find(triple)).collect::<Result<_>>()?;
    // rustup's and Debian's do not mix; all targets of one are built at once.
    for same in compilers.chunk_by(|a, b| a.target_dir() == b.target_dir()) {
        let with_features = &["--features", "lacewing/defmt,lacewing/encode,lacewing/regions"][..];
        for (subcommand, features) in [("build", &[][..]), ("check", with_features)] {
            let mut cargo = same[0].cargo(&paths::root(), subcommand)?;
            same[1..].iter().try_for_each(|compiler| compiler.aim(&mut cargo))?;
            cargo.args(["--release", "--quiet", "-p", "lacewing", "-p", "lacewing-targets"]).args(features);
            process::run(&mut cargo)?;
        }
    }
    Ok(match missing.is_empty() {
        true => Outcome::Passed,
        false => Outcome::NotInstalled(format!("no core library for {}", missing.join(", "))),
    })
}

/// Whether there is a server of ssh, which is in no user's PATH.
pub(super) fn has_sshd() -> bool {
    paths::program("sshd").is_some() || std::path::Path::new("/usr/sbin/sshd").is_file()
}

fn onnx_suite() -> Result<Outcome> {
    if onnx::installed()?.is_none() {
        return Ok(Outcome::NotInstalled("no cases of ONNX's backend suite".into()));
    }
    onnx::command(&onnx::Args::default())?;
    Ok(Outcome::Passed)
}

fn no_panic_link() -> Result<Outcome> {
    if !missing_triples()?.is_empty() {
        return Ok(Outcome::NotInstalled("no core library for bare metal".into()));
    }
    no_panic::command()?;
    Ok(Outcome::Passed)
}

/// Bare-metal targets that neither rustup nor Debian's sources can provide here.
fn missing_triples() -> Result<Vec<&'static str>> {
    if Sysroot::find()?.is_some() && bare_metal::linker().is_ok() {
        return Ok(Vec::new());
    }
    let mut missing = Vec::new();
    for &triple in BARE_METAL_TRIPLES {
        if !bare_metal::rustup_has(triple)? {
            missing.push(triple);
        }
    }
    Ok(missing)
}

/// What a firmware run needs that is not there.
pub(super) fn missing_for_boards() -> Result<Option<String>> {
    let programs = ["qemu-system-arm", "qemu-system-riscv32", "qemu-system-riscv64", "gcc"];
    let absent = programs.iter().find(|name| paths::program(name).is_none());
    if let Some(name) = absent {
        return Ok(Some(format!("no {name}")));
    }
    let missing = missing_triples()?;
    Ok((!missing.is_empty()).then(|| format!("no core library for {}", missing.join(", "))))
}
