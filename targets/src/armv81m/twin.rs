//! The loops in plain Rust, number for number what the assembly computes.

use super::tile::{BLOCK, Blocks, Column, Group, Half, Path, Square};
use crate::add::Add;
use crate::pool::{Average, Pool};
use crate::squares::{Nibbles, WideSquare};
use crate::windows::{Copy, Pixels};

/// Copies what fits.
pub(super) fn copy(from: &[i8], to: &mut [i8], copy: &Copy) {
    let [rectangles, rows] = copy.counts;
    for (i, j) in (0..rectangles).flat_map(|i| (0..rows).map(move |j| (i, j))) {
        let [from_at, to_at] = [copy.steps, copy.strides].map(|[outer, inner]| i * outer + j * inner);
        to[to_at..][..copy.len].copy_from_slice(&from[from_at..][..copy.len]);
    }
}

/// The least of some numbers.
pub(super) fn least(numbers: &[i8]) -> i8 {
    numbers.iter().copied().min().unwrap_or(i8::MAX)
}

/// See [`Square`].
pub(super) fn square(square: &mut Square<'_>) {
    let Square { pixels: Pixels { x, step, count }, depth, .. } = *square;
    let tiles = square.rounding.step(square.outputs, 4);
    for pixel in 0..count {
        let x = &x[pixel * step..][..depth];
        for o in 0..square.outputs {
            let multiplier = square.rounding.multipliers[o / 4 * tiles + o % 4];
            let sum = square.bias[o].wrapping_add(vmladava(x, square.weights, o));
            square.y[pixel * square.stride + o] = round(sum, multiplier, square.rounding.zero, square.limits);
        }
    }
}

/// See [`Column`].
pub(super) fn column(column: &mut Column<'_>) {
    let step = column.rounding.step(column.y.len(), 4);
    for (o, y) in column.y.iter_mut().enumerate() {
        let multiplier = column.rounding.multipliers[o / 4 * step + o % 4];
        let sum = column.bias[o].wrapping_add(vmladava(column.x, column.weights, o));
        *y = round(sum, multiplier, column.rounding.zero, column.limits);
    }
}

/// See [`WideSquare`].
pub(super) fn wide_square(square: &mut WideSquare<'_>) {
    let (groups, step) = (square.x[0].len().div_ceil(8), square.rounding.step(square.outputs, 2));
    let weights = square.weights.as_chunks::<8>().0;
    for (pixel, o) in second_first(square.outputs) {
        let weights = weights[o / 2 * 2 * groups + o % 2..].iter().step_by(2).flatten();
        let products = square.x[pixel].iter().zip(weights).map(|(x, w)| i64::from(*x) * i64::from(*w));
        let sum = products.fold(square.bias[o], i64::wrapping_add);
        let multiplier = square.rounding.multipliers[o / 2 * step + o % 2];
        square.y[pixel * square.second + o] = square.wide.apply(sum, multiplier);
    }
}

/// See [`Nibbles`].
pub(super) fn nibbles(nibbles: &mut Nibbles<'_>) {
    let (depth, step) = (nibbles.x[0].len(), nibbles.rounding.step(nibbles.outputs, 2));
    for (pixel, o) in second_first(nibbles.outputs) {
        let weights = nibbles.weights[o / 2 * depth..].iter();
        let products = nibbles.x[pixel]
            .iter()
            .zip(weights)
            .map(|(x, byte)| i32::from(*x) * i32::from(if o % 2 == 0 { byte << 4 } else { byte >> 4 }));
        let sum = products.fold(0, i32::wrapping_add) >> if o % 2 == 0 { 4 } else { 0 };
        let multiplier = nibbles.rounding.multipliers[o / 2 * step + o % 2];
        let y = &mut nibbles.y[pixel * nibbles.second + o];
        *y = round(sum.wrapping_add(nibbles.bias[o]), multiplier, nibbles.rounding.zero, [i8::MIN, i8::MAX]);
    }
}

