//! The average of a whole image in a band, which adds up row by row.
//!
//! Turn `t` adds row `t` of the image to a sum for each channel, `s[c] += Σ_j (x[t, j, c] − zero)`; the last one gives
//! `y[c] = requantize(s[c]; m[h·w])`, the bits of [`AveragePool`].

use super::pool::AveragePool;
use crate::arena::{Constants, Memory, cast_mut};
use crate::error::{Fault, Flaw};
use crate::format::{Opcode, Record, Span, Tensor, Turns, plain};
use crate::int::{Int, Sum};
use crate::kernels::Kernels;
use crate::rows::pieces;

/// Average of an image in integers, row by row.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct AverageRows<T> {
    /// The pool; its window is the whole image.
    pub pool: AveragePool<T>,
    /// Arena bytes of a sum for each channel, `i32` for int8, `i64` for int16.
    pub sums: Span,
}

plain!(AverageRows<T> { pool, sums });

/// Average of an image in int8, row by row.
pub type AverageRowsI8 = AverageRows<i8>;
/// Average of an image in int16, row by row.
pub type AverageRowsI16 = AverageRows<i16>;

macro_rules! record {
    ($record:ident) => {
        impl Record for $record {
            const OPCODE: Opcode = Opcode::$record;

            fn inputs(&self) -> &[Tensor] {
                self.pool.inputs()
            }

            fn output(&self) -> &Tensor {
                self.pool.output()
            }

            fn turns(&self) -> Option<Turns> {
                Turns::of_sums(&self.pool.input, self.sums)
            }

            fn needs_band(&self) -> bool {
                true
            }

            fn work(&self) -> u64 {
                self.pool.work()
            }

            fn check(&self, constants: Constants<'_>) -> Result<(), Flaw> {
                self.pool.check(constants)?;
                self.check_sums()
            }

            fn step<K: Kernels>(&self, _kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
                self.add(memory)
            }
        }
    };
}
record!(AverageRowsI8);
record!(AverageRowsI16);

impl<T: Int> AverageRows<T> {
    fn check_sums(&self) -> Result<(), Flaw> {
        let AveragePool { input, output, window, .. } = &self.pool;
        let ([_, h, w, channels], [_, rows, width, _]) = (input.shape, output.shape);
        let whole =
            window.kernel == [h, w] && window.pad == [0; 2] && window.dilation == [1; 2] && [rows, width] == [1; 2];
        let size = size_of::<T::Sum>() as u32;
        let each = Some(self.sums.len) == channels.checked_mul(size) && self.sums.offset.is_multiple_of(size);
        if whole && each { Ok(()) } else { Err(Flaw::Parameter) }
    }

    /// Adds a row of the image; the last one gives the output.
    fn add(&self, memory: &mut Memory<'_>) -> Result<(), Fault> {
        let AveragePool { input, output, window, input_zero, requant } = &self.pool;
        let (constants, turn) = (memory.constants, memory.turn.ok_or(Fault)?);
        let [_, rows, _, channels] = input.shape;
        let (row, output, sums) = memory.row::<T>(input, output, self.sums)?;
        let sums = cast_mut::<T::Sum>(sums).ok_or(Fault)?;
        if turn == 0 {
            sums.fill(T::Sum::default());
        }
        for pixel in pieces(row, channels as usize) {
            for (sum, x) in sums.iter_mut().zip(pixel) {
                let x: i32 = (*x).into();
                *sum = sum.plus(T::Sum::from(x.wrapping_sub((*input_zero).into())));
            }
        }
        if turn.wrapping_add(1) == rows {
            let [kh, kw] = window.kernel;
            let rounding = requant.channels(constants)?.channel(kh.wrapping_mul(kw).wrapping_sub(1))?;
            output.iter_mut().zip(sums).for_each(|(output, sum)| *output = rounding.apply(*sum));
        }
        Ok(())
    }
}
