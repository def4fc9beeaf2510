//! What the kernels ask of the processor, with safe signatures: the loops in assembly where there are DSP instructions, their
//! twins in plain Rust everywhere else.
//!
//! Activations are widened to 16 bits. Four of them, `k` to `k + 3`, are the two words `(k, k + 2)` and `(k + 1, k + 3)`, the first
//! of each in the low half: SXTB16 makes that of four bytes. Sums wrap.

use lacewing::Int;

use super::tile::{Channels, Column, Nibbles, Pairs, Part, Run, Square, Taps, Words};
use crate::wide::Wide;
use crate::windows::{Copy, Pixels};

#[cfg(dsp)]
use super::asm as loops;
#[cfg(not(dsp))]
use super::twin as loops;

/// Copies rectangles of bytes.
pub(super) fn copy(from: &[i8], to: &mut [i8], copy: &Copy) -> Option<()> {
    copy.fits(from, to).then(|| loops::copy(from, to, copy))
}

/// Pixels by any even number of outputs of a convolution; see [`Pairs`].
#[inline(never)]
pub(super) fn pairs(pairs: &mut Pairs<'_>, pixels: &Pixels<'_>, y: &mut [i8]) -> Option<()> {
    pairs.fits(pixels, y).then(|| loops::pairs(pairs, pixels, y))
}

/// One vector by a multiple of four outputs; see [`Column`].
#[inline(never)]
pub(super) fn column(column: &mut Column<'_>) -> Option<()> {
    column.fits().then(|| loops::column(column))
}

/// Two pixels in int16 by any even number of outputs; see [`Square`].
#[inline(always)]
pub(super) fn square(square: &mut Square<'_>) -> Option<()> {
    square.fits().then(|| loops::square(square))
}

/// The same in int8 with int4 weights; see [`Nibbles`].
#[inline(always)]
pub(super) fn nibbles(nibbles: &mut Nibbles<'_>) -> Option<()> {
    nibbles.fits().then(|| loops::nibbles(nibbles))
}

/// Two words as four: the bytes 0 and 2, and 1 and 3, of each, signs extended.
#[inline(always)]
pub(super) fn widen(words: [u32; 2]) -> [u32; 4] {
    loops::widen(words)
}

/// What writes the weights of a word of channels, from one on, to the taps: given all weights, those from tap to tap, and how many taps.
pub(super) type Weigh<const N: usize> =
    fn(weights: &[i8], [usize; 2], channel: usize, taps: &mut [Taps<N>]) -> Option<()>;

/// All channels of rows of pixels of a depthwise convolution in int8; see [`Channels`].
#[inline(never)]
pub(super) fn channels(all: &mut Channels<'_, i8, 6>, weigh: Weigh<6>, zero: i32) -> Option<()> {
    each_word(all, weigh, |mut run| loops::run(&mut run, zero))
}

/// The same in int16.
#[inline(never)]
pub(super) fn channels_i16(all: &mut Channels<'_, i16, 4>, weigh: Weigh<4>, wide: &Wide) -> Option<()> {
    each_word(all, weigh, |mut run| loops::run_i16(&mut run, wide))
}

#[inline(always)]
fn each_word<T: Int, const N: usize>(
    all: &mut Channels<'_, T, N>,
    weigh: Weigh<N>,
    run: impl Fn(Run<'_, T, N>),
) -> Option<()> {
    if !all.fits() {
        return None;
    }
    let (bytes, lanes) = (all.bytes(), Channels::<T, N>::LANES);
    let Channels { channels, columns, row_len, pitch, steps, size, .. } = *all;
    let (plane, taps) = (&mut *all.plane, &mut *all.taps);
    let mut channel = 0usize;
    loop {
        weigh(all.weights, [all.across, all.count], channel, taps)?;
        for Part { from, rows, at } in all.parts.iter().copied().filter(|part| part.rows > 0 && columns > 0) {
            let (from, to) = (from.get(channel.wrapping_mul(size_of::<T>())..)?, plane.get_mut(at..)?);
            loops::words(&mut Words { from, channels: bytes, row_len, to, pitch, size: [rows, columns] });
        }
        let bias = all.bias.get(channel..)?;
        let each = if all.multipliers.len() >= channels { channel } else { 0 };
        let multipliers = all.multipliers.get(each..)?;
        let y = all.y.get_mut(channel..)?;
        run(Run { plane, steps, taps, bias, multipliers, size, y, stride: channels });
        // The last ones begin where as many are left.
        let next = channel.wrapping_add(lanes).min(channels.wrapping_sub(lanes));
        if next <= channel {
            return Some(());
        }
        channel = next;
    }
}

/// Writes the weights of four channels, `count` words `across` bytes apart, to as many taps, and 0 to one more if they are odd.
#[inline(always)]
pub(super) fn weigh(weights: &[i8], across: usize, count: usize, taps: &mut [Taps<6>]) -> Option<()> {
    let end = count.checked_sub(1)?.checked_mul(across)?.checked_add(4)?;
    (end <= weights.len() && taps.len() == count.div_ceil(2)).then(|| loops::weigh(weights, across, count, taps))
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
