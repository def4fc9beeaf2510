//! Indices of the largest or smallest elements along the last axis, in order.
//!
//! `y[r, j]` is the index of the element of row `r` that comes `j`-th; of equals, the lower index first. NaN is larger than every number.
//! Each is the first of those behind the one before it, so that no memory is needed: `n·k` comparisons for each row.

use crate::arena::{Constants, Memory};
use crate::error::{Fault, Flaw};
use crate::format::{DType, Opcode, Record, Span, Tensor, decode};
use crate::kernels::Kernels;
use crate::rows::{pieces, pieces_mut};

/// Indices of the first `k` of each row, in f32.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct TopKF32 {
    /// `x`, `[rows][n]`.
    pub input: Tensor,
    /// `y`, `[rows][k]`, whole numbers.
    pub output: Tensor,
    /// Elements of a row.
    pub n: u32,
    /// Indices for a row.
    pub k: u32,
    /// Whether the largest comes first, not the smallest.
    pub largest: bool,
}

decode!(TopKF32 { input, output, n, k, largest });

impl Record for TopKF32 {
    const OPCODE: Opcode = Opcode::TopKF32;

    fn inputs(&self) -> &[Tensor] {
        core::slice::from_ref(&self.input)
    }

    fn output(&self) -> &Tensor {
        &self.output
    }

    fn work(&self) -> u64 {
        u64::from(self.output.len().unwrap_or(u32::MAX)).saturating_mul(u64::from(self.n))
    }

    fn check(&self, _constants: Constants<'_>) -> Result<(), Flaw> {
        if self.input.dtype() != Some(DType::F32) || self.output.dtype() != Some(DType::F32) {
            return Err(Flaw::Type);
        }
        if self.k == 0 || self.k > self.n || self.n >= 1 << 24 {
            return Err(Flaw::Parameter);
        }
        let rows = self.input.len().filter(|len| len.is_multiple_of(self.n)).and_then(|len| len.checked_div(self.n));
        let wanted = rows.and_then(|rows| rows.checked_mul(self.k));
        if wanted.is_some() && wanted == self.output.len() { Ok(()) } else { Err(Flaw::Shape) }
    }

    fn step<K: Kernels>(&self, _kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
        let (input, output, _) = memory.apart::<f32, f32>(&self.input, &self.output, Span::EMPTY)?;
        for (x, y) in pieces(input, self.n as usize).zip(pieces_mut(output, self.k as usize)) {
            let mut before = None;
            for y in y {
                let next = next(x, self.largest, before).ok_or(Fault)?;
                *y = next.1 as f32;
                before = Some(next);
            }
        }
        Ok(())
    }
}

/// The first element behind `before`: its rank, lower ones first, and its index.
fn next(x: &[f32], largest: bool, before: Option<(i32, u32)>) -> Option<(i32, u32)> {
    let ranks = x.iter().map(|x| if largest { !rank(*x) } else { rank(*x) });
    let behind = ranks.zip(0..).filter(|this| before.is_none_or(|before| *this > before));
    behind.reduce(|first, this| if this < first { this } else { first })
}

/// An integer in the order of the numbers, both zeros alike, NaN last.
fn rank(x: f32) -> i32 {
    if x.is_nan() {
        return i32::MAX;
    }
    let bits = (x + 0.0).to_bits() as i32;
    if bits < 0 { bits ^ i32::MAX } else { bits }
}

#[cfg(test)]
mod tests {
    use super::{next, rank};

    #[test]
    fn ranks_are_in_the_order_of_the_numbers() {
        let numbers = [f32::NEG_INFINITY, -2.0, -1e-40, 0.0, 1e-40, 1.0, f32::INFINITY, f32::NAN];
        assert!(numbers.map(rank).is_sorted_by(|a, b| a < b));
        assert_eq!(rank(-0.0), rank(0.0));
    }

    #[test]
    fn equals_come_in_their_order() {
        let x = [1.0, 3.0, 3.0, -0.0, 0.0];
        let order = |largest| {
            let mut before = None;
            [(); 5].map(|()| {
                before = next(&x, largest, before);
                before.unwrap().1
            })
        };
        assert_eq!(order(true), [1, 2, 0, 3, 4]);
        assert_eq!(order(false), [3, 4, 0, 1, 2]);
    }
}
