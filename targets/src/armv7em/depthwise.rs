//! Depthwise convolution in int8, with weights of int8 or int4, one output for each channel: four channels at a time, over as many rows as the
//! scratch holds.
//!
//! The rows' words of four channels are copied to a plane with its border of zero points, so that every output is computed alike, at any
//! stride and dilation. The taps in pairs, their weights widened and their offsets in the plane, stand before it.

use core::ops::Range;

use lacewing::arena::{Constants, cast_mut};
use lacewing::format::{Layout, Tensor, Window};
use lacewing::ops::DepthwiseI8;
use lacewing::ops::weights::Weight;
use lacewing::rows::Work;

use super::insn;
use super::tile::{Run, Taps};
use crate::fallback::limit;
use crate::image::Image;
use crate::wish::Wish;

/// Bytes of plane that are enough: with more the copies hardly become fewer.
const ENOUGH: u32 = 1024;

/// What a depthwise convolution wants: the taps and the plane.
pub(super) fn wish(input: &Tensor, output: &Tensor, window: &Window) -> Option<Wish> {
    let [kh, kw] = window.kernel;
    let [_, rows, width, outputs] = output.shape;
    let reach = |axis: usize| (window.kernel[axis] - 1).checked_mul(window.dilation[axis])?.checked_add(1);
    let span = |axis: usize, outputs: u32| (outputs - 1).checked_mul(window.stride[axis])?.checked_add(reach(axis)?);
    let row = span(1, width)?.checked_mul(4)?;
    let least = reach(0)?.checked_mul(row)?;
    let whole = span(0, rows)?.checked_mul(row)?;
    let [plane, least] = [least.max(ENOUGH), least].map(|most| whole.min(most));
    let taps = kh.checked_mul(kw)?.div_ceil(2).checked_mul(size_of::<Taps>() as u32)?;
    let fits = input.shape[3] == outputs && outputs >= 4;
    let layout = Layout::channels_last(u16::try_from(outputs).ok()?);
    Some(Wish { layout, scratch: taps.checked_add(plane)?, least: taps.checked_add(least)? }).filter(|_| fits)
}

/// Computes the work, or gives `None` if the record is not as these loops want it; the portable kernel then does all of it.
#[inline(never)]
pub(super) fn run<W: Weight>(op: &DepthwiseI8, constants: Constants<'_>, work: &mut Work<'_, i8>) -> Option<()> {
    let [_, _, width, channels] = op.output.shape.map(|dim| dim as usize);
    let image = Image::new(work.input, &op.input, &op.window, op.input_zero);
    let last = usize::from(op.layout.outputs) >= channels && op.layout.depth == 1;
    if !last || op.requant.shift > 0 || image.channels != channels || channels < 4 {
        return None;
    }
    let layer = Layer {
        weights: constants.get::<i8>(op.weights).ok()?,
        across: op.layout.outputs.into(),
        bias: constants.get::<i32>(op.bias).ok()?,
        multipliers: constants.get::<i32>(op.requant.multipliers).ok()?,
        zero: op.requant.zero.into(),
    };
    let mut plane = Plane::new(image, width, cast_mut::<u32>(work.scratch)?)?;
    let rows = work.rows.start as usize..work.rows.end as usize;
    plane.words.fill(plane.outside());
    let mut channel = 0;
    loop {
        plane.weigh::<W>(&layer, channel)?;
        plane.rows(&layer, channel, rows.clone(), work.output)?;
        // The last block begins where four are left.
        let next = channel.wrapping_add(4).min(channels.wrapping_sub(4));
        if next <= channel {
            break;
        }
        channel = next;
    }
    limit(&op.requant, work.output);
    Some(())
}

struct Layer<'a> {
    weights: &'a [i8],
    /// Weights from one tap to the next.
    across: usize,
    bias: &'a [i32],
    multipliers: &'a [i32],
    zero: i32,
}

/// The scratch: taps, then words of four channels of some rows.
struct Plane<'a> {
    image: Image<'a>,
    width: usize,
    taps: &'a mut [Taps],
    words: &'a mut [u32],
    /// Words of a row.
    pitch: usize,
    /// The largest offset of a tap, in words.
    reach: usize,
    /// Output rows whose input the plane holds.
    most: usize,
}

impl<'a> Plane<'a> {
    fn new(image: Image<'a>, width: usize, scratch: &'a mut [u32]) -> Option<Self> {
        let ([kh, kw], [dy, dx], [down, across]) = (image.kernel, image.dilation, image.stride);
        let taps = kh.checked_mul(kw)?.div_ceil(2);
        let (taps, words) = scratch.split_at_mut_checked(taps.checked_mul(6)?)?;
        let [tall, wide] = [kh.checked_sub(1)?.checked_mul(dy)?, kw.checked_sub(1)?.checked_mul(dx)?];
        let pitch = width.checked_sub(1)?.checked_mul(across)?.checked_add(wide)?.checked_add(1)?;
        let more = words.len().checked_div(pitch)?.checked_sub(tall.checked_add(1)?)?;
        let most = more.checked_div(down)?.checked_add(1)?;
        let steps = [dx, dy.checked_mul(pitch)?].map(|words| words.wrapping_mul(4));
        offsets(taps.as_chunks_mut::<6>().0, [kh, kw], steps);
        let reach = tall.checked_mul(pitch)?.checked_add(wide)?;
        Some(Self { image, width, taps: taps.as_chunks_mut::<6>().0, words, pitch, reach, most })
    }

