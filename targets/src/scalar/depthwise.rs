//! Depthwise convolution in int8, with weights of int8 or int4, and in int16, one output for each channel: a rectangle of pixels of one channel at a
//! time. Weights of int4 are unpacked to the scratch before.
//!
//! Nothing is copied. Each tap inside is a slice of the image, and pixels with the same taps inside read them at equal steps: the image is cut
//! into such rectangles, its middle, edges and corners. Taps outside read the zero point; what they add is the same for a channel of a rectangle.

use lacewing::Int;
use lacewing::arena::{Constants, bytes_of, cast};
use lacewing::format::{Layout, Tensor, Window};
use lacewing::int::Sum;
use lacewing::ops::depthwise::Depthwise;
use lacewing::ops::{DepthwiseI8, DepthwiseI16};
use lacewing::rows::Work;

use super::insn::{self, Round};
use super::round::{Rounding, WideRounding};
use super::tile::{Rectangle, TAPS, Taps};
use crate::image::{Image, Lines, product};
use crate::nibbles::unpack;
use crate::wide::Wide;
use crate::wish::Wish;

/// What a depthwise convolution wants.
pub(super) fn wish(input: &Tensor, output: &Tensor, window: &Window) -> Option<Wish> {
    let ([kh, kw], [.., channels]) = (window.kernel, input.shape);
    let few = kh.checked_mul(kw)? as usize <= TAPS && channels == output.shape[3];
    few.then_some(Wish { layout: Layout::PLAIN, scratch: 0, least: 0 })
}

/// The same with int4 weights: room for all of them in int8.
pub(super) fn wish_w4(input: &Tensor, output: &Tensor, window: &Window) -> Option<Wish> {
    let (wish, [kh, kw]) = (wish(input, output, window)?, window.kernel);
    let unpacked = kh.checked_mul(kw)?.checked_mul(output.shape[3])?;
    Some(Wish { scratch: unpacked, least: unpacked, ..wish })
}

/// Computes the work, or gives `None` if the record is not as these loops want it; the portable kernel then does all of it.
#[inline(never)]
pub(super) fn run(op: &DepthwiseI8, constants: Constants<'_>, work: &mut Work<'_, i8>) -> Option<()> {
    let image = Image::new(work.input, &op.input, &op.window, op.input_zero);
    let (weights, rounding) = (constants.get(op.weights).ok()?, Rounding::new(&op.requant, constants)?);
    Layer::new(op, image, (constants, weights), rounding)?.all(work)
}

/// The same with int4 weights.
#[inline(never)]
pub(super) fn run_w4(op: &DepthwiseI8, constants: Constants<'_>, work: &mut Work<'_, i8>) -> Option<()> {
    let image = Image::new(work.input, &op.input, &op.window, op.input_zero);
    let len = product(product(image.kernel[0], image.kernel[1])?, op.output.shape[3] as usize)?;
    let weights = unpack(constants.get(op.weights).ok()?, len, core::mem::take(&mut work.scratch))?;
    Layer::new(op, image, (constants, weights), Rounding::new(&op.requant, constants)?)?.all(work)
}

/// The same in int16.
#[inline(never)]
pub(super) fn run_i16(op: &DepthwiseI16, constants: Constants<'_>, work: &mut Work<'_, i16>) -> Option<()> {
    let image = Image::of_i16(&work.input, &op.input, &op.window);
    let multipliers = constants.get::<i32>(op.requant.multipliers).ok()?;
    let rounding = WideRounding { multipliers, wide: Wide::new(&op.requant).filter(|_| op.input_zero == 0)? };
    Layer::new(op, image, (constants, constants.get(op.weights).ok()?), rounding)?.all(work)
}

/// An image and the constants of a layer.
struct Layer<'a, T: Int, R> {
    /// Of bytes.
    image: Image<'a>,
    /// Outputs in a row.
    width: usize,
    weights: &'a [i8],
    bias: &'a [T::Sum],
    rounding: R,
}

impl<'a, T: Int, R: Round<T>> Layer<'a, T, R> {
    /// Of a record with an output for each channel and plain weights, given in int8.
    fn new(
        op: &Depthwise<T>,
        image: Image<'a>,
        (constants, weights): (Constants<'a>, &'a [i8]),
        rounding: R,
    ) -> Option<Self> {
        let [_, _, width, channels] = op.output.shape.map(|dim| dim as usize);
        if op.layout != Layout::PLAIN || op.input.shape[3] as usize != channels {
            return None;
        }
        Some(Self { image, width, weights, bias: constants.get::<T::Sum>(op.bias).ok()?, rounding })
    }

