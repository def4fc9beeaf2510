//! Functions of one number.
//!
//! int8: `y = table[x + 128]`, a table made by the converter; changes of scale are such a table too. int16: between the entries of a table. f32: `y = f(x)` with `libm`.

use super::clamp;
use crate::arena::{Constants, Memory, Operand};
use crate::error::{Fault, Flaw};
use crate::format::{DType, Opcode, Record, Span, Tensor, Turns, decode, decode_enum, plain};
use crate::kernels::Kernels;
use libm::{cosf, erff, expf, fabsf, floorf, log1pf, logf, rintf, sinf, sqrtf, tanhf};

/// Any function in int8.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct TableI8 {
    /// `x`.
    pub input: Tensor,
    /// `y`, the same shape; may be the bytes of `x`.
    pub output: Tensor,
    /// 256 `i8`, for x from −128 on.
    pub table: Span,
}

plain!(TableI8 { input, output, table });

/// A function in int16, by interpolation.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct TableI16 {
    /// `x`.
    pub input: Tensor,
    /// `y`, the same shape; may be the bytes of `x`.
    pub output: Tensor,
    /// `2^b + 1` `i16`, 1 ≤ b ≤ 15, for x from −32768 to 32768 in steps of `2^(16−b)`.
    pub table: Span,
}

plain!(TableI16 { input, output, table });

/// A function in f32.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct UnaryF32 {
    /// `x`.
    pub input: Tensor,
    /// `y`, the same shape; may be the bytes of `x`.
    pub output: Tensor,
    /// `f`.
    pub function: Function,
}

decode!(UnaryF32 { input, output, function });

/// A function of one real variable, as the ONNX operator of the same name defines it.
///
/// Variants are numbered in the file by their order: add at the end.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub enum Function {
    /// `x`.
    Identity,
    /// `min(max(x, lo), hi)`; Relu is `(0, ∞)`.
    Clip {
        /// Smallest result.
        lo: f32,
        /// Largest result.
        hi: f32,
    },
    /// `x` if `x ≥ 0`, else `alpha·x`.
    LeakyRelu {
        /// Slope below zero.
        alpha: f32,
    },
    /// `x` if `x ≥ 0`, else `alpha·(eˣ − 1)`.
    Elu {
        /// Limit below zero, negated.
        alpha: f32,
    },
    /// `gamma·x` if `x > 0`, else `gamma·alpha·(eˣ − 1)`.
    Selu {
        /// Limit below zero over gamma, negated.
        alpha: f32,
        /// Factor.
        gamma: f32,
    },
    /// `1 / (1 + e⁻ˣ)`.
    Sigmoid,
    /// `min(max(alpha·x + beta, 0), 1)`.
    HardSigmoid {
        /// Slope.
        alpha: f32,
        /// Value at 0.
        beta: f32,
    },
    /// `x · min(max(x/6 + 1/2, 0), 1)`.
    HardSwish,
    /// `x / (1 + e⁻ˣ)`.
    Silu,
    /// `tanh x`.
    Tanh,
    /// `x/2 · (1 + erf(x/√2))`.
    Gelu,
    /// `x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³)))`.
    GeluTanh,
    /// `eˣ`.
    Exp,
    /// `ln x`.
    Log,
    /// `√x`.
    Sqrt,
    /// `1/x`.
    Reciprocal,
    /// `|x|`.
    Abs,
    /// `−x`.
    Neg,
    /// `erf x`.
    Erf,
    /// `ln(1 + eˣ)`.
    Softplus,
    /// `x / (1 + |x|)`.
    Softsign,
    /// `x · tanh(ln(1 + eˣ))`.
    Mish,
    /// `x²`.
    Square,
    /// Towards minus infinity.
    Floor,
    /// Towards plus infinity.
    Ceil,
    /// To nearest, ties to even.
    Round,
    /// `sin x`.
    Sin,
    /// `cos x`.
    Cos,
    /// `min(max(round_half_even(x / scale) + zero, lo), hi)`, the integer as a real.
    Quantize {
        /// Positive.
        scale: f32,
        /// Zero point.
        zero: f32,
        /// Smallest result.
        lo: f32,
        /// Largest result.
        hi: f32,
    },
    /// `(x − zero) · scale`, of an integer as a real.
    Dequantize {
        /// Positive.
        scale: f32,
        /// Zero point.
        zero: f32,
    },
    /// `tan x`.
    Tan,
    /// `arcsin x`.
    Asin,
    /// `arccos x`.
    Acos,
    /// `arctan x`.
    Atan,
    /// `sinh x`.
    Sinh,
    /// `cosh x`.
    Cosh,
    /// `arsinh x`.
    Asinh,
    /// `arcosh x`.
    Acosh,
    /// `artanh x`.
    Atanh,
    /// −1, 0 or 1.
    Sign,
    /// Towards 0.
    Trunc,
    /// 1 if `x` is NaN, else 0.
    IsNan,
    /// 1 if `x` is infinite with a sign that counts, else 0.
    IsInf {
        /// Whether −∞ counts.
        negative: bool,
        /// Whether +∞ counts.
        positive: bool,
    },
    /// 1 if `x = 0`, else 0.
    Not,
    /// `x` if `x > alpha`, else 0.
    ThresholdedRelu {
        /// The threshold.
        alpha: f32,
    },
    /// `x + bias` if `x < −lambda`, `x − bias` if `x > lambda`, else 0.
    Shrink {
        /// The threshold.
        lambda: f32,
        /// How far what is beyond it moves to 0.
        bias: f32,
    },
    /// `x` if `x > 0`, else `alpha·(e^(x/alpha) − 1)`.
    Celu {
        /// Limit below zero, negated.
        alpha: f32,
    },
    /// `x / (1 + e^(−alpha·x))`.
    Swish {
        /// Steepness of the gate.
        alpha: f32,
    },
    /// `x^exponent`.
    Power {
        /// The exponent.
        exponent: f32,
    },
    /// `alpha·x + beta`.
    Affine {
        /// Slope.
        alpha: f32,
        /// Value at 0.
        beta: f32,
    },
    /// `alpha·tanh(beta·x)`.
    ScaledTanh {
        /// Limit.
        alpha: f32,
        /// Steepness.
        beta: f32,
    },
}

