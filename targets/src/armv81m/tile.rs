//! The pieces of work that one call of a loop does: what it reads and writes, with the lengths that make it sound.

use core::marker::PhantomData;

use crate::layer::Rounding;
use crate::windows::Pixels;

/// Weights of four outputs for sixteen activations: sixteen of the first output, sixteen of the second, and so on.
pub(super) type Group = [u32; 16];

/// Pixels by a multiple of four outputs of a convolution, in tiles of 2 × 4.
///
/// `y[p·stride + o] = q(bias[o] + Σ_k w[o][k] · x[p·step + k])`
#[derive(Debug)]
pub(super) struct Square<'a> {
    /// What the pixels read.
    pub(super) pixels: Pixels<'a>,
    /// How many activations each reads, at least one.
    pub(super) depth: usize,
    /// For each four outputs and each sixteen activations, or fewer at the end, their weights.
    pub(super) weights: &'a [Group],
    /// A bias for each output.
    pub(super) bias: &'a [i32],
    /// The way to int8.
    pub(super) rounding: Rounding<'a>,
    /// Smallest and largest result.
    pub(super) limits: [i8; 2],
    /// Number of outputs, a multiple of 4, at least 4.
    pub(super) outputs: usize,
    /// The outputs.
    pub(super) y: &'a mut [i8],
    /// From one pixel's outputs to the next one's.
    pub(super) stride: usize,
}

impl Square<'_> {
    /// Whether all slices are as long as the loop needs.
    pub(super) fn fits(&self) -> bool {
        let Self { pixels: Pixels { x, step, count }, depth, weights, bias, rounding, outputs, stride, .. } = self;
        let end = |each: usize, len: usize| count.checked_sub(1)?.checked_mul(each)?.checked_add(len);
        let room = end(*step, *depth).is_some_and(|end| end <= x.len());
        let room = room && end(*stride, *outputs).is_some_and(|end| end <= self.y.len());
        room && fits(*depth, weights, bias, rounding, *outputs)
    }
}

/// One vector by a multiple of four outputs, in tiles of four.
///
/// `y[o] = q(bias[o] + Σ_k w[o][k] · x[k])`
#[derive(Debug)]
pub(super) struct Column<'a> {
    /// The activations, not none.
    pub(super) x: &'a [i8],
    /// As in [`Square`].
    pub(super) weights: &'a [Group],
    /// A bias for each output.
    pub(super) bias: &'a [i32],
    /// The way to int8.
    pub(super) rounding: Rounding<'a>,
    /// Smallest and largest result.
    pub(super) limits: [i8; 2],
    /// The outputs; a multiple of four of them.
    pub(super) y: &'a mut [i8],
}

impl Column<'_> {
    /// Whether all slices are as long as the loop needs.
    pub(super) fn fits(&self) -> bool {
        fits(self.x.len(), self.weights, self.bias, &self.rounding, self.y.len())
    }
}

fn fits(depth: usize, weights: &[Group], bias: &[i32], rounding: &Rounding<'_>, outputs: usize) -> bool {
    let tiles = outputs >= 4 && outputs.is_multiple_of(4);
    let enough = weights.len() / depth.div_ceil(16).max(1) >= outputs / 4 && bias.len() >= outputs;
    depth > 0 && tiles && enough && rounding.fits(outputs, 4)
}

/// Channels in a block of a depthwise convolution.
pub(super) const BLOCK: usize = 16;
/// Channels that are computed at once of a block that is not full.
pub(super) const HALF: usize = 8;

/// The most taps of a depthwise convolution.
pub(super) const TAPS: usize = 25;

/// A tap as the loops find it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Tap<'a> {
    /// What it reads, if it is inside.
    start: *const i8,
    /// Bytes from the first tap's weights to its own.
    at: usize,
    bytes: PhantomData<&'a [i8]>,
}

/// The taps of pixels which have the same of them inside.
#[derive(Debug)]
pub(super) struct Taps<'a> {
    taps: [Tap<'a>; TAPS],
    /// Taps inside, which stand first.
    inside: usize,
    /// Taps in all.
    count: usize,
    /// Bytes that every tap inside reads from its start on.
    len: usize,
}

impl<'a> Taps<'a> {
    /// No taps.
    pub(super) const fn new() -> Self {
        let none = Tap { start: [].as_ptr(), at: 0, bytes: PhantomData };
        Self { taps: [none; TAPS], inside: 0, count: 0, len: usize::MAX }
    }

    /// Adds tap `tap`, which reads `bytes`, before all taps outside are added; `None` if there is no room.
    pub(super) fn inside(&mut self, tap: usize, bytes: &'a [i8]) -> Option<()> {
        let new = self.taps.get_mut(self.inside).filter(|_| self.inside == self.count)?;
        *new = Tap { start: bytes.as_ptr(), at: tap.checked_mul(BLOCK)?, bytes: PhantomData };
        self.len = self.len.min(bytes.len());
        self.inside = self.inside.wrapping_add(1);
        self.count = self.inside;
        Some(())
    }

