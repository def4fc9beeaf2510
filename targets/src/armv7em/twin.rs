//! The loops in plain Rust, number for number what the assembly computes.

use lacewing::Int;

use super::tile::{Column, Nibbles, Pairs, Run, Square, Taps, Words};
use crate::wide::{MOST, Wide};
use crate::windows::{Copy, Pixels};

/// Copies what fits.
pub(super) fn copy(from: &[i8], to: &mut [i8], copy: &Copy) {
    let [rectangles, rows] = copy.counts;
    for (i, j) in (0..rectangles).flat_map(|i| (0..rows).map(move |j| (i, j))) {
        let [from_at, to_at] = [copy.steps, copy.strides].map(|[outer, inner]| i * outer + j * inner);
        to[to_at..][..copy.len].copy_from_slice(&from[from_at..][..copy.len]);
    }
}

/// See [`Words`].
pub(super) fn words(words: &mut Words<'_>) {
    let [rows, columns] = words.size;
    for (y, x) in (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x))) {
        let at = y * words.row_len + x * words.channels;
        words.to[y * words.pitch + x] = u32::from_le_bytes([0, 1, 2, 3].map(|byte| words.from[at + byte] as u8));
    }
}

/// Writes the weights of four channels, `count` words `across` bytes apart, in pairs of taps.
pub(super) fn weigh(weights: &[i8], across: usize, count: usize, taps: &mut [Taps<6>]) {
    let weight = |tap: usize, channel: usize| if tap < count { weights[tap * across + channel].into() } else { 0i16 };
    for (pair, [_, _, words @ ..]) in taps.iter_mut().enumerate() {
        for (channel, word) in words.iter_mut().enumerate() {
            let [a, b] = [2 * pair, 2 * pair + 1].map(|tap| u32::from(weight(tap, channel) as u16));
            *word = a | b << 16;
        }
    }
}

/// SXTB16, and SXTB16 of the word rotated by 8: bytes 0 and 2, bytes 1 and 3.
fn both(word: u32) -> [u32; 2] {
    [sxtb16(word), sxtb16(word.rotate_right(8))]
}

/// Bytes 0 and 2 as two halves, signs extended.
fn sxtb16(word: u32) -> u32 {
    let [a, _, b, _] = word.to_le_bytes().map(|byte| i16::from(byte as i8) as u16);
    u32::from(a) | u32::from(b) << 16
}

/// `sum + a.low · b.low + a.high · b.high`, wrapping.
fn smlad(a: u32, b: u32, sum: i32) -> i32 {
    let half = |word: u32, shift: u32| i32::from((word >> shift) as i16);
    let products = [0, 16].map(|shift| half(a, shift).wrapping_mul(half(b, shift)));
    products.iter().fold(sum, |sum, product| sum.wrapping_add(*product))
}

/// The two words of a group against a word of weights.
fn group(x: [u32; 2], weights: u32, sum: i32) -> i32 {
    let [even, odd] = both(weights);
    let [x_even, x_odd] = x;
    smlad(x_odd, odd, smlad(x_even, even, sum))
}

/// SMMLAR, then SSAT to 8 bits.
fn round(sum: i32, multiplier: i32, zero: i32) -> i8 {
    let product = i64::from(sum).wrapping_mul(i64::from(multiplier));
    let wide = (i64::from(zero) << 32).wrapping_add(product).wrapping_add(1 << 31) >> 32;
    (wide as i32).clamp(-128, 127) as i8
}

/// Groups of four that are summed at once.
const BLOCK: usize = 124;

/// The sums of two outputs whose weights are pairs, without bias.
fn two(groups: impl Iterator<Item = ([u32; 2], [u32; 2])>) -> [i32; 2] {
    let (mut even, mut odd, mut both) = (0i32, 0i32, 0i32);
    for (i, (x, words)) in groups.enumerate() {
        if i % BLOCK == 0 {
            (odd, both) = (odd.wrapping_add(both.wrapping_sub(even) >> 8), even);
        }
        for (x, word) in x.into_iter().zip(words) {
            (even, both) = (smlad(x, sxtb16(word), even), smlad(x, word, both));
        }
    }
    [even, odd.wrapping_add(both.wrapping_sub(even) >> 8)]
}

