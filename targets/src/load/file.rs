//! Models from files.

use core::fmt;
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use lacewing::ReadError;

use super::Loaded;
use super::bytes::Bytes;

/// Loads a file, checks it, and packs it for this machine, if it was written for another.
///
/// Constants are not looked at, whose bytes cannot do harm. Whether they are damaged says [`Model::verify`](lacewing::Model::verify) of the
/// file as it is, `Loaded::open(path)?.model().verify()`; what is packed has a checksum of its own.
///
/// # While it is loaded
/// A file of up to 256 KiB is read into memory. A larger one is mapped: it is ready at once, its pages are read when they are first needed, and
/// programs that run the same file share them. So nobody should write to the file meanwhile: write another and rename it to this name, and
/// who has the old one keeps it. Header and program are copies that no write reaches; a write to the constants makes wrong numbers, or a panic if it is
/// the table of a softmax, and the end of a file that was made shorter ends the program (`SIGBUS`) where it is needed.
/// [`Loaded::new`] with the bytes of `std::fs::read` has none of that.
///
/// # Errors
/// [`LoadError`], which names the file.
pub fn load(path: impl AsRef<Path>) -> Result<Loaded, LoadError> {
    Ok(Loaded::open(path)?.packed())
}

impl Loaded {
    /// As [`load`](crate::load), in the order of weights that the file has: every order runs, others than this machine's slowly.
    ///
    /// # Errors
    /// As [`load`](crate::load).
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        let path = path.as_ref();
        let bytes = Bytes::of(path).map_err(|error| LoadError::Unreadable { path: path.into(), error })?;
        Self::held(bytes).map_err(|error| LoadError::Refused { path: path.into(), error })
    }
}

/// Why a file is not loaded.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// It cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It is no model, or not one that this version runs.
    Refused {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: ReadError,
    },
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, error } => write!(f, "cannot read {}: {error}", path.display()),
            Self::Refused { path, error } => write!(f, "{} is refused: {error}", path.display()),
        }
    }
}

impl Error for LoadError {}
