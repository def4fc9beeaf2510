//! The loops in plain Rust: what the assembly computes, and the loops of every processor that has none here. `None` never comes of what fits.

use lacewing::Int;

use super::round::Rounding;
use super::tile::{Channel, Column, Tile};
use crate::windows::Copy;

/// Copies rectangles of bytes.
pub(super) fn copy(from: &[i8], to: &mut [i8], copy: &Copy) -> Option<()> {
    let ([rectangles, rows], [step, down], [stride, over]) = (copy.counts, copy.steps, copy.strides);
    for rectangle in 0..rectangles {
        let (mut at, mut to_at) = (rectangle.checked_mul(step)?, rectangle.checked_mul(stride)?);
        for _ in 0..rows {
            let from = from.get(at..)?.get(..copy.len)?;
            to.get_mut(to_at..)?.get_mut(..copy.len)?.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            (at, to_at) = (at.wrapping_add(down), to_at.wrapping_add(over));
        }
    }
    Some(())
}

/// See [`Tile`].
pub(super) fn tile(tile: &mut Tile<'_>) -> Option<()> {
    let depth = tile.x[0].len();
    let (mut weights, mut o) = (tile.weights, 0usize);
    while o < tile.bias.len() {
        let (w0, after) = weights.split_at_checked(depth)?;
        let (w1, after) = after.split_at_checked(depth).unwrap_or((w0, after));
        let [a, b, c, d] = square(tile.x, [w0, w1]);
        output(tile, o, [a, c])?;
        o = o.wrapping_add(1);
        if o < tile.bias.len() {
            output(tile, o, [b, d])?;
        }
        (weights, o) = (after, o.wrapping_add(1));
    }
    Some(())
}

/// An output of both pixels; the first one's last, since both may go to the same byte.
#[inline(always)]
fn output(tile: &mut Tile<'_>, o: usize, [first, other]: [i32; 2]) -> Option<()> {
    let (bias, multiplier) = (*tile.bias.get(o)?, tile.rounding.multiplier(o)?);
    *tile.y.get_mut(tile.second.wrapping_add(o))? = tile.rounding.apply(other.wrapping_add(bias), multiplier);
    *tile.y.get_mut(o)? = tile.rounding.apply(first.wrapping_add(bias), multiplier);
    Some(())
}

/// `Σ x[p][k] · w[o][k]`, pixel by pixel; all slices are as long.
#[inline(always)]
fn square([x0, x1]: [&[i8]; 2], [w0, w1]: [&[i8]; 2]) -> [i32; 4] {
    let [mut a, mut b, mut c, mut d] = [0i32; 4];
    let mut step = |x0: i8, x1: i8, w0: i8, w1: i8| {
        let (x0, x1, w0, w1) = (i32::from(x0), i32::from(x1), i32::from(w0), i32::from(w1));
        a = a.wrapping_add(x0.wrapping_mul(w0));
        b = b.wrapping_add(x0.wrapping_mul(w1));
        c = c.wrapping_add(x1.wrapping_mul(w0));
        d = d.wrapping_add(x1.wrapping_mul(w1));
    };
    let ((x0, x0_rest), (x1, x1_rest)) = (x0.as_chunks::<4>(), x1.as_chunks::<4>());
    let ((w0, w0_rest), (w1, w1_rest)) = (w0.as_chunks::<4>(), w1.as_chunks::<4>());
    for (((x0, x1), w0), w1) in x0.iter().zip(x1).zip(w0).zip(w1) {
        step(x0[0], x1[0], w0[0], w1[0]);
        step(x0[1], x1[1], w0[1], w1[1]);
        step(x0[2], x1[2], w0[2], w1[2]);
        step(x0[3], x1[3], w0[3], w1[3]);
    }
    for (((x0, x1), w0), w1) in x0_rest.iter().zip(x1_rest).zip(w0_rest).zip(w1_rest) {
        step(*x0, *x1, *w0, *w1);
    }
    [a, b, c, d]
}

