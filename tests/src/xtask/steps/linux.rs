//! The example for Linux boards, built as its README says: it says on every board what it says on the host.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

use super::Outcome;
use crate::generator::Generator;
use crate::xtask::linux::{ALL, Linux};
use crate::xtask::{paths, process};

const BUILD: [&str; 4] = ["--release", "--quiet", "--package", "lacewing-classify"];
const NAME: &str = "classify";
/// What the images show, in the order of `images`.
const EXPECTED: [&str; 2] = ["boot.png: Ankle boot", "trousers.png: Trouser"];

/// Runs the example on the host, and on every board that can be built for.
pub(super) fn run() -> Result<Outcome> {
    let want = said(|| process::built("lacewing-classify", NAME))?;
    eprint!("{want}");
    EXPECTED.iter().try_for_each(|line| {
        ensure!(want.contains(line), "the example does not say `{line}`");
        Ok(())
    })?;
    let mut missing = Vec::new();
    for linux in ALL {
        match linux.missing()? {
            Some(what) => missing.push(what),
            None => same(linux, &want)?,
        }
    }
    Ok(match missing.is_empty() {
        true => Outcome::Passed,
        false => Outcome::NotInstalled(missing.join(", ")),
    })
}

fn same(linux: &Linux, want: &str) -> Result<()> {
    process::run(linux.cargo(&paths::root(), "build")?.args(BUILD))?;
    let program = linux.executable(NAME)?;
    let said = said(|| {
        let mut emulated = linux.emulated(linux.cpu);
        emulated.arg(&program);
        Ok(emulated)
    })?;
    ensure!(said == want, "on {} the example says\n{said}instead of\n{want}", linux.triple);
    eprintln!("{}, {}: the same", linux.triple, linux.cpu);
    Ok(())
}

/// What a program says of the carried images, and of two frames of noise.
fn said(program: impl Fn() -> Result<Command>) -> Result<String> {
    let example = paths::root().join("examples/classify");
    let model = example.join("fashion.lace");
    let images = ["boot.png", "trousers.png"].map(|name| example.join(name));
    let folder = tempfile::tempdir()?;
    let frames = noise(folder.path())?;
    let of_images = process::output(program()?.arg(&model).args(images))?;
    let of_frames = process::fed(program()?.arg(&model).args(["--raw", "40x30"]), frames)?;
    Ok(of_images + &of_frames)
}

fn noise(folder: &Path) -> Result<File> {
    let path = folder.join("frames.rgb");
    fs::write(&path, Generator::default().take(2 * 40 * 30 * 3).collect::<Vec<u8>>())?;
    Ok(File::open(path)?)
}
