//! The loops in plain Rust, number for number what the assembly computes.

use super::tile::{Column, Pair, Run};

/// Widens each of `from` to words `at` and `at + 1` of one of `to`; both are as many.
pub(super) fn widen<const N: usize>(from: &[[i8; 4]], to: &mut [[u32; N]], at: usize) {
    for (from, to) in from.iter().zip(to) {
        to[at..at + 2].copy_from_slice(&both(u32::from_le_bytes(from.map(|x| x as u8))));
    }
}

/// Copies bytes, at least four; both are as many.
pub(super) fn copy(from: &[i8], to: &mut [i8]) {
    to.copy_from_slice(from);
}

/// Copies runs of `len` bytes, at least four, that begin `stride` apart, until `to` is full; it is a multiple of `len`, and not empty.
pub(super) fn copy_rows(from: &[i8], stride: usize, len: usize, to: &mut [i8]) {
    for (i, to) in to.chunks_exact_mut(len).enumerate() {
        to.copy_from_slice(&from[i * stride..][..len]);
    }
}

/// Copies words that are `stride` bytes apart; the last ends within `from`.
pub(super) fn words(from: &[i8], stride: usize, to: &mut [u32]) {
    for (i, to) in to.iter_mut().enumerate() {
        *to = u32::from_le_bytes([0, 1, 2, 3].map(|byte| from[i * stride + byte] as u8));
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

/// See [`Pair`].
pub(super) fn pair<const W: usize>(pair: &mut Pair<'_, W>) {
    let groups = pair.x.len();
    let step = pair.rounding.step(pair.outputs, 2);
    for o in 0..pair.outputs {
        let weights = &pair.weights[o / 2 * groups..][..groups];
        let multiplier = pair.rounding.multipliers[o / 2 * step + o % 2];
        // The first pixel last: both may go to the same bytes.
        for (pixel, at) in [(1, pair.second), (0, 0)] {
            let each = pair.x.iter().zip(weights).map(|(x, w)| ([x[2 * pixel], x[2 * pixel + 1]], &w[..]));
            pair.y[at + o] = round(sum(pair.bias[o], each, o % 2), multiplier, pair.rounding.zero);
        }
    }
}

/// The sum of output `o` of a tile of two; that of int4 weights is sixteen times as large until its end.
fn sum<'w>(bias: i32, groups: impl Iterator<Item = ([u32; 2], &'w [u32])>, o: usize) -> i32 {
    let (mut eight, mut four) = (bias, 0);
    for (x, weights) in groups {
        match *weights {
            [word] => {
                let [even, odd] = [word << 4, word].map(|word| both(word & 0xf0f0_f0f0)[o]);
                four = smlad(x[1], odd, smlad(x[0], even, four));
            }
            _ => eight = group(x, weights[o], eight),
        }
    }
    eight.wrapping_add(four >> 4)
}

/// See [`Column`].
pub(super) fn column(column: &mut Column<'_>) {
    let groups = column.x.len();
    let step = column.rounding.step(column.y.len(), 4);
    for (o, y) in column.y.iter_mut().enumerate() {
        let weights = &column.weights[o / 4 * groups..][..groups];
        let multiplier = column.rounding.multipliers[o / 4 * step + o % 4];
        let each = column.x.iter().zip(weights);
        let sum = each.fold(column.bias[o], |sum, (x, w)| group(*x, w[o % 4], sum));
        *y = round(sum, multiplier, column.rounding.zero);
    }
}

/// See [`Run`].
pub(super) fn run(run: &mut Run<'_>) {
    for pixel in 0..run.width * run.rows {
        let at = pixel / run.width * run.down + pixel % run.width * run.step;
        let mut sums = *run.bias;
        for [a, b, weights @ ..] in run.taps {
            let [a, b] = [a, b].map(|offset| run.plane[at + *offset as usize / 4].to_le_bytes());
            for (c, sum) in sums.iter_mut().enumerate() {
                let half = |byte: u8| u32::from(i16::from(byte as i8) as u16);
                *sum = smlad(half(a[c]) | half(b[c]) << 16, weights[c], *sum);
            }
        }
        let outputs = &mut run.y[pixel * run.stride..][..4];
        for ((y, sum), multiplier) in outputs.iter_mut().zip(sums).zip(run.multipliers) {
            *y = round(sum, *multiplier, run.zero);
        }
    }
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
