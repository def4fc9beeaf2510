//! Pools in int8: the pixels of a rectangle are folded by some channels at a time, in vectors as the compiler makes them for each level.

use lacewing::arena::Constants;
use lacewing::ops::{AveragePoolI8, MaxPoolI8};
use lacewing::rows::Work;

use super::level::Present;
use crate::pool::{self, Average, Pool};
use crate::round::high;

/// Channels at a time: their sums stay in registers.
const CHANNELS: usize = 64;

/// Computes averages, or gives `None` if the record is not as these loops want it; the portable kernel then does all of it.
pub(super) fn averages(present: Present, op: &AveragePoolI8, c: Constants<'_>, work: &mut Work<'_, i8>) -> Option<()> {
    pool::averages(op, c, work, |pool, numbers| {
        present.average(pool, numbers);
        Some(())
    })
}

/// The same of maxima.
pub(super) fn maxima(present: Present, op: &MaxPoolI8, work: &mut Work<'_, i8>) -> Option<()> {
    pool::each(work, (&op.input, &op.output, &op.window), [op.lo, op.hi], |pool| {
        present.maximum(pool);
        Some(())
    })
}

/// See [`Average`].
#[inline(always)]
pub(super) fn average(pool: &mut Pool<'_>, Average { bias, multiplier, zero }: Average) {
    let [lo, hi] = pool.limits.map(i32::from);
    let add = |sum: &mut i32, x: i8| *sum = sum.wrapping_add(x.into());
    fold(pool, bias, add, |sum| zero.wrapping_add(high(sum, multiplier)).max(lo).min(hi) as i8);
}

/// `y[c] = clamp(max_p x[p][c], lo, hi)`.
#[inline(always)]
pub(super) fn maximum(pool: &mut Pool<'_>) {
    let [lo, hi] = pool.limits;
    fold(pool, i8::MIN, |most, x| *most = x.max(*most), |most| most.max(lo).min(hi));
}

/// Folds all pixels, each channel by itself.
#[inline(always)]
fn fold<T: Copy>(pool: &mut Pool<'_>, start: T, add: impl Fn(&mut T, i8), finish: impl Fn(T) -> i8) {
    let ([rows, columns], [down, across]) = (pool.size, pool.steps);
    for (block, y) in pool.y.chunks_mut(CHANNELS).enumerate() {
        let mut folded = [start; CHANNELS];
        for row in 0..rows {
            let first = row.wrapping_mul(down).wrapping_add(block.wrapping_mul(CHANNELS));
            for column in 0..columns {
                let x = pool.x.get(first.wrapping_add(column.wrapping_mul(across))..).unwrap_or_default();
                match x.first_chunk::<CHANNELS>() {
                    Some(x) => folded.iter_mut().zip(x).for_each(|(to, x)| add(to, *x)),
                    None => folded.iter_mut().zip(x).for_each(|(to, x)| add(to, *x)),
                }
            }
        }
        y.iter_mut().zip(folded).for_each(|(y, folded)| *y = finish(folded));
    }
}
