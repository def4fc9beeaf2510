//! Convolution in int8: two output pixels at a time are widened to 16 bits, then meet all outputs in tiles of 2 × 2.
//!
//! Widening costs once for each pixel, not for each output; weights stay in flash, and one of two outputs' is widened in registers, once for two
//! pixels. The scratch holds both pixels, `4·K` bytes, and after them copies of pixels that are not one run of bytes in whole groups of four. A
//! deep layer that gets less runs pixel by pixel, widening as it goes: four instructions more for sixteen products, no scratch but one
//! pixel's copy.

use lacewing::arena::{Constants, cast_mut, fill};
use lacewing::format::{Layout, Tensor, Window};
use lacewing::ops::ConvI8;
use lacewing::rows::{Rows, Work};

use super::fully_connected::column;
use super::insn;
use super::tile::Pairs;
use crate::fallback::limit;
use crate::image::Image;
use crate::layer::{Layer, Tiles};
use crate::windows::{Pixels, Windows};
use crate::wish::Wish;

/// Bytes of copied pixels that are enough: with more the calls hardly become fewer.
const ENOUGH: u32 = 1024;
/// Bytes of scratch that are not worth a slower layer.
const LITTLE: u32 = 1024;

/// What a convolution wants.
pub(super) fn wish(input: &Tensor, window: &Window) -> Option<Wish> {
    let ([kh, kw], [.., channels]) = (window.kernel, input.shape);
    let depth = kh.checked_mul(kw)?.checked_mul(channels)?;
    let in_place = Image::new(Rows::whole(&[], 0), input, window, 0).is_direct();
    let padded = depth.checked_next_multiple_of(4)?;
    let copies = |pixels: u32| match in_place {
        true => Some(0),
        false => depth.checked_mul(pixels)?.checked_add(padded - depth)?.checked_next_multiple_of(4),
    };
    let pairs = |pixels: u32| padded.checked_mul(4)?.checked_add(copies(pixels)?);
    let (two, one) = (pairs(2)?, if in_place { 0 } else { padded });
    let least = if two > LITTLE { one } else { two };
    Some(Wish { layout: Layout::PAIRS, scratch: pairs((ENOUGH / depth.max(1)).max(2) / 2 * 2)?, least })
}

/// Computes the work, or gives `None` if the record is not as these loops want it; the portable kernel then does all of it.
#[inline(never)]
pub(super) fn run(op: &ConvI8, constants: Constants<'_>, work: &mut Work<'_, i8>) -> Option<()> {
    let mut image = Image::new(work.input, &op.input, &op.window, op.input_zero);
    let in_place = image.is_direct();
    let [_, _, width, outputs] = op.output.shape;
    let place = image.flatten(&work.rows, width as usize);
    let outputs = outputs as usize;
    let depth = image.kernel[0].wrapping_mul(image.kernel[1]).wrapping_mul(image.channels);
    let plain = op.groups == 1 && op.zeros.len == 0 && op.requant.shift == 0;
    if op.layout != Layout::PAIRS || !plain {
        return None;
    }
    let layer = Layer::new(constants, [&op.weights, &op.bias], &op.requant, depth.div_ceil(4));
    let Room { wide, patches, len } = Room::new(work.scratch, depth, in_place)?;
    let mut windows = Windows::new(&image, insn::copy, place, len, in_place);
    let mut tiles = Tiling::new(layer.as_ref()?, depth, wide);
    let mut left = work.output.len().checked_div(outputs)?;
    let mut rest = &mut *work.output;
    while left > 0 {
        let pixels = windows.next(left, patches)?;
        let (y, after) = rest.split_at_mut_checked(pixels.count.checked_mul(outputs)?)?;
        tiles.pixels(pixels, y)?;
        (left, rest) = (left.wrapping_sub(pixels.count), after);
    }
    limit(&op.requant, work.output);
    Some(())
}

/// The scratch: two widened pixels, or nothing if there is no room for them, then patches.
struct Room<'a> {
    wide: &'a mut [[u32; 4]],
    patches: &'a mut [i8],
    /// Bytes of the patches that pixels are copied to. The loops read the last one's groups as a whole, beyond them.
    len: usize,
}

