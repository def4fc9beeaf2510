//! `tests/host/models.toml`: the models, and files that are given.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::xtask::paths;

/// What numbers a model computes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Precision {
    /// Quantized files, as they are
    Int8,
    /// Float files, in f32
    F32,
}

impl Precision {
    /// Its name on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Int8 => "int8",
            Self::F32 => "f32",
        }
    }
}

/// The files of one model in one precision.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Files {
    /// For LiteRT.
    pub(super) tflite: Option<PathBuf>,
    /// For the others.
    pub(super) onnx: Option<PathBuf>,
    /// How long we want to take beside the best peer.
    pub(super) goal: Option<f64>,
}

/// A model of the table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    name: String,
    int8: Files,
    f32: Files,
}

/// A model to measure.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) name: String,
    pub(super) precision: Precision,
    pub(super) files: Files,
}

impl Files {
    /// The one that Lacewing's is made of.
    pub(super) fn source(&self) -> Option<&Path> {
        self.tflite.as_deref().or(self.onnx.as_deref())
    }

    /// With whole paths; without those files that are in none of the folders, which it says.
    fn found(self, folders: &[PathBuf]) -> Self {
        let find = |path: PathBuf| {
            let found = folders.iter().map(|folder| folder.join(&path)).find(|path| path.is_file());
            if found.is_none() {
                eprintln!("SKIPPED: {}; no folder has it", path.display());
            }
            found
        };
        Self { tflite: self.tflite.and_then(find), onnx: self.onnx.and_then(find), goal: self.goal }
    }
}

/// The models of the table whose files are in one of the folders.
pub(super) fn known(folders: &[PathBuf]) -> Result<Vec<Job>> {
    let mut jobs = Vec::new();
    for Known { name, int8, f32 } in table()? {
        for (precision, files) in [(Precision::Int8, int8), (Precision::F32, f32)] {
            jobs.push(Job { name: name.clone(), precision, files: files.found(folders) });
        }
    }
    jobs.retain(|job| job.files.source().is_some());
    Ok(jobs)
}

/// A file that is given.
pub(super) fn given(path: &Path, precision: Precision) -> Result<Job> {
    let whole = path.canonicalize().with_context(|| format!("cannot find {}", path.display()))?;
    let files = match path.extension().and_then(|extension| extension.to_str()) {
        Some("tflite") => Files { tflite: Some(whole), ..Files::default() },
        Some("onnx") => Files { onnx: Some(whole), ..Files::default() },
        _ => bail!("{} is neither .onnx nor .tflite", path.display()),
    };
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Job { name, precision, files })
}

fn table() -> Result<Vec<Known>> {
    paths::models("tests/host/models.toml")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn every_model_of_the_table_has_a_file_and_a_goal() {
        let models = table().expect("the table");
        assert!(!models.is_empty());
        for files in models.iter().flat_map(|model| [&model.int8, &model.f32]) {
            assert!(files.onnx.is_some() && files.goal.is_some_and(|goal| goal > 0.0), "{files:?}");
        }
    }

    #[test]
    fn a_file_of_the_table_is_found_in_a_folder_or_left_out() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("a.onnx"), "").expect("a file");
        let files = Files { tflite: Some("a.tflite".into()), onnx: Some("a.onnx".into()), goal: Some(1.0) };
        let found = files.found(&[folder.path().join("none"), folder.path().to_path_buf()]);
        assert_eq!((found.tflite, found.onnx), (None, Some(folder.path().join("a.onnx"))));
    }

    #[test]
    fn a_given_file_is_of_a_known_kind() {
        let error = given(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml").as_path(), Precision::F32);
        assert!(error.expect_err("no model").to_string().ends_with("is neither .onnx nor .tflite"));
    }
}
