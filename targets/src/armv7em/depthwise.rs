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
    let (layer, zero) = (Layer::<i8>::new(op, constants)?, op.requant.zero.into());
    layer.rows(&image, work, |channels| insn::channels(channels, weigh::<W>, zero))?;
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
    let (layer, wide) = (Layer::<i16>::new(op, constants)?, Wide::new(&op.requant)?);
    layer.rows(&image, work, |channels| insn::channels_i16(channels, weigh_i16, &wide))
}

struct Layer<'a, T: Int> {
    /// Columns and channels of the outputs.
    width: usize,
    channels: usize,
    weights: &'a [i8],
    /// Weights from one tap to the next.
    across: usize,
    bias: &'a [T::Sum],
    multipliers: &'a [i32],
}

impl<'a, T: Int> Layer<'a, T> {
    /// Of a record with an output for each channel, channels last.
    fn new(op: &Depthwise<T>, constants: Constants<'a>) -> Option<Self> {
        let [_, _, width, channels] = op.output.shape.map(|dim| dim as usize);
        let last = usize::from(op.layout.outputs) >= channels && op.layout.depth == 1;
        if !last || op.input.shape[3] as usize != channels || channels < 4 / size_of::<T>() {
            return None;
        }
        let weights = constants.get::<i8>(op.weights).ok()?;
        let bias = constants.get::<T::Sum>(op.bias).ok()?;
        let multipliers = constants.get::<i32>(op.requant.multipliers).ok()?;
        Some(Self { width, channels, weights, across: op.layout.outputs.into(), bias, multipliers })
    }

    /// All output rows, as many at a time as the plane holds.
    #[inline(always)]
    fn rows<const N: usize>(
        &self,
        image: &Image<'_>,
        work: &mut Work<'_, T>,
        compute: impl Fn(&mut Channels<'_, T, N>) -> Option<()>,
    ) -> Option<()> {
        let mut plane = Plane::new(image, self.width, cast_mut::<u32>(work.scratch)?)?;
        plane.words.fill(plane.outside());
        let single = self.multipliers.first().map(|m| [*m; 4])?;
        let multipliers = if self.multipliers.len() == 1 { &single } else { self.multipliers };
        let len = self.width.checked_mul(self.channels)?;
        let mut rows = work.rows.start as usize..work.rows.end as usize;
        let mut rest = &mut *work.output;
        while !rows.is_empty() {
            let band = rows.start..rows.end.min(rows.start.checked_add(plane.most)?);
            let (y, after) = rest.split_at_mut_checked(band.len().checked_mul(len)?)?;
            compute(&mut plane.channels(&Layer { multipliers, ..*self }, &band, y)?)?;
            (rest, rows.start) = (after, band.end);
        }
        Some(())
    }
}

/// The scratch: taps, then words of channels of some rows.
struct Plane<'a, const N: usize> {
    image: &'a Image<'a>,
    width: usize,
    taps: &'a mut [Taps<N>],
    words: &'a mut [u32],
    /// Words of a row.
    pitch: usize,
    /// The largest offset of a tap, in words.
    reach: usize,
    /// Output rows whose input the plane holds.
    most: usize,
}

impl<'a, const N: usize> Plane<'a, N> {
    fn new(image: &'a Image<'a>, width: usize, scratch: &'a mut [u32]) -> Option<Self> {
        let ([kh, kw], [dy, dx], [down, across]) = (image.kernel, image.dilation, image.stride);
        let taps = kh.checked_mul(kw)?.div_ceil(2);
        let (taps, words) = scratch.split_at_mut_checked(taps.checked_mul(N)?)?;
        let (pitch, tall) = (end([width, kw], [across, dx], 1)?, end([kh, 1], [dy, 0], 1)?);
        let most = words.len().checked_div(pitch)?.checked_sub(tall)?.checked_div(down)?.checked_add(1)?;
        let next = dy.checked_mul(pitch)?;
        offsets(taps.as_chunks_mut::<N>().0, [kh, kw], [dx, next].map(|words| words.wrapping_mul(4)));
        let reach = end([kh, kw], [next, dx], 0)?;
        Some(Self { image, width, taps: taps.as_chunks_mut::<N>().0, words, pitch, reach, most })
    }

    /// All channels of some output rows.
    #[inline(always)]
    fn channels<'p, T: Int>(
        &'p mut self,
        layer: &Layer<'p, T>,
        rows: &Range<usize>,
        y: &'p mut [T],
    ) -> Option<Channels<'p, T, N>> {
        let parts = self.parts(rows)?;
        let Image { kernel: [kh, kw], stride: [down, across], pad: [_, left], width, .. } = *self.image;
        Some(Channels {
            parts,
            columns: width.min(self.pitch.saturating_sub(left)),
            channels: layer.channels,
            row_len: self.image.row_len(),
            plane: self.words,
            pitch: self.pitch,
            weights: layer.weights,
            across: layer.across,
            count: kh.checked_mul(kw)?,
            taps: self.taps,
            reach: self.reach,
            bias: layer.bias,
            multipliers: layer.multipliers,
            steps: [down.checked_mul(self.pitch)?, across],
            size: [rows.len(), self.width],
            y,
        })
    }

    /// What output rows read of the image: its rows, which are in two places if a ring ends between them. The plane's rows that are outside are
    /// filled.
    #[inline(never)]
    fn parts(&mut self, rows: &Range<usize>) -> Option<[Part<'a>; 2]> {
        let Image { stride: [down, _], pad: [above, left], height, .. } = *self.image;
        let (first, span, outside) = (rows.start.wrapping_mul(down), self.span(rows), self.outside());
        let start = first.max(above);
        let end = first.wrapping_add(span).min(above.wrapping_add(height)).max(start);
        let at = |y: usize| y.wrapping_sub(first).wrapping_mul(self.pitch);
        self.words.get_mut(..at(start).min(span.wrapping_mul(self.pitch)))?.fill(outside);
        self.words.get_mut(at(end)..).unwrap_or_default().fill(outside);
        let count = end.wrapping_sub(start);
        let lines = if count > 0 { self.image.rows.split(start.wrapping_sub(above), count)? } else { [&[][..]; 2] };
        let mut y = start;
        Some(lines.map(|from| {
            let rows = from.len().checked_div(self.image.row_len()).unwrap_or(0);
            let part = Part { from, rows, at: at(y).wrapping_add(left) };
            y = y.wrapping_add(rows);
            part
        }))
    }

    /// Rows of the padded image that output rows read.
    fn span(&self, rows: &Range<usize>) -> usize {
        let Image { stride: [down, _], kernel: [kh, _], dilation: [dy, _], .. } = *self.image;
        let tall = kh.wrapping_sub(1).wrapping_mul(dy).wrapping_add(1);
        rows.len().wrapping_sub(1).wrapping_mul(down).wrapping_add(tall)
    }

    /// A word of what stands outside the image.
    fn outside(&self) -> u32 {
        u32::from_le_bytes([self.image.zero as u8; 4])
    }
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
