//! Kernels for Armv8.1-M with Helium, the M-profile vector extension: Cortex-M55 and M85.
//!
//! VMLADAVA makes sixteen products of int8 and adds all to a sum in a general register, of which eight can hold one; so a tile is two
//! pixels by four outputs, and each vector that is loaded is used two or four times. Depthwise convolutions, whose products are not
//! added to each other, are computed in 32-bit lanes, a channel in each. VRMULH rounds four sums at once. In int16 VMLALDAVA adds to two registers, so that
//! tiles are of two by two, and depthwise convolutions are those of Armv7E-M.
//!
//! A record whose order of weights, scratch or numbers are not as a kernel wants them is run by the portable one.

#[cfg(helium)]
mod asm;
mod conv;
mod depthwise;
mod fully_connected;
mod insn;
mod tile;
#[cfg(not(helium))]
mod twin;

use lacewing::arena::{Constants, Operand};
use lacewing::format::{Tensor, Window};
use lacewing::ops::weights::W4;
use lacewing::ops::{
    AddI8, AveragePoolI8, ConvI8, ConvI16, ConvW4, DepthwiseI8, DepthwiseI16, DepthwiseW4, FullyConnectedI8,
    FullyConnectedI16, FullyConnectedW4,
};
use lacewing::rows::Work;
use lacewing::{Fault, Kernels, ops};

pub(crate) use self::insn::Helium;
use crate::armv7em;
use crate::fallback::or_portable;
use crate::pool;
use crate::squares;
use crate::wish::Wish;

/// The kernels of Cortex-M55 and M85, whose vectors must be switched on before, as `cortex-m-rt` does for targets with hardware floats. On
/// other processors they compute the same in plain Rust, slowly.
///
/// `lacewing convert --target cortex-m55` (`cortex-m85`) writes files for them.
#[derive(Clone, Copy, Debug, Default)]
pub struct CortexM55;

impl Kernels for CortexM55 {
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
        or_portable(squares::conv_i16::<Helium>(op, c, &mut work), || ops::conv::run::<_, i8, _>(self, op, c, work))
    }

    #[inline(always)]
    fn conv_w4(&self, op: &ConvW4, c: Constants<'_>, mut work: Work<'_, i8>) -> Result<(), Fault> {
        or_portable(squares::conv_w4::<Helium>(&op.0, c, &mut work), || {
            ops::conv::run::<_, W4, _>(self, &op.0, c, work)
        })
    }

    #[inline(always)]
    fn depthwise_i16(&self, op: &DepthwiseI16, c: Constants<'_>, mut work: Work<'_, i16>) -> Result<(), Fault> {
        or_portable(armv7em::depthwise::run_i16(op, c, &mut work), || ops::depthwise::run::<_, i8>(op, c, work))
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
        or_portable(squares::fully_connected_i16::<Helium>(op, c, input, output), || {
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
        or_portable(squares::fully_connected_w4::<Helium>(&op.0, c, input, output), || {
            ops::fully_connected::run::<_, W4, _>(self, &op.0, c, input, output)
        })
    }

    #[inline(always)]
    fn average_pool_i8(&self, op: &AveragePoolI8, c: Constants<'_>, mut work: Work<'_, i8>) -> Result<(), Fault> {
        or_portable(averages(op, c, &mut work), || ops::pool::average(op, c, work))
    }

    #[inline(always)]
    fn add_i8(&self, op: &AddI8, a: Operand<'_, i8>, b: Operand<'_, i8>, output: &mut [i8]) -> Result<(), Fault> {
        or_portable(insn::add(op, [a, b], output), || ops::binary::add_i8(op, a, b, output))
    }
}

/// Averages, as a function of its own.
#[inline(never)]
fn averages(op: &AveragePoolI8, c: Constants<'_>, work: &mut Work<'_, i8>) -> Option<()> {
    pool::averages(op, c, work, insn::average)
}

/// What a convolution in one group wants.
pub(crate) fn conv(input: &Tensor, window: &Window) -> Option<Wish> {
    conv::wish(input, window)
}

/// What a depthwise convolution wants.
pub(crate) fn depthwise(input: &Tensor, output: &Tensor, window: &Window) -> Option<Wish> {
    depthwise::wish(input, output, window)
}

/// What a fully connected layer wants.
pub(crate) fn fully_connected_i8() -> Option<Wish> {
    Some(fully_connected::WISH)
}

/// What a depthwise convolution with int4 weights wants.
pub(crate) fn depthwise_w4(input: &Tensor, output: &Tensor, window: &Window) -> Option<Wish> {
    depthwise::wish_w4(input, output, window)
}
