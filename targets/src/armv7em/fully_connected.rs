//! Fully connected layer in int8: each vector meets the weights, read once from flash, in tiles of four outputs.
//!
//! Activations are widened in the loop, for sixteen products at a time, so that there is no scratch: only a vector that is not in whole groups
//! of four is copied to one that is.

use lacewing::arena::{Constants, cast_mut, fill};
use lacewing::format::Layout;
use lacewing::ops::FullyConnectedI8;

use super::insn;
use super::tile::Column;
use crate::fallback::limit;
use crate::layer::{Layer, Tiles};
use crate::wish::Wish;

/// What a layer of `depth` inputs wants.
pub(super) fn wish(depth: u32) -> Option<Wish> {
    let scratch = if depth.is_multiple_of(4) { 0 } else { depth.checked_next_multiple_of(4)? };
    Some(Wish { layout: Layout::PAIRS, scratch, least: scratch })
}

/// Computes the layer, or gives `None` if the record is not as this loop wants it; the portable kernel then does all of it.
#[inline(never)]
pub(super) fn run(
    op: &FullyConnectedI8,
    constants: Constants<'_>,
    input: &[i8],
    output: &mut [i8],
    scratch: &mut [u8],
) -> Option<()> {
    if op.layout != Layout::PAIRS || op.zeros.len > 0 || op.requant.shift > 0 {
        return None;
    }
    let (depth, outputs) = (op.input.shape[3] as usize, op.output.shape[3] as usize);
    let layer = Layer::new(constants, [&op.weights, &op.bias], &op.requant, depth.div_ceil(4));
    let layer = layer.as_ref()?;
    let scratch = cast_mut::<i8>(scratch)?;
    let (mut input, mut rest) = (input, &mut *output);
    while !rest.is_empty() {
        let (vector, after) = input.split_at_checked(depth)?;
        let (y, others) = rest.split_at_mut_checked(outputs)?;
        column(layer, if depth.is_multiple_of(4) { vector } else { padded(vector, scratch)? }, y)?;
        (input, rest) = (after, others);
    }
    limit(&op.requant, output);
    Some(())
}

/// A copy of a vector, with zeros after it.
fn padded<'s>(vector: &[i8], scratch: &'s mut [i8]) -> Option<&'s [i8]> {
    let padded = scratch.get_mut(..vector.len().next_multiple_of(4))?;
    let (copy, zeros) = padded.split_at_mut_checked(vector.len())?;
    copy.iter_mut().zip(vector).for_each(|(to, from)| *to = *from);
    fill(zeros, 0);
    Some(padded)
}

/// All outputs of one vector, which is in whole groups of four.
#[inline(never)]
pub(super) fn column(layer: &Layer<'_, [u32; 2], 2>, x: &[i8], y: &mut [i8]) -> Option<()> {
    let full = layer.full / 4 * 4;
    let (fours, rest) = y.split_at_mut_checked(full)?;
    if full > 0 {
        let Tiles { weights, bias, rounding, .. } = layer.full();
        insn::column(&mut Column { x, weights, bias, rounding, y: fours, twice: false })?;
    }
    for (output, y) in (full..).step_by(2).zip(rest.chunks_mut(2)) {
        pair(layer, output, x, y)?;
    }
    Some(())
}

/// The one or two outputs of a tile.
#[inline(never)]
fn pair(layer: &Layer<'_, [u32; 2], 2>, output: usize, x: &[i8], y: &mut [i8]) -> Option<()> {
    let tile = layer.tile(output);
    let Tiles { weights, bias, rounding, .. } = tile.as_ref()?.tiles();
    let mut four = [0; 4];
    insn::column(&mut Column { x, weights, bias, rounding, y: &mut four, twice: true })?;
    *y.first_mut()? = four[0];
    if let Some(second) = y.get_mut(1) {
        *second = four[1];
    }
    Some(())
}
