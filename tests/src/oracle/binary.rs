//! Sums, differences and products of two tensors.

use lacewing::format::Tensor;
use lacewing::ops::{AddI8, MulI8};

use super::position::{dims, index, positions};
use super::requant::{round, saturate, wrap};
use super::values::{Answer, Near, Values};

pub(super) fn add_i8(op: &AddI8, inputs: &[Values]) -> Answer {
    let value = |a: i8, b: i8| {
        let [ma, mb] = op.multipliers.map(i128::from);
        let sum = i128::from(a) * ma + i128::from(b) * mb + i128::from(op.bias) + (1 << (op.shift - 1));
        saturate(wrap(sum).div_euclid(1 << op.shift) + i128::from(op.zero), op.lo, op.hi)
    };
    Values::I8(each(&op.inputs, &op.output, inputs.iter().map(Values::i8), value)).into()
}

pub(super) fn mul_i8(op: &MulI8, inputs: &[Values]) -> Answer {
    let value = |a: i8, b: i8| {
        let product = (i128::from(a) - i128::from(op.zeros[0])) * (i128::from(b) - i128::from(op.zeros[1]));
        round(product, op.multiplier, op.shift, [op.zero, op.lo, op.hi])
    };
    Values::I8(each(&op.inputs, &op.output, inputs.iter().map(Values::i8), value)).into()
}

pub(super) fn f32(
    tensors: &[Tensor; 2],
    output: &Tensor,
    [lo, hi]: [f32; 2],
    inputs: &[Values],
    operator: impl Fn(f64, f64) -> f64,
) -> Answer {
    let value = |a: f32, b: f32| {
        let value = operator(a.into(), b.into());
        Near { value, slack: value.abs() * 1e-6 }.clamp(lo, hi)
    };
    Answer::Near(each(tensors, output, inputs.iter().map(Values::f32), value))
}

/// `value(a, b)` for every output position, operands repeated along their dimensions of 1.
fn each<'a, T: Copy + 'a, U>(
    tensors: &[Tensor; 2],
    output: &Tensor,
    mut inputs: impl Iterator<Item = &'a [T]>,
    value: impl Fn(T, T) -> U,
) -> Vec<U> {
    let [a, b] = [(); 2].map(|()| inputs.next().expect("two operands"));
    let of = |tensor: &Tensor, x: &[T], at: [usize; 4]| {
        let dims = dims(tensor);
        x[index(dims, std::array::from_fn(|axis| if dims[axis] == 1 { 0 } else { at[axis] }))]
    };
    let value = |at| value(of(&tensors[0], a, at), of(&tensors[1], b, at));
    positions(dims(output)).into_iter().map(value).collect()
}
