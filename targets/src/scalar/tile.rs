//! The pieces of work that one call of a loop does: what it reads and writes, with the lengths that make it sound.

use core::marker::PhantomData;

use lacewing::Int;

use super::round::Rounding;
use crate::image::product;

/// Two pixels by all outputs of a convolution, in tiles of 2 × 2.
///
/// `y[p][o] = q(bias[o] + Σ_k w[o][k] · x[p][k])`
#[derive(Debug)]
pub(super) struct Tile<'a> {
    /// The activations of both pixels; as many, and not none.
    pub(super) x: [&'a [i8]; 2],
    /// The weights of each output.
    pub(super) weights: &'a [i8],
    /// A bias for each output, of which there is at least one.
    pub(super) bias: &'a [i32],
    /// The way to int8.
    pub(super) rounding: Rounding<'a>,
    /// Where the first pixel's outputs go, and further on, or in the same bytes if both are the same pixel, those of the second.
    pub(super) y: &'a mut [i8],
    /// Where in `y` the second pixel's outputs begin.
    pub(super) second: usize,
}

impl Tile<'_> {
    /// Whether all slices are as long as the loop needs.
    pub(super) fn fits(&self) -> bool {
        let Self { x: [first, other], bias, rounding, second, .. } = self;
        let outputs = bias.len();
        let room = self.y.len().checked_sub(outputs).is_some_and(|room| room >= *second);
        first.len() == other.len() && room && fits(first.len(), outputs, self.weights) && rounding.fits(outputs)
    }
}

/// One vector by a multiple of four outputs, in tiles of four.
///
/// `y[o] = q(bias[o] + Σ_k w[o][k] · x[k])`
#[derive(Debug)]
pub(super) struct Column<'a> {
    /// The activations, not none.
    pub(super) x: &'a [i8],
    /// The weights of each output.
    pub(super) weights: &'a [i8],
    /// A bias for each output.
    pub(super) bias: &'a [i32],
    /// The way to int8.
    pub(super) rounding: Rounding<'a>,
    /// The outputs, a multiple of four of them, not none.
    pub(super) y: &'a mut [i8],
}

impl Column<'_> {
    /// Whether all slices are as long as the loop needs.
    pub(super) fn fits(&self) -> bool {
        let outputs = self.y.len();
        let enough = self.bias.len() >= outputs && self.rounding.fits(outputs);
        outputs.is_multiple_of(4) && enough && fits(self.x.len(), outputs, self.weights)
    }
}

fn fits(depth: usize, outputs: usize, weights: &[i8]) -> bool {
    depth > 0 && outputs > 0 && product(depth, outputs).is_some_and(|len| len <= weights.len())
}

/// The most taps of a depthwise convolution.
pub(super) const TAPS: usize = 25;

/// A tap as the loops find it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Tap<'a, T> {
    /// What it reads.
    start: *const T,
    /// The weight of the present channel.
    weight: i32,
    numbers: PhantomData<&'a [T]>,
}

/// The taps inside, at most 25, of pixels which have the same of them.
#[derive(Debug)]
pub(super) struct Taps<'a, T> {
    taps: [Tap<'a, T>; TAPS],
    count: usize,
    /// Numbers that every tap reads from its start on.
    len: usize,
}

impl<'a, T: Copy> Taps<'a, T> {
    /// No taps.
    pub(super) const fn new() -> Self {
        Self { taps: [Tap { start: [].as_ptr(), weight: 0, numbers: PhantomData }; TAPS], count: 0, len: usize::MAX }
    }

    /// One more, which reads these numbers; `None` if there is no room.
    pub(super) fn push(&mut self, numbers: &'a [T]) -> Option<()> {
        self.taps.get_mut(self.count)?.start = numbers.as_ptr();
        self.len = self.len.min(numbers.len());
        self.count = self.count.wrapping_add(1);
        Some(())
    }

    /// The weights of the present channel, in the order of the taps.
    pub(super) fn weights(&mut self) -> impl Iterator<Item = &mut i32> {
        self.taps.iter_mut().take(self.count).map(|tap| &mut tap.weight)
    }

