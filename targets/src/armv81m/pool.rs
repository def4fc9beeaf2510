//! Average pool in int8: all pixels of a window are added in 32-bit lanes, a channel in each.

use lacewing::arena::Constants;
use lacewing::ops::AveragePoolI8;
use lacewing::rows::Work;

use super::insn;
use super::tile::Average;
use crate::image::{Image, Lines};

/// Computes the work, or gives `None` if the record is not as the loop wants it; the portable kernel then does all of it.
#[inline(never)]
pub(super) fn run(op: &AveragePoolI8, constants: Constants<'_>, work: &mut Work<'_, i8>) -> Option<()> {
    let [_, _, width, channels] = op.output.shape.map(|dim| dim as usize);
    let image = Image::new(work.input, &op.input, &op.window, op.input_zero);
    let multipliers = constants.get::<i32>(op.requant.multipliers).ok()?;
    if op.requant.shift > 0 {
        return None;
    }
    let mut rest = &mut *work.output;
    for y in work.rows.start as usize..work.rows.end as usize {
        let lines = image.lines(y..y.wrapping_add(1));
        for x in 0..width {
            let (pixel, after) = rest.split_at_mut_checked(channels)?;
            average(op, multipliers, (&image, &lines, x), pixel)?;
            rest = after;
        }
    }
    Some(())
}

/// One output pixel in column `x`; `None` if its window has no pixel inside.
fn average(
    op: &AveragePoolI8,
    multipliers: &[i32],
    (image, lines, x): (&Image<'_>, &Lines<'_>, usize),
    y: &mut [i8],
) -> Option<()> {
    let columns = image.taps(1, x);
    let size = [lines.taps.len(), columns.len()];
    let count = size[0].checked_mul(size[1])?;
    let multiplier = match multipliers {
        [one] => one,
        each => each.get(count.checked_sub(1)?)?,
    };
    let at = image.position(1, x, columns.start).wrapping_mul(image.channels);
    let steps = [image.dilation[0].wrapping_mul(image.row_len()), image.dilation[1].wrapping_mul(image.channels)];
    insn::average(&mut Average {
        x: lines.block?.get(at..)?,
        size,
        steps,
        bias: i32::from(op.input_zero).wrapping_mul(count as i32).wrapping_neg(),
        multiplier: *multiplier,
        zero: op.requant.zero.into(),
        limits: [op.requant.lo, op.requant.hi],
        y,
    })
}