decode_enum!(Function { Identity, Clip { lo, hi }, LeakyRelu { alpha }, Elu { alpha }, Selu { alpha, gamma }, Sigmoid, HardSigmoid { alpha, beta }, HardSwish, Silu, Tanh, Gelu, GeluTanh, Exp, Log, Sqrt, Reciprocal, Abs, Neg, Erf, Softplus, Softsign, Mish, Square, Floor, Ceil, Round, Sin, Cos, Quantize { scale, zero, lo, hi }, Dequantize { scale, zero }, Tan, Asin, Acos, Atan, Sinh, Cosh, Asinh, Acosh, Atanh, Sign, Trunc, IsNan, IsInf { negative, positive }, Not, ThresholdedRelu { alpha }, Shrink { lambda, bias }, Celu { alpha }, Swish { alpha }, Power { exponent }, Affine { alpha, beta }, ScaledTanh { alpha, beta } });

impl Function {
    /// `f(x)`.
    ///
    /// ```
    /// use lacewing::ops::Function;
    /// assert_eq!(Function::Clip { lo: 0.0, hi: 6.0 }.eval(7.5), 6.0);
    /// ```
    #[must_use]
    pub fn eval(self, x: f32) -> f32 {
        let sigmoid = |x: f32| 1.0 / (1.0 + expf(-x));
        let truth = |truth: bool| if truth { 1.0 } else { 0.0 };
        let softplus = |x: f32| if x > 0.0 { x + log1pf(expf(-x)) } else { log1pf(expf(x)) };
        match self {
            Self::Identity => x,
            Self::Clip { lo, hi } => clamp(x, lo, hi),
            Self::LeakyRelu { alpha } if x < 0.0 => alpha * x,
            Self::Elu { alpha } if x < 0.0 => alpha * libm::expm1f(x),
            Self::LeakyRelu { .. } | Self::Elu { .. } => x,
            Self::Selu { alpha, gamma } if x <= 0.0 => gamma * alpha * libm::expm1f(x),
            Self::Selu { gamma, .. } => gamma * x,
            Self::Sigmoid => sigmoid(x),
            Self::HardSigmoid { alpha, beta } => clamp(alpha * x + beta, 0.0, 1.0),
            Self::HardSwish => x * clamp(x / 6.0 + 0.5, 0.0, 1.0),
            Self::Silu => x * sigmoid(x),
            Self::Tanh => tanhf(x),
            Self::Gelu => 0.5 * x * (1.0 + erff(x * core::f32::consts::FRAC_1_SQRT_2)),
            Self::GeluTanh => 0.5 * x * (1.0 + tanhf(0.797_884_6 * (x + 0.044_715 * x * x * x))),
            Self::Exp => expf(x),
            Self::Log => logf(x),
            Self::Sqrt => sqrtf(x),
            Self::Reciprocal => 1.0 / x,
            Self::Abs => fabsf(x),
            Self::Neg => -x,
            Self::Erf => erff(x),
            Self::Softplus => softplus(x),
            Self::Softsign => x / (1.0 + fabsf(x)),
            Self::Mish => x * tanhf(softplus(x)),
            Self::Square => x * x,
            Self::Floor => floorf(x),
            Self::Ceil => libm::ceilf(x),
            Self::Round => rintf(x),
            Self::Sin => sinf(x),
            Self::Cos => cosf(x),
            Self::Quantize { scale, zero, lo, hi } => clamp(rintf(x / scale) + zero, lo, hi),
            Self::Dequantize { scale, zero } => (x - zero) * scale,
            Self::Tan => libm::tanf(x),
            Self::Asin => libm::asinf(x),
            Self::Acos => libm::acosf(x),
            Self::Atan => libm::atanf(x),
            Self::Sinh => libm::sinhf(x),
            Self::Cosh => libm::coshf(x),
            Self::Asinh => libm::asinhf(x),
            Self::Acosh if x < 1.0 => f32::NAN,
            Self::Acosh => libm::acoshf(x),
            Self::Atanh => libm::atanhf(x),
            Self::Sign if x > 0.0 => 1.0,
            Self::Sign if x < 0.0 => -1.0,
            // 0 and NaN stay what they are.
            Self::Sign => x,
            Self::Trunc => libm::truncf(x),
            Self::IsNan => truth(x.is_nan()),
            Self::IsInf { negative, positive } => {
                truth(negative && x == f32::NEG_INFINITY || positive && x == f32::INFINITY)
            }
            Self::Not => truth(x == 0.0),
            Self::ThresholdedRelu { alpha } => {
                if x > alpha {
                    x
                } else {
                    0.0
                }
            }
            Self::Shrink { lambda, bias } => shrink(x, lambda, bias),
            Self::Celu { alpha } if x < 0.0 => alpha * libm::expm1f(x / alpha),
            Self::Celu { .. } => x,
            Self::Swish { alpha } => x * sigmoid(alpha * x),
            Self::Power { exponent } => libm::powf(x, exponent),
            Self::Affine { alpha, beta } => alpha * x + beta,
            Self::ScaledTanh { alpha, beta } => alpha * tanhf(beta * x),
        }
    }
}

