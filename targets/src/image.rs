//! The rows of an image, and the window that its outputs read it through.

use core::ops::Range;

use lacewing::format::{Tensor, Window};
use lacewing::rows::Rows;

/// The product, which needs no long multiplication if both are short: on processors whose products have 32 bits those are a function.
#[inline(always)]
pub(crate) fn product(a: usize, b: usize) -> Option<usize> {
    if a | b < 1 << 16 && cfg!(target_pointer_width = "32") { Some(a.wrapping_mul(b)) } else { a.checked_mul(b) }
}

/// Where the last of rows and columns ends, which begin at equal steps and are each as long as `len`; `None` if there are none.
#[inline(never)]
pub(crate) fn end([rows, columns]: [usize; 2], [down, across]: [usize; 2], len: usize) -> Option<usize> {
    let last = |count: usize, each: usize| product(count.checked_sub(1)?, each);
    last(rows, down)?.checked_add(last(columns, across)?)?.checked_add(len)
}

/// An image under a window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Image<'a, T = i8> {
    pub(crate) rows: Rows<'a, T>,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: [usize; 2],
    pub(crate) dilation: [usize; 2],
    pub(crate) pad: [usize; 2],
    /// What stands outside.
    pub(crate) zero: T,
}

impl<'a, T: Copy> Image<'a, T> {
    #[inline(never)]
    pub(crate) fn new(rows: Rows<'a, T>, input: &Tensor, window: &Window, zero: T) -> Self {
        let [_, height, width, channels] = input.shape.map(|dim| dim as usize);
        let pair = |pair: [u32; 2]| pair.map(|x| x as usize);
        let [kernel, stride, dilation, pad] = [window.kernel, window.stride, window.dilation, window.pad].map(pair);
        Self { rows, height, width, channels, kernel, stride, dilation, pad, zero }
    }

    /// Rows of `width` outputs that read pixel for pixel, as one row from output 0 on: the image, the width and the row.
    pub(crate) fn as_line(&self, rows: &Range<u32>, width: usize) -> Option<(Self, usize, usize)> {
        let mut image = *self;
        let (width, first) = image.straighten(rows, width)?;
        Some((image, width, first))
    }

    /// Becomes the one row that rows of `width` outputs read pixel for pixel, if they do: the width and the row.
    fn straighten(&mut self, rows: &Range<u32>, width: usize) -> Option<(usize, usize)> {
        let same = self.kernel == [1, 1] && self.stride == [1, 1] && self.pad == [0, 0] && width == self.width;
        let rows = rows.start as usize..rows.end as usize;
        let line = self.rows.lines(rows.start, rows.len()).filter(|_| same)?;
        (self.rows, self.height, self.width) = (Rows::whole(line, line.len()), 1, width.wrapping_mul(rows.len()));
        Some((self.width, 0))
    }

    /// The same where it may be, and else as it was: the width and the first row of the outputs.
    #[inline(never)]
    pub(crate) fn flatten(&mut self, rows: &Range<u32>, width: usize) -> [usize; 2] {
        let (width, first) = self.straighten(rows, width).unwrap_or((width, rows.start as usize));
        [width, first]
    }

    /// Whether every output reads one pixel, which is never outside, in whole groups of four.
    pub(crate) fn is_direct(&self) -> bool {
        self.channels.is_multiple_of(4) && self.kernel == [1, 1] && self.pad == [0, 0]
    }

    /// The taps along an axis, 0 for rows and 1 for columns, that are inside for output `out`.
    pub(crate) fn taps(&self, axis: usize, out: usize) -> Range<usize> {
        let size = if axis == 0 { self.height } else { self.width };
        let (kernel, stride, dilation, pad) =
            (self.kernel[axis], self.stride[axis], self.dilation[axis], self.pad[axis]);
        let start = out.wrapping_mul(stride);
        let (before, room) = (pad.saturating_sub(start), size.wrapping_add(pad).saturating_sub(start));
        let (first, end) = match dilation {
            1 => (before, room),
            d => (before.div_ceil(d.max(1)), room.div_ceil(d.max(1))),
        };
        let end = end.min(kernel);
        first.min(end)..end
    }

