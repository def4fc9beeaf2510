//! The pieces of work that one call of a loop does: what it reads and writes, with the lengths that make it sound.

use crate::layer::Rounding;

/// Two pixels by any even number of outputs of a convolution, in tiles of 2 × 2.
///
/// `y[p][o] = q(bias[o] + Σ_k w[o][k] · x[p][k])`
#[derive(Debug)]
pub(super) struct Pair<'a, const W: usize> {
    /// Four widened activations of the first pixel, four of the second, for each group of four.
    pub(super) x: &'a [[u32; 4]],
    /// Weights for each two outputs and each group. Of int8, `W = 2`, in the layout of two outputs by four: a word of each output. Of int4,
    /// `W = 1`, in the layout of two by two: a word whose bytes are two of the first output, two of the second, and so again.
    pub(super) weights: &'a [[u32; W]],
    /// A bias for each output.
    pub(super) bias: &'a [i32],
    /// The way to int8.
    pub(super) rounding: Rounding<'a>,
    /// Number of outputs, even, at least 2.
    pub(super) outputs: usize,
    /// Where the first pixel's outputs go, and further on, or in the same bytes, those of the second. The first one's are written last.
    pub(super) y: &'a mut [i8],
    /// Where in `y` the second pixel's outputs begin.
    pub(super) second: usize,
}

impl<const W: usize> Pair<'_, W> {
    /// Whether all slices are as long as the loop needs.
    pub(super) fn fits(&self) -> bool {
        let Self { x, weights, outputs, second, .. } = self;
        let room = self.y.len().checked_sub(*outputs).is_some_and(|room| room >= *second);
        let even = *outputs >= 2 && outputs.is_multiple_of(2);
        let enough = weights.len() / x.len().max(1) >= outputs / 2 && self.bias.len() >= *outputs;
        !x.is_empty() && room && even && enough && self.rounding.fits(*outputs, 2)
    }
}

/// One vector by any multiple of four outputs, in tiles of four.
///
/// `y[o] = q(bias[o] + Σ_k w[o][k] · x[k])`
#[derive(Debug)]
pub(super) struct Column<'a> {
    /// Widened activations in groups of four.
    pub(super) x: &'a [[u32; 2]],
    /// Weights in the layout of four outputs by four: for each four outputs and each group, a word of each output.
    pub(super) weights: &'a [[u32; 4]],
    /// A bias for each output.
    pub(super) bias: &'a [i32],
    /// The way to int8.
    pub(super) rounding: Rounding<'a>,
    /// The outputs; a multiple of four of them.
    pub(super) y: &'a mut [i8],
}

impl Column<'_> {
    /// Whether all slices are as long as the loop needs.
    pub(super) fn fits(&self) -> bool {
        let outputs = self.y.len();
        let tiles = outputs >= 4 && outputs.is_multiple_of(4);
        let enough = self.weights.len() / self.x.len().max(1) >= outputs / 4 && self.bias.len() >= outputs;
        !self.x.is_empty() && tiles && enough && self.rounding.fits(outputs, 4)
    }
}

/// Two taps of four channels: the byte offsets in the plane of both taps' words, and for each channel the weights of both.
pub(super) type Taps = [u32; 6];

/// Four channels of rows of pixels of a depthwise convolution.
///
/// `y[j·width + i][c] = q(bias[c] + Σ_t w[t][c] · plane[j·down + i·step + offset(t)][c])`
#[derive(Debug)]
pub(super) struct Run<'a> {
    /// Words of four channels each.
    pub(super) plane: &'a [u32],
    /// Words from one pixel to the next.
    pub(super) step: usize,
    /// Words from one row of pixels to the next.
    pub(super) down: usize,
    /// The taps in pairs.
    pub(super) taps: &'a [Taps],
    /// The largest offset of a tap, in words.
    pub(super) reach: usize,
    /// A bias for each channel.
    pub(super) bias: &'a [i32; 4],
    /// A multiplier for each channel.
    pub(super) multipliers: &'a [i32; 4],
    /// The output's zero point.
    pub(super) zero: i32,
    /// Pixels in a row, at least 1.
    pub(super) width: usize,
    /// Rows, at least 1.
    pub(super) rows: usize,
    /// Where the outputs go, those of one pixel `stride` bytes after those of the pixel before.
    pub(super) y: &'a mut [i8],
    /// Bytes from one pixel's outputs to the next one's, at least 1.
    pub(super) stride: usize,
}

impl Run<'_> {
    /// Whether all slices are as long as the loop needs, if no tap is farther than `reach`.
    pub(super) fn fits(&self) -> bool {
        let Self { step, down, taps, reach, width, rows, stride, .. } = *self;
        let last = |count: usize, each: usize| count.checked_sub(1)?.checked_mul(each);
        let across = last(width, step).and_then(|word| word.checked_add(last(rows, down)?)?.checked_add(reach));
        let end = width.checked_mul(rows).and_then(|pixels| last(pixels, stride)?.checked_add(4));
        !taps.is_empty()
            && stride > 0
            && across.is_some_and(|word| word < self.plane.len())
            && end.is_some_and(|end| end <= self.y.len())
    }
}
