//! Convolution in int8: some output pixels at a time meet sixteen outputs or more in a tile of sums in registers.
//!
//! The rows that an output row reads are copied once to a ring in the scratch, with what stands outside them, so that every output pixel reads
//! the same runs of bytes from where it starts; in a pointwise convolution of stride 1 some hundred pixels are copied at a time.

use core::ops::Range;

use lacewing::arena::{Constants, cast_mut};
use lacewing::format::{LINE, Layout, Tensor, Window};
use lacewing::ops::ConvI8;
use lacewing::rows::Work;

use super::level::Present;
use super::ring::{self, RUNS, Ring, Taps, runs};
use super::tile::{BLOCK, GROUP, Layer, Square};
use crate::image::Image;
use crate::wish::Wish;

/// The order of weights, of convolutions and of fully connected layers.
pub(super) const LAYOUT: Layout = Layout { outputs: BLOCK as u16, depth: 4 };

/// Bytes of activations that are copied at a time for a pointwise convolution: a part of the first cache.
const CHUNK: usize = 12 << 10;

/// Bytes that are wanted beyond those that are used, so that scratch may lie anywhere: a line of the cache.
pub(super) const SPARE: u32 = LINE as u32;

/// What a convolution wants.
pub(super) fn wish(input: &Tensor, output: &Tensor, window: &Window) -> Option<Wish> {
    let ([.., channels], [.., outputs], [kh, kw]) = (input.shape, output.shape, window.kernel);
    let [_, ring] = ring::sizes(input, window)?;
    let ring = ring.max(CHUNK as u32);
    let blocks = outputs.div_ceil(BLOCK as u32);
    // Weights of runs that are no multiple of 4 are written anew.
    let weights = match kw.checked_mul(channels)?.is_multiple_of(4) {
        true => 0,
        false => blocks
            .checked_mul(kh)?
            .checked_mul(kw)?
            .checked_mul(channels.checked_next_multiple_of(4)?)?
            .checked_mul(16)?,
    };
    let scratch = blocks.checked_mul(4 * BLOCK as u32)?.checked_add(weights)?.checked_add(ring)?.checked_add(SPARE)?;
    let scratch = scratch.checked_next_multiple_of(4)?;
    Some(Wish { layout: LAYOUT, scratch, least: scratch })
}

/// Computes the work, or gives `None` if the record is not as these loops want it; the portable kernel then does all of it.
pub(super) fn run(present: Present, op: &ConvI8, constants: Constants<'_>, work: &mut Work<'_, i8>) -> Option<()> {
    let image = Image::new(work.input, &op.input, &op.window, op.input_zero);
    let [_, _, width, outputs] = op.output.shape.map(|dim| dim as usize);
    if op.layout != LAYOUT || op.groups != 1 || op.zeros.len > 0 || op.requant.shift > 0 {
        return None;
    }
    let (runs, len) = runs(&image)?;
    let (sums, scratch) = sums(work.scratch, outputs)?;
    let mut scratch = cast_mut::<i8>(scratch)?;
    let mut layer = Layer::new(constants, op.weights, &op.requant, outputs)?;
    layer.groups = runs.checked_mul(len.div_ceil(4))?;
    layer.steps = [GROUP, layer.groups.checked_mul(GROUP)?];
    let as_they_are = len.is_multiple_of(4) || runs == 1 && ends_in_zeros(&layer, len);
    if !as_they_are {
        let (weights, rest) = scratch.split_at_mut_checked(layer.blocks().checked_mul(layer.steps[1])?)?;
        widen(layer.weights, [runs, len], weights)?;
        (layer.weights, scratch) = (weights, rest);
    }
    present.prepare(&mut layer, constants.get(op.bias).ok()?, sums);
    let mut plane = Plane { present, layer, len: len.next_multiple_of(4), y: work.output };
    match image.as_line(&work.rows, width) {
        Some((line, pixels, _)) if line.channels.is_multiple_of(4) => plane.line(&line, pixels, scratch),
        _ => plane.rows(image, width, work.rows.clone(), scratch),
    }
}

