//! Pools in int8: all pixels of a window, a channel in each lane.

use lacewing::arena::Constants;
use lacewing::format::{Tensor, Window};
use lacewing::ops::{AveragePoolI8, MaxPoolI8};
use lacewing::rows::Work;

use super::insn;
use super::tile::{Average, Pool};
use crate::image::Image;

/// Computes the averages, or gives `None` if the record is not as the loop wants it; the portable kernel then does all of it.
#[inline(never)]
pub(super) fn average(op: &AveragePoolI8, constants: Constants<'_>, work: &mut Work<'_, i8>) -> Option<()> {
    let multipliers = constants.get::<i32>(op.requant.multipliers).ok()?;
    if op.requant.shift > 0 {
        return None;
    }
    let limits = [op.requant.lo, op.requant.hi];
    each(work, (&op.input, &op.output, &op.window), limits, |pool| {
        let count = pool.size[0].wrapping_mul(pool.size[1]);
        let multiplier = match multipliers {
            [one] => *one,
            each => *each.get(count.checked_sub(1)?)?,
        };
        let bias = i32::from(op.input_zero).wrapping_mul(count as i32).wrapping_neg();
        insn::average(pool, Average { bias, multiplier, zero: op.requant.zero.into() })
    })
}

/// Computes the maxima, or gives `None` as [`average`] does.
#[inline(never)]
pub(super) fn max(op: &MaxPoolI8, work: &mut Work<'_, i8>) -> Option<()> {
    each(work, (&op.input, &op.output, &op.window), [op.lo, op.hi], insn::greatest)
}

/// Calls `compute` for every output pixel; `None` if a window has no pixel inside, or rows that do not lie one after another.
#[inline(always)]
fn each(
    work: &mut Work<'_, i8>,
    (input, output, window): (&Tensor, &Tensor, &Window),
    limits: [i8; 2],
    compute: impl Fn(&mut Pool<'_>) -> Option<()>,
) -> Option<()> {
    let [_, _, width, channels] = output.shape.map(|dim| dim as usize);
    let image = Image::new(work.input, input, window, 0);
    let steps = [image.dilation[0].wrapping_mul(image.row_len()), image.dilation[1].wrapping_mul(image.channels)];
    let mut rest = &mut *work.output;
    for row in work.rows.start as usize..work.rows.end as usize {
        let lines = image.lines(row..row.wrapping_add(1));
        for column in 0..width {
            let (y, after) = rest.split_at_mut_checked(channels)?;
            let columns = image.taps(1, column);
            let at = image.position(1, column, columns.start).wrapping_mul(image.channels);
            let size = [lines.taps.len(), columns.len()];
            compute(&mut Pool { x: lines.block?.get(at..)?, size, steps, limits, y })?;
            rest = after;
        }
    }
    Some(())
}