/// The sums of two outputs whose weights are int4, without bias, the first one's in the lower halves of bytes; sixteen times as large until
/// their end.
fn two_w4(groups: impl Iterator<Item = ([u32; 2], u32)>) -> [i32; 2] {
    let sums = groups.fold([0; 2], |[low, high], (x, word)| {
        [group(x, word << 4 & 0xf0f0_f0f0, low), group(x, word & 0xf0f0_f0f0, high)]
    });
    sums.map(|sum| sum >> 4)
}

/// Two words as the bytes 0 and 2, and 1 and 3, of each, signs extended.
pub(super) fn widen([a, b]: [u32; 2]) -> [u32; 4] {
    let ([a, c], [b, d]) = (both(a), both(b));
    [a, c, b, d]
}

/// Four activations as two words.
fn widened(x: &[i8; 4]) -> [u32; 2] {
    both(u32::from_le_bytes(x.map(|x| x as u8)))
}

/// See [`Pairs`].
pub(super) fn pairs(pairs: &mut Pairs<'_>, &Pixels { x, step, count }: &Pixels<'_>, y: &mut [i8]) {
    let ([even, odd], tile) = (pairs.masks(), pairs.rounding.step(pairs.outputs, 2));
    for pixel in 0..count {
        for (to, x) in pairs.wide.iter_mut().zip(x[pixel * step..].as_chunks().0) {
            *to.first_chunk_mut().expect("four words") = widened(x);
        }
        let last = pairs.wide.last_mut().expect("a group");
        (last[0], last[1]) = (last[0] & even, last[1] & odd);
        let x = || pairs.wide.iter().map(|words| [words[0], words[1]]);
        for (tile_at, weights) in pairs.weights.chunks(pairs.wide.len()).take(pairs.outputs / 2).enumerate() {
            let sums = two(x().zip(weights.iter().copied()));
            for (i, sum) in sums.into_iter().enumerate() {
                let (bias, multiplier) = (pairs.bias[2 * tile_at + i], pairs.rounding.multipliers[tile_at * tile + i]);
                let y = &mut y[pixel * pairs.stride + 2 * tile_at + i];
                *y = round(sum.wrapping_add(bias), multiplier, pairs.rounding.zero);
            }
        }
    }
}

/// See [`Column`].
pub(super) fn column(column: &mut Column<'_>) {
    let groups = column.groups();
    let tile = column.rounding.step(column.y.len(), 4);
    for (o, y) in column.y.iter_mut().enumerate() {
        let block = if column.twice { 0 } else { o / 2 };
        let x = column.x.as_chunks().0.iter().map(widened);
        let sum = two(x.zip(column.weights[block * groups..][..groups].iter().copied()))[o % 2];
        let multiplier = column.rounding.multipliers[o / 4 * tile + o % 4];
        *y = round(sum.wrapping_add(column.bias[o]), multiplier, column.rounding.zero);
    }
}

/// See [`Square`].
pub(super) fn square(square: &mut Square<'_>) {
    let (groups, tile) = (square.x.len(), square.rounding.step(square.outputs, 2));
    // The first pixel last, since both may go to the same place.
    for (pixel, o) in [1, 0].into_iter().flat_map(|pixel| (0..square.outputs).map(move |o| (pixel, o))) {
        let weights = &square.weights[o / 2 * groups..][..groups];
        let blocks = square.x.chunks(MOST / 4).zip(weights.chunks(MOST / 4)).map(|(x, weights)| {
            let groups = x.iter().map(|x| [x[2 * pixel], x[2 * pixel + 1]]).zip(weights);
            groups.fold(0, |sum, (x, weights)| group(x, weights[o % 2], sum))
        });
        let sum = blocks.fold(square.bias[o], |sum, block| sum.wrapping_add(block.into()));
        let multiplier = square.rounding.multipliers[o / 2 * tile + o % 2];
        square.y[pixel * square.second + o] = square.wide.apply(sum, multiplier);
    }
}

