//! Fully connected layer in int8: a vector meets the weights, read once from flash, in tiles of four outputs.

use lacewing::arena::Constants;
use lacewing::ops::FullyConnectedI8;

use super::conv::{LAYOUT, Layer};
use super::insn;
use super::tile::Column;
use crate::layer::Tiles;
use crate::wish::Wish;

/// What a layer wants.
pub(super) const WISH: Wish = Wish { layout: LAYOUT, scratch: 0, least: 0 };

/// Computes the layer, or gives `None` if the record is not as this loop wants it; the portable kernel then does all of it.
#[inline(never)]
pub(super) fn run(op: &FullyConnectedI8, constants: Constants<'_>, input: &[i8], output: &mut [i8]) -> Option<()> {
    if op.layout != LAYOUT || op.zeros.len > 0 || op.requant.shift > 0 {
        return None;
    }
    let ([.., depth], [.., outputs]) =
        (op.input.shape.map(|dim| dim as usize), op.output.shape.map(|dim| dim as usize));
    let layer = Layer::new(constants, [&op.weights, &op.bias], &op.requant, depth.div_ceil(16))?;
    let limits = [op.requant.lo, op.requant.hi];
    let (mut input, mut rest) = (input, output);
    while !rest.is_empty() {
        let (x, after) = input.split_at_checked(depth)?;
        let (y, others) = rest.split_at_mut_checked(outputs)?;
        column(&layer, x, limits, y)?;
        (input, rest) = (after, others);
    }
    Some(())
}

/// All outputs of one vector.
fn column(layer: &Layer<'_>, x: &[i8], limits: [i8; 2], y: &mut [i8]) -> Option<()> {
    let (y, rest) = y.split_at_mut_checked(layer.full)?;
    if !y.is_empty() {
        let Tiles { weights, bias, rounding, .. } = layer.full();
        insn::column(&mut Column { x, weights, bias, rounding, limits, y })?;
    }
    if !rest.is_empty() {
        let tile = layer.tile(layer.full)?;
        let Tiles { weights, bias, rounding, .. } = tile.tiles();
        let mut four = [0; 4];
        insn::column(&mut Column { x, weights, bias, rounding, limits, y: &mut four })?;
        rest.iter_mut().zip(four).for_each(|(to, from)| *to = from);
    }
    Some(())
}
