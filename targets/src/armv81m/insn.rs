//! What the kernels ask of the processor, with safe signatures: the loops in assembly where there is Helium, their twins in plain Rust
//! everywhere else.

use lacewing::arena::Operand;
use lacewing::ops::AddI8;

use super::tile::{Blocks, Column, Half, Square};
use crate::add::Add;
use crate::pool::{Average, Pool};
use crate::squares::{Loops, Nibbles, WideSquare};
use crate::windows::Copy;

#[cfg(helium)]
use super::asm as loops;
#[cfg(not(helium))]
use super::twin as loops;

/// Copies rectangles of bytes.
pub(super) fn copy(from: &[i8], to: &mut [i8], copy: &Copy) -> Option<()> {
    copy.fits(from, to).then(|| loops::copy(from, to, copy))
}

/// The least of some numbers; the largest there is if there are none.
pub(super) fn least(numbers: &[i8]) -> i8 {
    loops::least(numbers)
}

/// Pixels by a multiple of four outputs of a convolution; see [`Square`].
#[inline(always)]
pub(super) fn square(square: &mut Square<'_>) -> Option<()> {
    square.fits().then(|| loops::square(square))
}

/// One vector by a multiple of four outputs; see [`Column`].
#[inline(always)]
pub(super) fn column(column: &mut Column<'_>) -> Option<()> {
    column.fits().then(|| loops::column(column))
}

/// Tiles of 2 × 2. In int16 VMLALDAVA adds products to sums of 64 bits, so that no sum overflows; each takes two registers, and eight are left. Of
/// int4 weights of two outputs, in the halves of bytes, a shift to the left and one to the right make a vector of either.
pub(crate) struct Helium;

impl Loops for Helium {
    const GROUP: u8 = 8;
    const ENOUGH: u32 = 1024;

    fn copy(from: &[i8], to: &mut [i8], rectangles: &Copy) -> Option<()> {
        copy(from, to, rectangles)
    }

    #[inline(always)]
    fn wide(square: &mut WideSquare<'_>) -> Option<()> {
        square.fits(8).then(|| loops::wide_square(square))
    }

    #[inline(always)]
    fn nibbles(nibbles: &mut Nibbles<'_>) -> Option<()> {
        nibbles.fits().then(|| loops::nibbles(nibbles))
    }
}

/// Whole blocks of channels of a depthwise convolution; see [`Blocks`].
#[inline(always)]
pub(super) fn blocks(blocks: &mut Blocks<'_>) -> Option<()> {
    blocks.fits().then(|| loops::blocks(blocks))
}

/// At most eight channels of a depthwise convolution; see [`Half`].
#[inline(always)]
pub(super) fn half(half: &mut Half<'_>) -> Option<()> {
    half.fits().then(|| loops::half(half))
}

/// A sum of two tensors; see [`Add`].
#[inline(never)]
pub(super) fn add(op: &AddI8, operands: [Operand<'_, i8>; 2], y: &mut [i8]) -> Option<()> {
    loops::add(&mut Add::new(op, operands, y)?);
    Some(())
}

/// The average of a rectangle of pixels; see [`Average`].
#[inline(always)]
pub(super) fn average(pool: &mut Pool<'_>, average: Average) -> Option<()> {
    pool.fits().then(|| loops::average(pool, average))
}
