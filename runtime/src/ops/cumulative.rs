//! Running sums and products along one axis.
//!
//! With `x` as `[outer][n][inner]`: `y[o, k, i] = x[o, 0, i] ∘ … ∘ x[o, k, i]`; from the end if reversed; without `x[o, k, i]` itself if exclusive.

use crate::arena::{Constants, Memory, Operand};
use crate::error::{Fault, Flaw};
use crate::format::{DType, Opcode, Record, Tensor, decode};
use crate::kernels::Kernels;
use crate::rows::pieces_mut;

/// Running sum or product in f32.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct CumulativeF32 {
    /// `x`.
    pub input: Tensor,
    /// `y`, the same length; may be the bytes of `x`.
    pub output: Tensor,
    /// Elements along the axis.
    pub n: u32,
    /// Product of the dimensions after the axis.
    pub inner: u32,
    /// Whether products are taken, not sums.
    pub product: bool,
    /// Whether each result leaves its own element out.
    pub exclusive: bool,
    /// Whether it runs from the end.
    pub reverse: bool,
}

decode!(CumulativeF32 { input, output, n, inner, product, exclusive, reverse });

impl Record for CumulativeF32 {
    const OPCODE: Opcode = Opcode::CumulativeF32;

    fn inputs(&self) -> &[Tensor] {
        core::slice::from_ref(&self.input)
    }

    fn output(&self) -> &Tensor {
        &self.output
    }

    fn in_place(&self, _input: usize) -> bool {
        true
    }

    fn check(&self, _constants: Constants<'_>) -> Result<(), Flaw> {
        if self.input.dtype() != Some(DType::F32) || self.output.dtype() != Some(DType::F32) {
            return Err(Flaw::Type);
        }
        let block = self.n.checked_mul(self.inner).filter(|block| *block > 0).ok_or(Flaw::Shape)?;
        let whole = self.input.len().is_some_and(|len| len.is_multiple_of(block));
        if whole && self.input.len() == self.output.len() { Ok(()) } else { Err(Flaw::Shape) }
    }

    fn step<K: Kernels>(&self, _kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
        let (input, output) = memory.unary::<f32>(&self.input, &self.output)?;
        self.run(input, output)
    }
}

impl CumulativeF32 {
    fn run(&self, input: Operand<'_, f32>, output: &mut [f32]) -> Result<(), Fault> {
        let (n, inner) = (self.n as usize, self.inner as usize);
        if let Some(input) = input {
            output.iter_mut().zip(input).for_each(|(y, x)| *y = *x);
        }
        for block in pieces_mut(output, n.wrapping_mul(inner).max(1)) {
            for i in 0..inner {
                self.column(block.iter_mut().skip(i).step_by(inner.max(1)));
            }
        }
        Ok(())
    }

    fn column<'a>(&self, column: impl DoubleEndedIterator<Item = &'a mut f32>) {
        let mut total = if self.product { 1.0 } else { 0.0 };
        let step = |y: &mut f32| {
            let next = if self.product { total * *y } else { total + *y };
            *y = if self.exclusive { total } else { next };
            total = next;
        };
        if self.reverse { column.rev().for_each(step) } else { column.for_each(step) }
    }
}
