//! What the output pixels of a convolution read, as bytes in the order of its weights.

use core::ops::Range;

use lacewing::arena::fill;

use crate::image::{Image, Lines, end, product};

/// Rectangles of bytes to be copied, of rows of `len` bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Copy {
    /// Rectangles, and rows of each, at least one.
    pub(crate) counts: [usize; 2],
    /// Bytes of a row, at least one.
    pub(crate) len: usize,
    /// From a rectangle to the next, and from a row to the next, where they come from.
    pub(crate) steps: [usize; 2],
    /// The same where they go.
    pub(crate) strides: [usize; 2],
}

impl Copy {
    /// Whether both slices hold all of them.
    pub(crate) fn fits(&self, from: &[i8], to: &[i8]) -> bool {
        let within = |steps, len| end(self.counts, steps, self.len).is_some_and(|end| end <= len);
        self.len > 0 && within(self.steps, from.len()) && within(self.strides, to.len())
    }
}

/// What copies on this processor; `None` if it does not fit.
pub(crate) type Copier = fn(from: &[i8], to: &mut [i8], &Copy) -> Option<()>;

/// Output pixels that read at equal steps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pixels<'a> {
    /// What the first one reads, and what follows it.
    pub(crate) x: &'a [i8],
    /// From what one reads to what the next one reads.
    pub(crate) step: usize,
    /// How many they are, at least one.
    pub(crate) count: usize,
}

impl Pixels<'_> {
    /// Computes all outputs of the pixels, two pixels at a time: given `bytes` of what either reads, and where their outputs go. A last one that
    /// is alone is both.
    #[inline(always)]
    pub(crate) fn pairs<T>(
        &self,
        bytes: usize,
        outputs: usize,
        y: &mut [T],
        mut compute: impl FnMut([&[i8]; 2], &mut [T]) -> Option<()>,
    ) -> Option<()> {
        let mut x = self.x;
        for y in y.chunks_mut(outputs.wrapping_mul(2).max(1)) {
            let other = if y.len() > outputs { x.get(self.step..)? } else { x };
            compute([x.get(..bytes)?, other.get(..bytes)?], y)?;
            x = x.get(self.step.wrapping_mul(2)..).unwrap_or_default();
        }
        Some(())
    }
}

/// What the output pixels read, one after the other.
#[derive(Debug)]
pub(crate) struct Windows<'a> {
    image: &'a Image<'a>,
    copy: Copier,
    in_place: bool,
    /// Outputs in a row.
    width: usize,
    y: usize,
    /// The rows of taps that are inside for the outputs of row `y`, and what they read as one slice, if it is one.
    rows: Range<usize>,
    block: Option<&'a [i8]>,
    /// All that the outputs of row `y` read, if those inside read one run of bytes of it each.
    line: Option<&'a [i8]>,
    /// The present output, and the end of those that have the same taps inside.
    x: usize,
    end: usize,
    taps: Range<usize>,
    /// Bytes that an output reads.
    depth: usize,
    /// Outputs whose bytes fit in the patches.
    room: usize,
}

impl<'a> Windows<'a> {
    /// From the first output of row `y` on. What they read is copied to as many patches as fit in `len` bytes: what is no run of bytes, or
    /// all of it unless it may be read in place.
    #[inline(always)]
    pub(crate) fn new(image: &'a Image<'a>, copy: Copier, [width, y]: [usize; 2], len: usize, in_place: bool) -> Self {
        let depth = image.kernel[0].wrapping_mul(image.kernel[1]).wrapping_mul(image.channels);
        let room = len.checked_div(depth).unwrap_or(0);
        let (y, rows, taps) = (y.wrapping_sub(1), 0..0, 0..0);
        Self { image, copy, in_place, width, y, rows, block: None, line: None, x: width, end: width, taps, depth, room }
    }

