//! Layer normalization along the last dimension, of `n` elements.
//!
//! `y_i = γ_i · (x_i − c) / √(Σ (x_j − c)² / n + ε) + β_i` with `c` the mean, or 0 where it is not `centered` (root mean square).
//!
//! int8: with `c` the sum of the row, or `n·input_zero`, `d_i = n·x_i − c` and `V = ⌊Σ d_i² / n⌋ + epsilon`, all exact. The converter
//! has `epsilon = round(ε·n² / s_x²)`, so that `d_i / √V` is the normalized element, free of scales. With `e` such that
//! `2^60 ≤ V·4^e < 2^62`, `r = ⌊2^61 / ⌊√(V·4^e)⌋⌋` (0 if `V` is 0) and `t_i = ⌊d_i·r / 2^(45 − e) + 1/2⌋`, which has 16 fractional bits:
//! `y_i = sat8(zero + ⌊(factors_i·t_i + bias_i·2^shift) / 2^(shift + 16) + 1/2⌋)`. int16: the same with zero points 0 and sat16.

use crate::arena::{Constants, Memory};
use crate::error::{Fault, Flaw};
use crate::format::{DType, Opcode, Record, Span, Tensor, decode};
use crate::int::{Int, Sum};
use crate::kernels::Kernels;
use crate::rows::{pieces, pieces_mut};

/// Layer normalization in int8.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct NormalizeI8 {
    /// `[..][n]`, `n` at most 2^15.
    pub input: Tensor,
    /// The same shape.
    pub output: Tensor,
    /// `i32` for each of `n` elements: `γ / s_y · 2^shift`.
    pub factors: Span,
    /// `i32` for each of `n` elements: `β / s_y · 2^16`.
    pub bias: Span,
    /// At most 30.
    pub shift: u8,
    /// Whether the mean is taken off.
    pub centered: bool,
    /// The input's zero point.
    pub input_zero: i8,
    /// The output's zero point.
    pub zero: i8,
    /// Below 2^60.
    pub epsilon: u64,
}

decode!(NormalizeI8 { input, output, factors, bias, shift, centered, input_zero, zero, epsilon });

/// Layer normalization in int16, with zero points 0.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct NormalizeI16 {
    /// `[..][n]`, `n` at most 2^15.
    pub input: Tensor,
    /// The same shape.
    pub output: Tensor,
    /// `i32` for each of `n` elements: `γ / s_y · 2^shift`.
    pub factors: Span,
    /// `i32` for each of `n` elements: `β / s_y · 2^16`.
    pub bias: Span,
    /// At most 30.
    pub shift: u8,
    /// Whether the mean is taken off.
    pub centered: bool,
    /// Below 2^60.
    pub epsilon: u64,
}

decode!(NormalizeI16 { input, output, factors, bias, shift, centered, epsilon });

/// Layer normalization in f32.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct NormalizeF32 {
    /// `[..][n]`.
    pub input: Tensor,
    /// The same shape.
    pub output: Tensor,
    /// `f32` for each of `n` elements: `γ`.
    pub factors: Span,
    /// `f32` for each of `n` elements: `β`.
    pub bias: Span,
    /// Whether the mean is taken off.
    pub centered: bool,
    /// `ε`.
    pub epsilon: f32,
}

decode!(NormalizeF32 { input, output, factors, bias, centered, epsilon });

/// Largest `n` of a row of integers, so that `V` stays below 2^62.
pub const MAX_ROW: u32 = 1 << 15;

/// A record in integers, whose fields are as [`integers`](NormalizeI8::integers) gives them to the kernel.
macro_rules! record {
    ($name:ident, $dtype:ident, $int:ty) => {
        impl Record for $name {
            const OPCODE: Opcode = Opcode::$name;

            fn inputs(&self) -> &[Tensor] {
                core::slice::from_ref(&self.input)
            }

            fn output(&self) -> &Tensor {
                &self.output
            }

            fn check(&self, constants: Constants<'_>) -> Result<(), Flaw> {
                let n = check(&self.input, &self.output, DType::$dtype)?;
                constants.check::<i32>(self.factors, n)?;
                constants.check::<i32>(self.bias, n)?;
                match n <= MAX_ROW && self.shift <= 30 && self.epsilon < 1 << 60 {
                    true => Ok(()),
                    false => Err(Flaw::Parameter),
                }
            }

            fn step<K: Kernels>(&self, _kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
                let integers = self.integers(memory.constants)?;
                let (input, output, _) = memory.apart(&self.input, &self.output, Span::EMPTY)?;
                integers.run::<$int>(input, output)
            }
        }
    };
}

