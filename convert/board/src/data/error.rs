//! What can be wrong with data.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::NpyError;

/// Why data cannot be used. Each begins with the file, if it is about one.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file is neither an array nor an archive.
    #[error("{}: neither .npy nor .npz: {reason}", path.display())]
    NotData {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// One array of the file is damaged or holds no numbers.
    #[error("{}: array `{key}`: {error}", path.display())]
    Array {
        /// The file.
        path: PathBuf,
        /// The array's name.
        key: String,
        /// What is wrong with it.
        error: NpyError,
    },
    /// No array of the file can be meant by the input.
    #[error("{}: no array for the input `{input}` (`{input}`, `in:{input}`, or `x` if it is the only input); the file has {keys}", path.display())]
    NoArray {
        /// The file.
        path: PathBuf,
        /// The model's input.
        input: String,
        /// Names of the arrays there are.
        keys: String,
    },
    /// The array's rows have another number of elements than the input.
    #[error("{}: array `{key}` has shape {found:?}, but the input `{input}` takes rows of shape {expected:?}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The array's name.
        key: String,
        /// The model's input.
        input: String,
        /// Shape of the array.
        found: Vec<usize>,
        /// Shape of the input.
        expected: Vec<usize>,
    },
    /// Two inputs have different numbers of samples.
    #[error("{}: `{input}` has {found} samples, the input before it {expected}", path.display())]
    Counts {
        /// The file.
        path: PathBuf,
        /// The model's input.
        input: String,
        /// Its samples.
        found: usize,
        /// Samples of the first input.
        expected: usize,
    },
    /// There is not one sample.
    #[error("{}: no samples", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// NaN or infinity among the samples.
    #[error("{}: array `{key}` holds {value} at element {element}; every element must be finite", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The array's name.
        key: String,
        /// The element's value.
        value: f64,
        /// Its place in row-major order.
        element: usize,
    },
    /// Labels are needed and there are none.
    #[error("{}: no labels; an array `y` with one class index for each sample is needed", path.display())]
    NoLabels {
        /// The file.
        path: PathBuf,
    },
    /// The labels are not one class index for each sample.
    #[error("{}: labels `y` have shape {found:?}, but there are {samples} samples", path.display())]
    Labels {
        /// The file.
        path: PathBuf,
        /// Shape of the labels.
        found: Vec<usize>,
        /// Number of samples.
        samples: usize,
    },
    /// The file that describes preprocessing cannot be used.
    #[error("{}: {reason}", path.display())]
    Recipe {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Preprocessing does not give what the input takes.
    #[error("preprocessing: the input `{input}` {reason}")]
    Preprocessing {
        /// The model's input.
        input: String,
        /// What it takes.
        reason: String,
    },
    /// A file cannot be more than one input.
    #[error("preprocessing is for models with one input, this one has {inputs}; use an .npz with an array for each")]
    SeveralInputs {
        /// Number of inputs.
        inputs: usize,
    },
    /// An image or a sound cannot be read.
    #[error("{}: {reason}", path.display())]
    Recording {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A folder has nothing to read.
    #[error("{}: no file that ends in {endings}", path.display())]
    NoFiles {
        /// The folder.
        path: PathBuf,
        /// Ends of names that would be read.
        endings: String,
    },
    /// Classes are needed and the folder has none.
    #[error("{}: no classes; each file must be in a folder with the name of its class", path.display())]
    NoClasses {
        /// The folder.
        path: PathBuf,
    },
    /// A folder's name is no class.
    #[error("{}: no class has this name; the classes are {classes}", path.display())]
    Class {
        /// The folder.
        path: PathBuf,
        /// Names of the classes.
        classes: String,
    },
}
