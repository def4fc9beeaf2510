//! int8 and int16: what the integer kernels are written over, once.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::arena::Pod;

/// An integer that activations are held in.
pub trait Int: Pod + Ord + Default + Into<i32> + Serialize + DeserializeOwned {
    /// The number of the type that is nearest to `x`.
    #[must_use]
    fn saturate(x: i32) -> Self;
}

impl Int for i8 {
    #[inline(always)]
    fn saturate(x: i32) -> Self {
        x.clamp(-128, 127) as Self
    }
}

impl Int for i16 {
    #[inline(always)]
    fn saturate(x: i32) -> Self {
        x.clamp(-32768, 32767) as Self
    }
}
