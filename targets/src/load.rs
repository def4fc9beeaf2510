//! Models from files, for programs with an operating system: memory is owned, doors have names, real numbers are rounded at them.
//!
//! ```no_run
//! let model = lacewing_targets::load("kws.lace")?;
//! let mut session = model.session();
//! session.set("features", &[0.0; 490])?;
//! session.run()?;
//! let scores = session.output::<i8>(0)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A [`Loaded`] model is shared by its clones, on any threads; each [`Session`] has an arena of its own. What is checked, packed and
//! allocated is so before the first run: [`Session::run`] allocates nothing.

use core::fmt;
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lacewing::owned::Aligned;
use lacewing::{Model, ReadError};

use crate::pack;

mod bytes;
mod door;
mod session;
#[cfg(feature = "ndarray")]
mod views;

use bytes::Bytes;
pub use door::{Door, DoorError};
pub use session::Session;

/// A checked model with the memory that it is in. Clones share it.
#[derive(Clone)]
pub struct Loaded(Arc<Held>);

/// Loads a file, checks it, and packs it for this machine, if it was written for another.
///
/// Constants are not looked at, whose bytes cannot do harm. Whether they are damaged says [`Model::verify`] of the file as it is,
/// `Loaded::open(path)?.model().verify()`; what is packed has a checksum of its own.
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
    /// As [`load`], in the order of weights that the file has: every order runs, others than this machine's slowly.
    ///
    /// # Errors
    /// As [`load`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        let path = path.as_ref();
        let bytes = Bytes::of(path).map_err(|error| LoadError::Unreadable { path: path.into(), error })?;
        Self::held(bytes).map_err(|error| LoadError::Refused { path: path.into(), error })
    }

    /// A copy of a file's bytes, checked, in the order of weights that they have.
    ///
    /// # Errors
    /// As [`Model::read`].
    pub fn new(file: &[u8]) -> Result<Self, ReadError> {
        Self::held(Bytes::Read(Aligned::from(file)))
    }

    fn held(bytes: Bytes) -> Result<Self, ReadError> {
        // SAFETY: the bytes are in an allocation or a mapping of their own, where they stay when `bytes` is moved. They are freed with
        // `Held`, and nothing changes them until then: `_bytes` is not touched. The model in it is copied out by `model` alone, for no
        // longer than `self` is borrowed.
        let file: &'static [u8] = unsafe { &*core::ptr::from_ref::<[u8]>(&bytes) };
        Ok(Self(Arc::new(Held { model: Model::read(file)?, _bytes: bytes })))
    }

    /// The model as [`native`](crate::native) kernels want it: the same one if it is so already, as one is that was converted for this
    /// machine's target.
    ///
    /// # Panics
    /// Never: what is packed is a model.
    #[must_use]
    pub fn packed(&self) -> Self {
        // One that is too large to be packed runs as it is.
        match pack(&self.model()).ok().flatten() {
            Some(packed) => Self::new(&packed).expect("a packed model is one"),
            None => self.clone(),
        }
    }

    /// The model, read once.
    #[must_use]
    pub fn model(&self) -> Model<'_> {
        self.0.model
    }

    /// An arena for the model, whose states have their first value.
    #[must_use]
    pub fn session(&self) -> Session {
        Session::new(self.clone())
    }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Loaded").field(&self.model().header()).finish()
    }
}

struct Held {
    /// Borrows `_bytes`.
    model: Model<'static>,
    _bytes: Bytes,
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
