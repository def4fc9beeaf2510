//! The plugin for QEMU that counts instructions, `tests/qemu/plugin.c`, compiled at first use.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use lacewing::Model;
use sha2::{Digest, Sha256};

use super::{paths, process};

/// What the plugin counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// Closed windows, that is, inferences.
    pub(super) windows: u64,
    /// Instructions executed inside them.
    pub(super) instructions: u64,
    /// Of them, those of each part of the work that the firmware named; part 0 is the rest.
    pub(super) parts: BTreeMap<usize, u64>,
    /// How often the instruction at each address was executed inside the windows.
    pub(super) places: BTreeMap<u64, u64>,
}

impl Counted {
    /// With one window for an inference, also where each row of the input had its own.
    pub(super) fn by_inference(self, model: &Model<'_>) -> Self {
        let rows = model.frame().and_then(|_| model.inputs().next()).map_or(1, |port| port.tensor.shape[1].into());
        Self { windows: self.windows / rows, ..self }
    }
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
    parse(&text).with_context(|| format!("the instruction counter wrote `{}`", text.lines().next().unwrap_or_default()))
}

fn parse(text: &str) -> Option<Counted> {
    let mut lines = text.lines();
    let (windows, instructions) = lines.next()?.split_once(' ')?;
    let mut counted =
        Counted { windows: windows.parse().ok()?, instructions: instructions.parse().ok()?, ..Counted::default() };
    for line in lines {
        let (what, count) = line.rsplit_once(' ')?;
        let count = count.parse().ok()?;
        match what.split_once(' ')? {
            ("part", part) => counted.parts.insert(part.parse().ok()?, count),
            ("at", address) => counted.places.insert(u64::from_str_radix(address, 16).ok()?, count),
            _ => return None,
        };
    }
    Some(counted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_holds_counts_of_windows_parts_and_addresses() {
        let counted =
            Counted { windows: 2, instructions: 6, parts: [(0, 2), (3, 4)].into(), places: [(0x1a, 6)].into() };
        assert_eq!(parse("2 6\npart 0 2\npart 3 4\nat 1a 6\n"), Some(counted));
        assert_eq!(parse("2\n"), None);
        assert_eq!(parse("2 6\nat 1g 6\n"), None);
    }
}
