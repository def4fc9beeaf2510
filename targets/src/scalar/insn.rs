//! The inner loops, with safe signatures: in assembly where there is some, in plain Rust everywhere else. Sums wrap.

use super::tile::{Channel, Column, Tile};
use crate::windows::Copy;

#[cfg(thumb)]
use super::asm as loops;
#[cfg(not(thumb))]
use super::plain as loops;

/// Copies rectangles of bytes.
pub(super) fn copy(from: &[i8], to: &mut [i8], copy: &Copy) -> Option<()> {
    let ([rectangles, rows], [step, down], [stride, over]) = (copy.counts, copy.steps, copy.strides);
    for rectangle in 0..rectangles {
        let (mut at, mut to_at) = (rectangle.checked_mul(step)?, rectangle.checked_mul(stride)?);
        for _ in 0..rows {
            let from = from.get(at..)?.get(..copy.len)?;
            to.get_mut(to_at..)?.get_mut(..copy.len)?.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            (at, to_at) = (at.wrapping_add(down), to_at.wrapping_add(over));
        }
    }
    Some(())
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

/// One channel of a depthwise convolution; see [`Channel`].
#[inline(always)]
pub(super) fn channel(channel: &mut Channel<'_>) -> Option<()> {
    if channel.fits() { loops::channel(channel) } else { None }
}
