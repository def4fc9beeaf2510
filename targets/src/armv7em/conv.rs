//! Convolution in int8, with weights of int8 or int4: two output pixels at a time are widened to 16 bits, then meet all outputs in tiles of 2 × 2.
//!
//! Widening costs once for each pixel, not for each output; weights stay in flash as they are and are widened in registers, once
//! for two pixels. The scratch holds both pixels, `4·K` bytes, and one of them before it is widened, where it is not in whole groups of four.

use lacewing::arena::{Constants, cast_mut};
use lacewing::format::Layout;
use lacewing::ops::ConvI8;
use lacewing::rows::Work;

use super::insn;
use super::patch::Patches;
use super::tile::Pair;
use crate::fallback::limit;
use crate::image::Image;
use crate::layer::{Layer, Tiles};
use crate::wish::Wish;

/// The layout of weights of which a tile takes `W` words for four: 2 of int8, 1 of int4.
const fn layout<const W: usize>() -> Layout {
    Layout { outputs: 2, depth: if W == 2 { 4 } else { 2 } }
}

/// Whether weights are in whole words, and their sums fit, those of int4 sixteen times as large.
const fn fits<const W: usize>(depth: usize) -> bool {
    depth < 1 << 16 && (W == 2 || depth.next_multiple_of(2).is_multiple_of(4))
}

/// What a convolution of `depth` weights for each output wants.
pub(super) fn wish<const W: usize>(depth: u32, direct: bool) -> Option<Wish> {
    let bytes = depth.checked_next_multiple_of(4).filter(|_| fits::<W>(depth as usize))?;
    Some(Wish { layout: layout::<W>(), scratch: if direct { 4 * bytes } else { 5 * bytes } })
}

/// Computes the work, or gives `None` if the record is not as these loops want it; the portable kernel then does all of it.
#[inline(never)]
pub(super) fn run<const W: usize>(op: &ConvI8, constants: Constants<'_>, work: &mut Work<'_, i8>) -> Option<()> {
    let image = Image::new(work.input, &op.input, &op.window, op.input_zero);
    let [_, _, width, outputs] = op.output.shape.map(|dim| dim as usize);
    let (image, width, first) = image.as_line(&work.rows, width).unwrap_or((image, width, work.rows.start as usize));
    let depth = image.kernel[0].wrapping_mul(image.kernel[1]).wrapping_mul(image.channels);
    let plain = op.groups == 1 && op.zeros.len == 0 && op.requant.shift == 0;
    if op.layout != layout::<W>() || !fits::<W>(depth) || !plain {
        return None;
    }
    let (x, patch) = work.scratch.split_at_mut_checked(depth.div_ceil(4).wrapping_mul(16))?;
    let (x, patch) = (cast_mut::<u32>(x)?.as_chunks_mut::<4>().0, cast_mut::<i8>(patch)?);
    let patch = if image.is_direct() { &mut [] } else { patch.get_mut(..depth.next_multiple_of(4))? };
    patch.last_chunk_mut::<4>().into_iter().for_each(|last| *last = [0; 4]);
    let layer = Layer::<W, 2>::new(constants, [op.weights, op.bias], &op.requant, x.len())?;
    let mut pixels = Patches::new(image, width, first)?;
    let mut rest = &mut *work.output;
    while !rest.is_empty() {
        let two = rest.len().min(outputs.wrapping_mul(2));
        let (y, after) = rest.split_at_mut_checked(two)?;
        let second = two.checked_sub(outputs)?;
        pixels.widen(x, 0, patch)?;
        if second > 0 {
            pixels.widen(x, 2, patch)?;
        }
        pair(&layer, x, y, second)?;
        rest = after;
    }
    limit(&op.requant, work.output);
    Some(())
}

/// All outputs of two pixels; of one, whose outputs are those of the second too, if `second` is 0.
fn pair<const W: usize>(layer: &Layer<'_, W, 2>, x: &[[u32; 4]], y: &mut [i8], second: usize) -> Option<()> {
    let outputs = layer.full;
    if outputs > 0 {
        let Tiles { weights, bias, rounding } = layer.full();
        insn::pair(&mut Pair { x, weights, bias, rounding, outputs, y, second })?;
    }
    if layer.bias.len() > outputs {
        let Tiles { weights, bias, rounding } = layer.last();
        let mut both = [0; 4];
        insn::pair(&mut Pair { x, weights, bias, rounding, outputs: 2, y: &mut both, second: 2 })?;
        let [first, _, other, _] = both;
        *y.get_mut(second.checked_add(outputs)?)? = other;
        *y.get_mut(outputs)? = first;
    }
    Some(())
}