/// Pixel and output: the first pixel last, since both may go to the same place.
fn second_first(outputs: usize) -> impl Iterator<Item = (usize, usize)> {
    [1, 0].into_iter().flat_map(move |pixel| (0..outputs).map(move |o| (pixel, o)))
}

/// See [`Blocks`].
pub(super) fn blocks(blocks: &mut Blocks<'_>) {
    let [inside, outside] = blocks.path.taps.counts();
    let step = blocks.rounding.step(blocks.channels, BLOCK);
    for [at, to] in pixels(&blocks.path) {
        for c in 0..blocks.channels {
            let weights = &blocks.weights[c / BLOCK * (inside + outside)..];
            let sum = blocks.bias[c].wrapping_add(tapped(&blocks.path, at + c, weights, c % BLOCK));
            let multiplier = blocks.rounding.multipliers[c / BLOCK * step + c % BLOCK];
            blocks.y[to + c] = round(sum, multiplier, blocks.rounding.zero, blocks.limits);
        }
    }
}

/// See [`Half`].
pub(super) fn half(half: &mut Half<'_>) {
    for [at, to] in pixels(&half.path) {
        for c in 0..half.channels {
            let sum = half.bias[c].wrapping_add(tapped(&half.path, at + half.first + c, half.weights, half.at + c));
            half.y[to + c] = round(sum, half.multipliers[c], half.zero, half.limits);
        }
    }
}

/// See [`Add`].
pub(super) fn add(add: &mut Add<'_>) {
    add.compute();
}

/// See [`Average`].
pub(super) fn average(pool: &mut Pool<'_>, Average { bias, multiplier, zero }: Average) {
    for c in 0..pool.y.len() {
        let sum = pool.fold(c, bias, |sum, x| sum.wrapping_add(x.into()));
        pool.y[c] = round(sum, multiplier, zero, pool.limits);
    }
}

/// Where each pixel reads, and where its outputs go.
fn pixels<'a>(path: &'a Path<'_>) -> impl Iterator<Item = [usize; 2]> + 'a {
    let [rows, columns] = path.size;
    let at = |[down, across]: [usize; 2], row: usize, column: usize| row * down + column * across;
    (0..rows).flat_map(move |row| (0..columns).map(move |i| [path.steps, path.strides].map(|each| at(each, row, i))))
}

/// What all taps read at a position, times their weights of a channel of the block.
fn tapped(path: &Path<'_>, at: usize, weights: &[[i8; BLOCK]], channel: usize) -> i32 {
    let read = |bytes: Option<&[i8]>| i32::from(bytes.map_or(path.input_zero, |bytes| bytes[at]));
    let products = path.taps.iter().map(|(tap, bytes)| read(bytes) * i32::from(weights[tap][channel]));
    products.fold(0, i32::wrapping_add)
}

/// Products of sixteen lanes added to a sum, for each group of weights of output `o`.
fn vmladava(x: &[i8], weights: &[Group], o: usize) -> i32 {
    let groups = x.len().div_ceil(16);
    let words = weights[o / 4 * groups..].iter().flat_map(|group| &group[o % 4 * 4..][..4]);
    let bytes = words.flat_map(|word| word.to_le_bytes());
    x.iter().zip(bytes).fold(0, |sum, (x, w)| sum.wrapping_add(i32::from(*x) * i32::from(w as i8)))
}

/// VRMULH, the zero point, and the limits.
fn round(sum: i32, multiplier: i32, zero: i32, limits: [i8; 2]) -> i8 {
    let product = i64::from(sum).wrapping_mul(i64::from(multiplier));
    let high = (product.wrapping_add(1 << 31) >> 32) as i32;
    limit(zero + high, limits)
}

fn limit(q: i32, [lo, hi]: [i8; 2]) -> i8 {
    q.max(lo.into()).min(hi.into()) as i8
}