impl<'a> Room<'a> {
    fn new(scratch: &'a mut [u8], depth: usize, in_place: bool) -> Option<Self> {
        let padded = depth.checked_next_multiple_of(4)?;
        let (wide, patch) = (padded.checked_mul(4)?, if in_place { 0 } else { padded });
        let pairs = scratch.len() >= wide.checked_add(patch)?;
        let (wide, patches) = scratch.split_at_mut_checked(if pairs { wide } else { 0 })?;
        let (wide, patches) = (cast_mut::<u32>(wide)?.as_chunks_mut().0, cast_mut::<i8>(patches)?);
        let whole = patches.len().saturating_sub(padded.wrapping_sub(depth));
        let len = if pairs { whole } else { whole.min(depth) };
        fill(patches.get_mut(len..)?, 0);
        Some(Self { wide, patches, len })
    }
}

/// What pixels are computed with.
struct Tiling<'a> {
    layer: &'a Layer<'a, [u32; 2], 2>,
    /// All full tiles.
    full: Pairs<'a>,
}

impl<'a> Tiling<'a> {
    #[inline(always)]
    fn new(layer: &'a Layer<'a, [u32; 2], 2>, depth: usize, wide: &'a mut [[u32; 4]]) -> Self {
        let Tiles { weights, bias, rounding, outputs } = layer.full();
        Self { layer, full: Pairs { depth, wide, weights, bias, rounding, outputs, stride: layer.bias.len() } }
    }

    /// All outputs of some pixels, two at a time; one that is left by itself, if it is in whole groups.
    #[inline(always)]
    fn pixels(&mut self, pixels: Pixels<'_>, y: &mut [i8]) -> Option<()> {
        let Pixels { x, step, count } = pixels;
        let (depth, outputs) = (self.full.depth, self.full.stride);
        let alone = match self.full.wide.len() {
            0 => count,
            _ if depth.is_multiple_of(4) => count % 2,
            _ => 0,
        };
        let paired = count.wrapping_sub(alone);
        let (pairs, rest) = y.split_at_mut_checked(paired.checked_mul(outputs)?)?;
        if paired > 0 {
            self.pairs(Pixels { count: paired, ..pixels }, pairs)?;
        }
        let mut at = paired.checked_mul(step)?;
        for y in rest.chunks_mut(outputs.max(1)) {
            column(self.layer, x.get(at..)?.get(..depth.next_multiple_of(4))?, y)?;
            at = at.wrapping_add(step);
        }
        Some(())
    }

    /// All outputs of pixels, two at a time.
    #[inline(always)]
    fn pairs(&mut self, pixels: Pixels<'_>, y: &mut [i8]) -> Option<()> {
        if self.full.outputs > 0 {
            insn::pairs(&mut self.full, &pixels, y)?;
        }
        if self.full.outputs == self.full.stride { Some(()) } else { self.last(pixels, y) }
    }

    /// The output that is left of every pixel, of up to eight pixels at a time.
    #[inline(never)]
    fn last(&mut self, Pixels { x, step, .. }: Pixels<'_>, y: &mut [i8]) -> Option<()> {
        let (tile, all, mut rest) = (self.layer.tile(self.full.outputs), self.full.stride, x);
        let Tiles { weights, bias, rounding, outputs } = tile.as_ref()?.tiles();
        let (depth, wide) = (self.full.depth, &mut *self.full.wide);
        let mut pairs = Pairs { depth, wide, weights, bias, rounding, outputs, stride: 2 };
        for y in y.chunks_mut(all.wrapping_mul(8).max(1)) {
            let (count, mut both) = (y.len().checked_div(all)?, [0; 16]);
            insn::pairs(&mut pairs, &Pixels { x: rest, step, count }, &mut both)?;
            for (y, [output, _]) in y.chunks_mut(all.max(1)).zip(both.as_chunks().0) {
                *y.last_mut()? = *output;
            }
            rest = rest.get(step.wrapping_mul(8)..).unwrap_or_default();
        }
        Some(())
    }
}
