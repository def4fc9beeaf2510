//! Elementwise operations of two operands.

use ndarray::{ArrayD, IxDyn};

use crate::encode::Writer;
use crate::encode::numbers::{AddNumbers, Multipliers, add, multipliers};
use crate::error::ConvertError;
use crate::graph::{Binary, Function, Op, ValueId};
use crate::import::{Lowering, OnnxNode};
use crate::quantize::Params;
use lacewing::ops::{AddF32, AddI8, MulF32, MulI8, SubF32};

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
    let (a, b) = (to.value(node, 0)?, to.value(node, 1)?);
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

/// `a / b` is `a * (1 / b)`.
fn div(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<ValueId, ConvertError> {
    let factor = match to.constant(node, 1) {
        Some(_) => {
            let inverse = to.weights(node, 1)?.mapv(|x| 1.0 / x);
            to.add_constant(node, "factor", inverse)?
        }
        None => {
            let b = to.value(node, 1)?;
            to.emit(node, "reciprocal", Op::Unary(Function::Reciprocal), &[b])?
        }
    };
    let a = to.value(node, 0)?;
    let operands = if to.constant(node, 0).is_some() { [factor, a] } else { [a, factor] };
    to.emit(node, "", Op::Binary(Binary::Mul), &operands)
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

/// `Pow` with one of the exponents that have a function of their own.
fn pow(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<ValueId, ConvertError> {
    let x = to.value(node, 0)?;
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
        other => Err(node.error(format!("the exponent {other} is not supported; 0.5, 1, 2, 3 and -1 are"))),
    }
}

/// `PRelu`: LeakyRelu for one slope, else `max(x, 0) + slope * min(x, 0)`.
fn prelu(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<ValueId, ConvertError> {
    let x = to.value(node, 0)?;
    let slope = to.weights(node, 1)?;
    if let Some(&[alpha]) = slope.as_slice() {
        return to.emit(node, "", Op::Unary(Function::LeakyRelu { alpha }), &[x]);
    }
    let clip = |lo, hi| Op::Unary(Function::Clip { lo, hi });
    let above = to.emit(node, "above", clip(0.0, f32::INFINITY), &[x])?;
    let below = to.emit(node, "below", clip(f32::NEG_INFINITY, 0.0), &[x])?;
    let slope = to.add_constant(node, "slope", slope)?;
    let below = to.emit(node, "sloped", Op::Binary(Binary::Mul), &[below, slope])?;
    to.emit(node, "", Op::Binary(Binary::Add), &[above, below])
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
            false => larger_or_smaller(node, to, &part, (y, *i))?,
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

/// `max(a, b) = relu(a - b) + b` and `min(a, b) = a - relu(a - b)`.
fn larger_or_smaller(
    node: &OnnxNode<'_>,
    to: &mut Lowering,
    part: &str,
    (a, i): (ValueId, usize),
) -> Result<ValueId, ConvertError> {
    let b = to.value(node, i)?;
    let excess = to.emit(node, &format!("difference_{i}"), Op::Binary(Binary::Sub), &[a, b])?;
    let relu = Op::Unary(Function::Clip { lo: 0.0, hi: f32::INFINITY });
    let excess = to.emit(node, &format!("excess_{i}"), relu, &[excess])?;
    match node.op() {
        "Max" => to.emit(node, part, Op::Binary(Binary::Add), &[excess, b]),
        _ => to.emit(node, part, Op::Binary(Binary::Sub), &[a, excess]),
    }
}

/// Writes a sum, a difference or a product.
pub(crate) fn encode(binary: Binary, to: &mut Writer<'_>) -> Result<(), ConvertError> {
    let ranks = to.node().inputs.iter().map(|input| to.shape(*input).len());
    if ranks.max() > Some(4) && !to.node().inputs.iter().all(|x| to.shape(*x) == to.shape(to.node().outputs[0])) {
        return Err(to.error("broadcasting over more than four dimensions is not supported; reshape the operands"));
    }
    let (inputs, output) = ([to.input(0), to.input(1)], to.output());
    let (lo, hi) = to.clamp();
    match (to.int8(), binary) {
        (None, Binary::Add) => to.push(AddF32 { inputs, output, lo, hi }),
        (None, Binary::Sub) => to.push(SubF32 { inputs, output, lo, hi }),
        (None, Binary::Mul) => to.push(MulF32 { inputs, output, lo, hi }),
        (Some(_), Binary::Mul) => encode_mul_i8(to),
        (Some(_), Binary::Add) => encode_add_i8(1.0, to),
        (Some(_), Binary::Sub) => encode_add_i8(-1.0, to),
    }
}

/// Params of both operands and the result.
fn all_params(to: &Writer<'_>) -> Option<[Params; 3]> {
    let node = to.node();
    Some([to.params(node.inputs[0])?, to.params(node.inputs[1])?, to.params(node.outputs[0])?])
}

fn encode_add_i8(sign: f64, to: &mut Writer<'_>) -> Result<(), ConvertError> {
    let [a, b, y] = all_params(to).ok_or_else(|| to.error("an operand has no int8 scale"))?;
    let ratio = |params: Params| f64::from(params.scale) / f64::from(y.scale);
    let numbers = add([ratio(a), sign * ratio(b)], [a.zero, b.zero]);
    let AddNumbers { multipliers, bias, shift } =
        numbers.ok_or_else(|| to.error("its output range is too small for its operands in int8"))?;
    let (lo, hi) = to.clamp_i8(y);
    let (inputs, output) = ([to.input(0), to.input(1)], to.output());
    to.push(AddI8 { inputs, output, multipliers, bias, shift, zero: y.zero, lo, hi })
}

fn encode_mul_i8(to: &mut Writer<'_>) -> Result<(), ConvertError> {
    let [a, b, y] = all_params(to).ok_or_else(|| to.error("an operand has no int8 scale"))?;
    let real = f64::from(a.scale) * f64::from(b.scale) / f64::from(y.scale);
    let Multipliers { m, shift } =
        multipliers(&[real]).ok_or_else(|| to.error("its output range is too small for its operands in int8"))?;
    let (lo, hi) = to.clamp_i8(y);
    let (inputs, output) = ([to.input(0), to.input(1)], to.output());
    to.push(MulI8 { inputs, output, zeros: [a.zero, b.zero], multiplier: m[0], shift, zero: y.zero, lo, hi })
}
