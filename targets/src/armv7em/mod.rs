//! Kernels for Armv7E-M with DSP instructions: Cortex-M4, M7, and M33 where the chip has them.
//!
//! SMLAD makes two products of 16 bits and adds both to a sum; what it needs are pairs in registers. So the kernels widen int8 to 16 bits in
//! registers, four at a time with two SXTB16, and hold a tile of sums that uses every pair as often as registers allow. Of two outputs' weights
//! only one is widened: the other one is the rest of the int16 that both are stored as. SMMLAR and SSAT round a sum in two instructions, since a
//! record's multipliers are made for them.
//!
//! A record whose order of weights, scratch or numbers are not as a kernel wants them is run by the portable one.

#[cfg(dsp)]
mod asm;
mod conv;
pub(crate) mod depthwise;
mod dot;
mod fully_connected;
mod insn;
mod sorted;
mod tile;
#[cfg(not(dsp))]
mod twin;

use lacewing::arena::Constants;
use lacewing::format::{Tensor, Window};
use lacewing::ops::weights::W4;
use lacewing::ops::{
    ConvI8, ConvI16, ConvW4, DepthwiseI8, DepthwiseI16, DepthwiseW4, FullyConnectedI8, FullyConnectedI16,
    FullyConnectedW4,
};
use lacewing::rows::Work;
use lacewing::{Fault, Kernels, ops};

use crate::fallback::or_portable;
use crate::wish::Wish;

/// The kernels of Cortex-M4, M7 and M33 with DSP instructions. On other processors they compute the same in plain Rust, slowly.
///
/// `lacewing convert --target cortex-m4f` (`cortex-m7`, `cortex-m33`) writes files for them.
#[derive(Clone, Copy, Debug, Default)]
pub struct CortexM4;

impl Kernels for CortexM4 {
    #[inline(always)]
    fn dot_i8(&self, a: &[i8], b: &[i8]) -> i32 {
        dot::i8(a, b)
    }

    #[inline(always)]
    fn dot_i16(&self, a: &[i8], b: &[i16]) -> i64 {
        dot::i16(a, b)
    }

    #[inline(always)]
    fn dot_w4(&self, a: &[i8], b: &[i8]) -> i32 {
        dot::w4(a, b)
    }

    #[inline(always)]
    fn conv_i8(&self, op: &ConvI8, c: Constants<'_>, mut work: Work<'_, i8>) -> Result<(), Fault> {
        or_portable(conv::run(op, c, &mut work), || ops::conv::run::<_, i8, _>(self, op, c, work))
    }

    #[inline(always)]
    fn conv_w4(&self, op: &ConvW4, c: Constants<'_>, mut work: Work<'_, i8>) -> Result<(), Fault> {
        or_portable(sorted::conv_w4(&op.0, c, &mut work), || ops::conv::run::<_, W4, _>(self, &op.0, c, work))
    }

    #[inline(always)]
    fn depthwise_w4(&self, op: &DepthwiseW4, c: Constants<'_>, mut work: Work<'_, i8>) -> Result<(), Fault> {
        or_portable(depthwise::run::<W4>(&op.0, c, &mut work), || ops::depthwise::run::<_, W4>(&op.0, c, work))
    }

    #[inline(always)]
    fn depthwise_i8(&self, op: &DepthwiseI8, c: Constants<'_>, mut work: Work<'_, i8>) -> Result<(), Fault> {
        or_portable(depthwise::run::<i8>(op, c, &mut work), || ops::depthwise::run::<_, i8>(op, c, work))
    }

    #[inline(always)]
    fn fully_connected_i8(
        &self,
        op: &FullyConnectedI8,
        c: Constants<'_>,
        input: &[i8],
        output: &mut [i8],
        scratch: &mut [u8],
    ) -> Result<(), Fault> {
        or_portable(fully_connected::run(op, c, input, output, scratch), || {
            ops::fully_connected::run::<_, i8, _>(self, op, c, input, output)
        })
    }

    #[inline(always)]
    fn fully_connected_w4(
        &self,
        op: &FullyConnectedW4,
        c: Constants<'_>,
        input: &[i8],
        output: &mut [i8],
        scratch: &mut [u8],
    ) -> Result<(), Fault> {
        or_portable(sorted::fully_connected_w4(&op.0, c, input, output, scratch), || {
            ops::fully_connected::run::<_, W4, _>(self, &op.0, c, input, output)
        })
    }

    #[inline(always)]
    fn conv_i16(&self, op: &ConvI16, c: Constants<'_>, mut work: Work<'_, i16>) -> Result<(), Fault> {
        or_portable(sorted::conv_i16(op, c, &mut work), || ops::conv::run::<_, i8, _>(self, op, c, work))
    }

    #[inline(always)]
    fn depthwise_i16(&self, op: &DepthwiseI16, c: Constants<'_>, mut work: Work<'_, i16>) -> Result<(), Fault> {
        or_portable(depthwise::run_i16(op, c, &mut work), || ops::depthwise::run::<_, i8>(op, c, work))
    }

    #[inline(always)]
    fn fully_connected_i16(
        &self,
        op: &FullyConnectedI16,
        c: Constants<'_>,
        input: &[i16],
        output: &mut [i16],
        scratch: &mut [u8],
    ) -> Result<(), Fault> {
        or_portable(sorted::fully_connected_i16(op, c, input, output, scratch), || {
            ops::fully_connected::run::<_, i8, _>(self, op, c, input, output)
        })
    }
}

/// What a convolution in one group wants.
pub(crate) fn conv(input: &Tensor, window: &Window) -> Option<Wish> {
    conv::wish(input, window)
}

/// The same with int4 weights.
pub(crate) fn conv_w4(input: &Tensor, window: &Window) -> Option<Wish> {
    sorted::conv_wish(sorted::NIBBLES, input, window)
}

/// What a depthwise convolution wants.
pub(crate) fn depthwise(input: &Tensor, output: &Tensor, window: &Window) -> Option<Wish> {
    depthwise::wish::<6>(input, output, window)
}

/// The same in int16.
pub(crate) fn depthwise_i16(input: &Tensor, output: &Tensor, window: &Window) -> Option<Wish> {
    depthwise::wish::<4>(input, output, window)
}

/// What a convolution in int16 in one group wants.
pub(crate) fn conv_i16(input: &Tensor, window: &Window) -> Option<Wish> {
    sorted::conv_wish(sorted::WIDE, input, window)
}

/// What a fully connected layer in int16 wants.
pub(crate) fn fully_connected_i16(depth: u32) -> Option<Wish> {
    sorted::fully_connected_wish(sorted::WIDE, depth)
}

/// The same in int8 with int4 weights.
pub(crate) fn fully_connected_w4(depth: u32) -> Option<Wish> {
    sorted::fully_connected_wish(sorted::NIBBLES, depth)
}

/// What a fully connected layer wants.
pub(crate) fn fully_connected_i8(depth: u32) -> Option<Wish> {
    fully_connected::wish(depth)
}
