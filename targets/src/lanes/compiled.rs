//! The loops, compiled for each instruction set, and which of them are called.

use super::level::Present;
#[cfg(not(lanes = "wasm"))]
use super::plain::Plain;
use super::tile::{BLOCK, Depth, GROUP, Layer, Square};
use super::{loops, pool, prepare, reals, roof, strided};
use crate::add::Add;
use crate::pool::{Average, Pool};

/// Calls the function of a level.
macro_rules! call {
    ($present:expr, $name:ident($($arg:expr),*)) => {
        match $present.level() {
            // SAFETY: a value of `Present` says that the processor has the level; what the loop reads was checked.
            #[cfg(lanes = "x86")]
            super::Level::Avx512 => unsafe { avx512::$name($($arg),*) },
            // SAFETY: the same.
            #[cfg(lanes = "x86")]
            super::Level::AvxVnni => unsafe { avx_vnni::$name($($arg),*) },
            // SAFETY: the same.
            #[cfg(lanes = "x86")]
            super::Level::Avx2 => unsafe { avx2::$name($($arg),*) },
            // SAFETY: the same.
            #[cfg(lanes = "x86")]
            super::Level::Sse41 => unsafe { sse41::$name($($arg),*) },
            // SAFETY: the same.
            #[cfg(lanes = "aarch64")]
            super::Level::Matrix => unsafe { matrix::$name($($arg),*) },
            // SAFETY: the same.
            #[cfg(lanes = "aarch64")]
            super::Level::Dot => unsafe { dot::$name($($arg),*) },
            // SAFETY: the same.
            #[cfg(any(lanes = "aarch64", lanes = "armv7"))]
            super::Level::Neon => unsafe { neon::$name($($arg),*) },
            // SAFETY: a module that is compiled with vectors runs nowhere without; what the loop reads was checked.
            #[cfg(lanes = "wasm")]
            _ => unsafe { simd128::$name($($arg),*) },
            // SAFETY: plain Rust needs no instruction set; what the loop reads was checked.
            #[cfg(not(lanes = "wasm"))]
            _ => unsafe { plain::$name($($arg),*) },
        }
    };
}

