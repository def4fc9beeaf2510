//! Weighted sums of neighbors along one axis: linear and cubic resizing, with or without antialias.
//!
//! `y[o, j, i] = Σ_t w[j][t] · x[o, first[j] + t, i]` with `x` as `[outer][n][inner]`; a place beyond the end is `n − 1`.
//! Integers: `w` in units of 2⁻¹⁴, those of one output adding up to 2¹⁴, so that scale and zero point stay: `y = sat((S + 2^13) >> 14)`.

use super::check_axis;
use crate::arena::{Constants, Memory, Pod};
use crate::error::{Fault, Flaw};
use crate::format::{DType, Opcode, Record, Span, Tensor, plain};
use crate::int::Int;
use crate::kernels::Kernels;
use crate::rows::{pieces, pieces_mut};

macro_rules! record {
    ($(#[$doc:meta])* $record:ident, $dtype:ident, $element:ty, $weight:ty, $kernel:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        #[repr(C)]
        #[cfg_attr(feature = "encode", derive(serde::Serialize))]
        pub struct $record {
            /// `x`.
            pub input: Tensor,
            /// `y`; scale and zero point of `x`.
            pub output: Tensor,
            /// Elements of `x` along the axis.
            pub n: u32,
            /// Product of the dimensions after the axis.
            pub inner: u32,
            /// For each element of `y` along the axis, a `u32`: its first tap.
            pub first: Span,
            /// Taps of each, neighbors.
            pub taps: u32,
            /// `w`, `[m][taps]`.
            pub weights: Span,
        }

        plain!($record { input, output, n, inner, first, taps, weights });

        impl Record for $record {
            const OPCODE: Opcode = Opcode::$record;

            fn inputs(&self) -> &[Tensor] {
                core::slice::from_ref(&self.input)
            }

            fn output(&self) -> &Tensor {
                &self.output
            }

            fn work(&self) -> u64 {
                u64::from(self.output.len().unwrap_or(u32::MAX)).saturating_mul(u64::from(self.taps))
            }

            fn check(&self, constants: Constants<'_>) -> Result<(), Flaw> {
                if self.input.dtype() != Some(DType::$dtype) || self.output.dtype() != Some(DType::$dtype) {
                    return Err(Flaw::Type);
                }
                if !(1..=self.n).contains(&self.taps) {
                    return Err(Flaw::Parameter);
                }
                let m = u32::try_from(constants.get::<u32>(self.first)?.len()).map_err(|_| Flaw::Constant)?;
                constants.check::<$weight>(self.weights, m.checked_mul(self.taps).ok_or(Flaw::Constant)?)?;
                check_axis(&self.input, &self.output, [self.n, m, self.inner])
            }

            fn step<K: Kernels>(&self, _kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
                let first = memory.constants.get::<u32>(self.first)?;
                let weights = memory.constants.get::<$weight>(self.weights)?;
                let (input, output, _) = memory.apart::<$element, $element>(&self.input, &self.output, Span::EMPTY)?;
                let axis = Axis { n: self.n as usize, inner: self.inner as usize, first, taps: self.taps as usize, weights };
                axis.run(input, output, $kernel)
            }
        }
    };
}
record!(
    /// Resampling in f32.
    ResampleF32, F32, f32, f32, sum_f32
);
record!(
    /// Resampling in int8.
    ResampleI8, I8, i8, i16, sum_int
);
record!(
    /// Resampling in int16.
    ResampleI16, I16, i16, i16, sum_int
);

/// The axis that is resampled.
struct Axis<'a, W> {
    n: usize,
    inner: usize,
    first: &'a [u32],
    taps: usize,
    weights: &'a [W],
}

impl<W: Pod> Axis<'_, W> {
    /// `sum(weights, taps)` for each output, its taps in order.
    #[inline(always)]
    fn run<T: Pod>(&self, x: &[T], y: &mut [T], sum: impl Fn(&[W], Taps<'_, T>) -> T) -> Result<(), Fault> {
        let Self { n, inner, first, taps, weights } = *self;
        for (x, y) in pieces(x, n.wrapping_mul(inner)).zip(pieces_mut(y, first.len().wrapping_mul(inner))) {
            for ((y, first), weights) in pieces_mut(y, inner).zip(first).zip(pieces(weights, taps)) {
                for (i, y) in y.iter_mut().enumerate() {
                    *y = sum(weights, Taps { x, at: *first as usize, n, inner, i });
                }
            }
        }
        Ok(())
    }
}

/// One element of neighboring parts.
struct Taps<'a, T> {
    x: &'a [T],
    at: usize,
    n: usize,
    inner: usize,
    i: usize,
}

impl<T: Pod> Iterator for Taps<'_, T> {
    type Item = T;

    #[inline(always)]
    fn next(&mut self) -> Option<T> {
        let at = self.at.min(self.n.wrapping_sub(1));
        self.at = at.wrapping_add(1);
        self.x.get(at.wrapping_mul(self.inner).wrapping_add(self.i)).copied()
    }
}

fn sum_f32(weights: &[f32], taps: Taps<'_, f32>) -> f32 {
    weights.iter().zip(taps).fold(0.0, |sum, (w, x)| sum + w * x)
}

fn sum_int<T: Int>(weights: &[i16], taps: Taps<'_, T>) -> T {
    let sum = weights.iter().zip(taps).fold(0i32, |sum, (w, x)| sum.wrapping_add(i32::from(*w).wrapping_mul(x.into())));
    T::saturate(sum.wrapping_add(1 << 13) >> 14)
}
