//! Kernels for processors that have sixteen lanes in their vectors, in one or in several: x86-64, AArch64, 32-bit Arm, WebAssembly.
//!
//! The loops are written once, over what the vectors of an instruction set do ([`Vectors`]), which its own folder has. They are compiled for
//! each [`Level`], and which one is there is found out when a program starts. One order of weights serves all. For 32-bit Arm stable Rust has no
//! vectors: there the loops are written in assembly.
//!
//! A record whose order of weights, scratch or numbers are not as a kernel wants them is run by the portable one.

mod compiled;
mod conv;
mod depthwise;
mod finish;
mod float;
mod fully_connected;
mod grid;
#[cfg(lanes = "armv7")]
mod halves;
mod level;
mod loops;
#[cfg(not(lanes = "wasm"))]
mod plain;
mod pool;
mod prepare;
mod reals;
mod ring;
mod roof;
#[cfg(lanes = "armv7")]
mod sixteens;
mod strided;
mod tile;

use lacewing::arena::{Constants, Operand};
use lacewing::format::{Tensor, Window};
use lacewing::ops::{
    AddI8, AveragePoolI8, ConvF32, ConvI8, DepthwiseF32, DepthwiseI8, FullyConnectedF32, FullyConnectedI8, MaxPoolI8,
    StridedCopyF32, StridedCopyI8,
};
use lacewing::rows::Work;
use lacewing::{Fault, Kernels, ops};

pub use level::Level;
#[cfg(any(lanes = "x86", lanes = "aarch64", lanes = "wasm"))]
pub(crate) use loops::Vectors;
#[cfg(lanes = "aarch64")]
pub(crate) use loops::{Run, fours};
#[cfg(any(lanes = "x86", lanes = "aarch64", lanes = "wasm"))]
pub(crate) use reals::Reals;
#[cfg(any(lanes = "x86", lanes = "aarch64", lanes = "wasm"))]
pub(crate) use tile::{BLOCK, GROUP, Sixteen};

use crate::add::Add;
use crate::fallback::or_portable;
use crate::wish::Wish;
use level::Present;

/// Kernels for x86-64, AArch64, 32-bit Arm with NEON and WebAssembly, at the level of an instruction set.
///
/// `lacewing convert --target x86-64`, `aarch64`, `armv7-neon` and `wasm32` write files for them, the same for all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lanes(Present);

impl Lanes {
    /// At the highest level that this processor has. Without the feature `std` it is the highest that the program is compiled for.
    #[must_use]
    pub fn detect() -> Self {
        Level::ALL.into_iter().rev().find_map(Self::at).unwrap_or_default()
    }

    /// At a level, if this processor has it.
    #[must_use]
    pub fn at(level: Level) -> Option<Self> {
        Present::new(level).map(Self)
    }

    /// The level.
    #[must_use]
    pub fn level(self) -> Level {
        self.0.level()
    }

    /// For benchmarks: makes products of int8 in registers alone, as often as `rounds` says, and gives their number. What they take is what
    /// layers cannot be faster than; but on 32-bit Arm they are plain Rust, and layers are not.
    #[must_use]
    pub fn products(self, rounds: usize) -> u64 {
        self.0.products(rounds)
    }

    /// For benchmarks: loads all these bytes, and does hardly more with them.
    pub fn reads(self, bytes: &[i8]) {
        self.0.reads(bytes);
    }
}

impl Kernels for Lanes {
    fn conv_i8(&self, op: &ConvI8, c: Constants<'_>, mut work: Work<'_, i8>) -> Result<(), Fault> {
        or_portable(conv::run(self.0, op, c, &mut work), || ops::conv::run::<_, i8, _>(self, op, c, work))
    }

    fn depthwise_i8(&self, op: &DepthwiseI8, c: Constants<'_>, mut work: Work<'_, i8>) -> Result<(), Fault> {
        or_portable(depthwise::run(self.0, op, c, &mut work), || ops::depthwise::run::<_, i8>(op, c, work))
    }

