//! The npm package and the demo page, made, measured and used as their users do.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Outcome;
use crate::generator::Generator;
use crate::xtask::{paths, process, web};

/// Images of noise that go through the demo's model.
const IMAGES: usize = 32;
/// A file of which an operation computes in f32.
const FLOAT: &str = "tests/data/golden/v1-every-operation.lace";
const PIXELS: usize = 28 * 28;
/// A script that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// Makes package and page, runs the package in Node.js, and clicks through the page.
pub(super) fn run() -> Result<Outcome> {
    if let Some(missing) = web::missing()? {
        return Ok(Outcome::NotInstalled(missing));
    }
    let sizes = web::make()?;
    sizes.iter().for_each(|size| eprintln!("{size}"));
    web::check_budget(&sizes)?;
    let folder = tempfile::tempdir()?;
    package(folder.path()).context("the package in node")?;
    if paths::program("chromium").is_none() {
        return Ok(Outcome::NotInstalled("no chromium".into()));
    }
    page().context("the page in chromium")?;
    Ok(Outcome::Passed)
}

/// The same bytes of both builds as here, of noise; the script asserts everything else.
fn package(folder: &Path) -> Result<()> {
    let modules = folder.join("node_modules");
    fs::create_dir(&modules)?;
    symlink(web::output().join("npm"), modules.join("lacewing-web"))?;
    fs::copy(paths::root().join("tests/web/session.mjs"), folder.join("session.mjs"))?;
    let inputs: Vec<u8> = Generator::default().take(IMAGES * PIXELS).collect();
    fs::write(folder.join("inputs.bin"), &inputs)?;
    let [model, float] = ["examples/classify/fashion.lace", FLOAT].map(|path| paths::root().join(path));
    script(
        Command::new("node")
            .current_dir(folder)
            .arg("session.mjs")
            .args([&model, &float])
            .args(["inputs.bin", "outputs.bin"]),
    )?;
    let want = native(&model, &inputs)?;
    let outputs = fs::read(folder.join("outputs.bin"))?;
    ensure!(outputs == [&want[..], &want[..]].concat(), "other outputs than natively");
    eprintln!("{IMAGES} outputs of each build are those of this machine's kernels");
    Ok(())
}

/// The outputs of the demo's model as this machine computes them.
fn native(model: &Path, inputs: &[u8]) -> Result<Vec<u8>> {
    let mut session = lacewing_targets::load(model)?.session();
    let mut outputs = Vec::new();
    for input in inputs.chunks_exact(PIXELS) {
        session.input_bytes(0)?.copy_from_slice(input);
        session.run()?;
        outputs.extend_from_slice(session.output_bytes(0)?);
    }
    Ok(outputs)
}

/// Clicks through the page; what it looks like is left in `target/web/pictures`.
fn page() -> Result<()> {
    let pictures = web::output().join("pictures");
    fs::create_dir_all(&pictures)?;
    let (tests, page) = (paths::root().join("tests/web"), web::output().join("page"));
    let boot = paths::root().join("examples/classify/boot.png");
    script(Command::new("node").arg(tests.join("page.mjs")).args([&page, &boot, &pictures]))?;
    let [light, dark] = ["light.png", "dark.png"].map(|name| fs::read(pictures.join(name)));
    let (light, dark) = (light?, dark?);
    ensure!(light.len().min(dark.len()) > 20_000 && light != dark, "an empty picture of the page");
    eprintln!("clicked through; look at it in {}", pictures.display());
    Ok(())
}

/// Runs a script of Node.js, which says what is wrong on standard error.
fn script(node: &mut Command) -> Result<()> {
    let ended = process::within(LIMIT, node)?;
    let said = ended.stderr.trim();
    ensure!(
        ended.status.is_some_and(|status| status.success()),
        "{}",
        if said.is_empty() { "takes too long" } else { said }
    );
    Ok(())
}
