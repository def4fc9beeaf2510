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
use std::fs::File;
use std::io::{self, Read};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lacewing::owned::Aligned;
use lacewing::{Model, ReadError};
use memmap2::{Mmap, MmapOptions};

use crate::pack;

mod door;
mod session;
#[cfg(feature = "ndarray")]
mod views;

pub use door::{Door, DoorError};
pub use session::Session;

/// A checked model with the memory that it is in. Clones share it.
#[derive(Clone)]
pub struct Loaded(Arc<Held>);

struct Held {
    /// Borrows `_bytes`.
    model: Model<'static>,
    _bytes: Bytes,
}

enum Bytes {
    Read(Aligned),
    Mapped(Mmap),
}

impl Deref for Bytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Self::Read(bytes) => bytes,
            Self::Mapped(bytes) => bytes,
        }
    }
}

/// Reads a file into memory, checks it, and packs it for this machine, if it was written for another.
///
/// Constants are not looked at, whose bytes cannot do harm; [`Model::verify`] says whether they are damaged.
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
        read(path).map_err(LoadError::unreadable(path)).and_then(|file| Self::held(Bytes::Read(file)).map_err(LoadError::refused(path)))
    }

    /// As [`Loaded::open`], of a file that stays where it is: its pages are read when they are first needed, and programs that run the same
    /// file share them.
    ///
    /// # Safety
    /// While the model or a session of it lives, nobody may write to the file or make it shorter. The mapping is private, which keeps this
    /// program's writes from the file, of which there are none, and not the writes of others from this program; what was checked is no longer so
    /// after one, and a page that is gone ends the program. To replace the file, write another and rename it to this name: the old one
    /// stays until its last user is gone.
    ///
    /// # Errors
    /// As [`load`].
    pub unsafe fn map(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        let path = path.as_ref();
        let file = File::open(path).map_err(LoadError::unreadable(path))?;
        // SAFETY: the caller sees to it that the file stays as it is.
        let mapped = unsafe { MmapOptions::new().map_copy_read_only(&file) }.map_err(LoadError::unreadable(path))?;
        Self::held(Bytes::Mapped(mapped)).map_err(LoadError::refused(path))
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

fn read(path: &Path) -> io::Result<Aligned> {
    let mut file = File::open(path)?;
    let len = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    // No file is longer than 2 GiB.
    let mut bytes = Aligned::zeroed(len.min(1 << 31));
    file.read_exact(&mut bytes)?;
    Ok(bytes)
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

impl LoadError {
    fn unreadable(path: &Path) -> impl Fn(io::Error) -> Self {
        move |error| Self::Unreadable { path: path.into(), error }
    }

    fn refused(path: &Path) -> impl Fn(ReadError) -> Self {
        move |error| Self::Refused { path: path.into(), error }
    }
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
