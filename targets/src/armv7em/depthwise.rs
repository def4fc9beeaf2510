//! Depthwise convolution in int8, with weights of int8 or int4, and in int16, one output for each channel: a word of channels at a time, which is four
//! of int8 or two of int16, over as many rows as the scratch holds.
//!
//! The rows' words are copied to a plane with its border of zero points, so that every output is computed alike, at any
//! stride and dilation. The taps in pairs, their weights widened and their offsets in the plane, stand before it.

use core::ops::Range;

use lacewing::Int;
use lacewing::arena::{Constants, cast_mut};
use lacewing::format::{Layout, Tensor, Window};
use lacewing::ops::depthwise::Depthwise;
use lacewing::ops::weights::Weight;
use lacewing::ops::{DepthwiseI8, DepthwiseI16};
use lacewing::rows::Work;

use super::insn;
use super::tile::{Channels, Part, Taps};
use crate::fallback::limit;
use crate::image::{Image, end};
use crate::wide::{MOST, Wide};
use crate::wish::Wish;

/// Bytes of plane that are enough: with more the copies hardly become fewer.
const ENOUGH: u32 = 1024;

/// What a depthwise convolution wants whose pairs of taps take `N` words, 6 in int8 and 4 in int16: the taps and the plane.
pub(super) fn wish<const N: usize>(input: &Tensor, output: &Tensor, window: &Window) -> Option<Wish> {
    let [kh, kw] = window.kernel;
    let [_, rows, width, outputs] = output.shape;
    let reach = |axis: usize| (window.kernel[axis] - 1).checked_mul(window.dilation[axis])?.checked_add(1);
    let span = |axis: usize, outputs: u32| (outputs - 1).checked_mul(window.stride[axis])?.checked_add(reach(axis)?);
    let row = span(1, width)?.checked_mul(4)?;
    let least = reach(0)?.checked_mul(row)?;
    let whole = span(0, rows)?.checked_mul(row)?;
    let [plane, least] = [least.max(ENOUGH), least].map(|most| whole.min(most));
    let taps = kh.checked_mul(kw)?.div_ceil(2).checked_mul(size_of::<Taps<N>>() as u32)?;
    let fits = input.shape[3] == outputs && outputs as usize * input.dtype()?.size() as usize >= 4;
    let layout = Layout::channels_last(u16::try_from(outputs).ok()?);
    Some(Wish { layout, scratch: taps.checked_add(plane)?, least: taps.checked_add(least)? }).filter(|_| fits)
}

/// Computes the work, or gives `None` if the record is not as these loops want it; the portable kernel then does all of it.
#[inline(never)]
pub(super) fn run<W: Weight>(op: &DepthwiseI8, constants: Constants<'_>, work: &mut Work<'_, i8>) -> Option<()> {
    let image = Image::new(work.input, &op.input, &op.window, op.input_zero);
    if op.requant.shift > 0 {
        return None;
    }
    let zero = op.requant.zero.into();
    rows(op, constants, &image, work, |channels| insn::channels(channels, weigh::<W>, zero))?;
    limit(&op.requant, work.output);
    Some(())
}

/// The same in int16.
#[inline(never)]
pub(crate) fn run_i16(op: &DepthwiseI16, constants: Constants<'_>, work: &mut Work<'_, i16>) -> Option<()> {
    let image = Image::of_i16(&work.input, &op.input, &op.window);
    let [kh, kw] = image.kernel;
    if op.input_zero != 0 || kh.checked_mul(kw)? > MOST {
        return None;
    }
    let wide = Wide::new(&op.requant)?;
    rows(op, constants, &image, work, |channels| insn::channels_i16(channels, weigh_i16, &wide))
}

