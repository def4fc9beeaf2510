//! Depthwise convolution in int8, one output for each channel: sixteen channels of a pixel at a time.
//!
//! Of the rows that an output row reads, four and four are interleaved, so that the bytes of one column and channel stand side by side: one
//! operation then makes the products of a column of taps. Weights stand so in the file.
//!
//! Neighbors in a row read what stands side by side too, where windows move by one column. So some of them are computed as one pixel with as
//! many times the channels, whose constants repeat: few channels, or a number that sixteen does not divide, leave no lanes idle.

use core::ops::Range;

use lacewing::arena::{Constants, cast_mut};
use lacewing::format::{Layout, Tensor, Window};
use lacewing::ops::DepthwiseI8;
use lacewing::rows::Work;

use super::conv;
use super::level::Present;
use super::ring::{self, RUNS, Ring, Taps};
use super::tile::{BLOCK, Depth, GROUP, Layer};
use crate::image::Image;
use crate::wish::Wish;

/// What a depthwise convolution wants.
pub(super) fn wish(input: &Tensor, output: &Tensor, window: &Window) -> Option<Wish> {
    let ([.., channels], [kh, kw]) = (input.shape, window.kernel);
    let ([row, ring], fours) = (ring::sizes(input, window)?, kh.div_ceil(4));
    let columns = columns_at_once(channels as usize, window.stride[1] as usize, output.shape[2] as usize);
    let lanes = channels.checked_mul(u32::try_from(columns).ok()?)?;
    let blocks = lanes.div_ceil(BLOCK as u32).checked_mul(GROUP as u32)?;
    let weights = if columns == 1 { 0 } else { fours.checked_mul(kw)?.checked_mul(blocks)? };
    let row = row.checked_next_multiple_of(BLOCK as u32)?;
    let interleaved = row.checked_mul(4)?.checked_mul(fours)?;
    let parts = [conv::SPARE, blocks, blocks, weights, interleaved, 2 * GROUP as u32, row, ring];
    let scratch = parts.into_iter().try_fold(0u32, u32::checked_add)?.checked_next_multiple_of(4)?;
    (channels == output.shape[3]).then_some(Wish { layout: layout(channels as usize)?, scratch, least: scratch })
}

/// The order of weights: for each four of rows and each column of taps four bytes of each channel, in whole blocks.
fn layout(channels: usize) -> Option<Layout> {
    let outputs = u16::try_from(channels.checked_next_multiple_of(BLOCK)?).ok()?;
    Some(Layout { outputs, depth: 4 })
}

/// Computes the work, or gives `None` if the record is not as these loops want it; the portable kernel then does all of it.
pub(super) fn run(present: Present, op: &DepthwiseI8, constants: Constants<'_>, work: &mut Work<'_, i8>) -> Option<()> {
    let image = Image::new(work.input, &op.input, &op.window, op.input_zero);
    let [_, _, width, channels] = op.output.shape.map(|dim| dim as usize);
    if op.layout != layout(channels)? || op.requant.shift > 0 || image.channels != channels {
        return None;
    }
    let columns = columns_at_once(channels, image.stride[1], width);
    let lanes = channels.checked_mul(columns)?;
    let (sums, scratch) = conv::sums(work.scratch, lanes)?;
    let (multipliers, scratch) = conv::sums(scratch, lanes)?;
    let mut layer = Layer::new(constants, op.weights, &op.requant, lanes)?;
    layer.groups = image.kernel[0].div_ceil(4).checked_mul(image.kernel[1])?;
    layer.steps = [layer.blocks().checked_mul(GROUP)?, GROUP];
    let mut scratch = cast_mut::<i8>(scratch)?;
    if columns > 1 {
        let (weights, rest) = scratch.split_at_mut_checked(layer.groups.checked_mul(layer.steps[0])?)?;
        repeat(&mut layer, channels, constants.get(op.requant.multipliers).ok()?, (weights, multipliers))?;
        scratch = rest;
    }
    present.prepare(&mut layer, constants.get(op.bias).ok()?, sums);
    rows(present, (image, width), layer, (work.rows.clone(), &mut *work.output), scratch)
}

