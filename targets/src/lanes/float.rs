//! Convolution, depthwise convolution and fully connected layer in f32.
//!
//! Rows are copied to a ring in the scratch as in int8, unless every output reads one pixel: those are read where they are.

use core::ops::Range;

use lacewing::arena::{Constants, cast_mut};
use lacewing::format::{Layout, Span, Tensor, Window};
use lacewing::ops::{ConvF32, DepthwiseF32, FullyConnectedF32};
use lacewing::rows::Work;

use super::level::Present;
use super::reals::{Depth, Layer, Square};
use super::ring::{self, RUNS, Ring, Taps, runs};
use super::tile::BLOCK;
use crate::image::Image;
use crate::wish::Wish;

/// The order of weights.
const LAYOUT: Layout = Layout { outputs: BLOCK as u16, depth: 1 };

/// What a convolution wants.
pub(super) fn conv_wish(input: &Tensor, window: &Window) -> Option<Wish> {
    let [_, ring] = ring::sizes(input, window)?;
    let scratch = if is_direct(window) { 0 } else { ring.checked_mul(4)? };
    Some(Wish { layout: LAYOUT, scratch, least: scratch })
}

/// What a depthwise convolution wants.
pub(super) fn depthwise_wish(input: &Tensor, output: &Tensor, window: &Window) -> Option<Wish> {
    let [_, ring] = ring::sizes(input, window)?;
    let scratch = ring.checked_mul(4)?;
    (input.shape[3] == output.shape[3]).then_some(Wish { layout: LAYOUT, scratch, least: scratch })
}

/// What a fully connected layer wants.
pub(super) fn fully_connected_wish() -> Wish {
    Wish { layout: LAYOUT, scratch: 0, least: 0 }
}

/// Whether outputs read pixel for pixel.
fn is_direct(window: &Window) -> bool {
    window.kernel == [1, 1] && window.stride == [1, 1] && window.pad == [0, 0]
}

/// A layer of `outputs` outputs with `depth` weights each.
fn layer<'a>(
    constants: Constants<'a>,
    [weights, bias]: [Span; 2],
    limits: [f32; 2],
    [outputs, depth]: [usize; 2],
) -> Option<Layer<'a>> {
    let [weights, bias] = [constants.get(weights).ok()?, constants.get(bias).ok()?];
    Some(Layer { weights, depth, bias, limits, outputs })
}

/// Computes the work, or gives `None` if the record is not as these loops want it; the portable kernel then does all of it.
pub(super) fn conv(present: Present, op: &ConvF32, constants: Constants<'_>, work: &mut Work<'_, f32>) -> Option<()> {
    let image = Image::new(work.input, &op.input, &op.window, 0.0);
    let [_, _, width, outputs] = op.output.shape.map(|dim| dim as usize);
    if op.layout != LAYOUT || op.groups != 1 {
        return None;
    }
    let (count, len) = runs(&image)?;
    let layer = layer(constants, [op.weights, op.bias], [op.lo, op.hi], [outputs, count.checked_mul(len)?])?;
    let mut plane = Plane { present, layer, len, width, y: work.output };
    if is_direct(&op.window) {
        let whole = plane.line(&image, work.rows.clone());
        return whole.or_else(|| work.rows.clone().try_for_each(|y| plane.line(&image, y..y.wrapping_add(1))));
    }
    plane.rows(image, work.rows.clone(), cast_mut(work.scratch)?)
}

/// The outputs that are still to be computed, and what computes them.
struct Plane<'a> {
    present: Present,
    layer: Layer<'a>,
    /// Numbers of a run.
    len: usize,
    /// Pixels of an output row.
    width: usize,
    y: &'a mut [f32],
}

impl Plane<'_> {
    /// Rows whose pixels read one pixel each; `None`, and nothing done, if they do not lie one after another.
    fn line(&mut self, image: &Image<'_, f32>, rows: Range<u32>) -> Option<()> {
        let (line, pixels, _) = image.as_line(&rows, self.width)?;
        self.pixels(line.rows.lines(0, 1)?, line.channels, pixels, &[0])
    }

    /// Whole rows of outputs.
    fn rows(&mut self, image: Image<'_, f32>, rows: Range<u32>, scratch: &mut [f32]) -> Option<()> {
        let step = image.stride[1].checked_mul(image.channels)?;
        let (mut ring, _) = Ring::new(image, self.width, ring::plain, scratch)?;
        let mut places = [0; RUNS];
        for y in rows.start as usize..rows.end as usize {
            ring.bring(y)?;
            let runs = ring.starts(y, Taps::of(&image), &mut places)?;
            self.pixels(ring.numbers(), step, self.width, runs)?;
        }
        Some(())
    }

    /// The next `count` pixels.
    fn pixels(&mut self, x: &[f32], step: usize, count: usize, runs: &[usize]) -> Option<()> {
        let len = count.checked_mul(self.layer.outputs)?;
        let (y, rest) = core::mem::take(&mut self.y).split_at_mut_checked(len)?;
        self.y = rest;
        self.present.real_square(&mut Square { x, step, count, runs, len: self.len, layer: self.layer, y })
    }
}

/// Computes the work, or gives `None` if the record is not as this loop wants it; the portable kernel then does all of it.
pub(super) fn depthwise(
    present: Present,
    op: &DepthwiseF32,
    constants: Constants<'_>,
    work: &mut Work<'_, f32>,
) -> Option<()> {
    let image = Image::new(work.input, &op.input, &op.window, 0.0);
    let [_, _, width, channels] = op.output.shape.map(|dim| dim as usize);
    if op.layout != LAYOUT || image.channels != channels {
        return None;
    }
    let depth = image.kernel[0].checked_mul(image.kernel[1])?;
    let layer = layer(constants, [op.weights, op.bias], [op.lo, op.hi], [channels, depth])?;
    let step = image.stride[1].checked_mul(channels)?;
    let (mut ring, _) = Ring::new(image, width, ring::plain, cast_mut(work.scratch)?)?;
    let rows = work.output.chunks_mut(width.checked_mul(channels)?.max(1));
    let mut places = [0; RUNS];
    for (y, row) in work.rows.clone().zip(rows) {
        ring.bring(y as usize)?;
        let taps = ring.starts(y as usize, Taps::Each, &mut places)?;
        present.real_depth(&mut Depth { x: ring.numbers(), step, count: width, taps, layer, y: row })?;
    }
    Some(())
}

/// Computes the layer, or gives `None` if the record is not as this loop wants it; the portable kernel then does all of it.
pub(super) fn fully_connected(
    present: Present,
    op: &FullyConnectedF32,
    constants: Constants<'_>,
    (x, y): (&[f32], &mut [f32]),
) -> Option<()> {
    let [depth, outputs] = [op.input, op.output].map(|tensor| tensor.shape[3] as usize);
    let count = x.len().checked_div(depth)?;
    if op.layout != LAYOUT {
        return None;
    }
    let layer = layer(constants, [op.weights, op.bias], [op.lo, op.hi], [outputs, depth])?;
    let mut square = Square { x, step: depth, count, runs: &[0], len: depth, layer, y };
    if count == 1 { present.real_vector(&mut square) } else { present.real_square(&mut square) }
}
