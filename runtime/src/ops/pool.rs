//! Average and max pools; a global one has the window of the whole image.
//!
//! int8 average: `y = requantize(Σ_{taps inside} (x − zero); m[count])` where `count` is the number of taps inside, or all taps if the
//! padding counts. f32 average: `y = clamp(Σ_{taps inside} x / count, lo, hi)`. Maximum: `y = clamp(max_{taps inside} x, lo, hi)`; input and
//! output have one scale and zero point. Without a tap inside the average is real 0 and the maximum `lo`.

use super::clamp;
use super::spatial::{check as check_window, each_image, each_pool, taps};
use crate::arena::{Constants, Memory};
use crate::error::{Fault, Flaw};
use crate::format::{DType, Opcode, Record, Requant, SafeOverlap, Span, Tensor, Turns, Window, plain};
use crate::int::{Int, Sum};
use crate::kernels::Kernels;
use crate::rows::Work;

/// Average pool in integers.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct AveragePool<T> {
    /// `[n][h][w][c]`.
    pub input: Tensor,
    /// `[n][h'][w'][c]`.
    pub output: Tensor,
    /// Taps, strides, padding.
    pub window: Window,
    /// The input's zero point.
    pub input_zero: T,
    /// From the sum to the output; one multiplier, or `kh · kw` of them, number `count − 1` for `count` taps inside.
    pub requant: Requant<T>,
}

plain!(AveragePool<T> { input, output, window, input_zero, requant });

/// Average pool in f32.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct AveragePoolF32 {
    /// `[n][h][w][c]`.
    pub input: Tensor,
    /// `[n][h'][w'][c]`.
    pub output: Tensor,
    /// Taps, strides, padding.
    pub window: Window,
    /// The divisor; 0 for the number of taps inside.
    pub divisor: u32,
    /// Smallest result.
    pub lo: f32,
    /// Largest result.
    pub hi: f32,
}

plain!(AveragePoolF32 { input, output, window, divisor, lo, hi });

/// Average pool in int8.
pub type AveragePoolI8 = AveragePool<i8>;
/// Average pool in int16.
pub type AveragePoolI16 = AveragePool<i16>;

macro_rules! record_average {
    ($record:ident, $dtype:ident, $method:ident) => {
        impl Record for $record {
            const OPCODE: Opcode = Opcode::$record;

            fn inputs(&self) -> &[Tensor] {
                core::slice::from_ref(&self.input)
            }

            fn output(&self) -> &Tensor {
                &self.output
            }

            fn safe_overlap(&self) -> SafeOverlap {
                SafeOverlap::of_rows(&self.input, &self.output, &self.window)
            }

            fn turns(&self) -> Option<Turns> {
                Turns::of_window(&self.input, &self.output, &self.window)
            }

            fn work(&self) -> u64 {
                taps(&self.output, &self.window)
            }

            fn check(&self, constants: Constants<'_>) -> Result<(), Flaw> {
                check(&self.input, &self.output, &self.window, DType::$dtype)?;
                let [kh, kw] = self.window.kernel;
                self.requant.check(constants, kh.checked_mul(kw).ok_or(Flaw::Parameter)?)
            }

            fn step<K: Kernels>(&self, kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
                let constants = memory.constants;
                each_image(memory, &self.input, &self.output, &self.window, Span::EMPTY, &mut |work| {
                    kernels.$method(self, constants, work)
                })
            }
        }
    };
}
record_average!(AveragePoolI8, I8, average_pool_i8);
record_average!(AveragePoolI16, I16, average_pool_i16);

impl Record for AveragePoolF32 {
    const OPCODE: Opcode = Opcode::AveragePoolF32;

    fn inputs(&self) -> &[Tensor] {
        core::slice::from_ref(&self.input)
    }

    fn output(&self) -> &Tensor {
        &self.output
    }

    fn safe_overlap(&self) -> SafeOverlap {
        SafeOverlap::of_rows(&self.input, &self.output, &self.window)
    }

    fn turns(&self) -> Option<Turns> {
        Turns::of_window(&self.input, &self.output, &self.window)
    }

    fn work(&self) -> u64 {
        taps(&self.output, &self.window)
    }

    fn check(&self, _constants: Constants<'_>) -> Result<(), Flaw> {
        check(&self.input, &self.output, &self.window, DType::F32)
    }

    fn step<K: Kernels>(&self, kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
        each_image(memory, &self.input, &self.output, &self.window, Span::EMPTY, &mut |work| {
            kernels.average_pool_f32(self, work)
        })
    }
}

/// Max pool.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct MaxPool<T> {
    /// `[n][h][w][c]`.
    pub input: Tensor,
    /// `[n][h'][w'][c]`.
    pub output: Tensor,
    /// Taps, strides, dilation, padding.
    pub window: Window,
    /// Smallest result.
    pub lo: T,
    /// Largest result.
    pub hi: T,
}

