//! Sum or difference in int8 of two tensors of the same shape: a loop that the compiler makes vectors of, for each level anew.

use lacewing::arena::Operand;
use lacewing::ops::AddI8;

use super::level::Present;

/// `y[i] = clamp(zero + ((a[i]·ma + b[i]·mb + bias) >> shift), lo, hi)`, with half of the last place in `bias`.
#[derive(Debug)]
pub(super) struct Add<'a> {
    /// An operand, or `None` for what stands in `y`.
    operands: [Operand<'a, i8>; 2],
    multipliers: [i32; 2],
    bias: i32,
    shift: u32,
    zero: i32,
    limits: [i32; 2],
    y: &'a mut [i8],
}

/// Computes the sum, or gives `None` if an operand is repeated; the portable kernel then does it.
pub(super) fn run<'a>(present: Present, op: &AddI8, [a, b]: [Operand<'a, i8>; 2], y: &'a mut [i8]) -> Option<()> {
    if op.inputs.iter().any(|input| input.shape != op.output.shape) || !(1..=30).contains(&op.shift) {
        return None;
    }
    let half = 1i32.wrapping_shl(u32::from(op.shift).wrapping_sub(1));
    present.add(&mut Add {
        operands: [a, b],
        multipliers: op.multipliers,
        bias: op.bias.wrapping_add(half),
        shift: op.shift.into(),
        zero: op.zero.into(),
        limits: [op.lo.into(), op.hi.into()],
        y,
    });
    Some(())
}

impl Add<'_> {
    /// All sums.
    #[inline(always)]
    pub(super) fn compute(&mut self) {
        let Self { operands, multipliers: [ma, mb], bias, shift, zero, limits: [lo, hi], .. } = *self;
        let sum = |a: i8, b: i8| {
            let products = i32::from(a).wrapping_mul(ma).wrapping_add(i32::from(b).wrapping_mul(mb));
            products.wrapping_add(bias).wrapping_shr(shift).wrapping_add(zero).max(lo).min(hi) as i8
        };
        match operands {
            [Some(a), Some(b)] => self.y.iter_mut().zip(a).zip(b).for_each(|((y, a), b)| *y = sum(*a, *b)),
            [None, Some(b)] => self.y.iter_mut().zip(b).for_each(|(y, b)| *y = sum(*y, *b)),
            [Some(a), None] => self.y.iter_mut().zip(a).for_each(|(y, a)| *y = sum(*a, *y)),
            [None, None] => self.y.iter_mut().for_each(|y| *y = sum(*y, *y)),
        }
    }
}