record!(NormalizeI8, I8, i8);
record!(NormalizeI16, I16, i16);

impl Record for NormalizeF32 {
    const OPCODE: Opcode = Opcode::NormalizeF32;

    fn inputs(&self) -> &[Tensor] {
        core::slice::from_ref(&self.input)
    }

    fn output(&self) -> &Tensor {
        &self.output
    }

    fn check(&self, constants: Constants<'_>) -> Result<(), Flaw> {
        let n = check(&self.input, &self.output, DType::F32)?;
        constants.check::<f32>(self.factors, n)?;
        constants.check::<f32>(self.bias, n)?;
        Ok(())
    }

    fn step<K: Kernels>(&self, _kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
        let constants = memory.constants;
        let (input, output, _) = memory.apart(&self.input, &self.output, Span::EMPTY)?;
        run_f32(self, constants, input, output)
    }
}

/// The length of a row, types and shapes checked.
fn check(input: &Tensor, output: &Tensor, dtype: DType) -> Result<u32, Flaw> {
    if input.dtype() != Some(dtype) || output.dtype() != Some(dtype) {
        return Err(Flaw::Type);
    }
    let [.., n] = input.shape;
    if input.shape == output.shape { Ok(n) } else { Err(Flaw::Shape) }
}

/// The numbers of a record in integers.
struct Integers<'c> {
    factors: &'c [i32],
    bias: &'c [i32],
    shift: u32,
    centered: bool,
    /// Of the input and of the output.
    zeros: [i64; 2],
    epsilon: u64,
}

impl NormalizeI8 {
    fn integers<'c>(&self, constants: Constants<'c>) -> Result<Integers<'c>, Fault> {
        let &Self { factors, bias, shift, centered, input_zero, zero, epsilon, .. } = self;
        let (factors, bias, zeros) = (constants.get(factors)?, constants.get(bias)?, [input_zero.into(), zero.into()]);
        Ok(Integers { factors, bias, shift: shift.into(), centered, zeros, epsilon })
    }
}

impl NormalizeI16 {
    fn integers<'c>(&self, constants: Constants<'c>) -> Result<Integers<'c>, Fault> {
        let &Self { factors, bias, shift, centered, epsilon, .. } = self;
        let (factors, bias) = (constants.get(factors)?, constants.get(bias)?);
        Ok(Integers { factors, bias, shift: shift.into(), centered, zeros: [0; 2], epsilon })
    }
}

impl Integers<'_> {
    fn run<T: Int>(&self, input: &[T], output: &mut [T]) -> Result<(), Fault> {
        let n = self.factors.len().max(1);
        for (x, y) in pieces(input, n).zip(pieces_mut(output, n)) {
            let row = Row::of(self, x);
            for ((x, y), (factor, bias)) in x.iter().zip(y).zip(self.factors.iter().zip(self.bias)) {
                let scaled = i64::from(*factor).wrapping_mul(row.normal((*x).into()));
                let sum = scaled.wrapping_add(i64::from(*bias).wrapping_shl(self.shift));
                let steps = halves_up(sum, self.shift.wrapping_add(16)).wrapping_add(self.zeros[1]);
                *y = T::saturate(steps.clamp(-32768, 32767) as i32);
            }
        }
        Ok(())
    }
}

/// What all elements of a row share.
struct Row {
    n: i64,
    /// `n` times what is taken off each element.
    offset: i64,
    /// `2^61 / √V · 2^−e`, or 0.
    inverse: i64,
    /// `45 − e`.
    shift: u32,
}

