//! Elementwise operations of two operands.

use ndarray::{ArrayD, IxDyn};

use super::binary_function::{self, of};
use super::compose::Compose;
use crate::encode::Writer;
use crate::encode::numbers::{AddNumbers, Multipliers, Numbers, add, wide, zero};
use crate::error::ConvertError;
use crate::graph::{Binary, BinaryFunction, Function, Op, ValueId};
use crate::import::{Lowering, OnnxNode};
use crate::quantize::{Params, Width};
use lacewing::format::{Op as Record, Tensor};
use lacewing::ops::binary::Mul;
use lacewing::ops::{AddF32, AddI8, AddI16, MulF32, SubF32};

/// `Add`, `Sub`, `Mul`, `Div`, `Sum`, `Mean`, `Min`, `Max`, `Pow`, `PRelu`. A constant becomes the second operand.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let y = match node.op() {
        "Add" => commutative(node, to, Binary::Add)?,
        "Mul" => commutative(node, to, Binary::Mul)?,
        "Sub" => sub(node, to)?,
        "Div" => div(node, to)?,
        "Sum" => sum(node, to, "")?,
        "Mean" => mean(node, to)?,
        "Pow" => pow(node, to)?,
        "PRelu" => prelu(node, to)?,
        _ => bound(node, to)?,
    };
    Ok(vec![y])
}

fn commutative(node: &OnnxNode<'_>, to: &mut Lowering, op: Binary) -> Result<ValueId, ConvertError> {
    let (a, b) = (to.any_value(node, 0)?, to.any_value(node, 1)?);
    let operands = if to.constant(node, 0).is_some() { [b, a] } else { [a, b] };
    to.emit(node, "", Op::Binary(op), &operands)
}