    /// The end of the outputs from `out` on, before `end`, that have the same taps inside.
    pub(crate) fn alike(&self, axis: usize, out: usize, end: usize) -> usize {
        let (taps, mut next) = (self.taps(axis, out), out.wrapping_add(1));
        if taps.len() == self.kernel[axis] {
            let size = if axis == 0 { self.height } else { self.width };
            let reach = self.kernel[axis].wrapping_sub(1).wrapping_mul(self.dilation[axis]);
            let last = size.wrapping_add(self.pad[axis]).wrapping_sub(reach.wrapping_add(1)) / self.stride[axis].max(1);
            return last.wrapping_add(1).min(end);
        }
        while next < end && self.taps(axis, next) == taps {
            next = next.wrapping_add(1);
        }
        next
    }

    /// The row, or the column, that a tap of an output reads; right for taps inside.
    pub(crate) fn position(&self, axis: usize, out: usize, tap: usize) -> usize {
        let start = out.wrapping_mul(self.stride[axis]).wrapping_sub(self.pad[axis]);
        start.wrapping_add(tap.wrapping_mul(self.dilation[axis]))
    }

    /// Numbers of a row.
    pub(crate) fn row_len(&self) -> usize {
        self.width.wrapping_mul(self.channels)
    }

    /// The rows that output rows read, which all have the same taps inside.
    pub(crate) fn lines(&self, rows: Range<usize>) -> Lines<'a, T> {
        let taps = self.taps(0, rows.start);
        let first = self.position(0, rows.start, taps.start);
        let last = self.position(0, rows.end.wrapping_sub(1), taps.end.wrapping_sub(1));
        let count = last.wrapping_sub(first).wrapping_add(1);
        let block = self.rows.lines(first, count).filter(|_| !taps.is_empty());
        Lines { rows: self.rows, first, dilation: self.dilation[0], row_len: self.row_len(), taps, block }
    }

    /// Computes output rows of `len` numbers, as many at a time as [`Self::lines_alike`] gives: `compute` has what they read, how many they
    /// are, and the outputs.
    #[inline(always)]
    pub(crate) fn rows_alike<Y>(
        &self,
        rows: &Range<u32>,
        len: usize,
        output: &mut [Y],
        mut compute: impl FnMut(&Lines<'a, T>, usize, &mut [Y]) -> Option<()>,
    ) -> Option<()> {
        let (mut y, end) = (rows.start as usize, rows.end as usize);
        let mut rest = output;
        while y < end {
            let (lines, last) = self.lines_alike(y, end);
            let count = last.wrapping_sub(y);
            let (rows, after) = rest.split_at_mut_checked(count.checked_mul(len)?)?;
            compute(&lines, count, rows)?;
            (y, rest) = (last, after);
        }
        Some(())
    }

    /// The rows that output rows from `y` on read, as many before `end` as have the same taps inside and read one slice, or one row; and
    /// their end.
    fn lines_alike(&self, y: usize, end: usize) -> (Lines<'a, T>, usize) {
        let alike = self.alike(0, y, end);
        let lines = self.lines(y..alike);
        let next = y.wrapping_add(1);
        if lines.block.is_some() { (lines, alike) } else { (self.lines(y..next), next) }
    }
}

impl<'a> Image<'a> {
    /// An image in int16, 0 outside, as one of its bytes, of twice as many channels.
    pub(crate) fn of_i16(rows: &Rows<'a, i16>, input: &Tensor, window: &Window) -> Self {
        let image = Self::new(rows.bytes(), input, window, 0);
        Self { channels: image.channels.wrapping_mul(2), ..image }
    }
}

/// The rows inside that output rows with the same taps read.
#[derive(Clone, Debug)]
pub(crate) struct Lines<'a, T = i8> {
    rows: Rows<'a, T>,
    /// The row that the first tap inside of the first output row reads.
    first: usize,
    dilation: usize,
    row_len: usize,
    /// The taps inside.
    pub(crate) taps: Range<usize>,
    /// From the first row to the last as one slice, with those between; `None` if there are none, or they are not one after another.
    pub(crate) block: Option<&'a [T]>,
}

impl<'a, T> Lines<'a, T> {
    /// The row that a tap inside of the first output row reads, and in the block what follows it.
    pub(crate) fn from(&self, tap: usize) -> Option<&'a [T]> {
        let down = tap.checked_sub(self.taps.start)?.wrapping_mul(self.dilation);
        match self.block {
            Some(block) => block.get(down.wrapping_mul(self.row_len)..),
            None => self.rows.row(self.first.wrapping_add(down)),
        }
    }
}
