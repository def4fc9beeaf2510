//! From rows of an image to what the loops read: the activations that one output meets, in the order of its weights.

use core::ops::Range;

use super::insn;
use crate::image::Image;

/// The tallest kernel.
const TALL: usize = 16;

/// What the output pixels read, one after the other.
#[derive(Debug)]
pub(super) struct Patches<'a> {
    image: Image<'a>,
    /// Outputs in a row.
    width: usize,
    y: usize,
    x: usize,
    /// Where the next one begins in the padded row.
    start: usize,
    /// The rows that the outputs of row `y` read, `None` outside.
    rows: [Option<&'a [i8]>; TALL],
    /// The same from the first to the last as one slice; nothing if one is outside, or they are not one after another.
    block: &'a [i8],
}

impl<'a> Patches<'a> {
    /// From the first output of row `y` on; `None` for kernels taller than 16.
    pub(super) fn new(image: Image<'a>, width: usize, y: usize) -> Option<Self> {
        (image.kernel[0] <= TALL).then_some(Self { image, width, y, x: 0, start: 0, rows: [None; TALL], block: &[] })
    }

    /// Widens the next one to words `at` and `at + 1` of each group; `patch` has room for all of it, unless it is direct.
    #[inline(always)]
    pub(super) fn widen(&mut self, to: &mut [[u32; 4]], at: usize, patch: &mut [i8]) -> Option<()> {
        if self.x == 0 {
            self.find_rows();
        }
        let Image { channels, width, kernel: [kh, kw], stride: [_, across], dilation: [_, dx], pad: [_, left], .. } =
            self.image;
        let len = kw.wrapping_mul(channels);
        let from = self.start.wrapping_sub(left.wrapping_mul(channels));
        let inside =
            dx == 1 && from <= width.wrapping_mul(channels).wrapping_sub(len) && len <= width.wrapping_mul(channels);
        let run = from..from.wrapping_add(len);
        match () {
            () if inside && kh == 1 => insn::widen(self.rows[0]?.get(run)?, to, at)?,
            () if inside && self.inner(run, to, at, patch).is_some() => {}
            () => self.border(to, at, patch)?,
        }
        self.start = self.start.wrapping_add(across.wrapping_mul(channels));
        self.x = self.x.wrapping_add(1);
        if self.x == self.width {
            (self.y, self.x, self.start) = (self.y.wrapping_add(1), 0, 0);
        }
        Some(())
    }

    fn find_rows(&mut self) {
        let Image { stride: [down, _], dilation: [dy, _], kernel: [kh, _], pad: [above, _], .. } = self.image;
        let mut at = self.y.wrapping_mul(down);
        let tall = kh.wrapping_sub(1).wrapping_mul(dy).wrapping_add(1);
        let lines = at.checked_sub(above).and_then(|y| self.image.rows.lines(y, tall));
        self.block = lines.unwrap_or_default();
        for row in self.rows.iter_mut().take(kh) {
            *row = self.image.row(at);
            at = at.wrapping_add(dy);
        }
    }

    /// A patch of one run in each row; `None` if that is not how they are found.
    fn inner(&self, run: Range<usize>, to: &mut [[u32; 4]], at: usize, patch: &mut [i8]) -> Option<()> {
        let Image { channels, width, kernel: [kh, _], dilation: [dy, _], .. } = self.image;
        if !channels.is_multiple_of(4) {
            let stride = dy.wrapping_mul(width).wrapping_mul(channels);
            insn::copy_rows(self.block.get(run.start..)?, stride, run.len(), kh, patch)?;
            return insn::widen(patch, to, at);
        }
        let mut rest = to;
        for row in self.rows.iter().take(kh) {
            let (groups, after) = rest.split_at_mut_checked(run.len() / 4)?;
            insn::widen((*row)?.get(run.clone())?, groups, at)?;
            rest = after;
        }
        Some(())
    }

    /// A patch that is in part outside, or that leaves out columns: run by run, a tap or as many as are side by side.
    #[inline(never)]
    fn border(&self, to: &mut [[u32; 4]], at: usize, patch: &mut [i8]) -> Option<()> {
        let Image { channels, kernel: [kh, kw], dilation: [_, dx], .. } = self.image;
        let taps = if dx == 1 { kw } else { 1 };
        let mut kx = 0usize;
        while kx < kw {
            let (from, parts) = self.clipped(kx, taps);
            for (ky, row) in self.rows.iter().take(kh).enumerate() {
                let mut k = ky.wrapping_mul(kw).wrapping_add(kx).wrapping_mul(channels);
                let whole = parts.iter().fold(0, |sum: usize, len| sum.wrapping_add(*len));
                let parts = if row.is_some() { parts } else { [whole, 0, 0] };
                for (part, len) in parts.into_iter().enumerate() {
                    if len > 0 {
                        let pixels = row.filter(|_| part == 1).and_then(|row| row.get(from..from.wrapping_add(len)));
                        self.put((k, len), pixels, (to, at), patch)?;
                        k = k.wrapping_add(len);
                    }
                }
            }
            kx = kx.wrapping_add(taps);
        }
        if self.image.is_direct() { Some(()) } else { insn::widen(patch, to, at) }
    }

    /// Of `taps` columns from tap `kx` on: where those in the image begin in a row, and how many numbers are before, in and after it.
    fn clipped(&self, kx: usize, taps: usize) -> (usize, [usize; 3]) {
        let Image { channels, width, dilation: [_, dx], stride: [_, across], pad: [_, left], .. } = self.image;
        let start = self.x.wrapping_mul(across).wrapping_add(kx.wrapping_mul(dx));
        let end = start.wrapping_add(taps);
        let first = start.max(left).min(end);
        let last = end.min(left.wrapping_add(width)).max(first);
        let parts = [first.wrapping_sub(start), last.wrapping_sub(first), end.wrapping_sub(last)];
        (first.wrapping_sub(left).wrapping_mul(channels), parts.map(|taps| taps.wrapping_mul(channels)))
    }

    /// Puts activations `k..k + len` where they go, the zero point if there are none.
    fn put(
        &self,
        (k, len): (usize, usize),
        from: Option<&[i8]>,
        (to, at): (&mut [[u32; 4]], usize),
        patch: &mut [i8],
    ) -> Option<()> {
        let (zero, end) = (self.image.zero, k.wrapping_add(len));
        match (from, self.image.is_direct()) {
            (Some(from), true) => insn::widen(from, to.get_mut(k / 4..)?, at)?,
            (Some(from), false) => insn::copy(from, patch.get_mut(k..end)?)?,
            (None, true) => insn::fill(zero, to.get_mut(k / 4..end / 4)?, at)?,
            (None, false) => patch.get_mut(k..end)?.iter_mut().for_each(|x| *x = zero),
        }
        Some(())
    }
}
