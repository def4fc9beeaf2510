//! Fully connected layer in int8: a vector meets the weights, read once, in tiles of up to 128 outputs.
//!
//! Where one factor of a product must be unsigned, it is the weight: what that adds to all sums of a vector, `128·Σ x`, is summed up beside
//! them and taken off.

use lacewing::arena::{Constants, cast_mut};
use lacewing::ops::FullyConnectedI8;

use super::conv::LAYOUT;
use super::level::Present;
use super::ring;
use super::tile::{GROUP, Layer, Square};
use crate::wish::Wish;

/// What a layer of `depth` inputs wants: room for the vector in whole groups, if it is not.
pub(super) fn wish(depth: u32) -> Option<Wish> {
    let scratch = if depth.is_multiple_of(4) { 0 } else { depth.checked_next_multiple_of(4)? };
    Some(Wish { layout: LAYOUT, scratch, least: scratch })
}

/// Computes the layer, or gives `None` if the record is not as this loop wants it; the portable kernel then does all of it.
pub(super) fn run(
    present: Present,
    op: &FullyConnectedI8,
    constants: Constants<'_>,
    (input, output, scratch): (&[i8], &mut [i8], &mut [u8]),
) -> Option<()> {
    if op.layout != LAYOUT || op.zeros.len > 0 || op.requant.shift > 0 {
        return None;
    }
    let [depth, outputs] = [op.input, op.output].map(|tensor| tensor.shape[3] as usize);
    let fours = depth.checked_next_multiple_of(4)?;
    let mut layer = Layer::new(constants, op.weights, &op.requant, outputs)?;
    layer.with_bias(constants.get(op.bias).ok()?);
    layer.groups = fours / 4;
    layer.steps = [GROUP, layer.groups.checked_mul(GROUP)?];
    let copy = cast_mut::<i8>(scratch)?;
    for (x, y) in input.chunks(depth.max(1)).zip(output.chunks_mut(outputs.max(1))) {
        let x = if depth == fours { x } else { in_fours(x, copy.get_mut(..fours)?) };
        present.vector(&mut Square { x, step: 0, count: 1, runs: &[0], len: x.len(), layer: &layer, y })?;
    }
    Some(())
}

/// The numbers in whole fours: weights behind the last one may be any, and meet zeros.
fn in_fours<'a>(input: &[i8], copy: &'a mut [i8]) -> &'a [i8] {
    copy.fill(0);
    ring::plain(input, copy);
    copy
}