/// Room for a number for each lane, at the first line of the cache in the scratch. Groups behind it lie in one line each.
pub(super) fn sums(scratch: &mut [u8], outputs: usize) -> Option<(&mut [[i32; BLOCK]], &mut [u8])> {
    let scratch = scratch.get_mut(scratch.as_ptr().align_offset(LINE)..)?;
    let (sums, rest) = scratch.split_at_mut_checked(outputs.div_ceil(BLOCK).checked_mul(4 * BLOCK)?)?;
    Some((cast_mut::<i32>(sums)?.as_chunks_mut().0, rest))
}

/// Whether what stands behind the weights of the only run of `len` is 0: then the last group may meet what stands behind the run.
fn ends_in_zeros(layer: &Layer<'_>, len: usize) -> bool {
    let blocks = layer.weights.as_chunks::<GROUP>().0.chunks_exact(layer.groups.max(1));
    let last = blocks.take(layer.blocks()).filter_map(<[_]>::last);
    last.flat_map(|group| group.as_chunks::<4>().0).all(|four| four.iter().skip(len % 4).all(|weight| *weight == 0))
}

/// Writes weights of runs of `len` anew, so that each run begins a group.
fn widen(from: &[i8], [runs, len]: [usize; 2], to: &mut [i8]) -> Option<()> {
    let groups = len.div_ceil(4);
    let from = from.chunks(runs.checked_mul(len)?.div_ceil(4).checked_mul(GROUP)?);
    to.fill(0);
    for (from, to) in from.zip(to.chunks_mut(runs.checked_mul(groups)?.checked_mul(GROUP)?)) {
        for (run, to) in to.chunks_mut(groups.checked_mul(GROUP)?).enumerate() {
            for j in 0..len {
                let k = run.wrapping_mul(len).wrapping_add(j);
                for lane in 0..BLOCK {
                    let at =
                        |k: usize| (k / 4).wrapping_mul(GROUP).wrapping_add(lane.wrapping_mul(4)).wrapping_add(k % 4);
                    *to.get_mut(at(j))? = *from.get(at(k))?;
                }
            }
        }
    }
    Some(())
}

/// The outputs that are still to be computed, and what computes them.
struct Plane<'a> {
    present: Present,
    layer: Layer<'a>,
    /// Bytes of a run.
    len: usize,
    y: &'a mut [i8],
}

impl Plane<'_> {
    /// Pixels that read one pixel each.
    fn line(&mut self, line: &Image<'_>, pixels: usize, scratch: &mut [i8]) -> Option<()> {
        let x = line.rows.lines(0, 1)?;
        let room = scratch.len().checked_div(line.channels).filter(|room| *room > 0)?;
        for x in x.get(..pixels.checked_mul(line.channels)?)?.chunks(room.checked_mul(line.channels)?) {
            let copy = scratch.get_mut(..x.len())?;
            self.present.flipped(x, copy);
            self.pixels(copy, line.channels, x.len().checked_div(line.channels)?, &[0])?;
        }
        Some(())
    }

    /// Whole rows of outputs.
    fn rows(&mut self, image: Image<'_>, width: usize, rows: Range<u32>, scratch: &mut [i8]) -> Option<()> {
        let (step, present) = (image.stride[1].checked_mul(image.channels)?, self.present);
        let (mut ring, _) = Ring::new(image, width, |from, to| present.flipped(from, to), scratch)?;
        let mut places = [0; RUNS];
        for y in rows.start as usize..rows.end as usize {
            ring.bring(y)?;
            let runs = ring.starts(y, Taps::of(&image), &mut places)?;
            self.pixels(ring.numbers(), step, width, runs)?;
        }
        Some(())
    }

    /// The next `count` pixels.
    fn pixels(&mut self, x: &[i8], step: usize, count: usize, runs: &[usize]) -> Option<()> {
        let len = count.checked_mul(self.layer.outputs)?;
        let (y, rest) = core::mem::take(&mut self.y).split_at_mut_checked(len)?;
        self.y = rest;
        self.present.square(&mut Square { x, step, count, runs, len: self.len, layer: &self.layer, y })
    }
}
