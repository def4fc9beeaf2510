//! Models of programs with an allocator, and from files where there is an operating system: memory is owned, doors have names, real numbers are rounded at them.
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

use alloc::sync::Arc;
use core::fmt;

use lacewing::owned::Aligned;
#[cfg(not(feature = "std"))]
use lacewing::owned::Aligned as Bytes;
use lacewing::{Model, Program, ReadError};

use crate::host::Linked;
use crate::pack;

#[cfg(feature = "std")]
mod bytes;
mod door;
#[cfg(feature = "std")]
mod file;
mod session;
#[cfg(feature = "ndarray")]
mod views;

#[cfg(feature = "std")]
use bytes::Bytes;
pub use door::{Door, DoorError};
#[cfg(feature = "std")]
pub use file::{LoadError, load};
pub use session::Session;

/// A checked model with the memory that it is in. Clones share it.
#[derive(Clone)]
pub struct Loaded(Arc<Held>);

impl Loaded {
    /// A copy of a file's bytes, checked, in the order of weights that they have.
    ///
    /// # Errors
    /// As [`Model::read`].
    pub fn new(file: &[u8]) -> Result<Self, ReadError> {
        Self::held(Aligned::from(file))
    }

    fn held(bytes: impl Into<Bytes>) -> Result<Self, ReadError> {
        let bytes = bytes.into();
        // SAFETY: the bytes are in an allocation or a mapping of their own, where they stay when `bytes` is moved. They are freed with
        // `Held`, and nothing changes them until then: `_bytes` is not touched. The program is lent by `program` alone, for no
        // longer than `self` is borrowed.
        let file: &'static [u8] = unsafe { &*core::ptr::from_ref::<[u8]>(&bytes) };
        Ok(Self(Arc::new(Held { program: Program::new(Model::read(file)?), _bytes: bytes })))
    }

    /// The model as [`native`](crate::native) kernels want it: the same one if it is so already, as one is that was converted for this
    /// machine's target.
    #[must_use]
    pub fn packed(&self) -> Self {
        // One that is too large to be packed runs as it is.
        let Some(packed) = pack(&self.model()).ok().flatten() else { return self.clone() };
        let packed = Self::new(&packed);
        debug_assert!(packed.is_ok(), "a packed model is one");
        packed.unwrap_or_else(|_| self.clone())
    }

    /// The model, read once.
    #[must_use]
    pub fn model(&self) -> Model<'_, Linked> {
        self.program().model()
    }

    /// The model with its records, for no longer than it is borrowed.
    fn program(&self) -> &Program<'_, Linked> {
        &self.0.program
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
    program: Program<'static, Linked>,
    _bytes: Bytes,
}
