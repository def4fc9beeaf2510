//! Max pool: `y = clamp(max_{taps inside} x, lo, hi)`. Input and output have one scale and zero point.

use serde::{Deserialize, Serialize};

use super::average_pool::check_pool;
use super::spatial::{each_image, each_pool, taps};
use crate::arena::{Constants, Memory};
use crate::error::{Fault, Flaw};
use crate::format::{DType, Opcode, Record, Span, Tensor, Window};
use crate::kernels::Kernels;
use crate::rows::Work;

/// Max pool in int8.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MaxPoolI8 {
    /// `[n][h][w][c]`.
    pub input: Tensor,
    /// `[n][h'][w'][c]`.
    pub output: Tensor,
    /// Taps, strides, dilation, padding.
    pub window: Window,
    /// Smallest result.
    pub lo: i8,
    /// Largest result.
    pub hi: i8,
}

/// Max pool in f32.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MaxPoolF32 {
    /// `[n][h][w][c]`.
    pub input: Tensor,
    /// `[n][h'][w'][c]`.
    pub output: Tensor,
    /// Taps, strides, dilation, padding.
    pub window: Window,
    /// Smallest result.
    pub lo: f32,
    /// Largest result.
    pub hi: f32,
}

macro_rules! record {
    ($record:ident, $dtype:ident, $method:ident) => {
        impl Record for $record {
            const OPCODE: Opcode = Opcode::$record;

            fn inputs(&self) -> &[Tensor] {
                core::slice::from_ref(&self.input)
            }

            fn output(&self) -> &Tensor {
                &self.output
            }

            fn work(&self) -> u64 {
                taps(&self.output, &self.window)
            }

            fn check(&self, _constants: Constants<'_>) -> Result<(), Flaw> {
                check_pool(&self.input, &self.output, &self.window, DType::$dtype)
            }

            fn step<K: Kernels>(&self, kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
                each_image(memory, &self.input, &self.output, Span::EMPTY, |work| kernels.$method(self, work))
            }
        }
    };
}
record!(MaxPoolI8, I8, max_pool_i8);
record!(MaxPoolF32, F32, max_pool_f32);

/// The portable kernel in int8.
///
/// # Errors
/// [`Fault`] if the record was not checked or the work does not fit it.
pub fn run_i8(op: &MaxPoolI8, work: Work<'_, i8>) -> Result<(), Fault> {
    each_pool(&op.input, &op.window, work, |taps, output| {
        let mut largest = [op.lo; 16];
        taps.each(|x| largest.iter_mut().zip(x).for_each(|(largest, x)| *largest = (*largest).max(*x)))?;
        output.iter_mut().zip(largest).for_each(|(output, largest)| *output = largest.min(op.hi));
        Ok(())
    })
}

/// The portable kernel in f32.
///
/// # Errors
/// [`Fault`] if the record was not checked or the work does not fit it.
pub fn run_f32(op: &MaxPoolF32, work: Work<'_, f32>) -> Result<(), Fault> {
    each_pool(&op.input, &op.window, work, |taps, output| {
        let mut largest = [op.lo; 16];
        taps.each(|x| largest.iter_mut().zip(x).for_each(|(largest, x)| *largest = largest.max(*x)))?;
        output.iter_mut().zip(largest).for_each(|(output, largest)| *output = largest.min(op.hi));
        Ok(())
    })
}