    /// Adds tap `tap`, which reads zero points; `None` if there is no room.
    pub(super) fn outside(&mut self, tap: usize) -> Option<()> {
        self.taps.get_mut(self.count)?.at = tap.checked_mul(BLOCK)?;
        self.count = self.count.wrapping_add(1);
        Some(())
    }

    /// How many are inside, and outside.
    pub(super) fn counts(&self) -> [usize; 2] {
        [self.inside, self.count.wrapping_sub(self.inside)]
    }

    /// The taps, those inside first.
    #[cfg(helium)]
    pub(super) const fn as_ptr(&self) -> *const Tap<'a> {
        self.taps.as_ptr()
    }

    /// For each tap its number, and what it reads if it is inside.
    #[cfg(not(helium))]
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, Option<&'a [i8]>)> {
        self.taps.iter().take(self.count).enumerate().map(|(i, tap)| {
            // SAFETY: `inside` alone makes taps that stand before `self.inside`, from slices that live as long and of at least `self.len` bytes.
            let bytes = unsafe { core::slice::from_raw_parts(tap.start, if i < self.inside { self.len } else { 0 }) };
            (tap.at / BLOCK, (i < self.inside).then_some(bytes))
        })
    }
}

/// A rectangle of pixels of a depthwise convolution whose taps are at equal steps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path<'a> {
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
}

impl Path<'_> {
    /// Whether there are pixels, taps and outputs for all of them, of channels `first..end`.
    fn fits(&self, first: usize, channels: usize, outputs: usize) -> bool {
        let read = first.checked_add(channels).and_then(|end| self.end(self.steps, end));
        let [inside, outside] = self.taps.counts();
        let reached = inside == 0 || read.is_some_and(|end| end <= self.taps.len);
        inside.wrapping_add(outside) > 0
            && reached
            && self.end(self.strides, channels).is_some_and(|end| end <= outputs)
    }

    /// Where `channels` of the last pixel end.
    fn end(&self, [down, across]: [usize; 2], channels: usize) -> Option<usize> {
        let [rows, columns] = self.size;
        let row = rows.checked_sub(1)?.checked_mul(down)?;
        row.checked_add(columns.checked_sub(1)?.checked_mul(across)?)?.checked_add(channels)
    }

    /// From the end of a pixel to the next one in its row, and from there to the next row's first.
    #[cfg(helium)]
    pub(super) fn gaps(&self, [down, across]: [usize; 2], channels: usize) -> [usize; 2] {
        [across.wrapping_sub(channels), down.wrapping_sub(across.wrapping_mul(self.size[1]))]
    }
}

/// Whole blocks of channels of a depthwise convolution.
///
/// `y[pixel][c] = q(bias[c] + Σ_t w[t][c] · x[pixel][t][c])`
#[derive(Debug)]
pub(super) struct Blocks<'a> {
    /// The pixels.
    pub(super) path: Path<'a>,
    /// For each block and each tap the weights of its channels, none of them −128.
    pub(super) weights: &'a [[i8; BLOCK]],
    /// A bias for each channel.
    pub(super) bias: &'a [i32],
    /// The way to int8.
    pub(super) rounding: Rounding<'a>,
    /// Smallest and largest result.
    pub(super) limits: [i8; 2],
    /// Number of channels, a multiple of 16, at least 16.
    pub(super) channels: usize,
    /// The outputs.
    pub(super) y: &'a mut [i8],
}

impl Blocks<'_> {
    /// Whether all slices are as long as the loop needs.
    pub(super) fn fits(&self) -> bool {
        let Self { path, weights, bias, channels, y, .. } = self;
        let blocks = channels / BLOCK;
        let enough = weights.len() / path.taps.count.max(1) >= blocks && bias.len() >= *channels;
        let whole = blocks > 0 && channels.is_multiple_of(BLOCK);
        whole && enough && self.rounding.fits(*channels, BLOCK) && path.fits(0, *channels, y.len())
    }
}

/// At most eight channels of a depthwise convolution; see [`Blocks`].
#[derive(Debug)]
pub(super) struct Half<'a> {
    /// The pixels.
    pub(super) path: Path<'a>,
    /// The first channel's place in what the taps read.
    pub(super) first: usize,
    /// For each tap the weights of the block that they are in.
    pub(super) weights: &'a [[i8; BLOCK]],
    /// The first channel's place in the block, 0 or 8.
    pub(super) at: usize,
    /// A bias for each channel, anything after the last.
    pub(super) bias: &'a [i32; HALF],
    /// A multiplier for each channel, anything after the last.
    pub(super) multipliers: &'a [i32; HALF],
    /// The output's zero point.
    pub(super) zero: i32,
    /// Smallest and largest result.
    pub(super) limits: [i8; 2],
    /// Number of channels, 1 to 8.
    pub(super) channels: usize,
    /// The outputs, from the first of these channels on.
    pub(super) y: &'a mut [i8],
}

impl Half<'_> {
    /// Whether all slices are as long as the loop needs.
    pub(super) fn fits(&self) -> bool {
        let Self { path, first, weights, at, channels, y, .. } = self;
        let some = (1..=HALF).contains(channels) && *at <= BLOCK - HALF && weights.len() >= path.taps.count;
        some && path.fits(*first, *channels, y.len())
    }
}
