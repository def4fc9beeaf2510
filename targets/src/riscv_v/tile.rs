//! The pieces of work that one call of a loop does: what it reads and writes, with the lengths that make it sound.

use core::marker::PhantomData;

use crate::image::product;
use crate::round::Rounding;
use crate::windows::Pixels;

/// Pixels by all outputs of a convolution, or vectors by those of a fully connected layer.
///
/// `y[p·stride + o] = q(bias[o] + Σ_k w[k·row + o] · x[p·step + k])`
#[derive(Debug)]
pub(super) struct Tile<'a> {
    /// What the pixels read.
    pub(super) pixels: Pixels<'a>,
    /// How many activations each reads, at least one.
    pub(super) depth: usize,
    /// For each activation the weights of all outputs.
    pub(super) weights: &'a [i8],
    /// From the weights of an activation to those of the next.
    pub(super) row: usize,
    /// A bias for each output, of which there is at least one.
    pub(super) bias: &'a [i32],
    /// The way to int8.
    pub(super) rounding: Rounding<'a>,
    /// The outputs.
    pub(super) y: &'a mut [i8],
    /// From one pixel's outputs to the next one's.
    pub(super) stride: usize,
}

impl Tile<'_> {
    /// Whether all slices are as long as the loop needs.
    pub(super) fn fits(&self) -> bool {
        let Self { pixels: Pixels { x, step, count }, depth, weights, row, bias, rounding, y, stride } = self;
        let outputs = bias.len();
        let read = end(*count, *step, *depth).is_some_and(|end| end <= x.len());
        let written = end(*count, *stride, outputs).is_some_and(|end| end <= y.len());
        let weighed = end(*depth, *row, outputs).is_some_and(|end| end <= weights.len());
        outputs > 0 && read && written && weighed && rounding.fits(outputs)
    }
}

/// Where the last of `count` pieces ends, each `len` long and `step` from the one before; `None` if there are none.
fn end(count: usize, step: usize, len: usize) -> Option<usize> {
    product(count.checked_sub(1)?, step)?.checked_add(len)
}

/// Where the last pixel of a rectangle ends, of which there are `len` numbers.
fn end_of([rows, columns]: [usize; 2], [down, across]: [usize; 2], len: usize) -> Option<usize> {
    product(rows.checked_sub(1)?, down)?.checked_add(end(columns, across, len)?)
}

/// The most taps of a depthwise convolution.
pub(super) const TAPS: usize = 25;

/// A tap as the loop finds it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Tap<'a> {
    /// What it reads, if it is inside.
    start: *const i8,
    /// From the first tap's weights to its own.
    at: usize,
    bytes: PhantomData<&'a [i8]>,
}

/// The taps of pixels which have the same of them inside.
#[derive(Debug)]
pub(super) struct Taps<'a> {
    taps: [Tap<'a>; TAPS],
    /// Taps inside, which stand first, and in all.
    inside: usize,
    count: usize,
    /// Bytes that every tap inside reads from its start on.
    len: usize,
    /// The farthest weights.
    last: usize,
}

impl<'a> Taps<'a> {
    /// No taps.
    pub(super) const fn new() -> Self {
        let none = Tap { start: [].as_ptr(), at: 0, bytes: PhantomData };
        Self { taps: [none; TAPS], inside: 0, count: 0, len: usize::MAX, last: 0 }
    }

    /// No taps any more.
    pub(super) fn clear(&mut self) {
        (self.inside, self.count, self.len, self.last) = (0, 0, usize::MAX, 0);
    }

    /// Adds a tap that reads `bytes`, with its weights from `at` on, before all taps outside are added; `None` if there is no room.
    pub(super) fn inside(&mut self, at: usize, bytes: &'a [i8]) -> Option<()> {
        if self.inside != self.count {
            return None;
        }
        self.outside(at)?.start = bytes.as_ptr();
        self.len = self.len.min(bytes.len());
        self.inside = self.count;
        Some(())
    }

    /// Adds a tap that reads zero points; `None` if there is no room.
    pub(super) fn outside(&mut self, at: usize) -> Option<&mut Tap<'a>> {
        let tap = self.taps.get_mut(self.count)?;
        tap.at = at;
        self.last = self.last.max(at);
        self.count = self.count.wrapping_add(1);
        Some(tap)
    }

    /// How many are inside, and outside.
    #[cfg(rvv)]
    pub(super) fn counts(&self) -> [usize; 2] {
        [self.inside, self.count.wrapping_sub(self.inside)]
    }

    /// The taps, those inside first.
    #[cfg(rvv)]
    pub(super) const fn as_ptr(&self) -> *const Tap<'a> {
        self.taps.as_ptr()
    }

    /// For each tap where its weights begin, and what it reads if it is inside.
    #[cfg(not(rvv))]
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, Option<&'a [i8]>)> {
        self.taps.iter().take(self.count).enumerate().map(|(i, tap)| {
            // SAFETY: `inside` alone makes taps that stand before `self.inside`, from slices that live as long and of at least `self.len` bytes.
            let bytes = unsafe { core::slice::from_raw_parts(tap.start, if i < self.inside { self.len } else { 0 }) };
            (tap.at, (i < self.inside).then_some(bytes))
        })
    }
}

/// All channels of a rectangle of pixels of a depthwise convolution.
///
/// `y[pixel][c] = q(bias[c] + Σ_t w[t][c] · x[pixel][t][c])`
#[derive(Debug)]
pub(super) struct Rectangle<'a> {
    /// The taps; what they read is that of the first pixel, and what follows it.
    pub(super) taps: &'a Taps<'a>,
    /// What the taps outside read.
    pub(super) input_zero: i8,
    /// Rows and columns, at least one of each.
    pub(super) size: [usize; 2],
    /// From one row to the next, and from one column to the next, in what the taps read.
    pub(super) steps: [usize; 2],
    /// The same in the outputs.
    pub(super) strides: [usize; 2],
    /// For each tap the weights of all channels.
    pub(super) weights: &'a [i8],
    /// Whether none of them is −128.
    pub(super) narrow: bool,
    /// A bias for each channel, of which there is at least one.
    pub(super) bias: &'a [i32],
    /// The way to int8.
    pub(super) rounding: Rounding<'a>,
    /// The outputs.
    pub(super) y: &'a mut [i8],
}

impl Rectangle<'_> {
    /// Whether all slices are as long as the loop needs.
    pub(super) fn fits(&self) -> bool {
        let Self { taps, size, steps, strides, weights, bias, rounding, y, .. } = self;
        let channels = bias.len();
        let within = |end: Option<usize>, len: usize| end.is_some_and(|end| end <= len);
        let read = taps.inside == 0 || within(end_of(*size, *steps, channels), taps.len);
        let weighed = within(taps.last.checked_add(channels), weights.len());
        let written = within(end_of(*size, *strides, channels), y.len());
        taps.count > 0 && channels > 0 && read && weighed && written && rounding.fits(channels)
    }
}

/// A function of one number: `y[i] = table[x[i] + 128]`.
#[derive(Debug)]
pub(super) struct Table<'a> {
    /// The results.
    pub(super) table: &'a [i8; 256],
    /// The inputs, as many as outputs; `None` for the outputs themselves.
    pub(super) x: Option<&'a [i8]>,
    /// The outputs.
    pub(super) y: &'a mut [i8],
}

impl Table<'_> {
    /// Whether there are as many inputs as outputs.
    pub(super) fn fits(&self) -> bool {
        self.x.is_none_or(|x| x.len() == self.y.len())
    }
}
