//! What the kernels ask of the processor, with safe signatures: the loops in assembly for RISC-V, their twins in plain Rust everywhere else.

use lacewing::arena::Operand;
use lacewing::ops::AddI8;

use super::tile::{Rectangle, Table, Tile};
use crate::add::Add;
use crate::pool::{Average, Pool};
use crate::windows::Copy;

#[cfg(rvv)]
use super::asm as loops;
#[cfg(not(rvv))]
use super::twin as loops;

/// Copies rectangles of bytes.
pub(super) fn copy(from: &[i8], to: &mut [i8], copy: &Copy) -> Option<()> {
    copy.fits(from, to).then(|| loops::copy(from, to, copy))
}

/// The least of some numbers; the largest there is if there are none.
pub(super) fn least(numbers: &[i8]) -> i8 {
    loops::least(numbers)
}

/// Pixels by all outputs of a convolution; see [`Tile`].
#[inline(always)]
pub(super) fn pixels(tile: &mut Tile<'_>) -> Option<()> {
    tile.fits().then(|| loops::pixels(tile))
}

/// A rectangle of pixels of a depthwise convolution; see [`Rectangle`].
#[inline(always)]
pub(super) fn rectangle(rectangle: &mut Rectangle<'_>) -> Option<()> {
    rectangle.fits().then(|| loops::rectangle(rectangle))
}

/// A sum of two tensors; see [`Add`].
#[inline(never)]
pub(super) fn add(op: &AddI8, operands: [Operand<'_, i8>; 2], y: &mut [i8]) -> Option<()> {
    loops::add(&mut Add::new(op, operands, y)?);
    Some(())
}

/// A function by table; see [`Table`].
#[inline(always)]
pub(super) fn table(table: &mut Table<'_>) -> Option<()> {
    table.fits().then(|| loops::table(table))
}

/// The average of a rectangle of pixels; see [`Average`].
#[inline(always)]
pub(super) fn average(pool: &mut Pool<'_>, average: Average) -> Option<()> {
    pool.fits().then(|| loops::average(pool, average))
}

/// The greatest of a rectangle of pixels; see [`Pool`].
#[inline(always)]
pub(super) fn greatest(pool: &mut Pool<'_>) -> Option<()> {
    pool.fits().then(|| loops::greatest(pool))
}