/// How many neighbors of a row of `width` are computed as one pixel: enough for 64 lanes without a rest, or for about 256.
fn columns_at_once(channels: usize, across: usize, width: usize) -> usize {
    let whole = |columns: &usize| channels.wrapping_mul(*columns).is_multiple_of(4 * BLOCK);
    match channels {
        0 | 96.. if channels.is_multiple_of(BLOCK) => 1,
        _ if across != 1 => 1,
        _ => (1..=8).find(whole).unwrap_or(16 * BLOCK / channels.max(1)).min(width).max(1),
    }
}

/// Gives the layer weights for each lane, and a multiplier if there is more than one.
fn repeat<'a>(
    layer: &mut Layer<'a>,
    channels: usize,
    multipliers: &[i32],
    (weights, lanes): (&'a mut [i8], &'a mut [[i32; BLOCK]]),
) -> Option<()> {
    let [from, to] = [channels, layer.outputs].map(|lanes| lanes.next_multiple_of(BLOCK).wrapping_mul(4));
    for (from, to) in layer.weights.chunks(from).zip(weights.chunks_mut(to)) {
        again(from.get(..channels.checked_mul(4)?)?, to);
    }
    layer.weights = weights;
    if multipliers.len() > 1 {
        again(multipliers, lanes.as_flattened_mut());
        layer.multipliers = lanes;
    }
    Some(())
}

/// The same numbers again and again.
fn again<T: Copy>(from: &[T], to: &mut [T]) {
    for to in to.chunks_mut(from.len().max(1)) {
        to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    }
}

/// Whole rows of outputs.
fn rows(
    present: Present,
    (image, width): (Image<'_>, usize),
    layer: Layer<'_>,
    (rows, mut rest): (Range<u32>, &mut [i8]),
    scratch: &mut [i8],
) -> Option<()> {
    let ([kh, kw], [_, across], [_, dx]) = (image.kernel, image.stride, image.dilation);
    let (fours, chunks) = (kh.div_ceil(4), ring::row(&image, width)?.div_ceil(BLOCK));
    let row_len = chunks.checked_mul(GROUP)?;
    let (x, scratch) = scratch.split_at_mut_checked(row_len.checked_mul(fours)?.checked_add(GROUP)?)?;
    let (zeros, scratch) = scratch.split_at_mut_checked(chunks.checked_mul(BLOCK)?)?;
    let mut zero = [0];
    present.flipped(&[0], &mut zero);
    zeros.fill(zero[0]);
    let (mut ring, _) = Ring::new(image, width, |from, to| present.flipped(from, to), scratch)?;
    let pixel = image.channels.checked_mul(4)?;
    let columns = layer.outputs.checked_div(image.channels)?;
    let steps = [row_len, pixel.checked_mul(across)?.checked_mul(columns)?, pixel.checked_mul(dx)?];
    let (count, left) = (width.checked_div(columns)?, width.checked_rem(columns)?);
    let last = Layer { outputs: left.checked_mul(image.channels)?, ..layer };
    let mut places = [0; RUNS];
    for y in rows.start as usize..rows.end as usize {
        ring.bring(y)?;
        let starts = ring.starts(y, Taps::Joined, &mut places)?;
        for (four, to) in x.chunks_exact_mut(row_len).enumerate() {
            // Rows behind the last one are zeros: weights may be any there.
            let mut from: [&[i8]; 4] = [zeros; 4];
            let starts = starts.get(four.wrapping_mul(4)..).unwrap_or_default();
            for (from, start) in from.iter_mut().zip(starts) {
                *from = ring.numbers().get(*start..)?;
            }
            present.interleave(from.map(|row| row.as_chunks().0), to.as_chunks_mut().0);
        }
        let (y, after) = rest.split_at_mut_checked(count.checked_mul(layer.outputs)?)?;
        present.depth(&mut Depth { x, steps, count, taps: [fours, kw], layer: &layer, y })?;
        rest = after;
        if left > 0 {
            let (y, after) = rest.split_at_mut_checked(last.outputs)?;
            let x = x.get(count.checked_mul(steps[1])?..)?;
            present.depth(&mut Depth { x, steps, count: 1, taps: [fours, kw], layer: &last, y })?;
            rest = after;
        }
    }
    Some(())
}