impl Row {
    fn of<T: Int>(op: &Integers<'_>, x: &[T]) -> Self {
        let n = x.len() as i64;
        let (mut sum, mut squares) = (0i32, T::Sum::default());
        for x in x {
            let x: i32 = (*x).into();
            (sum, squares) = (sum.wrapping_add(x), squares.plus(T::Sum::from(x).times(x)));
        }
        let (sum, squares): (i64, i64) = (sum.into(), squares.into());
        let offset = if op.centered { sum } else { n.wrapping_mul(op.zeros[0]) };
        let crossed = sum.wrapping_mul(2).wrapping_sub(offset).wrapping_mul(offset);
        let spread = n.wrapping_mul(squares).wrapping_sub(crossed) as u64;
        let (inverse, e) = inverse_root(spread.wrapping_add(op.epsilon));
        Self { n, offset, inverse, shift: 45u32.wrapping_sub(e) }
    }

    /// The normalized element with 16 fractional bits.
    #[inline(always)]
    fn normal(&self, x: i32) -> i64 {
        let distance = self.n.wrapping_mul(i64::from(x)).wrapping_sub(self.offset);
        halves_up(distance.wrapping_mul(self.inverse), self.shift)
    }
}

/// `⌊x / 2^shift + 1/2⌋` for `1 ≤ shift ≤ 62`.
fn halves_up(x: i64, shift: u32) -> i64 {
    x.wrapping_shr(shift.wrapping_sub(1)).wrapping_add(1) >> 1
}

/// `(⌊2^61 / ⌊√(v·4^e)⌋⌋, e)` with `2^60 ≤ v·4^e`; `(0, 0)` for 0. `v` is below 2^62.
fn inverse_root(v: u64) -> (i64, u32) {
    let e = v.leading_zeros().saturating_sub(2) / 2;
    match (1u64 << 61).checked_div(root(v.wrapping_shl(e.wrapping_mul(2)))) {
        Some(inverse) => (inverse as i64, e),
        None => (0, 0),
    }
}

/// `⌊√v⌋`, bit by bit, for `v < 2^62`.
fn root(v: u64) -> u64 {
    let (mut rest, mut root, mut bit) = (v, 0u64, 1u64 << 60);
    while bit != 0 {
        let next = root.wrapping_add(bit);
        root >>= 1;
        if rest >= next {
            rest = rest.wrapping_sub(next);
            root = root.wrapping_add(bit);
        }
        bit >>= 2;
    }
    root
}

fn run_f32(op: &NormalizeF32, constants: Constants<'_>, input: &[f32], output: &mut [f32]) -> Result<(), Fault> {
    let (factors, bias) = (constants.get::<f32>(op.factors)?, constants.get::<f32>(op.bias)?);
    let n = (factors.len()).max(1);
    for (x, y) in pieces(input, n).zip(pieces_mut(output, n)) {
        let mean = if op.centered { x.iter().sum::<f32>() / n as f32 } else { 0.0 };
        let spread: f32 = x.iter().map(|x| (x - mean) * (x - mean)).sum();
        let inverse = 1.0 / libm::sqrtf(spread / n as f32 + op.epsilon);
        for ((x, y), (factor, bias)) in x.iter().zip(y).zip(factors.iter().zip(bias)) {
            *y = (x - mean) * inverse * factor + bias;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_exact() {
        for v in (0..200).chain((1u64 << 31) - 5..(1 << 31) + 5).chain([(1 << 62) - 1, 1 << 60]) {
            let r = root(v);
            assert!(r * r <= v && v < (r + 1) * (r + 1), "{v}");
        }
    }

    #[test]
    fn inverse_roots_have_thirty_bits() {
        for v in [1u64, 2, 3, 4, 5, 1 << 20, 12_345_678_901, (1 << 62) - 1] {
            let (inverse, e) = inverse_root(v);
            let real = inverse as f64 / f64::from(2).powi(61 - e as i32);
            assert!((real * (v as f64).sqrt() - 1.0).abs() < 3e-9, "{v}");
        }
        assert_eq!(inverse_root(0), (0, 0));
    }
}