fn shrink(x: f32, lambda: f32, bias: f32) -> f32 {
    if x < -lambda {
        x + bias
    } else if x > lambda {
        x - bias
    } else {
        0.0
    }
}

impl Record for TableI8 {
    const OPCODE: Opcode = Opcode::TableI8;

    fn inputs(&self) -> &[Tensor] {
        core::slice::from_ref(&self.input)
    }

    fn output(&self) -> &Tensor {
        &self.output
    }

    fn in_place(&self, _input: usize) -> bool {
        true
    }

    fn turns(&self) -> Option<Turns> {
        Turns::of_elements(self.inputs(), self.output())
    }

    fn check(&self, constants: Constants<'_>) -> Result<(), Flaw> {
        constants.check::<i8>(self.table, 256)?;
        check(&self.input, &self.output, DType::I8)
    }

    fn step<K: Kernels>(&self, kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
        let table = memory.constants.get::<i8>(self.table)?.first_chunk().ok_or(Fault)?;
        let (input, output) = memory.unary(&self.input, &self.output)?;
        kernels.table_i8(table, input, output);
        Ok(())
    }
}

impl Record for TableI16 {
    const OPCODE: Opcode = Opcode::TableI16;

    fn inputs(&self) -> &[Tensor] {
        core::slice::from_ref(&self.input)
    }

    fn output(&self) -> &Tensor {
        &self.output
    }

    fn in_place(&self, _input: usize) -> bool {
        true
    }

    fn turns(&self) -> Option<Turns> {
        Turns::of_elements(self.inputs(), self.output())
    }

    fn check(&self, constants: Constants<'_>) -> Result<(), Flaw> {
        check(&self.input, &self.output, DType::I16)?;
        interpolated_bits(constants.get(self.table)?).map(|_| ()).ok_or(Flaw::Constant)
    }