/// `a - b`; a constant `b` is added with its sign turned.
fn sub(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<ValueId, ConvertError> {
    let a = to.value(node, 0)?;
    if to.constant(node, 1).is_none() {
        let b = to.value(node, 1)?;
        return to.emit(node, "", Op::Binary(Binary::Sub), &[a, b]);
    }
    let negative = to.weights(node, 1)?.mapv(|x| -x);
    let negative = to.add_constant(node, "addend", negative)?;
    to.emit(node, "", Op::Binary(Binary::Add), &[a, negative])
}

/// `a / b`; by constant reals `a * (1 / b)`, of integers towards zero.
fn div(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<ValueId, ConvertError> {
    let (a, b) = (to.value(node, 0)?, to.value(node, 1)?);
    if to.kind(a).is_integer() && to.kind(b).is_integer() {
        let quotient = to.emit(node, "quotient", of(BinaryFunction::Div), &[a, b])?;
        return to.emit(node, "", Op::Unary(Function::Trunc), &[quotient]);
    }
    if to.constant(node, 0).is_some() {
        let inverse = to.emit(node, "reciprocal", Op::Unary(Function::Reciprocal), &[b])?;
        return to.emit(node, "", Op::Binary(Binary::Mul), &[inverse, a]);
    }
    match to.constant(node, 1) {
        Some(_) if to.weights(node, 1)?.iter().all(|x| *x != 0.0) => {
            let inverse = to.weights(node, 1)?.mapv(|x| 1.0 / x);
            let inverse = to.add_constant(node, "factor", inverse)?;
            to.emit(node, "", Op::Binary(Binary::Mul), &[a, inverse])
        }
        _ => to.emit(node, "", of(BinaryFunction::Div), &[a, b]),
    }
}

/// `Sum` adds its operands one after the other.
fn sum(node: &OnnxNode<'_>, to: &mut Lowering, part: &str) -> Result<ValueId, ConvertError> {
    let mut total = to.value(node, 0)?;
    let count = node.pb.input.len();
    for i in 1..count {
        let next = to.value(node, i)?;
        let part = if i + 1 == count { part.to_string() } else { format!("sum_{i}") };
        total = to.emit(node, &part, Op::Binary(Binary::Add), &[total, next])?;
    }
    Ok(total)
}

fn mean(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<ValueId, ConvertError> {
    let total = sum(node, to, "sum")?;
    let share = 1.0 / node.pb.input.len() as f32;
    let share = to.add_constant(node, "share", ArrayD::from_elem(IxDyn(&[1]), share))?;
    to.emit(node, "", Op::Binary(Binary::Mul), &[total, share])
}

/// `Pow`; exponents with a function of their own have it. Powers of integers are integers.
fn pow(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<ValueId, ConvertError> {
    let (x, exponent) = (to.value(node, 0)?, to.constant(node, 1));
    if to.kind(x).is_integer() || exponent.is_none_or(|c| c.tensor.len() != 1) {
        return power(node, to, x);
    }
    let exponent = to.scalar(node, 1)?.ok_or_else(|| node.error("has no exponent"))?;
    let unary = |to: &mut Lowering, part: &str, f| to.emit(node, part, Op::Unary(f), &[x]);
    match exponent {
        1.0 => Ok(x),
        2.0 => unary(to, "", Function::Square),
        0.5 => unary(to, "", Function::Sqrt),
        -1.0 => unary(to, "", Function::Reciprocal),
        3.0 => {
            let square = unary(to, "square", Function::Square)?;
            to.emit(node, "", Op::Binary(Binary::Mul), &[square, x])
        }
        exponent => unary(to, "", Function::Power { exponent }),
    }
}

fn power(node: &OnnxNode<'_>, to: &mut Lowering, x: ValueId) -> Result<ValueId, ConvertError> {
    let (kind, exponent) = (to.kind(x), to.value(node, 1)?);
    let integer = to.kind(exponent).is_integer();
    let y = to.emit(node, "power", of(BinaryFunction::Pow), &[x, exponent])?;
    if !kind.is_integer() {
        return to.cast(node, "", y, kind);
    }
    let round = if integer { Function::Round } else { Function::Trunc };
    let y = to.emit(node, "whole", Op::Unary(round), &[y])?;
    to.cast(node, "", y, kind)
}

/// `PRelu`: LeakyRelu for one slope, else `max(x, 0) + slope * min(x, 0)`.
fn prelu(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<ValueId, ConvertError> {
    let x = to.value(node, 0)?;
    if to.constant(node, 1).is_some_and(|c| c.tensor.len() == 1) {
        let alpha = to.scalar(node, 1)?.ok_or_else(|| node.error("has no slope"))?;
        return to.emit(node, "", Op::Unary(Function::LeakyRelu { alpha }), &[x]);
    }
    let clip = |lo, hi| Op::Unary(Function::Clip { lo, hi });
    let above = to.emit(node, "above", clip(0.0, f32::INFINITY), &[x])?;
    let below = to.emit(node, "below", clip(f32::NEG_INFINITY, 0.0), &[x])?;
    let slope = slopes(node, to, x)?;
    let below = to.emit(node, "sloped", Op::Binary(Binary::Mul), &[below, slope])?;
    to.emit(node, "", Op::Binary(Binary::Add), &[above, below])
}

/// The slopes of `PRelu`; one for each channel stands along the channels, as before opset 7, where it does not fit the last axis.
fn slopes(node: &OnnxNode<'_>, to: &mut Lowering, x: ValueId) -> Result<ValueId, ConvertError> {
    let (slope, shape) = (to.value(node, 1)?, to.shape(x));
    match (&to.shape(slope)[..], &shape[..]) {
        ([count], [_, channels, .., last]) if count == channels && count != last => {
            let along = [vec![*count], vec![1; shape.len() - 2]].concat();
            Compose::new(node, to).reshape(slope, along)
        }
        _ => Ok(slope),
    }
}

/// `Min` and `Max` of any number of operands, one after the other.
fn bound(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<ValueId, ConvertError> {
    let count = node.pb.input.len();
    // A constant number is a limit on the others, so one of the others comes first.
    let first = (0..count).find(|i| to.constant(node, *i).is_none()).unwrap_or(0);
    let mut y = to.value(node, first)?;
    let others: Vec<usize> = (0..count).filter(|i| *i != first).collect();
    for (place, i) in others.iter().enumerate() {
        let part = if place + 1 == others.len() { String::new() } else { format!("{i}") };
        y = match to.constant(node, *i).is_some_and(|c| c.tensor.len() == 1) {
            true => limited(node, to, &part, (y, *i))?,
            false => {
                let other = to.value(node, *i)?;
                let function = if node.op() == "Max" { BinaryFunction::Max } else { BinaryFunction::Min };
                to.emit(node, &part, of(function), &[y, other])?
            }
        };
    }
    Ok(y)
}

fn limited(
    node: &OnnxNode<'_>,
    to: &mut Lowering,
    part: &str,
    (x, i): (ValueId, usize),
) -> Result<ValueId, ConvertError> {
    let limit = to.scalar(node, i)?.ok_or_else(|| node.error("has no limit"))?;
    let (lo, hi) = if node.op() == "Max" { (limit, f32::INFINITY) } else { (f32::NEG_INFINITY, limit) };
    to.emit(node, part, Op::Unary(Function::Clip { lo, hi }), &[x])
}

/// Operands and result of a record with broadcasting.
pub(super) fn operands<const N: usize>(to: &mut Writer<'_>) -> Result<([Tensor; N], Tensor), ConvertError> {
    let mut inputs: [Tensor; N] = std::array::from_fn(|i| to.input(i));
    let mut output = to.output();
    let shapes: Vec<&[usize]> = to.node().inputs.iter().map(|input| to.shape(*input)).collect();
    let result = to.shape(to.node().outputs[0]);
    if result.len() <= 4 {
        return Ok((inputs, output));
    }
    let Some((operands, result)) = joined(&shapes, result, 4) else {
        return Err(to.error("broadcasting along more than four dimensions is not supported; reshape the operands"));
    };
    inputs.iter_mut().zip(operands).for_each(|(input, shape)| input.shape = shape);
    output.shape = result;
    Ok((inputs, output))
}

/// The shapes in at most so many of four dimensions, the last ones: neighboring axes along which the same operands are repeated are one.
pub(super) fn joined(operands: &[&[usize]], result: &[usize], most: usize) -> Option<(Vec<[u32; 4]>, [u32; 4])> {
    /// Which operands are repeated along an axis, and its size.
    type Axis = (Vec<bool>, u32);
    let dim = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(result.len()).map_or(1, |i| shape[i]);
    let mut axes: Vec<Axis> = Vec::new();
    for (axis, size) in result.iter().enumerate().filter(|(_, size)| **size != 1) {
        let repeated: Vec<bool> = operands.iter().map(|shape| dim(shape, axis) == 1).collect();
        match axes.last_mut() {
            Some((last, total)) if *last == repeated => *total *= *size as u32,
            _ => axes.push((repeated, *size as u32)),
        }
    }
    most.checked_sub(axes.len())?;
    let first = 4 - axes.len();
    let shape = |size: &dyn Fn(&Axis) -> u32| {
        let mut shape = [1; 4];
        shape[first..].iter_mut().zip(&axes).for_each(|(to, axis)| *to = size(axis));
        shape
    };
    let operand = |i: usize| shape(&|(repeated, size)| if repeated[i] { 1 } else { *size });
    Some(((0..operands.len()).map(operand).collect(), shape(&|(_, size)| *size)))
}

/// Writes a sum, a difference, a product or another function of two variables.
pub(crate) fn encode(binary: Binary, to: &mut Writer<'_>) -> Result<(), ConvertError> {
    if let Binary::Function(function) = binary {
        return binary_function::encode(function, to);
    }
    let int8 = all_params(to).filter(|_| to.integers().is_some());
    let (lo, hi) = to.clamp();
    match (int8, binary) {
        (Some(params), Binary::Mul) if params[2].width == Width::I8 => encode_mul::<i8>(params, to),
        (Some(params), Binary::Mul) => encode_mul::<i16>(params, to),
        (Some(params), binary) => {
            let sign = if binary == Binary::Sub { -1.0 } else { 1.0 };
            match params[2].width {
                Width::I8 => encode_add_i8(sign, params, to),
                Width::I16 => encode_add_i16(sign, params, to),
            }
        }
        (None, binary) => {
            let (inputs, output) = operands(to)?;
            match binary {
                Binary::Sub => to.push(SubF32 { inputs, output, lo, hi }),
                Binary::Mul => to.push(MulF32 { inputs, output, lo, hi }),
                _ => to.push(AddF32 { inputs, output, lo, hi }),
            }
        }
    }
}

/// Params of both operands and the result.
fn all_params(to: &Writer<'_>) -> Option<[Params; 3]> {
    let node = to.node();
    Some([to.params(node.inputs[0])?, to.params(node.inputs[1])?, to.params(node.outputs[0])?])
}

fn encode_add_i8(sign: f64, [a, b, y]: [Params; 3], to: &mut Writer<'_>) -> Result<(), ConvertError> {
    let ratio = |params: Params| f64::from(params.scale) / f64::from(y.scale);
    let numbers = add([ratio(a), sign * ratio(b)], [a.zero, b.zero]);
    let AddNumbers { multipliers, bias, shift } =
        numbers.ok_or_else(|| to.error("its output range is too small for its operands in int8"))?;
    let (lo, hi) = to.limits(y);
    let (inputs, output) = operands(to)?;
    to.push(AddI8 { inputs, output, multipliers, bias, shift, zero: y.zero, lo, hi })
}

fn encode_add_i16(sign: f64, [a, b, y]: [Params; 3], to: &mut Writer<'_>) -> Result<(), ConvertError> {
    let ratios = [a, b].map(|params| f64::from(params.scale) / f64::from(y.scale));
    let Multipliers { m, shift } = wide(&ratios, &[i16::FARTHEST], None)
        .ok_or_else(|| to.error("its output range is too small for its operands in int16"))?;
    let multipliers = [m[0], sign as i32 * m[m.len() - 1]];
    let (lo, hi) = to.limits(y);
    let (inputs, output) = operands(to)?;
    to.push(AddI16 { inputs, output, multipliers, shift, lo, hi })
}

fn encode_mul<T: Numbers>([a, b, y]: [Params; 3], to: &mut Writer<'_>) -> Result<(), ConvertError>
where
    Record: From<Mul<T>>,
{
    let real = f64::from(a.scale) * f64::from(b.scale) / f64::from(y.scale);
    let Multipliers { m, shift } = T::multipliers(&[real], &[T::FARTHEST * T::FARTHEST])
        .ok_or_else(|| to.error("its output range is too small for its operands"))?;
    let (lo, hi) = to.limits(y);
    let (inputs, output) = operands(to)?;
    to.push(Mul { inputs, output, zeros: [zero(a), zero(b)], multiplier: m[0], shift, zero: zero(y), lo, hi })
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn axes_that_repeat_alike_are_one() {
        let (operands, result) = joined(&[&[2, 3, 4, 5, 6], &[4, 1, 1]], &[2, 3, 4, 5, 6], 4).unwrap();
        assert_eq!((operands, result), (vec![[1, 6, 4, 30], [1, 1, 4, 1]], [1, 6, 4, 30]));
        assert!(joined(&[&[2, 1, 2, 1, 2], &[1, 2, 1, 2, 1]], &[2; 5], 4).is_none());
    }
}
