//! Between real numbers and int8.
//!
//! `q = sat8(round_half_even(x / scale) + zero)`, IEEE division; NaN gives `zero`. `x = scale · (q − zero)`.

use serde::{Deserialize, Serialize};

use crate::arena::{Constants, Memory};
use crate::error::{Fault, Flaw};
use crate::format::{DType, Opcode, Record, Span, Tensor};
use crate::kernels::Kernels;

/// f32 to int8.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuantizeI8 {
    /// `x`, f32.
    pub input: Tensor,
    /// `q`, int8.
    pub output: Tensor,
    /// Positive.
    pub scale: f32,
    /// Zero point.
    pub zero: i8,
}

/// int8 to f32.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DequantizeI8 {
    /// `q`, int8.
    pub input: Tensor,
    /// `x`, f32.
    pub output: Tensor,
    /// Positive.
    pub scale: f32,
    /// Zero point.
    pub zero: i8,
}

/// The int8 value of a real number, as at every door.
///
/// ```
/// use lacewing::ops::quantize::quantize;
/// assert_eq!(quantize(0.25, 0.1, -3), -1); // 2.5 to 2, ties to even
/// assert_eq!(quantize(1e9, 0.1, -3), 127);
/// ```
#[must_use]
pub fn quantize(x: f32, scale: f32, zero: i8) -> i8 {
    let rounded = libm::rintf(x / scale) as i32;
    rounded.saturating_add(i32::from(zero)).clamp(-128, 127) as i8
}

/// The real number that an int8 value stands for.
#[must_use]
pub fn dequantize(q: i8, scale: f32, zero: i8) -> f32 {
    scale * (i32::from(q) - i32::from(zero)) as f32
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