/// All output rows, as many at a time as the plane holds.
#[inline(always)]
fn rows<T: Int, const N: usize>(
    op: &Depthwise<T>,
    constants: Constants<'_>,
    image: &Image<'_>,
    work: &mut Work<'_, T>,
    compute: impl Fn(&mut Channels<'_, T, N>) -> Option<()>,
) -> Option<()> {
    let single = constants.get::<i32>(op.requant.multipliers).ok()?.first().copied()?;
    let single = [single, single, single, single];
    let mut all = channels(op, constants, image, cast_mut::<u32>(work.scratch)?, &single)?;
    let most = most(image, all.plane.len(), all.pitch)?;
    all.plane.fill(outside(image));
    let mut rows = work.rows.start as usize..work.rows.end as usize;
    let mut rest = &mut *work.output;
    while !rows.is_empty() {
        let band = rows.start..rows.end.min(rows.start.checked_add(most)?);
        let (y, after) = rest.split_at_mut_checked(band.len().checked_mul(all.size[1])?.checked_mul(all.channels)?)?;
        all.size[0] = band.len();
        all.y = y;
        read(image, &band, &mut all)?;
        compute(&mut all)?;
        (rest, rows.start) = (after, band.end);
    }
    Some(())
}

/// All channels of a record with an output for each channel, channels last, but no rows of it yet. The scratch has the taps, then words of channels
/// of some rows.
#[inline(always)]
fn channels<'a, T: Int, const N: usize>(
    op: &Depthwise<T>,
    constants: Constants<'a>,
    image: &Image<'_>,
    scratch: &'a mut [u32],
    single: &'a [i32; 4],
) -> Option<Channels<'a, T, N>> {
    let [_, _, width, channels] = op.output.shape.map(|dim| dim as usize);
    let last = usize::from(op.layout.outputs) >= channels && op.layout.depth == 1;
    if !last || op.input.shape[3] as usize != channels || channels < Channels::<T, N>::LANES {
        return None;
    }
    let multipliers = constants.get::<i32>(op.requant.multipliers).ok()?;
    let ([kh, kw], [dy, dx], [down, across]) = (image.kernel, image.dilation, image.stride);
    let (count, pitch) = (kh.checked_mul(kw)?, end([width, kw], [across, dx], 1)?);
    let (taps, plane) = scratch.split_at_mut_checked(count.div_ceil(2).checked_mul(N)?)?;
    let (taps, next) = (taps.as_chunks_mut::<N>().0, dy.checked_mul(pitch)?);
    offsets(taps, [kh, kw], [dx.wrapping_mul(4), next.wrapping_mul(4)]);
    Some(Channels {
        parts: [Part::NONE, Part::NONE],
        columns: image.width.min(pitch.saturating_sub(image.pad[1])),
        channels,
        row_len: image.row_len(),
        plane,
        pitch,
        weights: constants.get::<i8>(op.weights).ok()?,
        across: op.layout.outputs.into(),
        count,
        taps,
        reach: end([kh, kw], [next, dx], 0)?,
        bias: constants.get::<T::Sum>(op.bias).ok()?,
        multipliers: if multipliers.len() == 1 { single } else { multipliers },
        steps: [down.checked_mul(pitch)?, across],
        size: [0, width],
        y: &mut [],
    })
}

/// Output rows whose input a plane of so many words holds, of which a row takes `pitch`.
fn most(image: &Image<'_>, words: usize, pitch: usize) -> Option<usize> {
    let tall = end([image.kernel[0], 1], [image.dilation[0], 0], 1)?;
    words.checked_div(pitch)?.checked_sub(tall)?.checked_div(image.stride[0])?.checked_add(1)
}

/// Finds what output rows read of the image: its rows, which are in two places if a ring ends between them. The plane's rows that are outside are
/// filled.
#[inline(never)]
fn read<'a, T: Int, const N: usize>(
    image: &Image<'a>,
    rows: &Range<usize>,
    all: &mut Channels<'a, T, N>,
) -> Option<()> {
    let Image { stride: [down, _], pad: [above, left], height, .. } = *image;
    let (first, span, outside) = (rows.start.wrapping_mul(down), span(image, rows), outside(image));
    let start = first.max(above);
    let end = first.wrapping_add(span).min(above.wrapping_add(height)).max(start);
    let pitch = all.pitch;
    let at = |y: usize| y.wrapping_sub(first).wrapping_mul(pitch);
    all.plane.get_mut(..at(start).min(span.wrapping_mul(pitch)))?.fill(outside);
    all.plane.get_mut(at(end)..).unwrap_or_default().fill(outside);
    let count = end.wrapping_sub(start);
    let lines = if count > 0 { image.rows.split(start.wrapping_sub(above), count)? } else { [&[][..]; 2] };
    let mut y = start;
    for (part, from) in all.parts.iter_mut().zip(lines) {
        let rows = from.len().checked_div(image.row_len()).unwrap_or(0);
        *part = Part { from, rows, at: at(y).wrapping_add(left) };
        y = y.wrapping_add(rows);
    }
    Some(())
}

