//! Rows of an image with what stands outside them, as the loops read them: a ring of as many as one output row needs.

use lacewing::format::{Tensor, Window};

use crate::image::Image;

/// Numbers behind the last row that may be read: what a vector takes beyond what it needs.
const SLACK: usize = 64;

/// The most places where what a pixel reads begins.
pub(super) const RUNS: usize = 64;

/// Rows of the padded image, each `row` numbers, in `slots` slots; row `r` is in slot `r mod slots`.
#[derive(Debug)]
pub(super) struct Ring<'a, T, F> {
    image: Image<'a, T>,
    /// Writes numbers as the loops want them.
    copy: F,
    /// What stands outside the image, as the loops want it.
    outside: T,
    numbers: &'a mut [T],
    slots: usize,
    /// Numbers of a row.
    pub(super) row: usize,
    /// The next row to be written.
    next: usize,
}

/// Numbers of a row and of a ring that are enough for any rows of outputs whose windows begin in the image or in front of it.
pub(super) fn sizes(input: &Tensor, window: &Window) -> Option<[u32; 2]> {
    let [rows, columns] = [0, 1].map(|axis| window.kernel[axis].checked_sub(1)?.checked_mul(window.dilation[axis]));
    let [_, _, width, channels] = input.shape;
    let row = width.checked_add(window.pad[1])?.checked_add(columns?)?.checked_add(1)?.checked_mul(channels)?;
    Some([row, row.checked_mul(rows?.checked_add(1)?)?.checked_add(SLACK as u32)?])
}

/// Numbers of a row that `width` outputs read.
pub(super) fn row<T>(image: &Image<'_, T>, width: usize) -> Option<usize> {
    let columns = slots(image.kernel[1], image.dilation[1])?;
    width.checked_sub(1)?.checked_mul(image.stride[1])?.checked_add(columns)?.checked_mul(image.channels)
}

/// Rows that the window of an output reads, with those between.
fn slots(kernel: usize, dilation: usize) -> Option<usize> {
    kernel.checked_sub(1)?.checked_mul(dilation)?.checked_add(1)
}

impl<'a, T: Copy, F: Fn(&[T], &mut [T])> Ring<'a, T, F> {
    /// For rows of `width` outputs. Gives the numbers that are left too; `None` if there are too few.
    pub(super) fn new(image: Image<'a, T>, width: usize, copy: F, numbers: &'a mut [T]) -> Option<(Self, &'a mut [T])> {
        let (slots, row) = (slots(image.kernel[0], image.dilation[0])?, row(&image, width)?);
        let (numbers, rest) = numbers.split_at_mut_checked(row.checked_mul(slots)?.checked_add(SLACK)?)?;
        let mut outside = [image.zero];
        copy(&[image.zero], &mut outside);
        let [outside] = outside;
        numbers.fill(outside);
        Some((Self { image, copy, outside, numbers, slots, row, next: 0 }, rest))
    }

    /// Brings in the rows that output row `y` reads; none of them before one that was brought in for an earlier one.
    pub(super) fn bring(&mut self, y: usize) -> Option<()> {
        let first = y.checked_mul(self.image.stride[0])?;
        for row in self.next.max(first)..first.checked_add(self.slots)? {
            self.fill(row)?;
            self.next = row.wrapping_add(1);
        }
        Some(())
    }

    /// All numbers.
    pub(super) fn numbers(&self) -> &[T] {
        self.numbers
    }

    /// Where the first pixel of output row `y` reads: its taps begin at so many places, all of a row at one or each at its own.
    pub(super) fn starts<'s>(&self, y: usize, taps: Taps, to: &'s mut [usize; RUNS]) -> Option<&'s [usize]> {
        let ([kh, kw], across) = (self.image.kernel, self.image.dilation[1].wrapping_mul(self.image.channels));
        let kw = if taps == Taps::Each { kw } else { 1 };
        let to = to.get_mut(..kh.checked_mul(kw)?)?;
        let mut slot = y.wrapping_mul(self.image.stride[0]).checked_rem(self.slots)?;
        for to in to.chunks_exact_mut(kw.max(1)) {
            let mut at = slot.wrapping_mul(self.row);
            for to in to {
                *to = at;
                at = at.wrapping_add(across);
            }
            slot = slot.wrapping_add(self.image.dilation[0]);
            slot = slot.checked_sub(self.slots).unwrap_or(slot);
        }
        Some(to)
    }

    fn slot(&self, row: usize) -> usize {
        row.checked_rem(self.slots).unwrap_or(0).wrapping_mul(self.row)
    }

    /// Writes a row of the padded image. What stands outside at its ends is the same for every row, and is there already.
    fn fill(&mut self, row: usize) -> Option<()> {
        let Image { channels, pad: [top, left], height, .. } = self.image;
        let start = self.slot(row);
        let to = self.numbers.get_mut(start..start.checked_add(self.row)?)?;
        let Some(y) = row.checked_sub(top).filter(|y| *y < height) else {
            to.fill(self.outside);
            return Some(());
        };
        let (from, to) = (self.image.rows.row(y)?, to.get_mut(left.checked_mul(channels)?..).unwrap_or_default());
        let len = from.len().min(to.len());
        (self.copy)(from.get(..len)?, to.get_mut(..len)?);
        Some(())
    }
}

/// Copies numbers as they are.
pub(super) fn plain<T: Copy>(from: &[T], to: &mut [T]) {
    let len = to.len().min(from.len());
    if let (Some(to), Some(from)) = (to.get_mut(..len), from.get(..len)) {
        to.copy_from_slice(from);
    }
}

/// How the taps of a row are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taps {
    /// As one run.
    Joined,
    /// Each by itself.
    Each,
}

impl Taps {
    /// Those that stand side by side are one run.
    pub(super) fn of<T>(image: &Image<'_, T>) -> Self {
        if image.dilation[1] == 1 { Self::Joined } else { Self::Each }
    }
}

/// How many runs a pixel reads, and how many numbers each has.
pub(super) fn runs<T>(image: &Image<'_, T>) -> Option<(usize, usize)> {
    let [kh, kw] = image.kernel;
    let (count, len) = match Taps::of(image) {
        Taps::Joined => (kh, kw.checked_mul(image.channels)?),
        Taps::Each => (kh.checked_mul(kw)?, image.channels),
    };
    ((1..=RUNS).contains(&count) && len > 0).then_some((count, len))
}
