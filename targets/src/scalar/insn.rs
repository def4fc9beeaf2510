//! The inner loops, with safe signatures: in assembly where there is some, in plain Rust everywhere else. Sums wrap.

use lacewing::Int;

use super::round::{Rounding, WideRounding, of};
use super::tile::{Channel, Column, Rectangle, Taps, Tile};
use crate::windows::Copy;

#[cfg(thumb)]
use super::asm as loops;
#[cfg(not(thumb))]
use super::plain as loops;

/// Copies rectangles of bytes.
pub(super) fn copy(from: &[i8], to: &mut [i8], copy: &Copy) -> Option<()> {
    if copy.fits(from, to) { loops::copy(from, to, copy) } else { None }
}

/// Two pixels by all outputs of a convolution; see [`Tile`].
#[inline(always)]
pub(super) fn tile(tile: &mut Tile<'_>) -> Option<()> {
    if tile.fits() { loops::tile(tile) } else { None }
}

/// One vector by a multiple of four outputs; see [`Column`]. Not inlined, so that the loop has all registers.
#[inline(never)]
pub(super) fn column(column: &mut Column<'_>) -> Option<()> {
    if column.fits() { loops::column(column) } else { None }
}

/// The sums of a tile in int16: of the first pixel with the first output's weights and the other one's, which take turns, then of the second. Of few
/// enough activations they fit.
#[inline(always)]
pub(super) fn sums_i16(x: [&[i16]; 2], weights: &[i8]) -> Option<[i32; 4]> {
    let [first, other] = [x[0].len(), x[1].len()];
    (first > 0 && first == other && weights.len() == 2usize.wrapping_mul(first)).then(|| loops::sums_i16(x, weights))
}

/// The same of int4 weights, both outputs' in a byte, the first one's in the lower half.
#[inline(always)]
pub(super) fn sums_w4(x: [&[i8]; 2], weights: &[i8]) -> Option<[i32; 4]> {
    let [first, other] = [x[0].len(), x[1].len()];
    (first > 0 && first == other && weights.len() == first).then(|| loops::sums_w4(x, weights))
}

/// How the channels of a rectangle are computed and rounded.
pub(super) trait Round<T: Int> {
    /// `m` of an output.
    fn multiplier(&self, output: usize) -> Option<i32>;

    /// One channel of a rectangle that fits.
    fn channel(&self, channel: &mut Channel<'_, T>) -> Option<()>;
}

impl Round<i8> for Rounding<'_> {
    #[inline(always)]
    fn multiplier(&self, output: usize) -> Option<i32> {
        Rounding::multiplier(self, output)
    }

    #[inline(always)]
    fn channel(&self, channel: &mut Channel<'_, i8>) -> Option<()> {
        loops::channel(channel, self)
    }
}

impl Round<i16> for WideRounding<'_> {
    #[inline(always)]
    fn multiplier(&self, output: usize) -> Option<i32> {
        of(self.multipliers, output)
    }

    #[inline(always)]
    fn channel(&self, channel: &mut Channel<'_, i16>) -> Option<()> {
        let (bias, multiplier) = (channel.bias, channel.multiplier);
        channel.compute(0, |sum| self.wide.apply(bias.wrapping_add(sum.into()), multiplier))
    }
}

/// All channels of a rectangle of a depthwise convolution; see [`Rectangle`]. Before each of them `weigh` gives the taps its weights; it gives what
/// its sums begin with.
#[inline(always)]
pub(super) fn channels<'a, T: Int>(
    rectangle: Rectangle<'_, 'a, T>,
    rounding: &impl Round<T>,
    mut weigh: impl FnMut(usize, &mut Taps<'a, T>) -> Option<T::Sum>,
) -> Option<()> {
    if !rectangle.fits() {
        return None;
    }
    let Rectangle { taps, channels, size, steps, strides, y } = rectangle;
    for first in 0..channels {
        let (bias, multiplier) = (weigh(first, taps)?, rounding.multiplier(first)?);
        let y = y.get_mut(first..)?;
        rounding.channel(&mut Channel { taps, first, size, steps, strides, bias, multiplier, y })?;
    }
    Some(())
}