/// Rows of the padded image that output rows read.
fn span(image: &Image<'_>, rows: &Range<usize>) -> usize {
    let Image { stride: [down, _], kernel: [kh, _], dilation: [dy, _], .. } = *image;
    let tall = kh.wrapping_sub(1).wrapping_mul(dy).wrapping_add(1);
    rows.len().wrapping_sub(1).wrapping_mul(down).wrapping_add(tall)
}

/// A word of what stands outside the image.
fn outside(image: &Image<'_>) -> u32 {
    u32::from_le_bytes([image.zero as u8; 4])
}

/// Writes the weights of four channels to the taps, 0 for the second of an odd last pair.
fn weigh<W: Weight>(weights: &[i8], [across, count]: [usize; 2], channel: usize, taps: &mut [Taps<6>]) -> Option<()> {
    if W::bytes(2) == 2 {
        return insn::weigh(weights.get(channel..)?, across, count, taps);
    }
    let (mut at, mut left) = (channel, count);
    let mut next = || {
        let four = four::<W>(weights, at);
        at = at.wrapping_add(across);
        four
    };
    for [_, _, words @ ..] in taps {
        let (a, b) = (next()?, if left > 1 { next()? } else { [0; 4] });
        left = left.wrapping_sub(2);
        for ((word, a), b) in words.iter_mut().zip(a).zip(b) {
            *word = u32::from(i16::from(a) as u16) | (i32::from(b) << 16) as u32;
        }
    }
    Some(())
}

/// Writes the weights of two channels in int16 to the taps, 0 for the second of an odd last pair.
fn weigh_i16(weights: &[i8], [across, count]: [usize; 2], channel: usize, taps: &mut [Taps<4>]) -> Option<()> {
    let (mut at, mut left) = (channel, count);
    for word in taps.iter_mut().flat_map(|[_, _, words @ ..]| words) {
        let two = if left > 0 { *weights.get(at..)?.first_chunk::<2>()? } else { [0; 2] };
        let [a, b] = two.map(|weight| u32::from(i16::from(weight) as u16));
        *word = a | b << 16;
        (at, left) = (at.wrapping_add(across), left.saturating_sub(1));
    }
    Some(())
}

/// Four weights from a position of the layout on.
fn four<W: Weight>(weights: &[i8], at: usize) -> Option<[i8; 4]> {
    if W::bytes(2) == 2 {
        return weights.get(at..)?.first_chunk().copied();
    }
    let [a, b, c, d] = [0, 1, 2, 3].map(|i| W::at(weights, at.wrapping_add(i)));
    Some([a?, b?, c?, d?])
}

/// Writes the offsets of all taps, in bytes, with those steps from column to column and from row to row.
fn offsets<const N: usize>(taps: &mut [Taps<N>], [kh, kw]: [usize; 2], [across, down]: [usize; 2]) {
    let (mut ky, mut kx) = (0usize, 0usize);
    for taps in taps {
        for offset in taps.iter_mut().take(2) {
            // The second of an odd last pair, which has no weights, is the first tap.
            *offset = if ky < kh { ky.wrapping_mul(down).wrapping_add(kx.wrapping_mul(across)) as u32 } else { 0 };
            kx = kx.wrapping_add(1);
            if kx == kw {
                (ky, kx) = (ky.wrapping_add(1), 0);
            }
        }
    }
}
