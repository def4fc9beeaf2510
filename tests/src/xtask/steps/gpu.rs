//! The GPU's tests on drivers in software: lavapipe, and SwiftShader, which has no more than the least of WebGPU's limits.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Outcome, workspace};
use crate::xtask::process;

/// Where Mesa's drivers are named, and the driver of Debian's Chromium.
const MESA: &str = "/usr/share/vulkan/icd.d";
const SWIFTSHADER: &str = "/usr/lib/chromium/vk_swiftshader_icd.json";

/// Whether the driver is there that is installed for this.
pub(in crate::xtask) fn has_lavapipe() -> bool {
    lavapipe().is_some()
}

/// The name of its file tells the processor in some versions.
fn lavapipe() -> Option<PathBuf> {
    let mut files = std::fs::read_dir(MESA).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    files.find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("lvp_icd")))
}

/// Runs the crate's tests on each driver, and those of the command on the first.
pub(super) fn run() -> Result<Outcome> {
    let Some(lavapipe) = lavapipe() else { return Ok(Outcome::NotInstalled("no lavapipe".into())) };
    let swiftshader = PathBuf::from(SWIFTSHADER);
    if !swiftshader.is_file() {
        return Ok(Outcome::NotInstalled("no chromium, which brings SwiftShader".into()));
    }
    let folder = tempfile::tempdir()?;
    let on = |driver: &Path, arguments: &[&str]| -> Command {
        let mut cargo = workspace(arguments);
        // An adapter that is missing is a failure here, and a loader without this folder complains.
        cargo.env("CI", "true").env("XDG_RUNTIME_DIR", folder.path());
        // The name of old loaders, and that of new ones.
        cargo.env("VK_ICD_FILENAMES", driver).env("VK_DRIVER_FILES", driver);
        cargo
    };
    let suite = ["test", "--package", "lacewing-gpu", "--no-fail-fast"];
    process::run_tests(&mut on(&lavapipe, &suite)).context("on lavapipe")?;
    process::run_tests(&mut on(&swiftshader, &suite)).context("on SwiftShader")?;
    let command = ["test", "--package", "lacewing-board", "--features", "gpu", "--lib", "gpu"];
    process::run_tests(&mut on(&lavapipe, &command)).context("the command on lavapipe")?;
    Ok(Outcome::Passed)
}
