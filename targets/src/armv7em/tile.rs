//! The pieces of work that one call of a loop does: what it reads and writes, with the lengths that make it sound.

use lacewing::Int;

use crate::image::end;
use crate::layer::Rounding;
use crate::wide::Wide;
use crate::windows::Pixels;

/// Pixels by any even number of outputs of a convolution, in tiles of two pixels by two outputs.
///
/// `y[p·stride + o] = q(bias[o] + Σ_k w[o][k] · x[p·step + k])`
#[derive(Debug)]
pub(super) struct Pairs<'a> {
    /// Activations of a pixel.
    pub(super) depth: usize,
    /// Where two pixels are widened: four activations of the first and four of the second in each group.
    pub(super) wide: &'a mut [[u32; 4]],
    /// Weights for each two outputs and each group, in the order [`Layout::PAIRS`](lacewing::format::Layout::PAIRS).
    pub(super) weights: &'a [[u32; 2]],
    /// A bias for each output.
    pub(super) bias: &'a [i32],
    /// The way to int8.
    pub(super) rounding: Rounding<'a>,
    /// Number of outputs, even, at least 2.
    pub(super) outputs: usize,
    /// From a pixel's outputs to the next one's.
    pub(super) stride: usize,
}

impl Pairs<'_> {
    /// Whether all slices are as long as the loop needs: those of the pixels, of which the last one's too is read in whole groups of four, and of
    /// the outputs from the first pixel's first one on.
    pub(super) fn fits(&self, Pixels { x, step, count }: &Pixels<'_>, y: &[i8]) -> bool {
        let Self { wide, weights, outputs, .. } = self;
        let groups = wide.len();
        let last = |each: usize, len: usize| end([*count, 1], [each, 0], len);
        let (read, written) = (last(*step, groups.wrapping_mul(4)), last(self.stride, *outputs));
        let even = *outputs >= 2 && outputs.is_multiple_of(2);
        let enough = weights.len() / groups.max(1) >= outputs / 2 && self.bias.len() >= *outputs;
        let whole = groups > 0 && self.depth.div_ceil(4) == groups && self.rounding.fits(*outputs, 2);
        whole && even && enough && within(read, x.len()) && within(written, y.len())
    }

    /// What the last group has of the activations: the bits of 0 and 2, and of 1 and 3.
    pub(super) fn masks(&self) -> [u32; 2] {
        match self.depth % 4 {
            0 => [u32::MAX; 2],
            1 => [0xffff, 0],
            2 => [0xffff; 2],
            _ => [u32::MAX, 0xffff],
        }
    }
}

/// Two pixels in int16 by any even number of outputs, in tiles of 2 × 2.
///
/// `y[o]`, `y[second + o] = q(bias[o] + Σ_k w[o][k] · x[k])`
#[derive(Debug)]
pub(super) struct Square<'a> {
    /// Four activations of the first pixel and four of the second in each group, in pairs: the first and the third, the second and the fourth.
    pub(super) x: &'a [[u32; 4]],
    /// For each two outputs and each group, four weights of the one and four of the other.
    pub(super) weights: &'a [[u32; 2]],
    /// A bias for each output.
    pub(super) bias: &'a [i64],
    /// The way to int16.
    pub(super) rounding: Rounding<'a>,
    /// The rest of it.
    pub(super) wide: &'a Wide,
    /// Number of outputs, even, at least 2.
    pub(super) outputs: usize,
    /// The first pixel's outputs, and further on, or in the same place if both are the same pixel, those of the second.
    pub(super) y: &'a mut [i16],
    /// Where in `y` the second pixel's outputs begin.
    pub(super) second: usize,
}

impl Square<'_> {
    /// Whether all slices are as long as the loop needs.
    pub(super) fn fits(&self) -> bool {
        let Self { x, weights, bias, rounding, outputs, y, second, .. } = self;
        let even = *outputs >= 2 && outputs.is_multiple_of(2) && !x.is_empty();
        let room = y.len().checked_sub(*outputs).is_some_and(|room| room >= *second);
        let enough = weights.len() / x.len().max(1) >= outputs / 2 && bias.len() >= *outputs;
        even && room && enough && rounding.fits(*outputs, 2)
    }
}

