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

/// Copies all of `from`.
#[inline(always)]
pub(super) fn copy(from: &[i8], to: &mut [i8]) -> Option<()> {
    let (words, _) = from.as_chunks::<4>();
    if !words.is_empty() {
        loops::copy(words, to.get_mut(..from.len())?.as_chunks_mut::<4>().0);
    }
    // The last bytes once more, as a word, or by themselves if there is none.
    match (from.last_chunk::<4>(), to.last_chunk_mut::<4>()) {
        (Some(from), Some(to)) => *to = *from,
        _ => to.iter_mut().zip(from).for_each(|(to, from)| *to = *from),
    }
    (from.len() == to.len()).then_some(())
}

/// Two pixels by any even number of outputs of a convolution; see [`Pair`].
#[inline(always)]
pub(super) fn pair(pair: &mut Pair<'_>) -> Option<()> {
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

/// Words of four channels, each `stride` bytes after the one before.
#[inline(always)]
pub(super) fn words(from: &[i8], stride: usize, to: &mut [u32]) -> Option<()> {
    let Some(last) = to.len().checked_sub(1) else { return Some(()) };
    let end = last.checked_mul(stride)?.checked_add(4)?;
    (end <= from.len()).then(|| loops::words(from, stride, to))
}
