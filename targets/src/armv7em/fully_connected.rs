//! Fully connected layer in int8: the vector is widened once, then meets the weights, read once from flash, in tiles of four outputs.

use lacewing::arena::{Constants, cast_mut};
use lacewing::format::Layout;
use lacewing::ops::FullyConnectedI8;

use super::insn;
use super::tile::Column;
use crate::fallback::limit;
use crate::layer::{Layer, Tiles};
use crate::wish::Wish;

const LAYOUT: Layout = Layout { outputs: 4, depth: 4 };

/// What a layer of `depth` inputs wants.
pub(super) const fn wish(depth: u32) -> Wish {
    Wish { layout: LAYOUT, scratch: 2 * depth.next_multiple_of(4) }
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
    if op.layout != LAYOUT || op.zeros.len > 0 || op.requant.shift > 0 {
        return None;
    }
    let ([.., depth], [.., outputs]) =
        (op.input.shape.map(|dim| dim as usize), op.output.shape.map(|dim| dim as usize));
    let x = cast_mut::<u32>(scratch)?.as_chunks_mut::<2>().0.get_mut(..depth.div_ceil(4))?;
    let layer = Layer::new(constants, [op.weights, op.bias], &op.requant, x.len())?;
    let (mut input, mut rest) = (input, &mut *output);
    while !rest.is_empty() {
        let (vector, after) = input.split_at_checked(depth)?;
        let (y, others) = rest.split_at_mut_checked(outputs)?;
        insn::widen(vector, x, 0)?;
        column(&layer, x, y)?;
        (input, rest) = (after, others);
    }
    limit(&op.requant, output);
    Some(())
}

/// All outputs of one vector.
fn column(layer: &Layer<'_, 4, 4>, x: &[[u32; 2]], y: &mut [i8]) -> Option<()> {
    let (y, rest) = y.split_at_mut_checked(layer.full)?;
    if !y.is_empty() {
        let Tiles { weights, bias, rounding } = layer.full();
        insn::column(&mut Column { x, weights, bias, rounding, y })?;
    }
    if !rest.is_empty() {
        let Tiles { weights, bias, rounding } = layer.last();
        let mut four = [0; 4];
        insn::column(&mut Column { x, weights, bias, rounding, y: &mut four })?;
        rest.iter_mut().zip(four).for_each(|(to, from)| *to = from);
    }
    Some(())
}