    /// Computes four channels of output rows, as many at once as the plane holds.
    fn rows(&mut self, layer: &Layer<'_>, channel: usize, mut rows: Range<usize>, output: &mut [i8]) -> Option<()> {
        let mut rest = output;
        while !rows.is_empty() {
            let band = rows.start..rows.end.min(rows.start.checked_add(self.most)?);
            let len = band.len().checked_mul(self.width)?.checked_mul(self.image.channels)?;
            let (output, after) = rest.split_at_mut_checked(len)?;
            self.copy(&band, channel)?;
            self.block(layer, channel, band.len(), output)?;
            (rest, rows.start) = (after, band.end);
        }
        Some(())
    }

    /// Writes the weights of four channels to the taps, 0 for the second of an odd last pair.
    fn weigh<W: Weight>(&mut self, layer: &Layer<'_>, channel: usize) -> Option<()> {
        let mut at = channel;
        let mut next = || {
            let four = four::<W>(layer.weights, at);
            at = at.wrapping_add(layer.across);
            four
        };
        let mut left = self.image.kernel[0].wrapping_mul(self.image.kernel[1]);
        for [_, _, words @ ..] in self.taps.iter_mut() {
            let (a, b) = (next()?, if left > 1 { next()? } else { [0; 4] });
            left = left.wrapping_sub(2);
            for ((word, a), b) in words.iter_mut().zip(a).zip(b) {
                *word = u32::from(i16::from(a) as u16) | (i32::from(b) << 16) as u32;
            }
        }
        Some(())
    }

    /// Copies four channels of what the output rows read. What is left and right of the image stays as it is, filled once for all.
    fn copy(&mut self, rows: &Range<usize>, channel: usize) -> Option<()> {
        let Image { stride: [down, _], pad: [_, left], channels, width, .. } = self.image;
        if let Some(lines) = self.lines(rows) {
            let words = self.words.get_mut(..lines.len().checked_div(channels)?)?;
            return insn::words(lines.get(channel..)?, channels, words);
        }
        let (first, span) = (rows.start.wrapping_mul(down), self.span(rows));
        let (image, outside) = (self.image, self.outside());
        let inside = width.min(self.pitch.saturating_sub(left));
        let mut rest = self.words.get_mut(left..)?;
        for y in first..first.wrapping_add(span) {
            let line = rest.get_mut(..inside)?;
            match image.row(y) {
                Some(row) => insn::words(row.get(channel..)?, channels, line)?,
                None => line.fill(outside),
            }
            rest = rest.get_mut(self.pitch..).unwrap_or_default();
        }
        Some(())
    }

    /// Rows of the padded image that output rows read.
    fn span(&self, rows: &Range<usize>) -> usize {
        let Image { stride: [down, _], kernel: [kh, _], dilation: [dy, _], .. } = self.image;
        let tall = kh.wrapping_sub(1).wrapping_mul(dy).wrapping_add(1);
        rows.len().wrapping_sub(1).wrapping_mul(down).wrapping_add(tall)
    }

    /// Four channels of what stands outside the image.
    fn outside(&self) -> u32 {
        u32::from_le_bytes([self.image.zero as u8; 4])
    }

    /// What output rows read, if it is one slice without a border.
    fn lines(&self, rows: &Range<usize>) -> Option<&'a [i8]> {
        let Image { stride: [down, _], pad, .. } = self.image;
        let all = pad == [0, 0] && self.pitch == self.image.width;
        self.image.rows.lines(rows.start.wrapping_mul(down), self.span(rows)).filter(|_| all)
    }

    /// Computes four channels of all rows in the plane.
    fn block(&self, layer: &Layer<'_>, channel: usize, rows: usize, output: &mut [i8]) -> Option<()> {
        let [down, across] = self.image.stride;
        let channels = self.image.channels;
        let bias = layer.bias.get(channel..)?.first_chunk()?;
        let single = layer.multipliers.first().map(|m| [*m; 4])?;
        let multipliers = match layer.multipliers {
            [_] => &single,
            each => each.get(channel..)?.first_chunk()?,
        };
        insn::run(&mut Run {
            plane: self.words,
            step: across,
            down: down.wrapping_mul(self.pitch),
            taps: self.taps,
            reach: self.reach,
            bias,
            multipliers,
            zero: layer.zero,
            width: self.width,
            rows,
            y: output.get_mut(channel..)?,
            stride: channels,
        })
    }
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
fn offsets(taps: &mut [Taps], [kh, kw]: [usize; 2], [across, down]: [usize; 2]) {
    let (mut ky, mut kx) = (0usize, 0usize);
    for [a, b, ..] in taps {
        for offset in [a, b] {
            // The second of an odd last pair, which has no weights, is the first tap.
            *offset = if ky < kh { ky.wrapping_mul(down).wrapping_add(kx.wrapping_mul(across)) as u32 } else { 0 };
            kx = kx.wrapping_add(1);
            if kx == kw {
                (ky, kx) = (ky.wrapping_add(1), 0);
            }
        }
    }
}