    /// The taps.
    #[cfg(thumb)]
    pub(super) fn all(&self) -> &[Tap<'a, T>] {
        self.taps.get(..self.count).unwrap_or_default()
    }

    /// What each tap reads, and its weight.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a [T], i32)> {
        self.taps.iter().take(self.count).map(|tap| {
            // SAFETY: `push` alone makes the first `count` taps, from slices that live as long and have at least `self.len` numbers.
            (unsafe { core::slice::from_raw_parts(tap.start, self.len) }, tap.weight)
        })
    }
}

/// One channel of a rectangle of pixels of a depthwise convolution.
///
/// `y[pixel] = q(bias + Σ_t w[t] · x[t][pixel])`
#[derive(Debug)]
pub(super) struct Channel<'a, T: Int> {
    /// The taps, not none.
    pub(super) taps: &'a Taps<'a, T>,
    /// Where in them the first pixel reads.
    pub(super) first: usize,
    /// Rows and columns, at least one of each.
    pub(super) size: [usize; 2],
    /// From one row to the next, and from one column to the next, in what the taps read.
    pub(super) steps: [usize; 2],
    /// The same in the outputs.
    pub(super) strides: [usize; 2],
    /// What every sum begins with.
    pub(super) bias: T::Sum,
    /// `m`.
    pub(super) multiplier: i32,
    /// The outputs, from the first pixel's on.
    pub(super) y: &'a mut [T],
}

impl<T: Int> Channel<'_, T> {
    /// Computes the outputs in plain Rust, each of a sum that begins with `start`; `None` never comes of what fits.
    #[inline(always)]
    pub(super) fn compute(&mut self, start: i32, output: impl Fn(i32) -> T) -> Option<()> {
        let ([rows, columns], [down, across], [y_down, y_across]) = (self.size, self.steps, self.strides);
        let (mut row, mut y_row) = (self.first, 0usize);
        for _ in 0..rows {
            let (mut at, mut y_at) = (row, y_row);
            for _ in 0..columns {
                let mut sum = start;
                for (x, weight) in self.taps.iter() {
                    let x: i32 = (*x.get(at)?).into();
                    sum = sum.wrapping_add(weight.wrapping_mul(x));
                }
                *self.y.get_mut(y_at)? = output(sum);
                (at, y_at) = (at.wrapping_add(across), y_at.wrapping_add(y_across));
            }
            (row, y_row) = (row.wrapping_add(down), y_row.wrapping_add(y_down));
        }
        Some(())
    }
}

/// All channels of a rectangle of pixels of a depthwise convolution.
#[derive(Debug)]
pub(super) struct Rectangle<'r, 'a, T: Int> {
    /// The taps, not none.
    pub(super) taps: &'r mut Taps<'a, T>,
    /// Channels, at least one.
    pub(super) channels: usize,
    /// As in [`Channel`].
    pub(super) size: [usize; 2],
    pub(super) steps: [usize; 2],
    pub(super) strides: [usize; 2],
    /// The outputs, from the first channel of the first pixel on.
    pub(super) y: &'r mut [T],
}

impl<T: Int> Rectangle<'_, '_, T> {
    /// Whether there are taps and outputs for every channel of all pixels.
    pub(super) fn fits(&self) -> bool {
        let end = |steps| self.last(steps).and_then(|last| last.checked_add(self.channels));
        let Taps { count, len, .. } = &*self.taps;
        let within = |end: Option<usize>, len: usize| end.is_some_and(|end| end <= len);
        *count > 0 && self.channels > 0 && within(end(self.steps), *len) && within(end(self.strides), self.y.len())
    }

    /// Where the last pixel is.
    fn last(&self, [down, across]: [usize; 2]) -> Option<usize> {
        let [rows, columns] = self.size;
        product(rows.checked_sub(1)?, down)?.checked_add(product(columns.checked_sub(1)?, across)?)
    }
}
