//! The inner loops, with safe signatures: in assembly where there is some, in plain Rust everywhere else. Sums wrap.

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

/// One vector by a multiple of four outputs; see [`Column`].
#[inline(always)]
pub(super) fn column(column: &mut Column<'_>) -> Option<()> {
    if column.fits() { loops::column(column) } else { None }
}

/// All channels of a rectangle of a depthwise convolution; see [`Rectangle`]. Before each of them `weigh` gives the taps its weights; it gives what
/// its sums begin with.
#[inline(always)]
pub(super) fn channels<'a>(
    rectangle: Rectangle<'_, 'a>,
    mut weigh: impl FnMut(usize, &mut Taps<'a>) -> Option<i32>,
) -> Option<()> {
    if !rectangle.fits() {
        return None;
    }
    let Rectangle { taps, channels, size, steps, strides, rounding, y } = rectangle;
    for first in 0..channels {
        let (bias, multiplier) = (weigh(first, taps)?, rounding.multiplier(first)?);
        let y = y.get_mut(first..)?;
        loops::channel(&mut Channel { taps, first, size, steps, strides, bias, multiplier, rounding, y })?;
    }
    Some(())
}
