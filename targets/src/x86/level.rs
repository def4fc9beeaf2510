//! The instruction sets, and the loops compiled for each.

use super::lanes;
use super::plain::Plain;
use super::tile::{BLOCK, Depth, GROUP, Layer, Square};
use crate::add::Add;

/// An instruction set of the kernels for x86-64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Level {
    /// None that is used: plain Rust.
    #[default]
    Plain,
    /// SSE4.1.
    Sse41,
    /// AVX2.
    Avx2,
    /// AVX2 and AVX-VNNI.
    AvxVnni,
    /// AVX-512 F, BW, VL and VNNI.
    Avx512,
}

impl Level {
    /// All levels, the slowest first.
    pub const ALL: [Self; 5] = [Self::Plain, Self::Sse41, Self::Avx2, Self::AvxVnni, Self::Avx512];
}

/// A level that this processor has; the proof that its loops may be called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Present(Level);

impl Default for Present {
    fn default() -> Self {
        Self(Level::Plain)
    }
}

/// Calls the function of a level.
macro_rules! call {
    ($present:expr, $name:ident($($arg:expr),*)) => {
        match $present.0 {
            // SAFETY: a value of `Present` says that the processor has the level; what the loop reads was checked.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { avx512::$name($($arg),*) },
            // SAFETY: the same.
            #[cfg(target_arch = "x86_64")]
            Level::AvxVnni => unsafe { avx_vnni::$name($($arg),*) },
            // SAFETY: the same.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { avx2::$name($($arg),*) },
            // SAFETY: the same.
            #[cfg(target_arch = "x86_64")]
            Level::Sse41 => unsafe { sse41::$name($($arg),*) },
            // SAFETY: plain Rust needs no instruction set; what the loop reads was checked.
            _ => unsafe { plain::$name($($arg),*) },
        }
    };
}

impl Present {
    /// The level, if this processor has it.
    #[cfg(all(target_arch = "x86_64", feature = "std"))]
    pub(super) fn new(level: Level) -> Option<Self> {
        macro_rules! all {
            ($($feature:tt),*) => { true $(&& std::is_x86_feature_detected!($feature))* };
        }
        let has = match level {
            Level::Plain => true,
            Level::Sse41 => all!("sse4.1"),
            Level::Avx2 => all!("avx2"),
            Level::AvxVnni => all!("avx2", "avxvnni"),
            Level::Avx512 => all!("avx512f", "avx512bw", "avx512vl", "avx512vnni"),
        };
        has.then_some(Self(level))
    }

    /// Plain Rust, where nothing else can be known to be there.
    #[cfg(not(all(target_arch = "x86_64", feature = "std")))]
    pub(super) fn new(level: Level) -> Option<Self> {
        (level == Level::Plain).then_some(Self(level))
    }

    /// The level.
    pub(super) fn level(self) -> Level {
        self.0
    }

    /// The bits that change in an activation of a convolution: −128 makes it unsigned, the number + 128; 0 leaves it as it is.
    pub(super) fn flip(self) -> i8 {
        if call!(self, raises()) { i8::MIN } else { 0 }
    }
}

/// The loops, compiled for one level.
macro_rules! compiled {
    ($level:ident, $lanes:ty, $pixels:literal, $blocks:literal $(, $features:literal)?) => {
        mod $level {
            use super::*;

            /// # Safety
            /// None is needed; all functions of a level are called alike.
            pub(super) unsafe fn raises() -> bool {
                <$lanes as lanes::Lanes>::UNSIGNED
            }

            /// # Safety
            /// The processor has the level, and [`Square::fits`].
            $(#[target_feature(enable = $features)])?
            pub(super) unsafe fn square(square: &mut Square<'_>) {
                // SAFETY: as the caller says.
                unsafe { lanes::square::<$lanes, $pixels, $blocks, false>(square) }
            }

            /// # Safety
            /// The processor has the level, and [`Square::fits`].
            $(#[target_feature(enable = $features)])?
            pub(super) unsafe fn vector(square: &mut Square<'_>) {
                // SAFETY: as the caller says.
                unsafe { lanes::square::<$lanes, 1, { if $blocks > 1 { 8 } else { 1 } }, true>(square) }
            }

            /// # Safety
            /// The processor has the level, and [`Depth::fits`].
            $(#[target_feature(enable = $features)])?
            pub(super) unsafe fn depth(depth: &mut Depth<'_>) {
                // SAFETY: as the caller says.
                unsafe { lanes::depth::<$lanes>(depth) }
            }

            /// # Safety
            /// The processor has the level.
            $(#[target_feature(enable = $features)])?
            pub(super) unsafe fn surplus(layer: &Layer<'_>, sums: &mut [[i32; BLOCK]]) {
                // SAFETY: as the caller says.
                unsafe { lanes::surplus::<$lanes>(layer, sums) }
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
                unsafe { lanes::interleave::<$lanes>(rows, to) }
            }
        }
    };
}

compiled!(plain, Plain, 1, 1);
#[cfg(target_arch = "x86_64")]
compiled!(sse41, crate::x86::sse41::Sse41, 1, 1, "sse4.1");
#[cfg(target_arch = "x86_64")]
compiled!(avx2, crate::x86::avx2::Avx2, 2, 1, "avx2");
#[cfg(target_arch = "x86_64")]
compiled!(avx_vnni, crate::x86::avx2::AvxVnni, 6, 1, "avx2,avxvnni");
#[cfg(target_arch = "x86_64")]
compiled!(avx512, crate::x86::avx512::Avx512, 12, 4, "avx512f,avx512bw,avx512vl,avx512vnni");

impl Present {
    /// Pixels by all outputs of a layer; see [`Square`].
    pub(super) fn square(self, square: &mut Square<'_>) -> Option<()> {
        square.fits().then(|| call!(self, square(square)))
    }

    /// The same for one pixel, whose activations are not raised.
    pub(super) fn vector(self, square: &mut Square<'_>) -> Option<()> {
        square.fits().then(|| call!(self, vector(square)))
    }

    /// Pixels of a depthwise convolution; see [`Depth`].
    pub(super) fn depth(self, depth: &mut Depth<'_>) -> Option<()> {
        depth.fits().then(|| call!(self, depth(depth)))
    }

    /// The biases less what raised activations add to the sums of each block, `Σ_k 128·w[o][k]`.
    pub(super) fn raised_bias<'s>(
        self,
        layer: &Layer<'_>,
        bias: &[i32],
        sums: &'s mut [[i32; BLOCK]],
    ) -> &'s [[i32; BLOCK]] {
        call!(self, surplus(layer, sums));
        let sums = sums.as_flattened_mut();
        sums.iter_mut().zip(bias).for_each(|(sum, bias)| *sum = bias.wrapping_sub(*sum));
        sums.as_chunks().0
    }

    /// A sum of two tensors.
    pub(super) fn add(self, add: &mut Add<'_>) {
        call!(self, add(add));
    }

    /// The numbers of four rows side by side: `to[4·i + r] = rows[r][i]`.
    pub(super) fn interleave(self, rows: [&[[i8; BLOCK]]; 4], to: &mut [[i8; GROUP]]) {
        call!(self, interleave(rows, to));
    }
}
