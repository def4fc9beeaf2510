//! The loops in plain Rust, number for number what the assembly computes.

use super::tile::{Rectangle, Table, Tile};
use crate::add::Add;
use crate::pool::{Average, Pool};
use crate::round::Rounding;
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

/// See [`Tile`].
pub(super) fn pixels(tile: &mut Tile<'_>) {
    let Pixels { x, step, count } = tile.pixels;
    for pixel in 0..count {
        let x = &x[pixel * step..][..tile.depth];
        for (o, bias) in tile.bias.iter().enumerate() {
            let products = x.iter().enumerate().map(|(k, x)| product(*x, tile.weights[k * tile.row + o]));
            tile.y[pixel * tile.stride + o] = round(&tile.rounding, o, products.fold(*bias, i32::wrapping_add));
        }
    }
}

/// See [`Rectangle`].
pub(super) fn rectangle(rectangle: &mut Rectangle<'_>) {
    let Rectangle { taps, weights, narrow, .. } = *rectangle;
    assert!(!narrow || least(weights) > i8::MIN, "two products may not fit into 16 bits");
    for [at, to] in pairs(rectangle.size, rectangle.steps, rectangle.strides) {
        for (c, bias) in rectangle.bias.iter().enumerate() {
            let read = |bytes: Option<&[i8]>| bytes.map_or(rectangle.input_zero, |bytes| bytes[at + c]);
            let products = taps.iter().map(|(tap, bytes)| product(read(bytes), weights[tap + c]));
            rectangle.y[to + c] = round(&rectangle.rounding, c, products.fold(*bias, i32::wrapping_add));
        }
    }
}

/// See [`Add`].
pub(super) fn add(add: &mut Add<'_>) {
    add.compute();
}

/// See [`Table`].
pub(super) fn table(table: &mut Table<'_>) {
    for (i, y) in table.y.iter_mut().enumerate() {
        let x = table.x.map_or(*y, |x| x[i]);
        *y = table.table[usize::from(x as u8 ^ 0x80)];
    }
}

/// See [`Average`].
pub(super) fn average(pool: &mut Pool<'_>, Average { bias, multiplier, zero }: Average) {
    for c in 0..pool.y.len() {
        let sum = i64::from(pool.fold(c, bias, |sum, x| sum.wrapping_add(x.into())));
        let high = (sum.wrapping_mul(multiplier.into()).wrapping_add(1 << 31) >> 32) as i32;
        pool.y[c] = limit(zero.wrapping_add(high), pool.limits);
    }
}

/// See [`Pool`].
pub(super) fn greatest(pool: &mut Pool<'_>) {
    for c in 0..pool.y.len() {
        pool.y[c] = limit(pool.fold(c, pool.limits[0], i8::max).into(), pool.limits);
    }
}

/// Where each pixel of a rectangle is in two images.
fn pairs([rows, columns]: [usize; 2], from: [usize; 2], to: [usize; 2]) -> impl Iterator<Item = [usize; 2]> {
    let at = |[down, across]: [usize; 2], row: usize, column: usize| row * down + column * across;
    (0..rows).flat_map(move |row| (0..columns).map(move |column| [from, to].map(|steps| at(steps, row, column))))
}

fn product(a: i8, b: i8) -> i32 {
    i32::from(a) * i32::from(b)
}

fn round(rounding: &Rounding<'_>, output: usize, sum: i32) -> i8 {
    rounding.apply(sum, rounding.multiplier(output).expect("a multiplier for each output"))
}

fn limit(q: i32, [lo, hi]: [i8; 2]) -> i8 {
    q.max(lo.into()).min(hi.into()) as i8
}