/// Two pixels in int8 by any even number of outputs with int4 weights, in tiles of 2 × 2.
///
/// `y[o]`, `y[second + o] = q(bias[o] + Σ_k w[o][k] · x[k])`
#[derive(Debug)]
pub(super) struct Nibbles<'a> {
    /// As in [`Square`], and 0 from `depth` on.
    pub(super) x: &'a [[u32; 4]],
    /// Activations of a pixel, so few that sixteen times the sum fits into 32 bits.
    pub(super) depth: usize,
    /// For each two outputs and each activation a byte: the first output's weight in its lower half, the other one's in the upper.
    pub(super) weights: &'a [i8],
    /// A bias for each output.
    pub(super) bias: &'a [i32],
    /// The way to int8.
    pub(super) rounding: Rounding<'a>,
    /// As in [`Square`].
    pub(super) outputs: usize,
    pub(super) y: &'a mut [i8],
    pub(super) second: usize,
}

impl Nibbles<'_> {
    /// Whether all slices are as long as the loop needs.
    pub(super) fn fits(&self) -> bool {
        let Self { x, depth, weights, bias, rounding, outputs, y, second } = self;
        let even = *outputs >= 2 && outputs.is_multiple_of(2) && *depth > 0 && depth.div_ceil(4) == x.len();
        let room = y.len().checked_sub(*outputs).is_some_and(|room| room >= *second);
        let enough = weights.len() / (*depth).max(1) >= outputs / 2 && bias.len() >= *outputs;
        even && room && enough && rounding.fits(*outputs, 2)
    }
}

/// One vector by any multiple of four outputs, in tiles of four.
///
/// `y[o] = q(bias[o] + Σ_k w[o][k] · x[k])`
#[derive(Debug)]
pub(super) struct Column<'a> {
    /// The activations, in groups of four.
    pub(super) x: &'a [i8],
    /// Weights for each two outputs and each group, in the order [`Layout::PAIRS`](lacewing::format::Layout::PAIRS).
    pub(super) weights: &'a [[u32; 2]],
    /// A bias for each output.
    pub(super) bias: &'a [i32],
    /// The way to int8.
    pub(super) rounding: Rounding<'a>,
    /// The outputs; a multiple of four of them.
    pub(super) y: &'a mut [i8],
    /// Whether there are four outputs, the last two with the weights of the first two.
    pub(super) twice: bool,
}

impl Column<'_> {
    /// Groups of activations.
    pub(super) fn groups(&self) -> usize {
        self.x.len() / 4
    }

    /// Whether all slices are as long as the loop needs.
    pub(super) fn fits(&self) -> bool {
        let outputs = self.y.len();
        let tiles = outputs >= 4 && outputs.is_multiple_of(4);
        let pairs = self.weights.len() / self.groups().max(1);
        let enough = if self.twice { pairs >= 1 && outputs == 4 } else { pairs >= outputs / 2 };
        self.groups() > 0 && tiles && enough && self.bias.len() >= outputs && self.rounding.fits(outputs, 4)
    }
}

/// Two taps of the channels of a word: the byte offsets in the plane of both taps' words, and weights: in int8 those of both taps for each of four
/// channels, in int16 for each tap those of two channels.
pub(super) type Taps<const N: usize> = [u32; N];

/// Rows of an image one after another, at least as far as is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    pub(super) from: &'a [i8],
    /// How many they are; of none, nothing is read.
    pub(super) rows: usize,
    /// Where in the plane the first one's first pixel goes.
    pub(super) at: usize,
}

impl Part<'_> {
    /// No rows.
    pub(super) const NONE: Self = Self { from: &[], rows: 0, at: 0 };
}

