//! What the kernels ask of the processor, with safe signatures: the loops in assembly where there are DSP instructions, their
//! twins in plain Rust everywhere else.
//!
//! Activations are widened to 16 bits. Four of them, `k` to `k + 3`, are the two words `(k, k + 2)` and `(k + 1, k + 3)`, the first
//! of each in the low half: SXTB16 makes that of four bytes, of weights too. Sums wrap.

use super::tile::{Column, Pair, Run};

#[cfg(dsp)]
use super::asm as loops;
#[cfg(not(dsp))]
use super::twin as loops;

/// Activations as words of two, to words `at` and `at + 1` of each group of `N`; zeros after the last.
#[inline(always)]
pub(super) fn widen<const N: usize>(from: &[i8], to: &mut [[u32; N]], at: usize) -> Option<()> {
    if at.checked_add(2)? > N {
        return None;
    }
    let (fours, rest) = from.as_chunks::<4>();
    let (whole, left) = to.split_at_mut_checked(fours.len())?;
    if !whole.is_empty() {
        loops::widen(fours, whole, at);
    }
    if !rest.is_empty() {
        let mut last = [0; 4];
        last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        loops::widen(&[last], left.get_mut(..1)?, at);
    }
    Some(())
}

/// Writes the same activation everywhere to words `at` and `at + 1` of each group.
#[inline(always)]
pub(super) fn fill(value: i8, to: &mut [[u32; 4]], at: usize) -> Option<()> {
    let half = u32::from(i16::from(value) as u16);
    for group in to {
        *group.get_mut(at..)?.first_chunk_mut()? = [half | half << 16; 2];
    }
    Some(())
}

/// Copies all of `from`.
#[inline(always)]
pub(super) fn copy(from: &[i8], to: &mut [i8]) -> Option<()> {
    let same = from.len() == to.len();
    if same && from.len() >= 4 {
        loops::copy(from, to);
    } else {
        to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    }
    same.then_some(())
}

/// Two pixels by any even number of outputs of a convolution; see [`Pair`].
#[inline(always)]
pub(super) fn pair<const W: usize>(pair: &mut Pair<'_, W>) -> Option<()> {
    pair.fits().then(|| loops::pair(pair))
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

/// Copies `rows` runs of `len` bytes, which begin `stride` apart, one after another.
#[inline(always)]
pub(super) fn copy_rows(from: &[i8], stride: usize, len: usize, rows: usize, to: &mut [i8]) -> Option<()> {
    let last = rows.checked_sub(1)?.checked_mul(stride)?;
    let (_, to) = (from.get(last..last.checked_add(len)?)?, to.get_mut(..len.checked_mul(rows)?)?);
    if len >= 4 {
        loops::copy_rows(from, stride, len, to);
        return Some(());
    }
    let mut rest = from;
    let mut to = to.iter_mut();
    for _ in 0..rows {
        rest.get(..len)?.iter().zip(&mut to).for_each(|(from, to)| *to = *from);
        rest = rest.get(stride..).unwrap_or_default();
    }
    Some(())
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