    fn fully_connected_i8(
        &self,
        op: &FullyConnectedI8,
        c: Constants<'_>,
        input: &[i8],
        output: &mut [i8],
        scratch: &mut [u8],
    ) -> Result<(), Fault> {
        or_portable(fully_connected::run(self.0, op, c, (input, output, scratch)), || {
            ops::fully_connected::run::<_, i8, _>(self, op, c, input, output)
        })
    }

    fn conv_f32(&self, op: &ConvF32, c: Constants<'_>, mut work: Work<'_, f32>) -> Result<(), Fault> {
        or_portable(float::conv(self.0, op, c, &mut work), || ops::conv::run_f32(self, op, c, work))
    }

    fn depthwise_f32(&self, op: &DepthwiseF32, c: Constants<'_>, mut work: Work<'_, f32>) -> Result<(), Fault> {
        or_portable(float::depthwise(self.0, op, c, &mut work), || ops::depthwise::run_f32(op, c, work))
    }

    fn fully_connected_f32(
        &self,
        op: &FullyConnectedF32,
        c: Constants<'_>,
        input: &[f32],
        output: &mut [f32],
    ) -> Result<(), Fault> {
        or_portable(float::fully_connected(self.0, op, c, (input, output)), || {
            ops::fully_connected::run_f32(self, op, c, input, output)
        })
    }

    fn average_pool_i8(&self, op: &AveragePoolI8, c: Constants<'_>, mut work: Work<'_, i8>) -> Result<(), Fault> {
        or_portable(pool::averages(self.0, op, c, &mut work), || ops::pool::average(op, c, work))
    }

    fn max_pool_i8(&self, op: &MaxPoolI8, mut work: Work<'_, i8>) -> Result<(), Fault> {
        or_portable(pool::maxima(self.0, op, &mut work), || ops::pool::max(op, work))
    }

    fn strided_copy_i8(&self, op: &StridedCopyI8, input: &[i8], output: &mut [i8]) -> Result<(), Fault> {
        let side_by_side = |from: [&[i8]; 3], to: &mut [i8]| self.0.side_by_side(from, to);
        or_portable(strided::run((op.start, op.dims, op.strides), (input, output), side_by_side), || {
            ops::strided_copy::run(input, output, op.start, op.dims, op.strides)
        })
    }

    fn strided_copy_f32(&self, op: &StridedCopyF32, input: &[f32], output: &mut [f32]) -> Result<(), Fault> {
        let side_by_side = |from: [&[f32]; 3], to: &mut [f32]| self.0.side_by_side(from, to);
        or_portable(strided::run((op.start, op.dims, op.strides), (input, output), side_by_side), || {
            ops::strided_copy::run(input, output, op.start, op.dims, op.strides)
        })
    }

    fn add_i8(&self, op: &AddI8, a: Operand<'_, i8>, b: Operand<'_, i8>, output: &mut [i8]) -> Result<(), Fault> {
        or_portable(Add::new(op, [a, b], output).map(|mut add| self.0.add(&mut add)), || {
            ops::binary::add_i8(op, a, b, output)
        })
    }
}

/// What a convolution in one group wants.
pub(crate) fn conv(input: &Tensor, output: &Tensor, window: &Window) -> Option<Wish> {
    conv::wish(input, output, window)
}

/// What a depthwise convolution wants.
pub(crate) fn depthwise(input: &Tensor, output: &Tensor, window: &Window) -> Option<Wish> {
    depthwise::wish(input, output, window)
}

/// What a fully connected layer wants.
pub(crate) fn fully_connected_i8(depth: u32) -> Option<Wish> {
    fully_connected::wish(depth)
}

/// What a convolution in one group, in f32, wants.
pub(crate) fn conv_f32(input: &Tensor, window: &Window) -> Option<Wish> {
    float::conv_wish(input, window)
}

/// What a depthwise convolution in f32 wants.
pub(crate) fn depthwise_f32(input: &Tensor, output: &Tensor, window: &Window) -> Option<Wish> {
    float::depthwise_wish(input, output, window)
}

/// What a fully connected layer in f32 wants.
pub(crate) fn fully_connected_f32() -> Wish {
    float::fully_connected_wish()
}