/// The loops, compiled for one level.
macro_rules! compiled {
    ($level:ident: $lanes:ty, $pixels:literal by $blocks:literal, one by $vector:literal;
     $reals:ty, $real_pixels:literal by $real_blocks:literal, one by $real_vector:literal $(, $features:literal)?) => {
        mod $level {
            use super::*;

            /// # Safety
            /// The processor has the level, and [`Square::fits`].
            $(#[target_feature(enable = $features)])?
            pub(super) unsafe fn square(square: &mut Square<'_>) {
                // SAFETY: as the caller says.
                unsafe { loops::square::<$lanes, $pixels, $blocks, false>(square) }
            }

            /// # Safety
            /// The processor has the level, and [`Square::fits`].
            $(#[target_feature(enable = $features)])?
            pub(super) unsafe fn vector(square: &mut Square<'_>) {
                // SAFETY: as the caller says.
                unsafe { loops::square::<$lanes, 1, $vector, true>(square) }
            }

            /// # Safety
            /// The processor has the level, and [`Depth::fits`].
            $(#[target_feature(enable = $features)])?
            pub(super) unsafe fn depth(depth: &mut Depth<'_>) {
                // SAFETY: as the caller says.
                unsafe { loops::depth::<$lanes, $blocks>(depth) }
            }

            /// # Safety
            /// The processor has the level, and [`reals::Square::fits`].
            $(#[target_feature(enable = $features)])?
            pub(super) unsafe fn real_square(square: &mut reals::Square<'_>) {
                // SAFETY: as the caller says.
                unsafe { reals::square::<$reals, $real_pixels, $real_blocks>(square) }
            }

            /// # Safety
            /// The processor has the level, and [`reals::Square::fits`].
            $(#[target_feature(enable = $features)])?
            pub(super) unsafe fn real_vector(square: &mut reals::Square<'_>) {
                // SAFETY: as the caller says.
                unsafe { reals::square::<$reals, 1, $real_vector>(square) }
            }

            /// # Safety
            /// The processor has the level, and [`reals::Depth::fits`].
            $(#[target_feature(enable = $features)])?
            pub(super) unsafe fn real_depth(depth: &mut reals::Depth<'_>) {
                // SAFETY: as the caller says.
                unsafe { reals::depth::<$reals, $real_pixels, $real_blocks>(depth) }
            }

            /// # Safety
            /// The processor has the level.
            $(#[target_feature(enable = $features)])?
            pub(super) unsafe fn surplus(layer: &Layer<'_>, sums: &mut [[i32; BLOCK]]) {
                // SAFETY: as the caller says.
                unsafe { prepare::surplus::<$lanes>(layer, sums) }
            }

            /// # Safety
            /// The processor has the level.
            $(#[target_feature(enable = $features)])?
            pub(super) unsafe fn products(rounds: usize) -> u64 {
                // SAFETY: as the caller says.
                unsafe { roof::products::<$lanes, $pixels>(rounds) }
            }

            /// # Safety
            /// The processor has the level.
            $(#[target_feature(enable = $features)])?
            pub(super) unsafe fn reads(bytes: &[i8]) {
                // SAFETY: as the caller says.
                unsafe { roof::reads::<$lanes, $pixels>(bytes) }
            }

            /// # Safety
            /// The processor has the level.
            $(#[target_feature(enable = $features)])?
            pub(super) unsafe fn pairs(weights: &[i8]) -> bool {
                prepare::pairs::<$lanes>(weights)
            }

            /// # Safety
            /// The processor has the level.
            $(#[target_feature(enable = $features)])?
            pub(super) unsafe fn flipped(from: &[i8], to: &mut [i8]) {
                prepare::flipped::<$lanes>(from, to);
            }

            /// # Safety
            /// The processor has the level.
            $(#[target_feature(enable = $features)])?
            pub(super) unsafe fn average(pool: &mut Pool<'_>, numbers: Average) {
                pool::average(pool, numbers);
            }

            /// # Safety
            /// The processor has the level.
            $(#[target_feature(enable = $features)])?
            pub(super) unsafe fn maximum(pool: &mut Pool<'_>) {
                pool::maximum(pool);
            }

            /// # Safety
            /// The processor has the level.
            $(#[target_feature(enable = $features)])?
            pub(super) unsafe fn side_by_side<T: Copy>(from: [&[T]; 3], to: &mut [T]) {
                strided::side_by_side(from, to);
            }

            /// # Safety
            /// The processor has the level.
            $(#[target_feature(enable = $features)])?
            pub(super) unsafe fn add(add: &mut Add<'_>) {
                add.compute();
            }

            /// # Safety
            /// The processor has the level.
            $(#[target_feature(enable = $features)])?
            pub(super) unsafe fn interleave(rows: [&[[i8; BLOCK]]; 4], to: &mut [[i8; GROUP]]) {
                // SAFETY: as the caller says.
                unsafe { prepare::interleave::<$lanes>(rows, to) }
            }
        }
    };
}

#[cfg(not(lanes = "wasm"))]
compiled!(plain: Plain, 1 by 1, one by 1; Plain, 1 by 1, one by 1);
/// What the assembly for Armv7-A does, and for the rest plain Rust.
#[cfg(lanes = "armv7")]
mod neon {
    pub(super) use super::super::halves::{add, depth, interleave, pairs, square, vector};
    pub(super) use super::super::sixteens::{average, maximum, real_depth, real_square, real_vector};
    pub(super) use super::plain::{flipped, products, reads, side_by_side, surplus};
}
#[cfg(lanes = "x86")]
compiled!(sse41: crate::x86::Sse41, 1 by 1, one by 1; crate::x86::Reals128, 2 by 1, one by 2, "sse4.1");
#[cfg(lanes = "x86")]
compiled!(avx2: crate::x86::Avx2, 2 by 1, one by 1; crate::x86::Reals256, 6 by 1, one by 4, "avx2,fma");
#[cfg(lanes = "x86")]
compiled!(avx_vnni: crate::x86::AvxVnni, 6 by 1, one by 1; crate::x86::Reals256, 6 by 1, one by 4, "avx2,fma,avxvnni");
#[cfg(lanes = "x86")]
compiled!(avx512: crate::x86::Avx512, 12 by 4, one by 4; crate::x86::Reals512, 12 by 4, one by 8, "avx512f,avx512bw,avx512vl,avx512vnni");
#[cfg(lanes = "aarch64")]
compiled!(neon: crate::aarch64::Neon, 2 by 1, one by 2; crate::aarch64::NeonReals, 6 by 1, one by 4);
#[cfg(lanes = "aarch64")]
compiled!(dot: crate::aarch64::Dot, 4 by 1, one by 4; crate::aarch64::NeonReals, 6 by 1, one by 4, "dotprod");
#[cfg(lanes = "aarch64")]
compiled!(matrix: crate::aarch64::Matrix, 6 by 1, one by 4; crate::aarch64::NeonReals, 6 by 1, one by 4, "dotprod,i8mm");
#[cfg(lanes = "wasm")]
compiled!(simd128: crate::wasm::Simd128, 1 by 1, one by 1; crate::wasm::SimdReals, 2 by 1, one by 2);

impl Present {
    /// Copies activations of a convolution, raised if they must be.
    pub(super) fn flipped(self, from: &[i8], to: &mut [i8]) {
        call!(self, flipped(from, to));
    }

    /// Pixels by all outputs of a layer; see [`Square`].
    pub(super) fn square(self, square: &mut Square<'_>) -> Option<()> {
        let present = self.taking(square.len);
        square.fits().then(|| call!(present, square(square)))
    }

    /// The same for one pixel, whose activations are not raised.
    pub(super) fn vector(self, square: &mut Square<'_>) -> Option<()> {
        square.fits().then(|| call!(self, vector(square)))
    }

    /// The same in f32; see [`reals::Square`].
    pub(super) fn real_square(self, square: &mut reals::Square<'_>) -> Option<()> {
        square.fits().then(|| call!(self, real_square(square)))
    }

    /// The same for one pixel.
    pub(super) fn real_vector(self, square: &mut reals::Square<'_>) -> Option<()> {
        square.fits().then(|| call!(self, real_vector(square)))
    }

    /// Pixels of a depthwise convolution in f32; see [`reals::Depth`].
    pub(super) fn real_depth(self, depth: &mut reals::Depth<'_>) -> Option<()> {
        depth.fits().then(|| call!(self, real_depth(depth)))
    }

    /// Pixels of a depthwise convolution; see [`Depth`].
    pub(super) fn depth(self, depth: &mut Depth<'_>) -> Option<()> {
        depth.fits().then(|| call!(self, depth(depth)))
    }

    /// Looks through the weights of a layer, whose biases repeat as often as there are lanes: takes what raised activations add to the sums of
    /// each block, `Σ_k 128·w[o][k]`, off the biases, and finds out whether products can be added in pairs.
    pub(super) fn prepare<'s>(self, layer: &mut Layer<'s>, bias: &[i32], sums: &'s mut [[i32; BLOCK]]) {
        call!(self, surplus(layer, sums));
        for sums in sums.as_flattened_mut().chunks_mut(bias.len().max(1)) {
            sums.iter_mut().zip(bias).for_each(|(sum, bias)| *sum = bias.wrapping_sub(*sum));
        }
        layer.bias = sums;
        layer.pairs = call!(self, pairs(layer.weights));
    }

    /// See [`roof::products`].
    pub(super) fn products(self, rounds: usize) -> u64 {
        call!(self, products(rounds))
    }

    /// See [`roof::reads`].
    pub(super) fn reads(self, bytes: &[i8]) {
        call!(self, reads(bytes));
    }

    /// An average of pixels.
    pub(super) fn average(self, pool: &mut Pool<'_>, numbers: Average) {
        call!(self, average(pool, numbers));
    }

    /// The largest of pixels.
    pub(super) fn maximum(self, pool: &mut Pool<'_>) {
        call!(self, maximum(pool));
    }

    /// `to[3·i + r] = from[r][i]`.
    pub(super) fn side_by_side<T: Copy>(self, from: [&[T]; 3], to: &mut [T]) {
        call!(self, side_by_side(from, to));
    }

    /// A sum of two tensors.
    pub(super) fn add(self, add: &mut Add<'_>) {
        call!(self, add(add));
    }

    /// The numbers of four rows side by side, raised if they must be: `to[4·i + r] = rows[r][i]`.
    pub(super) fn interleave(self, rows: [&[[i8; BLOCK]]; 4], to: &mut [[i8; GROUP]]) {
        call!(self, interleave(rows, to));
    }
}
