//! Depthwise convolution in int8, one output for each channel: sixteen channels of a pixel at a time.
//!
//! Of the rows that an output row reads, four and four are interleaved, so that the bytes of one column and channel stand side by side: one
//! operation then makes the products of a column of taps. Weights are interleaved in the same way, once for each call.
//!
//! Neighbors in a row read what stands side by side too, where windows move by one column. So some of them are computed as one pixel with as
//! many times the channels, whose weights repeat: few channels, or a number that sixteen does not divide, leave no lanes idle.

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

/// What a depthwise convolution wants: weights as the portable kernel does.
pub(super) fn wish(input: &Tensor, output: &Tensor, window: &Window) -> Option<Wish> {
    let ([.., channels], [kh, kw]) = (input.shape, window.kernel);
    let ([row, ring], fours) = (ring::sizes(input, window)?, kh.div_ceil(4));
    let columns = columns_at_once(channels as usize, window.stride[1] as usize, output.shape[2] as usize);
    let lanes = channels.checked_mul(u32::try_from(columns).ok()?)?;
    let blocks = lanes.div_ceil(BLOCK as u32).checked_mul(GROUP as u32)?;
    let weights = fours.checked_mul(kw)?.checked_mul(blocks)?;
    let interleaved = row.checked_next_multiple_of(BLOCK as u32)?.checked_mul(4)?.checked_mul(fours)?;
    let parts = [conv::SPARE, blocks, blocks, weights, interleaved, 2 * GROUP as u32, ring];
    let scratch = parts.into_iter().try_fold(0u32, u32::checked_add)?.checked_next_multiple_of(4)?;
    let layout = Layout::channels_last(u16::try_from(channels).ok()?);
    (channels == output.shape[3]).then_some(Wish { layout, scratch, least: scratch })
}

/// Computes the work, or gives `None` if the record is not as these loops want it; the portable kernel then does all of it.
pub(super) fn run(present: Present, op: &DepthwiseI8, constants: Constants<'_>, work: &mut Work<'_, i8>) -> Option<()> {
    let image = Image::new(work.input, &op.input, &op.window, op.input_zero);
    let [_, _, width, channels] = op.output.shape.map(|dim| dim as usize);
    if op.layout != Layout::channels_last(u16::try_from(channels).ok()?)
        || op.requant.shift > 0
        || image.channels != channels
    {
        return None;
    }
    let columns = columns_at_once(channels, image.stride[1], width);
    let lanes = channels.checked_mul(columns)?;
    let (sums, scratch) = conv::sums(work.scratch, lanes)?;
    let (multipliers, scratch) = conv::sums(scratch, lanes)?;
    let mut layer = Layer::new(constants, op.weights, &op.requant, lanes)?;
    repeat(constants.get(op.requant.multipliers).ok()?, &mut layer, multipliers);
    let (weights, scratch) = interleaved(present, &image, layer, cast_mut::<i8>(scratch)?)?;
    layer.weights = weights;
    layer.groups = image.kernel[0].div_ceil(4).checked_mul(image.kernel[1])?;
    layer.steps = [layer.blocks().checked_mul(GROUP)?, GROUP];
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

/// Gives the layer a multiplier for each lane, if there is more than one.
fn repeat<'a>(from: &[i32], layer: &mut Layer<'a>, to: &'a mut [[i32; BLOCK]]) {
    if from.len() > 1 {
        for to in to.as_flattened_mut().chunks_mut(from.len()) {
            to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        }
        layer.multipliers = to;
    }
}

/// The weights `[kh][kw][c]` as the loop wants them, in the scratch; and what is left of it.
fn interleaved<'s>(
    present: Present,
    image: &Image<'_>,
    layer: Layer<'_>,
    scratch: &'s mut [i8],
) -> Option<(&'s [i8], &'s mut [i8])> {
    let ([kh, kw], channels, blocks) = (image.kernel, image.channels, layer.blocks());
    let len = kh.div_ceil(4).checked_mul(kw)?.checked_mul(blocks)?.checked_mul(GROUP)?;
    let (to, rest) = scratch.split_at_mut_checked(len)?;
    let taps = to.as_chunks_mut::<GROUP>().0.chunks_mut(blocks.max(1));
    for (tap, to) in taps.enumerate() {
        let (four, kx) = (tap.checked_div(kw)?.wrapping_mul(4), tap.checked_rem(kw)?);
        let mut rows: [&[i8]; 4] = [&[]; 4];
        for (r, row) in rows.iter_mut().enumerate() {
            let ky = four.wrapping_add(r).min(kh.checked_sub(1)?);
            let start = ky.wrapping_mul(kw).wrapping_add(kx).wrapping_mul(channels);
            *row = layer.weights.get(start..start.wrapping_add(channels))?;
        }
        whole_rows(present, rows, to);
        let (first, others) = to.as_flattened_mut().split_at_mut_checked(channels.checked_mul(4)?)?;
        // Rows behind the last one are none.
        for row in kh.saturating_sub(four)..4 {
            first.as_chunks_mut::<4>().0.iter_mut().for_each(|fours| fours[row] = 0);
        }
        for others in others.chunks_mut(first.len().max(1)) {
            others.iter_mut().zip(&*first).for_each(|(to, from)| *to = *from);
        }
    }
    Some((to, rest))
}

/// The numbers of four rows side by side, those behind the last block too.
fn whole_rows(present: Present, rows: [&[i8]; 4], to: &mut [[i8; GROUP]]) {
    present.interleave(rows.map(|row| row.as_chunks().0), to);
    let blocks = rows[0].len() / BLOCK;
    if let Some(to) = to.get_mut(blocks..) {
        let parts = rows.map(|row| part(row, blocks.wrapping_mul(BLOCK)));
        present.interleave(parts.each_ref().map(core::slice::from_ref), to);
    }
}

/// Sixteen numbers from `at` on, zeros behind the end.
fn part(row: &[i8], at: usize) -> [i8; BLOCK] {
    let mut part = [0; BLOCK];
    let row = row.get(at..).unwrap_or_default();
    match row.first_chunk() {
        Some(whole) => part = *whole,
        None => part.iter_mut().zip(row).for_each(|(to, from)| *to = *from),
    }
    part
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
            // Rows behind the last one meet zeros.
            let row = |r: usize| starts.get(four.wrapping_mul(4).wrapping_add(r)).or(starts.last()).copied();
            let chunk = |r: usize| ring.numbers().get(row(r)?..).map(|row| row.as_chunks::<BLOCK>().0);
            present.interleave([chunk(0)?, chunk(1)?, chunk(2)?, chunk(3)?], to.as_chunks_mut().0);
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
