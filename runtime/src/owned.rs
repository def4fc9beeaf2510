//! Owned memory for hosts: files and arenas where a firmware has statics.

use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};

use crate::format::LINE;

/// Bytes that start at a multiple of 64: files and arenas must at one of 16, and what vectors load shall lie in one line of the cache.
///
/// ```
/// let file = lacewing::owned::Aligned::from(&b"LACE"[..]);
/// assert_eq!(&file[..], b"LACE");
/// ```
#[derive(Debug)]
pub struct Aligned {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl Aligned {
    /// `len` zeros.
    #[must_use]
    pub fn zeroed(len: usize) -> Self {
        let bytes = alloc::vec![0; len.saturating_add(LINE - 1)];
        let start = bytes.as_ptr().align_offset(LINE);
        Self { bytes, start, len }
    }
}

impl From<&[u8]> for Aligned {
    fn from(bytes: &[u8]) -> Self {
        let mut aligned = Self::zeroed(bytes.len());
        aligned.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        aligned
    }
}

impl Clone for Aligned {
    fn clone(&self) -> Self {
        Self::from(&**self)
    }
}

impl Deref for Aligned {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.bytes.get(self.start..self.start.saturating_add(self.len)).unwrap_or_default()
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..self.start.saturating_add(self.len)).unwrap_or_default()
    }
}