/// See [`Nibbles`].
pub(super) fn nibbles(nibbles: &mut Nibbles<'_>) {
    let (depth, tile) = (nibbles.depth, nibbles.rounding.step(nibbles.outputs, 2));
    // The first pixel last, since both may go to the same place.
    for (pixel, o) in [1, 0].into_iter().flat_map(|pixel| (0..nibbles.outputs).map(move |o| (pixel, o))) {
        let words = nibbles.weights[o / 2 * depth..][..depth]
            .chunks(4)
            .map(|bytes| bytes.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte as u8)));
        let sums = two_w4(nibbles.x.iter().map(|x| [x[2 * pixel], x[2 * pixel + 1]]).zip(words));
        let multiplier = nibbles.rounding.multipliers[o / 2 * tile + o % 2];
        let sum = sums[o % 2].wrapping_add(nibbles.bias[o]);
        nibbles.y[pixel * nibbles.second + o] = round(sum, multiplier, nibbles.rounding.zero);
    }
}

/// See [`Run`], in int8.
pub(super) fn run(run: &mut Run<'_, i8, 6>, zero: i32) {
    for (pixel, at) in pixels(run) {
        let mut sums = *run.bias.first_chunk::<4>().expect("four channels");
        for [a, b, weights @ ..] in run.taps {
            let [a, b] = [a, b].map(|offset| run.plane[at + *offset as usize / 4].to_le_bytes());
            for (c, sum) in sums.iter_mut().enumerate() {
                let half = |byte: u8| u32::from(i16::from(byte as i8) as u16);
                *sum = smlad(half(a[c]) | half(b[c]) << 16, weights[c], *sum);
            }
        }
        let outputs = &mut run.y[pixel * run.stride..][..4];
        for ((y, sum), multiplier) in outputs.iter_mut().zip(sums).zip(run.multipliers) {
            *y = round(sum, *multiplier, zero);
        }
    }
}

/// See [`Run`], in int16.
pub(super) fn run_i16(run: &mut Run<'_, i16, 4>, wide: &Wide) {
    for (pixel, at) in pixels(run) {
        let mut sums = [0i32; 2];
        for [a, b, weights @ ..] in run.taps {
            for (offset, weights) in [a, b].into_iter().zip(weights) {
                let x = run.plane[at + *offset as usize / 4];
                // SMLABB and SMLATT.
                sums = [smlad(x & 0xffff, *weights, sums[0]), smlad(x & 0xffff_0000, *weights, sums[1])];
            }
        }
        let outputs = &mut run.y[pixel * run.stride..][..2];
        for (((y, sum), bias), multiplier) in outputs.iter_mut().zip(sums).zip(run.bias).zip(run.multipliers) {
            *y = wide.apply(bias.wrapping_add(sum.into()), *multiplier);
        }
    }
}

/// The pixels of a run, one after another: the number of each, and where it begins in the plane.
fn pixels<T: Int, const N: usize>(run: &Run<'_, T, N>) -> impl Iterator<Item = (usize, usize)> + use<T, N> {
    let ([rows, width], [down, step]) = (run.size, run.steps);
    (0..width * rows).map(move |pixel| (pixel, pixel / width * down + pixel % width * step))
}

/// `Σ a[i]·b[i]`, wrapping; both are as many.
pub(super) fn dot_i8(a: &[[i8; 4]], b: &[[i8; 4]]) -> i32 {
    let word = |bytes: &[i8; 4]| u32::from_le_bytes(bytes.map(|x| x as u8));
    a.iter().zip(b).fold(0, |sum, (a, b)| group(both(word(a)), word(b), sum))
}

/// The same of int16 activations, in 64 bits, by SMLALD.
pub(super) fn dot_i16(a: &[[i8; 4]], b: &[[i16; 4]]) -> i64 {
    let products = a.as_flattened().iter().zip(b.as_flattened()).map(|(a, b)| i64::from(*a) * i64::from(*b));
    products.fold(0, i64::wrapping_add)
}

/// The same of int4 weights, two in a byte, summed sixteen times as large.
pub(super) fn dot_w4(a: &[[i8; 4]], b: &[[i8; 8]]) -> i32 {
    let sixteen = |byte: i8| [(byte as u8) << 4, byte as u8 & 0xf0].map(|nibble| i32::from(nibble as i8));
    let weights = a.as_flattened().iter().flat_map(|byte| sixteen(*byte));
    let products = weights.zip(b.as_flattened()).map(|(w, x)| w * i32::from(*x));
    products.fold(0, i32::wrapping_add) >> 4
}
