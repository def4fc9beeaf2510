//! What tests of several files need.

use std::path::PathBuf;

/// The folder of real models, by `LACEWING_MODELS` or beside the repository, if it is there.
pub(crate) fn models() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/models");
    let folder = std::env::var_os("LACEWING_MODELS").map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no models at {}; set LACEWING_MODELS", folder.display());
    None
}