    fn channels(&self) -> usize {
        self.image.channels / size_of::<T>()
    }

    /// All outputs of the work.
    #[inline(always)]
    fn all(&self, work: &mut Work<'_, T>) -> Option<()> {
        let len = self.width.checked_mul(self.channels())?;
        self.image.rows_alike(&work.rows, len, work.output, |lines, rows, y| self.rows(lines, rows, y))
    }

    /// All outputs of rows with the same taps inside, rectangle by rectangle.
    fn rows(&self, lines: &Lines<'_>, rows: usize, y: &mut [T]) -> Option<()> {
        let mut x = 0;
        while x < self.width {
            let end = self.image.alike(1, x, self.width);
            let y = y.get_mut(x.wrapping_mul(self.channels())..)?;
            self.rectangle(lines, x, [rows, end.wrapping_sub(x)], y)?;
            x = end;
        }
        Some(())
    }

    /// All channels of a rectangle of outputs that begins in column `x`.
    #[inline(never)]
    fn rectangle(&self, lines: &Lines<'_>, x: usize, size: [usize; 2], y: &mut [T]) -> Option<()> {
        let (mut taps, mut places) = (Taps::new(), Places::new());
        self.find(lines, x, &mut taps, &mut places)?;
        let ([kh, kw], channels, [down, across]) = (self.image.kernel, self.channels(), self.image.stride);
        let steps = [down.wrapping_mul(self.image.row_len() / size_of::<T>()), across.wrapping_mul(channels)];
        let axes = [size, steps, [self.width.wrapping_mul(channels), channels]];
        // The longer axis is the inner one: pixels are taken in pairs along it.
        let [size, steps, strides] = if size[0] > size[1] { axes.map(|[a, b]| [b, a]) } else { axes };
        let rectangle = Rectangle { taps: &mut taps, channels, size, steps, strides, y };
        let mut weights = self.weights;
        insn::channels(rectangle, &self.rounding, |channel, taps| {
            let (now, after) = weights.split_at_checked(kh.wrapping_mul(kw))?;
            weights = after;
            self.weigh(taps, &places, now, *self.bias.get(channel)?)
        })
    }

    /// Finds the taps inside of the output in column `x`, and the places of all taps.
    fn find<'l>(&self, lines: &Lines<'l>, x: usize, taps: &mut Taps<'l, T>, places: &mut Places) -> Option<()> {
        let ([kh, kw], columns) = (self.image.kernel, self.image.taps(1, x));
        for ky in 0..kh {
            let row = if lines.taps.contains(&ky) { Some(lines.from(ky)?) } else { None };
            for kx in 0..kw {
                let row = row.filter(|_| columns.contains(&kx));
                places.push(ky.wrapping_mul(kw).wrapping_add(kx), row.is_some())?;
                if let Some(row) = row {
                    let bytes = row.get(self.image.position(1, x, kx).wrapping_mul(self.image.channels)..)?;
                    taps.push(cast(bytes_of(bytes))?)?;
                }
            }
        }
        Some(())
    }

    /// Gives the taps inside the weights of a channel, and adds to its bias what those outside add.
    fn weigh(&self, taps: &mut Taps<'_, T>, places: &Places, weights: &[i8], bias: T::Sum) -> Option<T::Sum> {
        if places.counts[1] == 0 {
            taps.weights().zip(weights).for_each(|(to, weight)| *to = (*weight).into());
            return Some(bias);
        }
        for (to, place) in taps.weights().zip(&places.inside) {
            *to = i32::from(*weights.get(usize::from(*place))?);
        }
        let mut sum = 0i32;
        for place in places.outside.iter().take(places.counts[1]) {
            sum = sum.wrapping_add(i32::from(*weights.get(usize::from(*place))?));
        }
        Some(bias.plus(sum.wrapping_mul(self.image.zero.into()).into()))
    }
}

/// Where in a channel's weights the taps stand that are inside, and those that are outside.
struct Places {
    inside: [u8; TAPS],
    outside: [u8; TAPS],
    counts: [usize; 2],
}

impl Places {
    const fn new() -> Self {
        Self { inside: [0; TAPS], outside: [0; TAPS], counts: [0; 2] }
    }

    /// One more; `None` if there is no room.
    fn push(&mut self, place: usize, inside: bool) -> Option<()> {
        let [inside_count, outside_count] = &mut self.counts;
        let (to, count) = if inside { (&mut self.inside, inside_count) } else { (&mut self.outside, outside_count) };
        *to.get_mut(*count)? = place as u8;
        *count = count.wrapping_add(1);
        Some(())
    }
}
