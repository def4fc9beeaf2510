//! The plugin for QEMU that counts instructions, `tests/qemu/plugin.c`, compiled at first use.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::{paths, process};

/// What the plugin counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted {
    /// Closed windows, that is, inferences.
    pub(super) windows: u64,
    /// Instructions executed inside them.
    pub(super) instructions: u64,
}

/// The path of the compiled plugin, which depends on its source.
pub(super) fn provide() -> Result<PathBuf> {
    let source = paths::root().join("tests/qemu/plugin.c");
    let text = fs::read(&source).with_context(|| format!("cannot read {}", source.display()))?;
    let folder = paths::target_dir().join("qemu");
    let hash: String = super::emulator::hex(&Sha256::digest(&text)[..8]);
    let plugin = folder.join(format!("count-{hash}.so"));
    let _lock = paths::lock(&folder, "plugin")?;
    if !plugin.is_file() {
        compile(&source, &plugin)?;
    }
    Ok(plugin)
}

fn compile(source: &Path, plugin: &Path) -> Result<()> {
    let unfinished = plugin.with_extension("tmp");
    let mut cc = Command::new("gcc");
    cc.args(["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror"]).arg("-o").args([&unfinished, source]);
    process::run(&mut cc).context("cannot compile the instruction counter")?;
    Ok(fs::rename(unfinished, plugin)?)
}

/// Reads the plugin's file.
pub(super) fn read(path: &Path) -> Result<Counted> {
    let text = fs::read_to_string(path).context("the instruction counter wrote nothing")?;
    parse(&text).with_context(|| format!("the instruction counter wrote `{}`", text.trim()))
}

fn parse(text: &str) -> Option<Counted> {
    let (windows, instructions) = text.trim().split_once(' ')?;
    Some(Counted { windows: windows.parse().ok()?, instructions: instructions.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_holds_two_numbers() {
        let counted = Counted { windows: 2, instructions: 6 };
        assert_eq!(parse("2 6\n"), Some(counted));
        assert_eq!(parse("2\n"), None);
    }
}