plain!(MaxPool<T> { input, output, window, lo, hi });

/// Max pool in int8.
pub type MaxPoolI8 = MaxPool<i8>;
/// Max pool in int16.
pub type MaxPoolI16 = MaxPool<i16>;
/// Max pool in f32.
pub type MaxPoolF32 = MaxPool<f32>;

macro_rules! record_max {
    ($record:ident, $dtype:ident, $method:ident) => {
        impl Record for $record {
            const OPCODE: Opcode = Opcode::$record;

            fn inputs(&self) -> &[Tensor] {
                core::slice::from_ref(&self.input)
            }

            fn output(&self) -> &Tensor {
                &self.output
            }

            fn safe_overlap(&self) -> SafeOverlap {
                SafeOverlap::of_rows(&self.input, &self.output, &self.window)
            }

            fn turns(&self) -> Option<Turns> {
                Turns::of_window(&self.input, &self.output, &self.window)
            }

            fn work(&self) -> u64 {
                taps(&self.output, &self.window)
            }

            fn check(&self, _constants: Constants<'_>) -> Result<(), Flaw> {
                check(&self.input, &self.output, &self.window, DType::$dtype)
            }

            fn step<K: Kernels>(&self, kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
                each_image(memory, &self.input, &self.output, &self.window, Span::EMPTY, &mut |work| {
                    kernels.$method(self, work)
                })
            }
        }
    };
}
record_max!(MaxPoolI8, I8, max_pool_i8);
record_max!(MaxPoolI16, I16, max_pool_i16);
record_max!(MaxPoolF32, F32, max_pool_f32);

fn check(input: &Tensor, output: &Tensor, window: &Window, dtype: DType) -> Result<(), Flaw> {
    check_window(input, output, window, dtype)?;
    let ([.., channels], [.., outputs]) = (input.shape, output.shape);
    if channels == outputs { Ok(()) } else { Err(Flaw::Shape) }
}

/// The portable average in integers.
///
/// # Errors
/// [`Fault`] if the record was not checked or the work does not fit it.
pub fn average<T: Int>(op: &AveragePool<T>, constants: Constants<'_>, work: Work<'_, T>) -> Result<(), Fault> {
    let requant = op.requant.channels(constants)?;
    let zero: i32 = op.input_zero.into();
    each_pool(&op.input, &op.window, work, |taps, output| {
        let count = taps.count();
        let mut sums = [T::Sum::from(zero).times((count as i32).wrapping_neg()); 16];
        taps.each(|x| sums.iter_mut().zip(x).for_each(|(sum, x)| *sum = sum.plus(T::Sum::from((*x).into()))))?;
        let rounding = requant.channel(count.saturating_sub(1))?;
        output.iter_mut().zip(&sums).for_each(|(output, sum)| *output = rounding.apply(*sum));
        Ok(())
    })
}

/// The portable average in f32.
///
/// # Errors
/// [`Fault`] if the record was not checked or the work does not fit it.
pub fn average_f32(op: &AveragePoolF32, work: Work<'_, f32>) -> Result<(), Fault> {
    each_pool(&op.input, &op.window, work, |taps, output| {
        let mut sums = [0f32; 16];
        taps.each(|x| sums.iter_mut().zip(x).for_each(|(sum, x)| *sum += x))?;
        let divisor = if op.divisor == 0 { taps.count().max(1) } else { op.divisor };
        for (output, sum) in output.iter_mut().zip(&sums) {
            *output = clamp(sum / divisor as f32, op.lo, op.hi);
        }
        Ok(())
    })
}

/// The portable maximum in integers.
///
/// # Errors
/// [`Fault`] if the record was not checked or the work does not fit it.
pub fn max<T: Int>(op: &MaxPool<T>, work: Work<'_, T>) -> Result<(), Fault> {
    each_pool(&op.input, &op.window, work, |taps, output| {
        let mut largest = [op.lo; 16];
        taps.each(|x| largest.iter_mut().zip(x).for_each(|(largest, x)| *largest = (*largest).max(*x)))?;
        output.iter_mut().zip(&largest).for_each(|(output, largest)| *output = (*largest).min(op.hi));
        Ok(())
    })
}

/// The portable maximum in f32.
///
/// # Errors
/// [`Fault`] if the record was not checked or the work does not fit it.
pub fn max_f32(op: &MaxPoolF32, work: Work<'_, f32>) -> Result<(), Fault> {
    each_pool(&op.input, &op.window, work, |taps, output| {
        let mut largest = [op.lo; 16];
        taps.each(|x| largest.iter_mut().zip(x).for_each(|(largest, x)| *largest = largest.max(*x)))?;
        output.iter_mut().zip(&largest).for_each(|(output, largest)| *output = (*largest).min(op.hi));
        Ok(())
    })
}
