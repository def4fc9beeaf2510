//! Softmax along the last dimension.
//!
//! int8: with `d = max x − x` and `e_i = table[d_i]` (0 beyond the table's end), `y_i = min(−128 + ⌊256·e_i / Σe + 1/2⌋, 127)`; the output's scale
//! is 1/256 and its zero point −128. The table holds `round(exp(−d·scale) · 2^(31 − ⌈log2 n⌉))`, so `Σe < 2^32` holds for its own length `n`.
//! int16: with `d = 256·h + l` and `e_i = ⌊(coarse[h]·fine[l] + 2^30) / 2^31⌋`, `y_i = min(⌊32768·e_i / Σe + 1/2⌋, 32767)`; the output's scale is 1/32768.
//! f32: `y_i = exp(x_i − max x) / Σ exp(x_j − max x)`.

use crate::arena::{Constants, Memory};
use crate::error::{Fault, Flaw};
use crate::format::{DType, Opcode, Record, Span, Tensor, plain};
use crate::int::Int;
use crate::kernels::Kernels;
use crate::rows::{pieces, pieces_mut};

/// Softmax in int8.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct SoftmaxI8 {
    /// `[..][n]`.
    pub input: Tensor,
    /// The same shape; scale 1/256, zero point −128.
    pub output: Tensor,
    /// At most 256 `u32`: powers of e by distance from the largest, trailing zeros left out.
    pub table: Span,
}

plain!(SoftmaxI8 { input, output, table });

/// Softmax in int16.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct SoftmaxI16 {
    /// `[..][n]`.
    pub input: Tensor,
    /// The same shape; scale 1/32768.
    pub output: Tensor,
    /// At most 256 `u32`: powers of e by multiples of 256 of the distance from the largest, trailing zeros left out.
    pub coarse: Span,
    /// 256 `u32`: powers of e by the rest of the distance, in units of 2⁻³¹.
    pub fine: Span,
}

plain!(SoftmaxI16 { input, output, coarse, fine });

/// Softmax in f32.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct SoftmaxF32 {
    /// `[..][n]`.
    pub input: Tensor,
    /// The same shape.
    pub output: Tensor,
}

plain!(SoftmaxF32 { input, output });

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
        check_table(constants.get(self.table)?, self.input.shape)
    }

    fn step<K: Kernels>(&self, kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
        let constants = memory.constants;
        let (input, output, _) = memory.apart(&self.input, &self.output, Span::EMPTY)?;
        kernels.softmax_i8(self, constants, input, output)
    }
}

impl Record for SoftmaxI16 {
    const OPCODE: Opcode = Opcode::SoftmaxI16;

    fn inputs(&self) -> &[Tensor] {
        core::slice::from_ref(&self.input)
    }

    fn output(&self) -> &Tensor {
        &self.output
    }

    fn check(&self, constants: Constants<'_>) -> Result<(), Flaw> {
        check(&self.input, &self.output, DType::I16)?;
        check_table(constants.get(self.coarse)?, self.input.shape)?;
        let fine = constants.exactly::<u32>(self.fine, 256)?;
        let falls = fine.is_sorted_by(|a, b| a >= b);
        if falls && fine.first() == Some(&(1 << 31)) { Ok(()) } else { Err(Flaw::Constant) }
    }

    fn step<K: Kernels>(&self, _kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
        let (coarse, fine) = (memory.constants.get::<u32>(self.coarse)?, memory.constants.get::<u32>(self.fine)?);
        let (input, output, _) = memory.apart::<i16, i16>(&self.input, &self.output, Span::EMPTY)?;
        let power = |d: u32| {
            let [h, l] =
                [coarse.get(d as usize >> 8), fine.get(d as usize & 255)].map(|e| u64::from(e.copied().unwrap_or(0)));
            (h.wrapping_mul(l).wrapping_add(1 << 30) >> 31) as u32
        };
        shares(self.input.shape, input, output, power, |e, sum| share(e, sum, 15));
        Ok(())
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
    let ([n, h, w, c], [out_n, out_h, out_w, out_c]) = (input.shape, output.shape);
    if n == out_n && h == out_h && w == out_w && c == out_c { Ok(()) } else { Err(Flaw::Shape) }
}

/// Checks that powers fall, and that their sum is neither 0 nor beyond 2³¹.
fn check_table(table: &[u32], [.., n]: [u32; 4]) -> Result<(), Flaw> {
    let total = table.first().map(|first| u64::from(*first).saturating_mul(u64::from(n)));
    let falls = table.is_sorted_by(|a, b| a >= b);
    match table.len() <= 256 && falls && total.is_some_and(|total| total > 0 && total <= 1 << 31) {
        true => Ok(()),
        false => Err(Flaw::Constant),
    }
}

/// The portable kernel in int8.
///
/// # Errors
/// [`Fault`] if the record was not checked.
pub fn run_i8(op: &SoftmaxI8, constants: Constants<'_>, input: &[i8], output: &mut [i8]) -> Result<(), Fault> {
    let table = constants.get::<u32>(op.table)?;
    let power = |d: u32| table.get(d as usize).copied().unwrap_or(0);
    shares(op.input.shape, input, output, power, |e, sum| share(e, sum, 8).wrapping_sub(128));
    Ok(())
}

/// For every row `y_i = sat(share(e_i, Σe))` with `e_i = power(max x − x_i)`.
#[inline(always)]
fn shares<T: Int>(
    [.., n]: [u32; 4],
    input: &[T],
    output: &mut [T],
    power: impl Fn(u32) -> u32,
    share: impl Fn(u32, u32) -> i32,
) {
    let n = (n as usize).max(1);
    for (x, y) in pieces(input, n).zip(pieces_mut(output, n)) {
        let largest: i32 = x.iter().max().copied().unwrap_or_default().into();
        let power = |x: &T| power(largest.abs_diff((*x).into()));
        let sum = x.iter().fold(0u32, |sum, x| sum.wrapping_add(power(x)));
        for (x, y) in x.iter().zip(y) {
            *y = T::saturate(share(power(x), sum));
        }
    }
}

/// `⌊2^bits·part / whole + 1/2⌋` for `part ≤ whole ≤ 2^31`, by long division.
fn share(part: u32, whole: u32, bits: u32) -> i32 {
    let (mut rest, mut quotient) = (part, 0i32);
    for _ in 0..bits.wrapping_add(2) {
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
            assert_eq!(share(part, whole, 8), exact as i32, "{part}/{whole}");
        }
    }
}
