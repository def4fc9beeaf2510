//! Products of matrices.

use lacewing::format::Tensor;
use lacewing::ops::MatMulF32;
use lacewing::ops::matmul::MatMul;

use super::position::{dims, index, positions};
use super::requant::{Integer, round};
use super::values::{Answer, Near, Values};

/// The elements of both operands that meet in the output at a position.
fn terms(inputs: &[Tensor; 2], transposed: bool, [n, m, row, column]: [usize; 4]) -> Vec<[usize; 2]> {
    let [a, b] = [dims(&inputs[0]), dims(&inputs[1])];
    let batch = |dims: [usize; 4]| [if dims[0] == 1 { 0 } else { n }, if dims[1] == 1 { 0 } else { m }];
    let ([an, am], [bn, bm]) = (batch(a), batch(b));
    let term = |k: usize| {
        let of_b = if transposed { [bn, bm, column, k] } else { [bn, bm, k, column] };
        [index(a, [an, am, row, k]), index(b, of_b)]
    };
    (0..a[3]).map(term).collect()
}

pub(super) fn int<T: Integer>(op: &MatMul<T>, inputs: &[Values]) -> Answer {
    let (a, b) = (T::of(&inputs[0]), T::of(&inputs[1]));
    let centered = |q: T, zero: T| q.into() - zero.into();
    let value = |at| {
        let products = terms(&op.inputs, op.transposed, at);
        let sum = products.iter().map(|[i, j]| centered(a[*i], op.zeros[0]) * centered(b[*j], op.zeros[1])).sum();
        round(sum, op.multiplier, op.shift, [op.zero, op.lo, op.hi])
    };
    T::answer(positions(dims(&op.output)).into_iter().map(value).collect())
}

pub(super) fn f32(op: &MatMulF32, inputs: &[Values]) -> Answer {
    let (a, b) = (inputs[0].f32(), inputs[1].f32());
    let value = |at| {
        let products = terms(&op.inputs, op.transposed, at);
        let products: Vec<f64> = products.iter().map(|[i, j]| f64::from(a[*i]) * f64::from(b[*j])).collect();
        let slack = products.iter().map(|p| p.abs()).sum::<f64>() * 1e-5;
        Near { value: products.iter().sum(), slack }.clamp(op.lo, op.hi)
    };
    Answer::Near(positions(dims(&op.output)).into_iter().map(value).collect())
}
