//! Between real numbers and integers.
//!
//! `q = sat(round_half_even(x / scale) + zero)`, IEEE division; NaN gives `zero`. `x = scale · (q − zero)`.

use crate::arena::{Constants, Memory};
use crate::error::{Fault, Flaw};
use crate::format::{DType, Opcode, Record, Span, Tensor, plain};
use crate::int::Int;
use crate::kernels::Kernels;

/// f32 to an integer type.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct Quantize<T> {
    /// `x`, f32.
    pub input: Tensor,
    /// `q`, the same shape.
    pub output: Tensor,
    /// Positive.
    pub scale: f32,
    /// Zero point.
    pub zero: T,
}

plain!(Quantize<T> { input, output, scale, zero });

/// An integer type to f32.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct Dequantize<T> {
    /// `q`.
    pub input: Tensor,
    /// `x`, f32, the same shape.
    pub output: Tensor,
    /// Positive.
    pub scale: f32,
    /// Zero point.
    pub zero: T,
}

plain!(Dequantize<T> { input, output, scale, zero });

/// f32 to int8.
pub type QuantizeI8 = Quantize<i8>;
/// int8 to f32.
pub type DequantizeI8 = Dequantize<i8>;
/// f32 to int16; the zero point is 0.
pub type QuantizeI16 = Quantize<i16>;
/// int16 to f32; the zero point is 0.
pub type DequantizeI16 = Dequantize<i16>;

/// The integer of a real number, as at every door.
///
/// ```
/// use lacewing::ops::quantize::quantize;
/// assert_eq!(quantize(0.25, 0.1, -3i8), -1); // 2.5 to 2, ties to even
/// assert_eq!(quantize(1e9, 0.1, -3i8), 127);
/// assert_eq!(quantize(1e9, 0.1, 0i16), 32767);
/// ```
#[must_use]
pub fn quantize<T: Int>(x: f32, scale: f32, zero: T) -> T {
    let rounded = libm::rintf(x / scale) as i32;
    T::saturate(rounded.saturating_add(zero.into()))
}

/// The real number that an integer stands for.
#[must_use]
pub fn dequantize<T: Int>(q: T, scale: f32, zero: T) -> f32 {
    let (q, zero): (i32, i32) = (q.into(), zero.into());
    scale * q.wrapping_sub(zero) as f32
}

macro_rules! record {
    ($record:ident, $from:ident $from_type:ty, $to:ident $to_type:ty, $function:ident) => {
        impl Record for $record {
            const OPCODE: Opcode = Opcode::$record;

            fn inputs(&self) -> &[Tensor] {
                core::slice::from_ref(&self.input)
            }

            fn output(&self) -> &Tensor {
                &self.output
            }

            fn check(&self, _constants: Constants<'_>) -> Result<(), Flaw> {
                if self.input.dtype() != Some(DType::$from) || self.output.dtype() != Some(DType::$to) {
                    return Err(Flaw::Type);
                }
                if !(self.scale.is_finite() && self.scale > 0.0) {
                    return Err(Flaw::Parameter);
                }
                if self.input.shape == self.output.shape { Ok(()) } else { Err(Flaw::Shape) }
            }

            fn step<K: Kernels>(&self, _kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
                let (input, output, _) =
                    memory.apart::<$from_type, $to_type>(&self.input, &self.output, Span::EMPTY)?;
                for (from, to) in input.iter().zip(output) {
                    *to = $function(*from, self.scale, self.zero);
                }
                Ok(())
            }
        }
    };
}
record!(QuantizeI8, F32 f32, I8 i8, quantize);
record!(DequantizeI8, I8 i8, F32 f32, dequantize);
record!(QuantizeI16, F32 f32, I16 i16, quantize);
record!(DequantizeI16, I16 i16, F32 f32, dequantize);
