//! Building `tests/firmware` for a board.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use lacewing::format::Header;
use lacewing_targets::Board;
use tempfile::TempDir;

use super::bare_metal::BareMetal;
use super::{paths, process};

/// A built firmware in a temporary folder of its own, where it is also run.
pub(super) struct Firmware {
    /// The folder, removed at the end.
    pub(super) folder: TempDir,
    /// The board it was built for.
    pub(super) board: &'static Board,
}

impl Firmware {
    /// Builds the executable `name`, with a model if it takes one.
    ///
    /// All boards share one target directory, so builds take turns.
    pub(super) fn build(board: &'static Board, name: &str, model: Option<&Path>) -> Result<Self> {
        Self::with(board, name, model, &[], &[])
    }

    /// The executable that runs a model, without portable bodies: kernels must take all its records.
    pub(super) fn lean(board: &'static Board, model: &Path) -> Result<Self> {
        Self::with(board, "infer", Some(model), &["--no-default-features"], &[])
    }

    /// The executable that runs a model and tells the plugin which record runs.
    pub(super) fn watched(board: &'static Board, model: &Path) -> Result<Self> {
        Self::with(board, "infer", Some(model), &[], &[("LACEWING_PROFILE", "records")])
    }

    fn with(
        board: &'static Board,
        name: &str,
        model: Option<&Path>,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<Self> {
        let compiler = BareMetal::find(board.triple)?;
        let folder = tempfile::tempdir()?;
        let package = paths::root().join("tests/firmware");
        let mut cargo = compiler.cargo(&package, "build")?;
        cargo.args(["--release", "--quiet", "--bin", name]).args(arguments).env("LACEWING_BOARD", board.name);
        cargo.envs(variables.iter().copied());
        if let Some(model) = model {
            let header = Header::parse(&fs::read(model)?)?;
            cargo.args(header.ops.has_regions().then_some("--features=regions"));
            cargo.env("LACEWING_MODEL", model.canonicalize()?);
        }
        let _lock = paths::lock(&compiler.target_dir(), "firmware")?;
        process::run(&mut cargo).with_context(|| format!("cannot build the firmware for {}", board.name))?;
        let firmware = Self { folder, board };
        fs::copy(compiler.executable(name), firmware.elf())?;
        Ok(firmware)
    }

    /// The executable.
    pub(super) fn elf(&self) -> PathBuf {
        self.folder.path().join("firmware.elf")
    }
}
