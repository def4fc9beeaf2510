//! A tensor with some of its parts changed, by their indices.
//!
//! `y = x`, as `[n][inner]`; then for each `j` in order, for each `i`: `y[index_j, i] = how(y[index_j, i], u[j, i])`. Indices as those of gather.

use super::indices::{self, Indices};
use crate::arena::{Constants, Memory};
use crate::error::{Fault, Flaw};
use crate::format::{DType, Opcode, Record, Tensor, decode, decode_enum};
use crate::kernels::Kernels;
use crate::rows::pieces;

/// What an update does to an element.
///
/// Variants are numbered in the file by their order: add at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub enum Update {
    /// `u`.
    Set,
    /// `y + u`.
    Add,
    /// `y·u`.
    Mul,
    /// `u` if it is smaller, else `y`.
    Min,
    /// `u` if it is larger, else `y`.
    Max,
}

decode_enum!(Update { Set, Add, Mul, Min, Max });

impl Update {
    /// The element `y` after the update `u`.
    ///
    /// ```
    /// use lacewing::ops::Update;
    /// assert_eq!(Update::Max.apply(1.0, 2.0), 2.0);
    /// ```
    #[must_use]
    pub fn apply(self, y: f32, u: f32) -> f32 {
        match self {
            Self::Set => u,
            Self::Add => y + u,
            Self::Mul => y * u,
            Self::Min if u < y => u,
            Self::Max if u > y => u,
            Self::Min | Self::Max => y,
        }
    }
}

/// Scatter in f32.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct ScatterF32 {
    /// `x`, the indices, int32 or f32, and the updates `u`.
    pub inputs: [Tensor; 3],
    /// `y`; may be the bytes of `x`.
    pub output: Tensor,
    /// Elements of one part.
    pub inner: u32,
    /// What an update does.
    pub how: Update,
}

decode!(ScatterF32 { inputs, output, inner, how });

impl Record for ScatterF32 {
    const OPCODE: Opcode = Opcode::ScatterF32;

    fn inputs(&self) -> &[Tensor] {
        &self.inputs
    }

    fn output(&self) -> &Tensor {
        &self.output
    }

    fn in_place(&self, input: usize) -> bool {
        input == 0
    }

    fn work(&self) -> u64 {
        let [x, _, updates] = self.inputs.each_ref().map(|input| u64::from(input.len().unwrap_or(u32::MAX)));
        x.saturating_add(updates)
    }

    fn check(&self, _constants: Constants<'_>) -> Result<(), Flaw> {
        let [x, indices, updates] = &self.inputs;
        let count = indices::check(indices)?;
        if [x, updates, &self.output].iter().any(|tensor| tensor.dtype() != Some(DType::F32)) {
            return Err(Flaw::Type);
        }
        let parts = x.len().is_some_and(|len| self.inner > 0 && len.is_multiple_of(self.inner));
        let updated = count.checked_mul(self.inner).is_some_and(|len| updates.len() == Some(len));
        if parts && updated && x.len() == self.output.len() { Ok(()) } else { Err(Flaw::Shape) }
    }

    fn step<K: Kernels>(&self, _kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
        let [x, indices, updates] = &self.inputs;
        let (others, y) = memory.around::<f32>(&self.output)?;
        if let Some(x) = others.operand::<f32>(x)? {
            y.iter_mut().zip(x).for_each(|(y, x)| *y = *x);
        }
        let n = x.len().and_then(|len| len.checked_div(self.inner)).ok_or(Fault)?;
        self.update(n, Indices::of(indices, &others)?, others.apart(updates)?, y)
    }
}

impl ScatterF32 {
    fn update(&self, n: u32, indices: Indices<'_>, updates: &[f32], y: &mut [f32]) -> Result<(), Fault> {
        let inner = self.inner as usize;
        for (u, index) in pieces(updates, inner).zip(indices.within(n)) {
            let start = index.wrapping_mul(inner);
            let y = y.get_mut(start..start.wrapping_add(inner)).ok_or(Fault)?;
            y.iter_mut().zip(u).for_each(|(y, u)| *y = self.how.apply(*y, *u));
        }
        Ok(())
    }
}
