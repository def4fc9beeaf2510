//! From rows of an image to what the loops read: the activations that one output meets, in the order of its weights.

use lacewing::format::{Tensor, Window};
use lacewing::rows::Rows;

use super::insn;

/// An image under a window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Image<'a> {
    pub(super) rows: Rows<'a, i8>,
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) dilation: [usize; 2],
    pub(super) pad: [usize; 2],
    /// What stands outside.
    pub(super) zero: i8,
}

impl<'a> Image<'a> {
    pub(super) fn new(rows: Rows<'a, i8>, input: &Tensor, window: &Window, zero: i8) -> Self {
        let [_, height, width, channels] = input.shape.map(|dim| dim as usize);
        let pair = |pair: [u32; 2]| pair.map(|x| x as usize);
        let [kernel, stride, dilation, pad] = [window.kernel, window.stride, window.dilation, window.pad].map(pair);
        Self { rows, height, width, channels, kernel, stride, dilation, pad, zero }
    }

    /// Whether every output reads one pixel, which is never outside.
    pub(super) fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1] && self.pad == [0, 0]
    }

    /// Row `at` of the image counted from the first row of padding; `None` outside.
    pub(super) fn row(&self, at: usize) -> Option<&'a [i8]> {
        let [above, _] = self.pad;
        let y = at.checked_sub(above).filter(|y| *y < self.height)?;
        self.rows.row(y)
    }

    /// Writes `[kh][kw][channels]` that output `(y, x)` reads.
    pub(super) fn gather(&self, [y, x]: [usize; 2], patch: &mut [i8]) -> Option<()> {
        let ([kh, kw], [down, across], [dy, dx]) = (self.kernel, self.stride, self.dilation);
        // Taps side by side in the image are one run.
        let (runs, taps) = if dx == 1 { (1, kw) } else { (kw, 1) };
        let len = taps.wrapping_mul(self.channels);
        let mut rest = patch;
        for ky in 0..kh {
            let row = self.row(y.wrapping_mul(down).wrapping_add(ky.wrapping_mul(dy)));
            for run in 0..runs {
                let (to, after) = rest.split_at_mut_checked(len)?;
                let start = x.wrapping_mul(across).wrapping_add(run.wrapping_mul(dx));
                self.copy(row, start.wrapping_mul(self.channels), to)?;
                rest = after;
            }
        }
        Some(())
    }

    /// Copies what begins `start` numbers after the left end of the padded row.
    #[inline(always)]
    fn copy(&self, row: Option<&[i8]>, start: usize, to: &mut [i8]) -> Option<()> {
        let [_, left] = self.pad;
        let left = left.wrapping_mul(self.channels);
        let Some(row) = row else {
            to.fill(self.zero);
            return Some(());
        };
        let before = left.saturating_sub(start).min(to.len());
        let from = row.get(start.saturating_sub(left)..).unwrap_or_default();
        let (outside, inside) = to.split_at_mut_checked(before)?;
        outside.fill(self.zero);
        let (inside, beyond) = inside.split_at_mut_checked(from.len().min(inside.len()))?;
        insn::copy(from.get(..inside.len())?, inside)?;
        beyond.fill(self.zero);
        Some(())
    }
}
