//! Pools in int8: of each output pixel the rectangle of pixels that it is made of.

use lacewing::arena::Constants;
use lacewing::format::{Tensor, Window};
use lacewing::ops::AveragePoolI8;
use lacewing::rows::Work;

use crate::image::Image;

/// A rectangle of pixels, of which a pool makes one.
#[derive(Debug)]
pub(crate) struct Pool<'a> {
    /// The first pixel and what follows it.
    pub(crate) x: &'a [i8],
    /// Rows and columns, at least one of each.
    pub(crate) size: [usize; 2],
    /// From one row to the next, and from one column to the next.
    pub(crate) steps: [usize; 2],
    /// Smallest and largest result.
    pub(crate) limits: [i8; 2],
    /// An output for each channel, at least one.
    pub(crate) y: &'a mut [i8],
}

/// The numbers of an average: `y[c] = clamp(zero + round(multiplier · (bias + Σ_p x[p][c])), lo, hi)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Average {
    /// What every sum begins with.
    pub(crate) bias: i32,
    /// `m`, even.
    pub(crate) multiplier: i32,
    /// The output's zero point.
    pub(crate) zero: i32,
}

impl Pool<'_> {
    /// Whether the pixels are there.
    pub(crate) fn fits(&self) -> bool {
        let ([rows, columns], [down, across]) = (self.size, self.steps);
        let last = |count: usize, step: usize| count.checked_sub(1)?.checked_mul(step);
        let end = last(rows, down).and_then(|row| row.checked_add(last(columns, across)?)?.checked_add(self.y.len()));
        !self.y.is_empty() && end.is_some_and(|end| end <= self.x.len())
    }

    /// Folds the numbers of a channel, in plain Rust.
    pub(crate) fn fold<T>(&self, channel: usize, start: T, add: impl Fn(T, i8) -> T) -> T {
        let ([rows, columns], [down, across]) = (self.size, self.steps);
        let pixels = (0..rows).flat_map(|row| (0..columns).map(move |column| row * down + column * across));
        pixels.fold(start, |sum, at| add(sum, self.x[at + channel]))
    }
}

/// Computes averages, or gives `None` if the record is not as loops want it; the portable kernel then does all of it.
#[inline(always)]
pub(crate) fn averages(
    op: &AveragePoolI8,
    constants: Constants<'_>,
    work: &mut Work<'_, i8>,
    compute: impl Fn(&mut Pool<'_>, Average) -> Option<()>,
) -> Option<()> {
    let multipliers = constants.get::<i32>(op.requant.multipliers).ok()?;
    if op.requant.shift > 0 {
        return None;
    }
    each(work, (&op.input, &op.output, &op.window), [op.requant.lo, op.requant.hi], |pool| {
        let count = pool.size[0].wrapping_mul(pool.size[1]);
        let multiplier = match multipliers {
            [one] => *one,
            each => *each.get(count.checked_sub(1)?)?,
        };
        let bias = i32::from(op.input_zero).wrapping_mul(count as i32).wrapping_neg();
        compute(pool, Average { bias, multiplier, zero: op.requant.zero.into() })
    })
}

/// Calls `compute` for every output pixel; `None` if a window has no pixel inside, or rows that do not lie one after another.
#[inline(always)]
pub(crate) fn each(
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
