//! Changes of scale, of zero point and of width between integers, and functions that are straight on either side of 0.
//!
//! `y = clamp(zero + ⌊((x − input_zero)·m + 2^(k−1)) / 2^k⌋, lo, hi)`: the wide rounding of [`crate::requant`], with one `m` for `x < input_zero` and one for
//! all others. Limits of a function that clips are `lo` and `hi`.

use crate::arena::{Constants, Memory, Operand};
use crate::error::{Fault, Flaw};
use crate::format::{DType, Opcode, Record, Span, Tensor, plain};
use crate::int::Int;
use crate::kernels::Kernels;
use crate::requant::Wide;

/// From integers of one type to those of another, or of the same.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct Rescale<T, U> {
    /// `x`.
    pub input: Tensor,
    /// `y`, of the same length; in one type it may be the bytes of `x`.
    pub output: Tensor,
    /// The zero point of `x`.
    pub input_zero: T,
    /// `m` below the zero point, and from it on; negative where the function falls.
    pub multipliers: [i32; 2],
    /// `k`, 1..=62.
    pub shift: u8,
    /// The zero point of `y`.
    pub zero: U,
    /// Smallest result.
    pub lo: U,
    /// Largest result.
    pub hi: U,
}

plain!(Rescale<T, U> { input, output, input_zero, multipliers, shift, zero, lo, hi });

/// int16 to another scale.
pub type RescaleI16 = Rescale<i16, i16>;
/// int16 to int8.
pub type NarrowI16 = Rescale<i16, i8>;
/// int8 to int16.
pub type WidenI8 = Rescale<i8, i16>;

macro_rules! record {
    ($record:ident, $from:ident, $to:ident, in place: $in_place:literal, |$op:ident, $memory:ident| $step:expr) => {
        impl Record for $record {
            const OPCODE: Opcode = Opcode::$record;

            fn inputs(&self) -> &[Tensor] {
                core::slice::from_ref(&self.input)
            }

            fn output(&self) -> &Tensor {
                &self.output
            }

            fn in_place(&self, _input: usize) -> bool {
                $in_place
            }

            fn check(&self, _constants: Constants<'_>) -> Result<(), Flaw> {
                if self.input.dtype() != Some(DType::$from) || self.output.dtype() != Some(DType::$to) {
                    return Err(Flaw::Type);
                }
                Wide::check(self.shift)?;
                if self.input.len() == self.output.len() { Ok(()) } else { Err(Flaw::Shape) }
            }

            fn step<K: Kernels>(&self, _kernels: &K, $memory: &mut Memory<'_>) -> Result<(), Fault> {
                let $op = self;
                $step
            }
        }
    };
}
record!(RescaleI16, I16, I16, in place: true, |op, memory| {
    let (input, output) = memory.unary(&op.input, &op.output)?;
    op.within(input, output);
    Ok(())
});
record!(NarrowI16, I16, I8, in place: false, |op, memory| op.apart(memory));
record!(WidenI8, I8, I16, in place: false, |op, memory| op.apart(memory));

impl<T: Int, U: Int> Rescale<T, U> {
    fn apart(&self, memory: &mut Memory<'_>) -> Result<(), Fault> {
        let (input, output, _) = memory.apart::<T, U>(&self.input, &self.output, Span::EMPTY)?;
        output.iter_mut().zip(input).for_each(|(y, x)| *y = self.of(*x));
        Ok(())
    }

    fn of(&self, x: T) -> U {
        let (x, zero): (i32, i32) = (x.into(), self.input_zero.into());
        let [below, above] = self.multipliers;
        let multiplier = if x < zero { below } else { above };
        let wide = Wide { multiplier, shift: self.shift };
        wide.between(i64::from(x.wrapping_sub(zero)), [self.zero, self.lo, self.hi])
    }
}

impl<T: Int> Rescale<T, T> {
    fn within(&self, input: Operand<'_, T>, output: &mut [T]) {
        match input {
            Some(input) => output.iter_mut().zip(input).for_each(|(y, x)| *y = self.of(*x)),
            None => output.iter_mut().for_each(|y| *y = self.of(*y)),
        }
    }
}
