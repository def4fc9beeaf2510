//! Functions of two numbers in f32, with broadcasting: `y = clamp(f(a, b), lo, hi)`.
//!
//! Integers and truth values are carried in f32: a comparison gives 0 or 1, bits are those of whole numbers in two's complement.

use super::remainder::remainder;
use super::{broadcast, clamp};
use crate::arena::{Constants, Memory};
use crate::error::{Fault, Flaw};
use crate::format::{DType, Opcode, Record, Tensor, decode, decode_enum};
use crate::kernels::Kernels;
use libm::powf;

/// A function of two tensors in f32.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct BinaryF32 {
    /// `a` and `b`; each dimension is 1 or the output's.
    pub inputs: [Tensor; 2],
    /// `y`; may be the bytes of an operand of the same shape.
    pub output: Tensor,
    /// `f`.
    pub function: BinaryFunction,
    /// Smallest result.
    pub lo: f32,
    /// Largest result.
    pub hi: f32,
}

decode!(BinaryF32 { inputs, output, function, lo, hi });

/// A function of two real variables, as the ONNX operator of the same name defines it.
///
/// Variants are numbered in the file by their order: add at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub enum BinaryFunction {
    /// `a / b`.
    Div,
    /// `aᵇ`.
    Pow,
    /// The smaller; NaN if one is NaN.
    Min,
    /// The larger; NaN if one is NaN.
    Max,
    /// `a − b·⌊a/b⌋`, exact: the rest with the sign of `b`.
    Mod,
    /// `a − b·trunc(a/b)`, exact: the rest with the sign of `a`.
    Fmod,
    /// 1 if `a = b`, else 0.
    Equal,
    /// 1 if `a ≠ b`, else 0.
    NotEqual,
    /// 1 if `a < b`, else 0.
    Less,
    /// 1 if `a ≤ b`, else 0.
    LessOrEqual,
    /// Bits set in both of two whole numbers within ±2³¹; others are brought there.
    BitAnd,
    /// Bits set in one of them or both.
    BitOr,
    /// Bits set in one of them alone.
    BitXor,
    /// `⌊a·2ᵇ⌋`; a negative `b` shifts to the right.
    Shift,
}

decode_enum!(BinaryFunction {
    Div,
    Pow,
    Min,
    Max,
    Mod,
    Fmod,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    BitAnd,
    BitOr,
    BitXor,
    Shift
});

impl BinaryFunction {
    /// `f(a, b)`.
    ///
    /// ```
    /// use lacewing::ops::BinaryFunction;
    /// assert_eq!(BinaryFunction::Mod.eval(-7.0, 3.0), 2.0);
    /// ```
    #[must_use]
    pub fn eval(self, a: f32, b: f32) -> f32 {
        let truth = |truth: bool| if truth { 1.0 } else { 0.0 };
        let bits = |f: fn(i32, i32) -> i32| f(a as i32, b as i32) as f32;
        match self {
            Self::Div => a / b,
            Self::Pow => powf(a, b),
            Self::Min => {
                if a < b || a.is_nan() {
                    a
                } else {
                    b
                }
            }
            Self::Max => {
                if a > b || a.is_nan() {
                    a
                } else {
                    b
                }
            }
            Self::Mod => modulo(a, b),
            Self::Fmod => remainder(a, b),
            Self::Equal => truth(a == b),
            Self::NotEqual => truth(a != b),
            Self::Less => truth(a < b),
            Self::LessOrEqual => truth(a <= b),
            Self::BitAnd => bits(|a, b| a & b),
            Self::BitOr => bits(|a, b| a | b),
            Self::BitXor => bits(|a, b| a ^ b),
            Self::Shift => libm::floorf(libm::ldexpf(a, b as i32)),
        }
    }
}

fn modulo(a: f32, b: f32) -> f32 {
    let rest = remainder(a, b);
    if rest != 0.0 && (rest < 0.0) != (b < 0.0) { rest + b } else { rest }
}

impl Record for BinaryF32 {
    const OPCODE: Opcode = Opcode::BinaryF32;

    fn inputs(&self) -> &[Tensor] {
        &self.inputs
    }

    fn output(&self) -> &Tensor {
        &self.output
    }

    fn in_place(&self, _input: usize) -> bool {
        true
    }

    fn check(&self, _constants: Constants<'_>) -> Result<(), Flaw> {
        broadcast::check(&self.inputs, &self.output, DType::F32)
    }

    fn step<K: Kernels>(&self, _kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
        let (operands, output) = memory.operands::<f32, 2>(&self.inputs, &self.output)?;
        broadcast::run(&self.inputs, self.output.shape, operands, output, |a, b| {
            clamp(self.function.eval(a, b), self.lo, self.hi)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::BinaryFunction::*;

    #[test]
    fn rests_have_the_sign_that_onnx_gives_them() {
        for (a, b, floored, truncated) in [(-7.0, 3.0, 2.0, -1.0), (7.0, -3.0, -2.0, 1.0), (-6.0, 3.0, 0.0, 0.0)] {
            assert_eq!((Mod.eval(a, b), Fmod.eval(a, b)), (floored, truncated), "{a} {b}");
        }
    }

    #[test]
    fn nan_is_kept_by_either_operand() {
        for f in [Min, Max] {
            assert!(f.eval(f32::NAN, 1.0).is_nan() && f.eval(1.0, f32::NAN).is_nan());
        }
        assert_eq!([Min, Max].map(|f| f.eval(2.0, -1.0)), [-1.0, 2.0]);
    }

    #[test]
    fn bits_are_those_of_whole_numbers() {
        assert_eq!([BitAnd, BitOr, BitXor].map(|f| f.eval(-2.0, 7.0)), [6.0, -1.0, -7.0]);
        assert_eq!([(16.0, 1.0), (16.0, -2.0), (3.0, -1.0)].map(|(a, b)| Shift.eval(a, b)), [32.0, 4.0, 1.0]);
    }
}
