//! Kernels for the RISC-V vector extension, version 1.0, for vectors of any length: 128 bits or more, in 32-bit and 64-bit processors. Zve32x,
//! the part of it without floats and without elements of 64 bits, is enough.
//!
//! Lanes are outputs of a convolution, or channels. An activation is loaded as a scalar and multiplied by the weights of as many outputs as a vector
//! has lanes, 16 by 16 bits into sums of 32: VWMACC does it in one instruction. Where outputs are few, lanes are pixels, and weights the scalars.
//! In a depthwise convolution both are vectors, and two products are added in 16 bits before they go to the sum. VSMUL rounds sums, since a
//! record's multipliers are even.
//!
//! Weights are in the file in the order in which vectors are loaded, for each activation those of all outputs, which no length of a vector is in. A
//! record whose order of weights, scratch or numbers are not as a kernel wants them is run by the portable one. Under Linux the kernels of
//! [`Scalar`] stand in where the processor has no vectors.

#[cfg(rvv)]
mod asm;
mod conv;
mod depthwise;
mod insn;
#[cfg(rvv = "linux")]
mod system;
mod tile;
#[cfg(not(rvv))]
mod twin;

use lacewing::arena::{Constants, Operand};
use lacewing::format::{Tensor, Window};
use lacewing::ops::{AddI8, AveragePoolI8, ConvI8, DepthwiseI8, FullyConnectedI8, MaxPoolI8};
use lacewing::rows::Work;
use lacewing::{Fault, Kernels, ops};

#[cfg(rvv = "linux")]
pub(crate) use self::system::is_present;
use self::tile::Table;
use crate::fallback::or_portable;
use crate::wish::Wish;
use crate::{Scalar, pool};

/// The kernels of RISC-V processors with vectors, which on bare metal must be switched on before: `mstatus.VS` is not 0. Under 64-bit Linux,
/// with the feature `std`, the kernels of [`Scalar`] stand in where the processor has none. In programs for other processors they compute the same
/// in plain Rust, slowly.
///
/// `lacewing convert --target rv32imcv` (`rv64gcv`) writes files for them.
#[derive(Clone, Copy, Debug, Default)]
pub struct RiscvV;

impl Kernels for RiscvV {
    #[inline(always)]
    fn conv_i8(&self, op: &ConvI8, c: Constants<'_>, mut work: Work<'_, i8>) -> Result<(), Fault> {
        match present() {
            Some(()) => or_portable(conv::run(op, c, &mut work), || ops::conv::run::<_, i8, _>(self, op, c, work)),
            None => Scalar.conv_i8(op, c, work),
        }
    }

    #[inline(always)]
    fn depthwise_i8(&self, op: &DepthwiseI8, c: Constants<'_>, mut work: Work<'_, i8>) -> Result<(), Fault> {
        match present() {
            Some(()) => or_portable(depthwise::run(op, c, &mut work), || ops::depthwise::run::<_, i8>(op, c, work)),
            None => Scalar.depthwise_i8(op, c, work),
        }
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
        match present() {
            Some(()) => or_portable(conv::connected(op, c, input, output), || {
                ops::fully_connected::run::<_, i8, _>(self, op, c, input, output)
            }),
            None => Scalar.fully_connected_i8(op, c, input, output, scratch),
        }
    }

    #[inline(always)]
    fn average_pool_i8(&self, op: &AveragePoolI8, c: Constants<'_>, mut work: Work<'_, i8>) -> Result<(), Fault> {
        or_portable(present().and_then(|()| averages(op, c, &mut work)), || ops::pool::average(op, c, work))
    }

    #[inline(always)]
    fn max_pool_i8(&self, op: &MaxPoolI8, mut work: Work<'_, i8>) -> Result<(), Fault> {
        or_portable(present().and_then(|()| maxima(op, &mut work)), || ops::pool::max(op, work))
    }

    #[inline(always)]
    fn add_i8(&self, op: &AddI8, a: Operand<'_, i8>, b: Operand<'_, i8>, output: &mut [i8]) -> Result<(), Fault> {
        or_portable(present().and_then(|()| insn::add(op, [a, b], output)), || ops::binary::add_i8(op, a, b, output))
    }

    #[inline(always)]
    fn table_i8(&self, table: &[i8; 256], x: Operand<'_, i8>, y: &mut [i8]) {
        if present().and_then(|()| insn::table(&mut Table { table, x, y })).is_none() {
            ops::unary::run_i8(table, x, y);
        }
    }
}

/// Whether the loops may be called: on bare metal who takes these kernels has seen to it.
#[inline(always)]
fn present() -> Option<()> {
    #[cfg(rvv = "linux")]
    return is_present().then_some(());
    #[cfg(not(rvv = "linux"))]
    return Some(());
}

/// Averages, as a function of its own.
#[inline(never)]
fn averages(op: &AveragePoolI8, c: Constants<'_>, work: &mut Work<'_, i8>) -> Option<()> {
    pool::averages(op, c, work, insn::average)
}

/// Maxima, as a function of its own.
#[inline(never)]
fn maxima(op: &MaxPoolI8, work: &mut Work<'_, i8>) -> Option<()> {
    pool::each(work, (&op.input, &op.output, &op.window), [op.lo, op.hi], insn::greatest)
}

/// What a convolution in one group wants.
pub(crate) fn conv(input: &Tensor, output: &Tensor, window: &Window) -> Option<Wish> {
    conv::wish(input, output.shape[3], window)
}

/// What a depthwise convolution wants.
pub(crate) fn depthwise(input: &Tensor, output: &Tensor, window: &Window) -> Option<Wish> {
    depthwise::wish(input, output, window)
}

/// What a fully connected layer wants.
pub(crate) fn fully_connected_i8(outputs: u32) -> Option<Wish> {
    conv::wish_connected(outputs)
}
