//! Virtual environments of Python with pinned packages, one for each list of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::{paths, process};

/// Whether there is a Python that can make a virtual environment.
pub(super) fn is_there() -> bool {
    let program = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))";
    process::output(Command::new("python3").args(["-c", program])).is_ok()
}

/// The interpreter of an environment that has what `requirements` lists; makes it if it is not there.
pub(super) fn environment(requirements: &Path) -> Result<PathBuf> {
    let folder = paths::cache_dir().join(format!("python-{}", digest(&[requirements])?));
    let (python, made) = (folder.join("bin/python"), folder.join("made.txt"));
    if made.is_file() {
        return Ok(python);
    }
    process::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    process::run(pip.arg(requirements))?;
    fs::write(&made, "").with_context(|| format!("cannot write {}", made.display()))?;
    Ok(python)
}

/// The folder for what `make.py` writes, named after it and what it requires, so that another version gets another folder.
pub(super) fn made(name: &str, source: &Path) -> Result<PathBuf> {
    let digest = digest(&["make.py", "requirements.txt"].map(|file| source.join(file)))?;
    Ok(paths::cache_dir().join(format!("{name}-{digest}")))
}

/// A short name for what files hold.
fn digest(files: &[impl AsRef<Path>]) -> Result<String> {
    let mut hash = Sha256::new();
    for path in files.iter().map(AsRef::as_ref) {
        hash.update(fs::read(path).with_context(|| format!("cannot read {}", path.display()))?);
    }
    Ok(hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect())
}
