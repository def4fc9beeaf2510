//! What the kernels ask of the processor, with safe signatures: the loops in assembly where there are DSP instructions, their
//! twins in plain Rust everywhere else.
//!
//! Activations are widened to 16 bits. Four of them, `k` to `k + 3`, are the two words `(k, k + 2)` and `(k + 1, k + 3)`, the first
//! of each in the low half: SXTB16 makes that of four bytes. Sums wrap.

use super::tile::{Column, Pairs, Run};
use crate::windows::Copy;

#[cfg(dsp)]
use super::asm as loops;
#[cfg(not(dsp))]
use super::twin as loops;

/// Copies rectangles of bytes.
pub(super) fn copy(from: &[i8], to: &mut [i8], copy: &Copy) -> Option<()> {
    copy.fits(from, to).then(|| loops::copy(from, to, copy))
}

/// Pixels by any even number of outputs of a convolution; see [`Pairs`].
#[inline(always)]
pub(super) fn pairs<const W: usize>(pairs: &mut Pairs<'_, W>) -> Option<()> {
    pairs.fits().then(|| loops::pairs(pairs))
}

/// One vector by a multiple of four outputs; see [`Column`].
#[inline(always)]
pub(super) fn column(column: &mut Column<'_>) -> Option<()> {
    column.fits().then(|| loops::column(column))
}

/// Four channels of a run of pixels of a depthwise convolution; see [`Run`].
#[inline(always)]
pub(super) fn run(run: &mut Run<'_>) -> Option<()> {
    run.fits().then(|| loops::run(run))
}

/// Words of four channels, each `stride` bytes after the one before.
#[inline(always)]
pub(super) fn words(from: &[i8], stride: usize, to: &mut [u32]) -> Option<()> {
    let Some(last) = to.len().checked_sub(1) else { return Some(()) };
    let end = last.checked_mul(stride)?.checked_add(4)?;
    (end <= from.len()).then(|| loops::words(from, stride, to))
}

/// `Σ a[i]·b[i]`, wrapping; both are as many.
#[inline(always)]
pub(super) fn dot_i8(a: &[[i8; 4]], b: &[[i8; 4]]) -> i32 {
    if a.is_empty() || a.len() != b.len() { 0 } else { loops::dot_i8(a, b) }
}

/// The same of int16 activations `b`, in 64 bits.
#[inline(always)]
pub(super) fn dot_i16(a: &[[i8; 4]], b: &[[i16; 4]]) -> i64 {
    if a.is_empty() || a.len() != b.len() { 0 } else { loops::dot_i16(a, b) }
}

/// The same of int4 weights `a`, two in a byte, the first in the low half.
#[inline(always)]
pub(super) fn dot_w4(a: &[[i8; 4]], b: &[[i8; 8]]) -> i32 {
    if a.is_empty() || a.len() != b.len() { 0 } else { loops::dot_w4(a, b) }
}