    fn step<K: Kernels>(&self, _kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
        let table = memory.constants.get::<i16>(self.table)?;
        let bits = interpolated_bits(table).ok_or(Fault)?;
        let (input, output) = memory.unary::<i16>(&self.input, &self.output)?;
        match input {
            Some(input) => output.iter_mut().zip(input).for_each(|(y, x)| *y = interpolated(table, bits, *x)),
            None => output.iter_mut().for_each(|y| *y = interpolated(table, bits, *y)),
        }
        Ok(())
    }
}

/// The bits of `x` that lie between two entries of a table, if it has a length that is allowed.
fn interpolated_bits(table: &[i16]) -> Option<u32> {
    let intervals = table.len().checked_sub(1).filter(|n| n.is_power_of_two())?;
    16u32.checked_sub(intervals.trailing_zeros()).filter(|bits| (1..=15).contains(bits))
}

/// `t[i] + ⌊((t[i+1] − t[i])·r + 2^(bits−1)) / 2^bits⌋` with `x + 32768 = i·2^bits + r`.
fn interpolated(table: &[i16], bits: u32, x: i16) -> i16 {
    let from_start = i32::from(x).wrapping_add(32768);
    let (i, r) = (from_start.wrapping_shr(bits) as usize, from_start & 1i32.wrapping_shl(bits).wrapping_sub(1));
    let entry = |i: usize| table.get(i).copied().map_or(0, i32::from);
    let (start, end) = (entry(i), entry(i.wrapping_add(1)));
    let half = 1i32.wrapping_shl(bits.wrapping_sub(1));
    let above = end.wrapping_sub(start).wrapping_mul(r).wrapping_add(half).wrapping_shr(bits);
    start.wrapping_add(above) as i16
}

impl Record for UnaryF32 {
    const OPCODE: Opcode = Opcode::UnaryF32;

    fn inputs(&self) -> &[Tensor] {
        core::slice::from_ref(&self.input)
    }

    fn output(&self) -> &Tensor {
        &self.output
    }

    fn in_place(&self, _input: usize) -> bool {
        true
    }

    fn turns(&self) -> Option<Turns> {
        Turns::of_elements(self.inputs(), self.output())
    }

    fn check(&self, _constants: Constants<'_>) -> Result<(), Flaw> {
        check(&self.input, &self.output, DType::F32)
    }

    fn step<K: Kernels>(&self, _kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
        let (input, output) = memory.unary(&self.input, &self.output)?;
        map(input, output, |x| self.function.eval(x));
        Ok(())
    }
}

fn check(input: &Tensor, output: &Tensor, dtype: DType) -> Result<(), Flaw> {
    if input.dtype() != Some(dtype) || output.dtype() != Some(dtype) {
        return Err(Flaw::Type);
    }
    if input.len() == output.len() { Ok(()) } else { Err(Flaw::Shape) }
}

/// The portable kernel in int8.
pub fn run_i8(table: &[i8; 256], input: Operand<'_, i8>, output: &mut [i8]) {
    #[allow(clippy::indexing_slicing, reason = "an index of 8 bits into 256 numbers")]
    map(input, output, |x| table[usize::from((x as u8) ^ 0x80)]);
}

#[inline(always)]
fn map<T: Copy>(input: Operand<'_, T>, output: &mut [T], f: impl Fn(T) -> T) {
    match input {
        Some(input) => output.iter_mut().zip(input).for_each(|(y, x)| *y = f(*x)),
        None => output.iter_mut().for_each(|y| *y = f(*y)),
    }
}

#[cfg(test)]
mod tests {
    use super::Function;

    #[test]
    fn functions_meet_known_values() {
        for (function, x, y) in [
            (Function::Gelu, 1.0, 0.841_344_7),
            (Function::GeluTanh, 1.0, 0.841_192),
            (Function::Mish, 1.0, 0.865_098_4),
            (Function::Softplus, -100.0, 0.0),
            (Function::Softplus, 100.0, 100.0),
            (Function::HardSwish, -1.0, -0.333_333_34),
            (Function::Selu { alpha: 1.673_263_2, gamma: 1.050_701 }, -1.0, -1.111_330_7),
        ] {
            assert!((function.eval(x) - y).abs() < 1e-6, "{function:?}({x}) = {}", function.eval(x));
        }
        assert!(Function::Clip { lo: 0.0, hi: 6.0 }.eval(f32::NAN).is_nan());
    }
}
