//! Kernels for processors that multiply one number at a time: Armv6-M (Cortex-M0 and M0+), Armv7-M (M3) and RV32IMC.
//!
//! Such a processor spends as much on loads as on products, so convolutions are computed in tiles of two pixels by two outputs, whose four
//! sums use each number twice, and depthwise convolutions two pixels at a time. The inner loops are assembly on Arm, since eight low
//! registers are few, and plain Rust elsewhere. Weights stay in the plain order, but for those of tiles in int16 and int4, which stand by twos.
//!
//! A record whose order of weights, scratch or numbers are not as a kernel wants them is run by the portable one.

#[cfg(thumb)]
mod asm;
mod conv;
mod depthwise;
mod fully_connected;
mod insn;
#[cfg(not(thumb))]
mod plain;
mod squares;
mod tile;

use lacewing::arena::Constants;
use lacewing::format::{Tensor, Window};
use lacewing::ops::weights::W4;
use lacewing::ops::{
    ConvI8, ConvI16, ConvW4, DepthwiseI8, DepthwiseI16, DepthwiseW4, FullyConnectedI8, FullyConnectedI16,
    FullyConnectedW4,
};
use lacewing::rows::Work;
use lacewing::{Fault, Kernels, ops};

pub(crate) use self::squares::Scalars;
use crate::fallback::or_portable;
use crate::round;
use crate::squares::{conv_i16, conv_w4, fully_connected_i16, fully_connected_w4};
use crate::wish::Wish;

/// The kernels of processors without products of vectors: Cortex-M0, M0+ and M3, and RISC-V with multiplication.
///
/// `lacewing convert --target cortex-m0plus` (`cortex-m3`, `rv32imc`) writes files for them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scalar;

impl Kernels for Scalar {
    #[inline(always)]
    fn conv_i8(&self, op: &ConvI8, c: Constants<'_>, mut work: Work<'_, i8>) -> Result<(), Fault> {
        or_portable(conv::run(op, c, &mut work), || ops::conv::run::<_, i8, _>(self, op, c, work))
    }

    #[inline(always)]
    fn depthwise_i8(&self, op: &DepthwiseI8, c: Constants<'_>, mut work: Work<'_, i8>) -> Result<(), Fault> {
        or_portable(depthwise::run(op, c, &mut work), || ops::depthwise::run::<_, i8>(op, c, work))
    }

    #[inline(always)]
    fn fully_connected_i8(
        &self,
        op: &FullyConnectedI8,
        c: Constants<'_>,
        input: &[i8],
        output: &mut [i8],
        _scratch: &mut [u8],
    ) -> Result<(), Fault> {
        or_portable(fully_connected::run(op, c, input, output), || {
            ops::fully_connected::run::<_, i8, _>(self, op, c, input, output)
        })
    }

    #[inline(always)]
    fn conv_i16(&self, op: &ConvI16, c: Constants<'_>, mut work: Work<'_, i16>) -> Result<(), Fault> {
        or_portable(conv_i16::<Scalars>(op, c, &mut work), || ops::conv::run::<_, i8, _>(self, op, c, work))
    }

    #[inline(always)]
    fn conv_w4(&self, op: &ConvW4, c: Constants<'_>, mut work: Work<'_, i8>) -> Result<(), Fault> {
        or_portable(conv_w4::<Scalars>(&op.0, c, &mut work), || ops::conv::run::<_, W4, _>(self, &op.0, c, work))
    }

    #[inline(always)]
    fn depthwise_i16(&self, op: &DepthwiseI16, c: Constants<'_>, mut work: Work<'_, i16>) -> Result<(), Fault> {
        or_portable(depthwise::run_i16(op, c, &mut work), || ops::depthwise::run::<_, i8>(op, c, work))
    }

    #[inline(always)]
    fn depthwise_w4(&self, op: &DepthwiseW4, c: Constants<'_>, mut work: Work<'_, i8>) -> Result<(), Fault> {
        or_portable(depthwise::run_w4(&op.0, c, &mut work), || ops::depthwise::run::<_, W4>(&op.0, c, work))
    }

    #[inline(always)]
    fn fully_connected_i16(
        &self,
        op: &FullyConnectedI16,
        c: Constants<'_>,
        input: &[i16],
        output: &mut [i16],
        _scratch: &mut [u8],
    ) -> Result<(), Fault> {
        or_portable(fully_connected_i16::<Scalars>(op, c, input, output), || {
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
        _scratch: &mut [u8],
    ) -> Result<(), Fault> {
        or_portable(fully_connected_w4::<Scalars>(&op.0, c, input, output), || {
            ops::fully_connected::run::<_, W4, _>(self, &op.0, c, input, output)
        })
    }
}

/// What a convolution in one group wants.
pub(crate) fn conv(input: &Tensor, window: &Window) -> Option<Wish> {
    conv::wish(input, window)
}

/// What a depthwise convolution wants.
pub(crate) fn depthwise(input: &Tensor, output: &Tensor, window: &Window) -> Option<Wish> {
    depthwise::wish(input, output, window)
}

/// What a depthwise convolution with int4 weights wants.
pub(crate) fn depthwise_w4(input: &Tensor, output: &Tensor, window: &Window) -> Option<Wish> {
    depthwise::wish_w4(input, output, window)
}
