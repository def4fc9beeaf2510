//! Fully connected layer in int8: four outputs at a time.

use lacewing::arena::Constants;
use lacewing::format::Layout;
use lacewing::ops::FullyConnectedI8;

use super::insn;
use super::round::Rounding;
use super::tile::{Column, Tile};

/// Computes the layer, or gives `None` if the record is not as this loop wants it; the portable kernel then does all of it.
#[inline(never)]
pub(super) fn run(op: &FullyConnectedI8, constants: Constants<'_>, input: &[i8], output: &mut [i8]) -> Option<()> {
    if op.layout != Layout::PLAIN || op.zeros.len > 0 {
        return None;
    }
    let [depth, outputs] = [op.input, op.output].map(|tensor| tensor.shape[3] as usize);
    let weights = constants.get::<i8>(op.weights).ok()?;
    let bias = constants.get::<i32>(op.bias).ok()?;
    let rounding = Rounding::new(&op.requant, constants)?;
    let (mut input, mut rest) = (input, output);
    while !rest.is_empty() {
        let (x, after) = input.split_at_checked(depth)?;
        let (y, others) = rest.split_at_mut_checked(outputs)?;
        column(x, weights, bias, &rounding, y)?;
        (input, rest) = (after, others);
    }
    Some(())
}

/// All outputs of one vector; the last, fewer than four, as those of two pixels that are the same.
fn column(x: &[i8], weights: &[i8], bias: &[i32], rounding: &Rounding<'_>, y: &mut [i8]) -> Option<()> {
    let full = y.len() / 4 * 4;
    let (y, rest) = y.split_at_mut_checked(full)?;
    if !y.is_empty() {
        insn::column(&mut Column { x, weights, bias, rounding: *rounding, y })?;
    }
    if !rest.is_empty() {
        let (weights, bias) = (weights.get(full.checked_mul(x.len())?..)?, bias.get(full..)?);
        insn::tile(&mut Tile { x: [x, x], weights, bias, rounding: rounding.from(full)?, y: rest, second: 0 })?;
    }
    Some(())
}
