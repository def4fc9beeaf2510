//! Where things are.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The root of the repository.
pub(super) fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests).to_path_buf()
}

/// Cargo's target directory for the host.
pub(super) fn target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Where cargo keeps what it downloads.
pub(super) fn cargo_home() -> PathBuf {
    let named = env::var_os("CARGO_HOME").map(PathBuf::from);
    named.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo"))).unwrap_or_else(|| ".cargo".into())
}

/// What is built once for all checkouts: `LACEWING_CACHE`, or `lacewing` in the user's cache.
pub(super) fn cache_dir() -> PathBuf {
    let named = |name| env::var_os(name).map(PathBuf::from);
    named("LACEWING_CACHE")
        .or_else(|| Some(named("XDG_CACHE_HOME")?.join("lacewing")))
        .or_else(|| Some(named("HOME")?.join(".cache/lacewing")))
        .unwrap_or_else(|| target_dir().join("cache"))
}

/// The tables `[[model]]` of a file of the repository.
pub(super) fn models<T: DeserializeOwned>(path: &str) -> Result<Vec<T>> {
    #[derive(Deserialize)]
    struct Table<T> {
        model: Vec<T>,
    }
    let path = root().join(path);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let table: Table<T> =
        toml::from_str(&text).with_context(|| format!("{} is not as it should be", path.display()))?;
    Ok(table.model)
}

/// The file called `name` in one of the folders of `PATH`.
pub(super) fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Waits until no other process holds the lock `name` in `folder`; dropping the file frees it.
pub(super) fn lock(folder: &Path, name: &str) -> Result<File> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let path = folder.join(format!("{name}.lock"));
    let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_holds_the_workspace() {
        assert!(root().join("targets/src/boards.rs").is_file());
    }

    #[test]
    fn a_lock_is_held_until_dropped() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let held = lock(folder.path(), "x").expect("the first lock");
        let other = File::open(folder.path().join("x.lock")).expect("the lock's file");
        assert!(other.try_lock().is_err());
        drop(held);
        assert!(other.try_lock().is_ok());
    }
}
