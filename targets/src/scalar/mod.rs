//! Kernels for processors that multiply one number at a time: Armv6-M (Cortex-M0 and M0+), Armv7-M (M3) and RV32IMC.
//!
//! Such a processor spends as much on loads as on products, so convolutions are computed in tiles of two pixels by two outputs, whose four
//! sums use each number twice, and depthwise convolutions two pixels at a time. The inner loops are assembly on Arm, since eight low
//! registers are few, and plain Rust elsewhere. Weights stay in the plain order.
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
mod tile;

use lacewing::arena::Constants;
use lacewing::format::{Tensor, Window};
use lacewing::ops::{ConvI8, DepthwiseI8, FullyConnectedI8};
use lacewing::rows::Work;
use lacewing::{Fault, Kernels, ops};

use crate::fallback::or_portable;
use crate::round;
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
}

/// What a convolution in one group wants.
pub(crate) fn conv(input: &Tensor, window: &Window) -> Option<Wish> {
    conv::wish(input, window)
}

/// What a depthwise convolution wants.
pub(crate) fn depthwise(input: &Tensor, output: &Tensor, window: &Window) -> Option<Wish> {
    depthwise::wish(input, output, window)
}