/// See [`Column`].
pub(super) fn column(column: &mut Column<'_>) -> Option<()> {
    let x = column.x;
    let mut weights = column.weights;
    for o in (0..column.y.len()).filter(|o| o.is_multiple_of(2)) {
        let (w0, after) = weights.split_at_checked(x.len())?;
        let (w1, after) = after.split_at_checked(x.len())?;
        for (o, sum) in (o..).zip(pair(x, w0, w1)) {
            let sum = sum.wrapping_add(*column.bias.get(o)?);
            *column.y.get_mut(o)? = column.rounding.apply(sum, column.rounding.multiplier(o)?);
        }
        weights = after;
    }
    Some(())
}

/// `Σ x[k] · w[o][k]`; all slices are as long.
#[inline(always)]
fn pair(x: &[i8], w0: &[i8], w1: &[i8]) -> [i32; 2] {
    let [mut a, mut b] = [0i32; 2];
    let mut step = |x: i8, w0: i8, w1: i8| {
        let (x, w0, w1) = (i32::from(x), i32::from(w0), i32::from(w1));
        a = a.wrapping_add(x.wrapping_mul(w0));
        b = b.wrapping_add(x.wrapping_mul(w1));
    };
    let ((x, x_rest), (w0, w0_rest), (w1, w1_rest)) = (x.as_chunks::<4>(), w0.as_chunks::<4>(), w1.as_chunks::<4>());
    for ((x, w0), w1) in x.iter().zip(w0).zip(w1) {
        step(x[0], w0[0], w1[0]);
        step(x[1], w0[1], w1[1]);
        step(x[2], w0[2], w1[2]);
        step(x[3], w0[3], w1[3]);
    }
    for ((x, w0), w1) in x_rest.iter().zip(w0_rest).zip(w1_rest) {
        step(*x, *w0, *w1);
    }
    [a, b]
}

/// See [`Channel`].
#[inline(always)]
pub(super) fn channel(channel: &mut Channel<'_, i8>, rounding: &Rounding<'_>) -> Option<()> {
    let (rounding, multiplier) = (*rounding, channel.multiplier);
    channel.compute(channel.bias, |sum| rounding.apply(sum, multiplier))
}

/// The sums of both pixels with both outputs' weights, which take turns; of few enough activations they fit.
pub(super) fn sums_i16(x: [&[i16]; 2], weights: &[i8]) -> [i32; 4] {
    sums(x, weights.as_chunks::<2>().0, |[w0, w1]| [(*w0).into(), (*w1).into()])
}

/// The same of int4 weights, both outputs' in a byte.
pub(super) fn sums_w4(x: [&[i8]; 2], weights: &[i8]) -> [i32; 4] {
    sums(x, weights, |byte| [i32::from(byte.wrapping_shl(4) >> 4), i32::from(byte >> 4)])
}

/// `Σ x[p][k] · w[o][k]`, pixel by pixel, of pairs of weights; all slices are as long.
#[inline(always)]
fn sums<T: Int, W>([x0, x1]: [&[T]; 2], weights: &[W], both: impl Fn(&W) -> [i32; 2]) -> [i32; 4] {
    let [mut a, mut b, mut c, mut d] = [0i32; 4];
    let mut step = |x0: T, x1: T, w: &W| {
        let (x0, x1, [w0, w1]) = (x0.into(), x1.into(), both(w));
        a = a.wrapping_add(x0.wrapping_mul(w0));
        b = b.wrapping_add(x0.wrapping_mul(w1));
        c = c.wrapping_add(x1.wrapping_mul(w0));
        d = d.wrapping_add(x1.wrapping_mul(w1));
    };
    let ((x0, x0_rest), (x1, x1_rest), (w, w_rest)) =
        (x0.as_chunks::<4>(), x1.as_chunks::<4>(), weights.as_chunks::<4>());
    for ((x0, x1), w) in x0.iter().zip(x1).zip(w) {
        step(x0[0], x1[0], &w[0]);
        step(x0[1], x1[1], &w[1]);
        step(x0[2], x1[2], &w[2]);
        step(x0[3], x1[3], &w[3]);
    }
    for ((x0, x1), w) in x0_rest.iter().zip(x1_rest).zip(w_rest) {
        step(*x0, *x1, w);
    }
    [a, b, c, d]
}
