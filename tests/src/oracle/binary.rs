//! Sums, differences, products and other functions of tensors, element by element.

use lacewing::format::Tensor;
use lacewing::ops::binary::Mul;
use lacewing::ops::{AddI8, AddI16, BinaryF32, BinaryFunction, SelectF32};

use super::position::{dims, index, positions};
use super::requant::{Integer, round, saturate, wide, wrap};
use super::values::{Answer, Near, Values};

pub(super) fn add_i8(op: &AddI8, inputs: &[Values]) -> Answer {
    let value = |a: i8, b: i8| {
        let [ma, mb] = op.multipliers.map(i128::from);
        let sum = i128::from(a) * ma + i128::from(b) * mb + i128::from(op.bias) + (1 << (op.shift - 1));
        saturate(wrap(sum).div_euclid(1 << op.shift) + i128::from(op.zero), op.lo, op.hi)
    };
    Values::I8(each(&op.inputs, &op.output, inputs.iter().map(Values::i8), value)).into()
}

pub(super) fn add_i16(op: &AddI16, inputs: &[Values]) -> Answer {
    let value = |a: i16, b: i16| {
        let [ma, mb] = op.multipliers.map(i128::from);
        let sum = i128::from(a) * ma + i128::from(b) * mb;
        saturate(wide(sum, 1, op.shift), op.lo, op.hi)
    };
    Values::I16(each(&op.inputs, &op.output, inputs.iter().map(Values::i16), value)).into()
}

pub(super) fn mul_int<T: Integer>(op: &Mul<T>, inputs: &[Values]) -> Answer {
    let value = |a: T, b: T| {
        let product = (a.into() - op.zeros[0].into()) * (b.into() - op.zeros[1].into());
        round(product, op.multiplier, op.shift, [op.zero, op.lo, op.hi])
    };
    T::answer(each(&op.inputs, &op.output, inputs.iter().map(T::of), value))
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

pub(super) fn function(op: &BinaryF32, inputs: &[Values]) -> Answer {
    use BinaryFunction::{Div, Pow};
    let value = |a: f32, b: f32| {
        let value = eval(op.function, a, b);
        let slack = if matches!(op.function, Div | Pow) { value.abs() * 1e-6 } else { 0.0 };
        if value.is_nan() { Near { value, slack } } else { Near { value, slack }.clamp(op.lo, op.hi) }
    };
    Answer::Near(each(&op.inputs, &op.output, inputs.iter().map(Values::f32), value))
}

fn eval(function: BinaryFunction, a: f32, b: f32) -> f64 {
    let (x, y) = (f64::from(a), f64::from(b));
    let truth = |truth: bool| f64::from(u8::from(truth));
    let bits = |f: fn(i64, i64) -> i64| f(x as i64, y as i64) as f64;
    let rest = x - y * (x / y).trunc();
    match function {
        BinaryFunction::Div => x / y,
        BinaryFunction::Pow => x.powf(y),
        BinaryFunction::Min => x.min(y),
        BinaryFunction::Max => x.max(y),
        BinaryFunction::Mod | BinaryFunction::Fmod if y == 0.0 => f64::NAN,
        // Rests of f32 are exact; the sum of a rest and a divisor of the other sign rounds once.
        BinaryFunction::Mod if rest * y < 0.0 => f64::from((a % b) + b),
        BinaryFunction::Mod | BinaryFunction::Fmod => f64::from(a % b),
        BinaryFunction::Equal => truth(x == y),
        BinaryFunction::NotEqual => truth(x != y),
        BinaryFunction::Less => truth(x < y),
        BinaryFunction::LessOrEqual => truth(x <= y),
        BinaryFunction::BitAnd => bits(|a, b| a & b),
        BinaryFunction::BitOr => bits(|a, b| a | b),
        BinaryFunction::BitXor => bits(|a, b| a ^ b),
        BinaryFunction::Shift => (x * y.trunc().exp2()).floor(),
    }
}

pub(super) fn select(op: &SelectF32, inputs: &[Values]) -> Answer {
    let output = dims(&op.output);
    let number = |i: usize, at: [usize; 4]| {
        let dims = dims(&op.inputs[i]);
        inputs[i].f32()[index(dims, std::array::from_fn(|axis| if dims[axis] == 1 { 0 } else { at[axis] }))]
    };
    let value = |at| if number(0, at) == 0.0 { number(2, at) } else { number(1, at) };
    Values::F32(positions(output).into_iter().map(value).collect()).into()
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
