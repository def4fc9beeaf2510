//! Depthwise convolution in int8, one output for each channel: sixteen channels of a pixel at a time.
//!
//! Of the rows that an output row reads, four and four are interleaved, so that the bytes of one column and channel stand side by side: one
//! operation then makes the products of a column of taps. Weights stand so in the file. Where a window has at most three rows and moves by one,
//! the four rows are all that two output rows read, and both are computed at once.
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
use super::ring;
use super::tile::{BLOCK, Depth, GROUP, Layer};
use crate::image::Image;
use crate::wish::Wish;

/// What a depthwise convolution wants.
pub(super) fn wish(input: &Tensor, output: &Tensor, window: &Window) -> Option<Wish> {
    let ([.., channels], [kh, kw]) = (input.shape, window.kernel);
    let ([row, _], fours) = (ring::sizes(input, window)?, kh.div_ceil(4));
    let columns = columns_at_once(channels as usize, window.stride[1] as usize, output.shape[2] as usize);
    let lanes = channels.checked_mul(u32::try_from(columns).ok()?)?;
    let blocks = lanes.div_ceil(BLOCK as u32).checked_mul(GROUP as u32)?;
    let weights = if columns == 1 { 0 } else { fours.checked_mul(kw)?.checked_mul(blocks)? };
    let row = row.checked_next_multiple_of(BLOCK as u32)?;
    let interleaved = row.checked_add(BLOCK as u32)?.checked_mul(4)?.checked_mul(fours)?;
    let parts = [conv::SPARE, blocks, blocks, weights, row, interleaved];
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
    if !ends_in_zeros(layer.weights, image.kernel, 4 * usize::from(op.layout.outputs)) {
        return None;
    }
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

/// Whether the weights of rows behind the last of `kh` are 0, as they need not be: a column of taps has `len` bytes for each four of rows.
fn ends_in_zeros(weights: &[i8], [kh, kw]: [usize; 2], len: usize) -> bool {
    let last = kh.wrapping_sub(1);
    let fours = weights.chunks(len.max(1)).skip((last / 4).wrapping_mul(kw)).take(kw).flat_map(|tap| tap.as_chunks().0);
    let all = fours.fold(0, |all, four: &[i8; 4]| all | u32::from_le_bytes(four.map(|weight| weight as u8)));
    all >> (8 * (last % 4)) >> 8 == 0
}

/// Whole rows of outputs.
fn rows(
    present: Present,
    (image, width): (Image<'_>, usize),
    layer: Layer<'_>,
    (rows, mut rest): (Range<u32>, &mut [i8]),
    scratch: &mut [i8],
) -> Option<()> {
    let (mut columns, row) = (Columns::new(present, image, width, scratch)?, width.checked_mul(image.channels)?);
    let (pixel, together) = (image.channels.checked_mul(4)?, layer.outputs.checked_div(image.channels)?);
    let across = pixel.checked_mul(image.stride[1])?.checked_mul(together)?;
    let steps = [columns.row, across, pixel.checked_mul(image.dilation[1])?];
    let taps = [image.kernel[0].div_ceil(4), image.kernel[1]];
    let (count, left) = (width.checked_div(together)?, width.checked_rem(together)?);
    let last = Layer { outputs: left.checked_mul(image.channels)?, ..layer };
    let (mut at, end) = (rows.start as usize, rows.end as usize);
    while at < end {
        let two = columns.two && end.wrapping_sub(at) > 1;
        let (below, rows) = if two { (Some(row), 2) } else { (None, 1) };
        columns.bring(at, rows)?;
        let (y, after) = rest.split_at_mut_checked(row.checked_mul(rows)?)?;
        present.depth(&mut Depth { x: columns.x, steps, count, taps, layer: &layer, below, y })?;
        if left > 0 {
            let (x, y) =
                (columns.x.get(count.checked_mul(across)?..)?, y.get_mut(count.checked_mul(layer.outputs)?..)?);
            present.depth(&mut Depth { x, steps, count: 1, taps, layer: &last, below, y })?;
        }
        (at, rest) = (at.wrapping_add(rows), after);
    }
    Some(())
}

/// The rows that an output row reads, or two, four and four interleaved.
struct Columns<'a, 's> {
    present: Present,
    image: Image<'a>,
    /// Fours of rows, each with what stands outside at its ends and a group that may be written to behind it.
    x: &'s mut [i8],
    /// Bytes of a four.
    row: usize,
    /// Where the image begins in a four, and how many numbers of its row outputs read.
    inside: Range<usize>,
    /// A row outside the image.
    outside: &'s [i8],
    /// Whether four rows are all that two output rows read.
    two: bool,
}

impl<'a, 's> Columns<'a, 's> {
    /// For rows of `width` outputs.
    fn new(present: Present, image: Image<'a>, width: usize, scratch: &'s mut [i8]) -> Option<Self> {
        let len = ring::row(&image, width)?;
        let row = len.div_ceil(BLOCK).checked_add(1)?.checked_mul(GROUP)?;
        let (outside, scratch) = scratch.split_at_mut_checked(len)?;
        let x = scratch.get_mut(..row.checked_mul(image.kernel[0].div_ceil(4))?)?;
        outside.fill(image.zero);
        let start = image.pad[1].checked_mul(image.channels)?.min(len);
        let inside = start..start.checked_add(image.row_len())?.min(len);
        let mut raised = [0];
        present.flipped(&[image.zero], &mut raised);
        for four in x.chunks_mut(row) {
            four.get_mut(..inside.start.checked_mul(4)?)?.fill(raised[0]);
            four.get_mut(inside.end.checked_mul(4)?..)?.fill(raised[0]);
        }
        // The assembly for 32-bit Arm computes one row.
        let two = !cfg!(lanes = "armv7") && image.kernel[0] < 4 && image.stride[0] == 1 && image.dilation[0] == 1;
        Some(Self { present, image, x, row, inside, outside, two })
    }

    /// The row that a tap of output row `y` reads, in columns that are inside.
    fn image_row(&self, y: usize, tap: usize) -> Option<&'s [i8]>
    where
        'a: 's,
    {
        let row = self.image.position(0, y, tap);
        let row = if row < self.image.height { self.image.rows.row(row)? } else { self.outside };
        row.get(..self.inside.len())
    }

    /// Brings in what `count` output rows from `y` on read, one or two.
    fn bring(&mut self, y: usize, count: usize) -> Option<()> {
        let kh = self.image.kernel[0].checked_add(count.checked_sub(1)?)?;
        for (four, start) in (0..self.x.len()).step_by(self.row.max(1)).enumerate() {
            // Weights are 0 for rows behind the last one.
            let mut from = [self.outside.get(..self.inside.len())?; 4];
            for (tap, from) in (four.wrapping_mul(4)..kh).zip(&mut from) {
                *from = self.image_row(y, tap)?;
            }
            let to = self.x.get_mut(start.checked_add(self.inside.start.checked_mul(4)?)?..)?;
            interleave(self.present, from, self.image.zero, to.as_chunks_mut().0)?;
        }
        Some(())
    }
}

/// The numbers of four rows side by side, and behind those of the last block what stands outside.
fn interleave(present: Present, rows: [&[i8]; 4], outside: i8, to: &mut [[i8; GROUP]]) -> Option<()> {
    present.interleave(rows.map(|row| row.as_chunks().0), to);
    let last = rows.map(|row| row.as_chunks::<BLOCK>().1);
    if last[0].is_empty() {
        return Some(());
    }
    let mut whole = [[outside; BLOCK]; 4];
    whole.iter_mut().zip(last).for_each(|(to, last)| ring::plain(last, to));
    present.interleave(whole.each_ref().map(core::slice::from_ref), to.get_mut(rows[0].len() / BLOCK..)?);
    Some(())
}
