//! Sum or difference in int8 of two tensors of the same shape.

use lacewing::arena::Operand;
use lacewing::ops::AddI8;

use super::insn;
use super::tile::Add;

/// Computes the sum, or gives `None` if an operand is repeated; the portable kernel then does it.
#[inline(never)]
pub(super) fn run(op: &AddI8, a: Operand<'_, i8>, b: Operand<'_, i8>, y: &mut [i8]) -> Option<()> {
    if op.inputs.iter().any(|input| input.shape != op.output.shape) || !(1..=30).contains(&op.shift) {
        return None;
    }
    let half = 1i32.wrapping_shl(u32::from(op.shift).wrapping_sub(1));
    insn::add(&mut Add {
        operands: [a, b],
        multipliers: op.multipliers,
        bias: op.bias.wrapping_add(half),
        shift: op.shift,
        zero: op.zero,
        limits: [op.lo, op.hi],
        y,
    })
}