    /// At most `most` of those that come next. What they read stands in the image, if that is one run of bytes for each, else it is copied to
    /// `patches`; `None` if it has no room for one.
    #[inline(always)]
    pub(crate) fn next<'p>(&mut self, most: usize, patches: &'p mut [i8]) -> Option<Pixels<'p>>
    where
        'a: 'p,
    {
        let (room, mut count) = (self.room.min(most), 0);
        loop {
            if self.x == self.end {
                self.group();
            }
            match self.direct() {
                Some(line) if count == 0 => return self.read(line, most),
                None if count < room => count = self.copied(count, room, patches)?,
                _ => return (count > 0).then_some(Pixels { x: patches, step: self.depth, count }),
            }
        }
    }

    /// The next ones, at most `most`, where they stand.
    #[inline(always)]
    fn read(&mut self, line: &'a [i8], most: usize) -> Option<Pixels<'a>> {
        let count = self.end.wrapping_sub(self.x).min(most);
        let Image { channels, stride: [_, across], .. } = *self.image;
        let x = line.get(self.image.position(1, self.x, 0).wrapping_mul(channels)..)?;
        self.x = self.x.wrapping_add(count);
        Some(Pixels { x, step: across.wrapping_mul(channels), count })
    }

    /// Copies the next ones that are alike to patches behind the first `count`, of which there are `room`; how many are there then.
    #[inline(always)]
    fn copied(&mut self, count: usize, room: usize, patches: &mut [i8]) -> Option<usize> {
        let alike = self.end.wrapping_sub(self.x).min(room.wrapping_sub(count));
        let (from, count) = (count.wrapping_mul(self.depth), count.wrapping_add(alike));
        self.fill(alike, patches.get_mut(from..product(count, self.depth)?)?)?;
        self.x = self.x.wrapping_add(alike);
        Some(count)
    }

    /// Computes all outputs of the pixels, so many for each, as many pixels at a time as [`Self::next`] gives.
    #[inline(always)]
    pub(crate) fn each<T>(
        &mut self,
        patches: &mut [i8],
        outputs: usize,
        y: &mut [T],
        mut compute: impl FnMut(Pixels<'_>, &mut [T]) -> Option<()>,
    ) -> Option<()> {
        let mut left = y.len().checked_div(outputs)?;
        let mut rest = y;
        while left > 0 {
            let pixels = self.next(left, patches)?;
            let (y, after) = rest.split_at_mut_checked(product(pixels.count, outputs)?)?;
            left = left.wrapping_sub(pixels.count);
            compute(pixels, y)?;
            rest = after;
        }
        Some(())
    }

    /// All that the outputs of the row read, if it is one run of bytes for each of the next ones.
    fn direct(&self) -> Option<&'a [i8]> {
        self.line.filter(|_| self.taps.len() == self.image.kernel[1])
    }

    /// Finds the next outputs that are alike.
    #[inline(never)]
    fn group(&mut self) {
        if self.x == self.width {
            self.y = self.y.wrapping_add(1);
            self.row();
        } else {
            self.taps = self.image.taps(1, self.x);
            self.end = self.image.alike(1, self.x, self.width);
        }
    }

    /// Begins row `y`.
    fn row(&mut self) {
        let Image { width, dilation: [dy, dx], kernel: [kh, kw], .. } = *self.image;
        let Lines { taps, block, .. } = self.image.lines(self.y..self.y.wrapping_add(1));
        (self.rows, self.block) = (taps, block);
        let whole = self.rows.len() == kh && (kw == 1 || dx == 1);
        // Rows as wide as the kernel stand one after another.
        let one = kh == 1 || (dy == 1 && kw == width);
        self.line = self.block.filter(|_| whole && one && self.in_place);
        (self.x, self.taps, self.end) = (0, self.image.taps(1, 0), self.image.alike(1, 0, self.width));
    }

    /// Copies what the next outputs read, which are alike.
    fn fill(&self, count: usize, patches: &mut [i8]) -> Option<()> {
        let Image { channels, dilation: [_, dx], kernel: [kh, kw], .. } = *self.image;
        if self.taps.len() < kw || self.rows.len() < kh {
            fill(patches, self.image.zero);
        }
        if dx == 1 {
            return self.columns(count, self.taps.start, self.taps.len().wrapping_mul(channels), patches);
        }
        self.taps.clone().try_for_each(|kx| self.columns(count, kx, channels, patches))
    }

    /// Copies `len` bytes from tap `kx` on in every row inside.
    fn columns(&self, count: usize, kx: usize, len: usize, patches: &mut [i8]) -> Option<()> {
        let Image { channels, dilation: [dy, _], kernel: [_, kw], stride: [_, across], .. } = *self.image;
        let rows = &self.rows;
        if len == 0 || rows.is_empty() {
            return Some(());
        }
        let from = self.image.position(1, self.x, kx).wrapping_mul(channels);
        let to = |ky: usize| ky.wrapping_mul(kw).wrapping_add(kx).wrapping_mul(channels);
        let steps = [across.wrapping_mul(channels), dy.wrapping_mul(self.image.row_len())];
        // All rows of a block at once, others one by one.
        let (mut ky, together) = (rows.start, if self.block.is_some() { rows.len() } else { 1 });
        while ky < rows.end {
            let row = || self.image.rows.row(self.image.position(0, self.y, ky));
            let (counts, strides) = ([count, together], [self.depth, kw.wrapping_mul(channels)]);
            let copy = Copy { counts, len, steps, strides };
            (self.copy)(self.block.or_else(row)?.get(from..)?, patches.get_mut(to(ky)..)?, &copy)?;
            ky = ky.wrapping_add(together);
        }
        Some(())
    }
}
