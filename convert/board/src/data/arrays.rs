//! The arrays of one `.npz` or `.npy` file, found by name and checked against the model's inputs.

use std::fs;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use ndarray::ArrayD;
use zip::ZipArchive;
use zip::result::ZipError;

use super::{DataError, InputSpec, Scaling, npy};

/// The key of the labels.
pub(super) const LABELS: &str = "y";
/// The key of the samples of a model's only input.
const ONLY_INPUT: &str = "x";

/// The arrays of one file by name.
pub(super) struct Arrays {
    pub(super) path: PathBuf,
    pub(super) keys: Vec<String>,
    source: Source,
}

enum Source {
    /// A `.npy` file: one array without a name.
    Npy(Vec<u8>),
    Npz(ZipArchive<Cursor<Vec<u8>>>),
}

impl Arrays {
    /// Reads the file; which kind it is its first bytes tell.
    pub(super) fn open(path: &Path) -> Result<Arrays, DataError> {
        let bytes = fs::read(path).map_err(|error| DataError::Unreadable { path: path.to_path_buf(), error })?;
        Arrays::parse(path, bytes)
    }

    /// As `open`, on the file's bytes.
    pub(super) fn parse(path: &Path, bytes: Vec<u8>) -> Result<Arrays, DataError> {
        let path = path.to_path_buf();
        if bytes.starts_with(b"\x93NUMPY") {
            return Ok(Arrays { path, keys: vec![ONLY_INPUT.to_string()], source: Source::Npy(bytes) });
        }
        match ZipArchive::new(Cursor::new(bytes)) {
            Ok(archive) => {
                let keys = archive.file_names().map(|name| name.trim_end_matches(".npy").to_string());
                Ok(Arrays { path, keys: keys.collect(), source: Source::Npz(archive) })
            }
            Err(error) => Err(DataError::NotData { path, reason: error.to_string() }),
        }
    }

    /// The array meant for `input`, one of `inputs` inputs.
    pub(super) fn key_of(&self, input: &InputSpec, inputs: usize) -> Result<String, DataError> {
        let prefixed = format!("in:{}", input.name);
        let mut names = vec![input.name.as_str(), &prefixed];
        let samples: Vec<&str> = self.keys.iter().map(String::as_str).filter(|key| is_sample(key)).collect();
        if inputs == 1 {
            names.push(ONLY_INPUT);
            names.extend(samples.first().filter(|_| samples.len() == 1));
        }
        let found = names.into_iter().find(|name| self.keys.iter().any(|key| key == name));
        found.map(str::to_string).ok_or_else(|| self.no_array(&input.name))
    }

    fn no_array(&self, input: &str) -> DataError {
        let keys = self.keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        let keys = if keys.is_empty() { "no arrays".to_string() } else { keys };
        DataError::NoArray { path: self.path.clone(), input: input.to_string(), keys }
    }

    fn array(&mut self, key: &str) -> Result<ArrayD<f64>, DataError> {
        let array = match &mut self.source {
            Source::Npy(bytes) => npy::read(bytes),
            Source::Npz(archive) => {
                let bytes = entry(archive, key);
                let path = &self.path;
                let bytes = bytes.map_err(|error| DataError::NotData {
                    path: path.clone(),
                    reason: format!("array `{key}`: {error}"),
                })?;
                npy::read(&bytes)
            }
        };
        let path = &self.path;
        array.map_err(|error| DataError::Array { path: path.clone(), key: key.to_string(), error })
    }

    /// The array `key` as finite reals, one array of the input's shape for each sample.
    pub(super) fn rows(
        &mut self,
        key: &str,
        input: &InputSpec,
        scaling: Scaling,
    ) -> Result<Vec<ArrayD<f32>>, DataError> {
        let stored = self.array(key)?;
        let samples = samples_in(stored.shape(), &input.shape).ok_or_else(|| DataError::Shape {
            path: self.path.clone(),
            key: key.to_string(),
            input: input.name.clone(),
            found: stored.shape().to_vec(),
            expected: input.shape.clone(),
        })?;
        let real = |stored: f64| (scaling.scale * (stored - scaling.zero)) as f32;
        if let Some((element, &value)) = stored.iter().enumerate().find(|(_, v)| !real(**v).is_finite()) {
            let (path, key) = (self.path.clone(), key.to_string());
            return Err(DataError::NotFinite { path, key, value, element });
        }
        let mut reals = stored.iter().map(|&v| real(v));
        let mut row = || ArrayD::from_shape_simple_fn(input.shape.clone(), || reals.next().unwrap_or_default());
        Ok((0..samples).map(|_| row()).collect())
    }

    pub(super) fn labels(&mut self, samples: usize) -> Result<Vec<i64>, DataError> {
        let stored = self.array(LABELS)?;
        if stored.len() != samples || stored.iter().any(|label| label.fract() != 0.0) {
            let (path, found) = (self.path.clone(), stored.shape().to_vec());
            return Err(DataError::Labels { path, found, samples });
        }
        Ok(stored.iter().map(|&label| label as i64).collect())
    }
}

/// Whether an array may hold samples: not the labels, not recorded outputs.
fn is_sample(key: &str) -> bool {
    key != LABELS && !key.starts_with("out:")
}

/// The bytes of the array `key` of an archive.
fn entry(archive: &mut ZipArchive<Cursor<Vec<u8>>>, key: &str) -> Result<Vec<u8>, ZipError> {
    let name = format!("{key}.npy");
    let index = archive.index_for_name(&name).or_else(|| archive.index_for_name(key));
    let mut file = archive.by_index(index.ok_or(ZipError::FileNotFound)?)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// How many samples of shape `row` an array of shape `found` holds: it is one sample under any shape,
/// or its leading axes count samples (or their batches) and the rest of its axes have the elements of one.
pub(super) fn samples_in(found: &[usize], row: &[usize]) -> Option<usize> {
    let (total, each) = (found.iter().product::<usize>(), row.iter().product::<usize>());
    if each == 0 || !total.is_multiple_of(each) {
        return None;
    }
    let samples = total / each;
    let batch = row.first().copied().unwrap_or(1);
    let leading = |n| (0..=found.len()).any(|axes| found[..axes].iter().product::<usize>() == n);
    (leading(samples) || found.first() == Some(&(samples * batch))).then_some(samples)
}
