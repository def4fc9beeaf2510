//! Sum or difference in int8 of two tensors of the same shape.

use lacewing::arena::Operand;
use lacewing::ops::AddI8;

/// `y[i] = clamp(zero + ((a[i]·ma + b[i]·mb + bias) >> shift), lo, hi)`, wrapping.
#[derive(Debug)]
pub(crate) struct Add<'a> {
    /// The operands, each as long as the outputs; `None` for the outputs themselves.
    pub(crate) operands: [Operand<'a, i8>; 2],
    /// `ma` and `mb`.
    pub(crate) multipliers: [i32; 2],
    /// The bias, half of the divisor added.
    pub(crate) bias: i32,
    /// 1 to 30.
    pub(crate) shift: u8,
    /// The output's zero point.
    pub(crate) zero: i8,
    /// Smallest and largest result.
    pub(crate) limits: [i8; 2],
    /// The outputs.
    pub(crate) y: &'a mut [i8],
}

impl<'a> Add<'a> {
    /// The sum of a record; `None` if an operand is repeated, or there are no outputs.
    pub(crate) fn new(op: &AddI8, operands: [Operand<'a, i8>; 2], y: &'a mut [i8]) -> Option<Self> {
        if op.inputs.iter().any(|input| input.shape != op.output.shape) || !(1..=30).contains(&op.shift) {
            return None;
        }
        let half = 1i32.wrapping_shl(u32::from(op.shift).wrapping_sub(1));
        let same = operands.iter().all(|operand| operand.is_none_or(|operand| operand.len() == y.len()));
        (same && !y.is_empty()).then_some(Self {
            operands,
            multipliers: op.multipliers,
            bias: op.bias.wrapping_add(half),
            shift: op.shift,
            zero: op.zero,
            limits: [op.lo, op.hi],
            y,
        })
    }

    /// All sums, in plain Rust.
    #[inline(always)]
    pub(crate) fn compute(&mut self) {
        let Self { operands, multipliers: [ma, mb], bias, shift, zero, limits, .. } = *self;
        let (zero, [lo, hi]) = (i32::from(zero), limits.map(i32::from));
        let sum = |a: i8, b: i8| {
            let products = i32::from(a).wrapping_mul(ma).wrapping_add(i32::from(b).wrapping_mul(mb));
            products.wrapping_add(bias).wrapping_shr(shift.into()).wrapping_add(zero).max(lo).min(hi) as i8
        };
        match operands {
            [Some(a), Some(b)] => self.y.iter_mut().zip(a).zip(b).for_each(|((y, a), b)| *y = sum(*a, *b)),
            [None, Some(b)] => self.y.iter_mut().zip(b).for_each(|(y, b)| *y = sum(*y, *b)),
            [Some(a), None] => self.y.iter_mut().zip(a).for_each(|(y, a)| *y = sum(*a, *y)),
            [None, None] => self.y.iter_mut().for_each(|y| *y = sum(*y, *y)),
        }
    }
}
