//! Rows of an image: the unit of work of every spatial kernel.

use core::ops::Range;

use crate::arena::{Pod, bytes_of, cast};
use crate::outline::outlined;

/// A window of rows of one image, each of `row_len = width · channels` numbers.
///
/// Row `y` of the image stands at line `(head + y − first) mod lines` of the data, so the window may be a whole
/// tensor (`first = 0`, `head = 0`) or a ring of lines that holds the rows still needed.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a, T> {
    data: &'a [T],
    row_len: usize,
    lines: usize,
    first: usize,
    head: usize,
}

impl<'a, T> Rows<'a, T> {
    /// All rows of an image.
    #[must_use]
    pub fn whole(data: &'a [T], row_len: usize) -> Self {
        let lines = data.len().checked_div(row_len).unwrap_or(0);
        Self { data, row_len, lines, first: 0, head: 0 }
    }

    /// Rows from `first` on, in a ring of lines whose line `head` holds row `first`.
    #[must_use]
    pub fn ring(data: &'a [T], row_len: usize, first: usize, head: usize) -> Self {
        Self { first, head, ..Self::whole(data, row_len) }
    }

    /// The same window over the bytes of its numbers.
    #[must_use]
    pub fn bytes(&self) -> Rows<'a, i8>
    where
        T: Pod,
    {
        let Self { data, row_len, lines, first, head } = *self;
        let data = cast(bytes_of(data)).unwrap_or_default();
        Rows { data, row_len: row_len.wrapping_mul(size_of::<T>()), lines, first, head }
    }

    outlined! {
        /// Row `y` of the image, if it is in the window.
        #[must_use]
        pub fn row(&self, y: usize) -> Option<&'a [T]> {
            let start = self.start(y, 1)?;
            self.data.get(start..start.wrapping_add(self.row_len))
        }
    }

    /// Rows `y..y + count` of the image as one slice, if they are in the window and lie one after another.
    #[must_use]
    pub fn lines(&self, y: usize, count: usize) -> Option<&'a [T]> {
        let start = self.start(y, count)?;
        self.data.get(start..start.checked_add(count.checked_mul(self.row_len)?)?)
    }

    /// The same rows in two slices, the second of which begins the ring's lines anew; empty if they lie one after another.
    #[must_use]
    pub fn split(&self, y: usize, count: usize) -> Option<[&'a [T]; 2]> {
        let (start, len) = (self.start(y, count)?, count.checked_mul(self.row_len)?);
        let (ring, from) = self.data.get(..self.lines.wrapping_mul(self.row_len))?.split_at_checked(start)?;
        let first = from.get(..len).unwrap_or(from);
        Some([first, ring.get(..len.wrapping_sub(first.len()))?])
    }

    /// Where row `y` starts, if it and the `count - 1` after it are in the window.
    #[inline(always)]
    fn start(&self, y: usize, count: usize) -> Option<usize> {
        let after =
            y.checked_sub(self.first).filter(|after| after.checked_add(count).is_some_and(|end| end <= self.lines))?;
        let line = match self.head.wrapping_add(after) {
            line if line < self.lines => line,
            line => line.wrapping_sub(self.lines),
        };
        Some(line.wrapping_mul(self.row_len))
    }
}

/// What a spatial kernel computes: output rows `rows` from a window of input rows.
///
/// A whole layer is the range of all rows. `output` holds just the rows of the range.
#[derive(Debug)]
pub struct Work<'a, T> {
    /// Input rows; at least those that the output rows read.
    pub input: Rows<'a, T>,
    /// The output rows to compute.
    pub rows: Range<u32>,
    /// Where they go, `[rows][width][channels]`.
    pub output: &'a mut [T],
    /// Bytes to work in, as many as the record asks for.
    pub scratch: &'a mut [u8],
}

/// Equal pieces of a slice, as `chunks_exact` gives them, but without its panic at the length 0: then there are none.
///
/// Nothing here divides or asserts, so that no optimizer has to prove that the length is not 0.
#[derive(Clone, Debug)]
pub(crate) struct Pieces<'a, T> {
    rest: &'a [T],
    len: usize,
}

/// Pieces of `len` elements; a shorter remainder is left out.
#[inline(always)]
pub(crate) fn pieces<T>(slice: &[T], len: usize) -> Pieces<'_, T> {
    Pieces { rest: slice, len }
}

impl<'a, T> Iterator for Pieces<'a, T> {
    type Item = &'a [T];

    #[inline(always)]
    fn next(&mut self) -> Option<&'a [T]> {
        let (piece, rest) = self.rest.split_at_checked(self.len)?;
        self.rest = rest;
        (!piece.is_empty()).then_some(piece)
    }
}

/// As [`Pieces`], mutable.
#[derive(Debug)]
pub(crate) struct PiecesMut<'a, T> {
    rest: &'a mut [T],
    len: usize,
}

/// As [`pieces`], mutable.
#[inline(always)]
pub(crate) fn pieces_mut<T>(slice: &mut [T], len: usize) -> PiecesMut<'_, T> {
    PiecesMut { rest: slice, len }
}

impl<'a, T> Iterator for PiecesMut<'a, T> {
    type Item = &'a mut [T];

    #[inline(always)]
    fn next(&mut self) -> Option<&'a mut [T]> {
        let (piece, rest) = core::mem::take(&mut self.rest).split_at_mut_checked(self.len)?;
        self.rest = rest;
        (!piece.is_empty()).then_some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::{Rows, pieces, pieces_mut};

    #[test]
    fn pieces_are_chunks_without_a_panic() {
        let mut numbers: [u8; 7] = core::array::from_fn(|i| i as u8);
        assert!(pieces(&numbers, 3).eq(numbers.chunks_exact(3)));
        assert_eq!(pieces(&numbers, 0).count(), 0);
        assert_eq!(pieces_mut(&mut numbers, 0).count(), 0);
        pieces_mut(&mut numbers, 2).for_each(|piece| piece.reverse());
        assert_eq!(numbers, [1, 0, 3, 2, 5, 4, 6]);
    }

    #[test]
    fn a_ring_gives_the_rows_of_the_whole() {
        let image: [u8; 12] = core::array::from_fn(|i| i as u8);
        let whole = Rows::whole(&image, 3);
        // Rows 1..4 in a ring of three lines whose second line is the first row.
        let ring = [9, 10, 11, 3, 4, 5, 6, 7, 8];
        let ring = Rows::ring(&ring, 3, 1, 1);
        assert_eq!(ring.row(0), None);
        assert_eq!(ring.row(4), None);
        for y in 1..4 {
            assert_eq!(ring.row(y), whole.row(y), "row {y}");
        }
        assert_eq!(ring.lines(1, 2), whole.lines(1, 2));
        assert_eq!((ring.lines(2, 2), ring.lines(3, 2), ring.lines(0, 1)), (None, None, None), "turned, or outside");
        assert_eq!(ring.lines(3, 1), Some(&[9, 10, 11][..]));
        assert_eq!(ring.split(2, 2), Some([&[6, 7, 8][..], &[9, 10, 11][..]]), "turned");
        assert_eq!((ring.split(1, 2), ring.split(3, 2)), (Some([&[3, 4, 5, 6, 7, 8][..], &[]]), None));
        let wide = [1i16, 2, 3, 4, -1, 256];
        let wide = Rows::ring(&wide, 2, 1, 2).bytes();
        assert_eq!((wide.row(1), wide.row(4)), (Some(&[-1, -1, 0, 1][..]), None), "the bytes of a row");
    }
}
