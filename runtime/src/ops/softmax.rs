//! Softmax along the last dimension.
//!
//! int8: with `d = max x − x` and `e_i = table[d_i]` (0 beyond the table's end), `y_i = min(−128 + ⌊256·e_i / Σe + 1/2⌋, 127)`; the output's scale
//! is 1/256 and its zero point −128. The table holds `round(exp(−d·scale) · 2^(31 − ⌈log2 n⌉))`, so `Σe < 2^32` holds for its own length `n`.
//! f32: `y_i = exp(x_i − max x) / Σ exp(x_j − max x)`.

use serde::{Deserialize, Serialize};

use crate::arena::{Constants, Memory};
use crate::error::{Fault, Flaw};
use crate::format::{DType, Opcode, Record, Span, Tensor};
use crate::kernels::Kernels;
use crate::rows::{pieces, pieces_mut};

/// Softmax in int8.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SoftmaxI8 {
    /// `[..][n]`.
    pub input: Tensor,
    /// The same shape; scale 1/256, zero point −128.
    pub output: Tensor,
    /// At most 256 `u32`: powers of e by distance from the largest, trailing zeros left out.
    pub table: Span,
}

/// Softmax in f32.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SoftmaxF32 {
    /// `[..][n]`.
    pub input: Tensor,
    /// The same shape.
    pub output: Tensor,
}

impl Record for SoftmaxI8 {
    const OPCODE: Opcode = Opcode::SoftmaxI8;

    fn inputs(&self) -> &[Tensor] {
        core::slice::from_ref(&self.input)
    }

    fn output(&self) -> &Tensor {
        &self.output
    }

    fn check(&self, constants: Constants<'_>) -> Result<(), Flaw> {
        check(&self.input, &self.output, DType::I8)?;
        let table = constants.get::<u32>(self.table)?;
        let [.., n] = self.input.shape;
        let total = table.first().map(|first| u64::from(*first).saturating_mul(u64::from(n)));
        let falls = table.is_sorted_by(|a, b| a >= b);
        match table.len() <= 256 && falls && total.is_some_and(|total| total > 0 && total <= 1 << 31) {
            true => Ok(()),
            false => Err(Flaw::Constant),
        }
    }

    fn step<K: Kernels>(&self, kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
        let constants = memory.constants;
        let (input, output, _) = memory.apart(&self.input, &self.output, Span::EMPTY)?;
        kernels.softmax_i8(self, constants, input, output)
    }
}

impl Record for SoftmaxF32 {
    const OPCODE: Opcode = Opcode::SoftmaxF32;

    fn inputs(&self) -> &[Tensor] {
        core::slice::from_ref(&self.input)
    }

    fn output(&self) -> &Tensor {
        &self.output
    }

    fn check(&self, _constants: Constants<'_>) -> Result<(), Flaw> {
        check(&self.input, &self.output, DType::F32)
    }

    fn step<K: Kernels>(&self, _kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
        let (input, output, _) = memory.apart(&self.input, &self.output, Span::EMPTY)?;
        let [.., n] = self.input.shape;
        run_f32(n, input, output);
        Ok(())
    }
}

fn check(input: &Tensor, output: &Tensor, dtype: DType) -> Result<(), Flaw> {
    if input.dtype() != Some(dtype) || output.dtype() != Some(dtype) {
        return Err(Flaw::Type);
    }
    if input.shape == output.shape { Ok(()) } else { Err(Flaw::Shape) }
}

/// The portable kernel in int8.
///
/// # Errors
/// [`Fault`] if the record was not checked.
pub fn run_i8(op: &SoftmaxI8, constants: Constants<'_>, input: &[i8], output: &mut [i8]) -> Result<(), Fault> {
    let table = constants.get::<u32>(op.table)?;
    let [.., n] = op.input.shape;
    let n = (n as usize).max(1);
    for (x, y) in pieces(input, n).zip(pieces_mut(output, n)) {
        let largest = x.iter().fold(i8::MIN, |largest, x| largest.max(*x));
        let power = |x: &i8| table.get(usize::from(largest.abs_diff(*x))).copied().unwrap_or(0);
        let sum = x.iter().fold(0u32, |sum, x| sum.wrapping_add(power(x)));
        for (x, y) in x.iter().zip(y) {
            *y = (share(power(x), sum).wrapping_sub(128)).min(127) as i8;
        }
    }
    Ok(())
}

/// `⌊256·part / whole + 1/2⌋` for `part ≤ whole ≤ 2^31`, by ten steps of long division.
fn share(part: u32, whole: u32) -> i32 {
    let (mut rest, mut quotient) = (part, 0i32);
    for _ in 0..10 {
        quotient <<= 1;
        if rest >= whole {
            rest = rest.wrapping_sub(whole);
            quotient |= 1;
        }
        rest = rest.wrapping_shl(1);
    }
    (quotient + 1) >> 1
}

fn run_f32(n: u32, input: &[f32], output: &mut [f32]) {
    let n = (n as usize).max(1);
    for (x, y) in pieces(input, n).zip(pieces_mut(output, n)) {
        let largest = x.iter().fold(f32::NEG_INFINITY, |largest, x| largest.max(*x));
        y.iter_mut().zip(x).for_each(|(y, x)| *y = libm::expf(x - largest));
        let sum: f32 = y.iter().sum();
        y.iter_mut().for_each(|y| *y /= sum);
    }
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn share_rounds_half_up() {
        for (part, whole) in [(0, 7), (7, 7), (1, 512), (1, 513), (3, 512), (1 << 30, 1 << 31), (5, 9)] {
            let exact = (2 * 256 * u64::from(part) + u64::from(whole)) / (2 * u64::from(whole));
            assert_eq!(share(part, whole), exact as i32, "{part}/{whole}");
        }
    }
}