/// All channels, at least those of a word, of rows of pixels of a depthwise convolution: a word of them at a time, whose words are copied to the plane.
///
/// `y[(j·width + i)·channels + c] = q(bias[c] + Σ_t w[t·across + c] · plane[j·down + i·step + offset(t)][c])`
#[derive(Debug)]
pub(super) struct Channels<'a, T: Int, const N: usize> {
    /// What is copied.
    pub(super) parts: [Part<'a>; 2],
    /// Pixels of a row that are copied.
    pub(super) columns: usize,
    /// Channels of the image, and of the outputs.
    pub(super) channels: usize,
    /// Bytes of a row of the image.
    pub(super) row_len: usize,
    /// Words of some channels each.
    pub(super) plane: &'a mut [u32],
    /// Words of a row of the plane.
    pub(super) pitch: usize,
    /// Weights of each tap.
    pub(super) weights: &'a [i8],
    /// Weights from one tap to the next.
    pub(super) across: usize,
    /// Number of taps.
    pub(super) count: usize,
    /// The taps in pairs, whose weights are written for each word of channels.
    pub(super) taps: &'a mut [Taps<N>],
    /// The largest offset of a tap, in words.
    pub(super) reach: usize,
    /// A bias for each channel.
    pub(super) bias: &'a [T::Sum],
    /// A multiplier for each channel, or four for all.
    pub(super) multipliers: &'a [i32],
    /// Words in the plane from one row of outputs to the next, and from one output to the next.
    pub(super) steps: [usize; 2],
    /// Rows and columns of outputs, at least one of each.
    pub(super) size: [usize; 2],
    /// The outputs.
    pub(super) y: &'a mut [T],
}

impl<T: Int, const N: usize> Channels<'_, T, N> {
    /// Channels of a word.
    pub(super) const LANES: usize = 4 / size_of::<T>();

    /// Bytes of a pixel of the image.
    pub(super) fn bytes(&self) -> usize {
        self.channels.wrapping_mul(size_of::<T>())
    }

    /// Whether all slices are as long as the loops need for every word of channels, if no tap is farther than `reach`.
    pub(super) fn fits(&self) -> bool {
        let Self { channels, columns, row_len, pitch, size: [rows, width], steps: [down, step], .. } = *self;
        let copied = |part: &Part<'_>| {
            let read = end([part.rows, columns], [row_len, self.bytes()], self.bytes());
            let written = end([part.rows, columns], [pitch, 1], 1).and_then(|end| end.checked_add(part.at));
            part.rows == 0 || columns == 0 || (within(read, part.from.len()) && within(written, self.plane.len()))
        };
        let read = end([rows, width], [down, step], 1).and_then(|end| end.checked_add(self.reach));
        let pixels = rows.checked_mul(width).and_then(|pixels| pixels.checked_mul(channels));
        let multipliers = self.multipliers.len() >= channels || self.multipliers.len() == 4;
        let constants = channels >= Self::LANES && self.bias.len() >= channels && multipliers && !self.taps.is_empty();
        constants && self.parts.iter().all(copied) && within(read, self.plane.len()) && within(pixels, self.y.len())
    }
}

fn within(end: Option<usize>, len: usize) -> bool {
    end.is_some_and(|end| end <= len)
}

/// Four bytes of each pixel of rows of an image, to be copied to words.
#[derive(Debug)]
pub(super) struct Words<'a> {
    /// From the first pixel's bytes on.
    pub(super) from: &'a [i8],
    /// Bytes from one pixel to the next.
    pub(super) channels: usize,
    /// Bytes from one row to the next.
    pub(super) row_len: usize,
    /// From where the first pixel goes on.
    pub(super) to: &'a mut [u32],
    /// Words from one row to the next.
    pub(super) pitch: usize,
    /// Rows and columns, at least one of each.
    pub(super) size: [usize; 2],
}

/// The channels of a word, of rows of pixels of a depthwise convolution; of at most [`MOST`](crate::wide::MOST) taps in int16.
///
/// `y[(j·width + i)·stride + c] = q(bias[c] + Σ_t w[t][c] · plane[j·down + i·step + offset(t)][c])`
#[derive(Debug)]
pub(super) struct Run<'a, T: Int, const N: usize> {
    /// Words of the channels.
    pub(super) plane: &'a [u32],
    /// Words from one row of pixels to the next, and from one pixel to the next.
    pub(super) steps: [usize; 2],
    /// The taps in pairs.
    pub(super) taps: &'a [Taps<N>],
    /// A bias for each channel, at least.
    pub(super) bias: &'a [T::Sum],
    /// A multiplier for each channel, at least.
    pub(super) multipliers: &'a [i32],
    /// Rows and columns, at least one of each.
    pub(super) size: [usize; 2],
    /// Where the outputs go.
    pub(super) y: &'a mut [T],
    /// From one pixel's outputs to the next one's, at least the channels of a word.
    pub(super) stride: usize,
}
