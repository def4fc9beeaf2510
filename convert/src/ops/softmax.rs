//! Softmax.

use super::compose::Compose;
use super::pool::reduced;
use super::reduce::counting;
use crate::encode::Writer;
use crate::error::ConvertError;
use crate::graph::{Binary, BinaryFunction, Function, Kind, Op, PoolKind, ValueId};
use crate::import::{Lowering, OnnxNode};
use crate::quantize::Width;
use lacewing::ops::{SoftmaxF32, SoftmaxI8, SoftmaxI16};

/// `Softmax`, `LogSoftmax` and `Hardmax`. Up to version 12 all axes from `axis` on are one.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let x = to.value(node, 0)?;
    let shape = to.shape(x);
    let axis = node.axis(node.int("axis", if node.opset < 13 { 1 } else { -1 }), shape.len())?;
    if node.opset >= 13 || shape[axis + 1..].iter().all(|d| *d == 1) {
        return Ok(vec![along(node, to, "", (x, axis))?]);
    }
    let (rows, columns) = shape.split_at(axis);
    let matrix = vec![rows.iter().product(), columns.iter().product()];
    let flat = to.emit_shaped(node, "rows", Op::Reshape, &[x], matrix)?;
    let y = along(node, to, "flat", (flat, 1))?;
    Ok(vec![to.emit_shaped(node, "", Op::Reshape, &[y], shape)?])
}

/// The softmax `p` of `x` along one axis, or its logarithm `x - (max x - log max p)`, which needs no logarithm of what
/// rounds to zero.
fn along(
    node: &OnnxNode<'_>,
    to: &mut Lowering,
    part: &str,
    (x, axis): (ValueId, usize),
) -> Result<ValueId, ConvertError> {
    if node.op() == "Hardmax" {
        return hardmax(node, to, (x, axis));
    }
    if node.op() == "Softmax" {
        return to.emit(node, part, Op::Softmax { axis }, &[x]);
    }
    let p = to.emit(node, "softmax", Op::Softmax { axis }, &[x])?;
    let likeliest = reduced(node, to, "likeliest", PoolKind::Max, (p, &[axis]))?;
    let log = to.emit(node, "log", Op::Unary(Function::Log), &[likeliest])?;
    let largest = reduced(node, to, "largest", PoolKind::Max, (x, &[axis]))?;
    let norm = to.emit(node, "norm", Op::Binary(Binary::Sub), &[largest, log])?;
    to.emit(node, part, Op::Binary(Binary::Sub), &[x, norm])
}

/// 1 at the first largest element, else 0.
fn hardmax(node: &OnnxNode<'_>, to: &mut Lowering, (x, axis): (ValueId, usize)) -> Result<ValueId, ConvertError> {
    let mut on = Compose::new(node, to);
    let mut shape = on.shape(x);
    let places = on.constant(counting(shape.len(), axis, shape[axis]))?;
    shape[axis] = 1;
    let largest = on.shaped(Op::ArgMax { axis }, &[x], shape)?;
    let one = on.function(BinaryFunction::Equal, largest, places)?;
    on.to.cast(node, "real", one, Kind::F32)
}

/// Writes a softmax along the last axis.
pub(crate) fn encode(axis: usize, to: &mut Writer<'_>) -> Result<(), ConvertError> {
    let shape = to.shape(to.node().inputs[0]);
    if shape[axis + 1..].iter().any(|dim| *dim != 1) {
        return Err(to.error("its axis is not the last; the pass `nhwc` brings it there"));
    }
    let n = shape[axis];
    let rows = shape.iter().product::<usize>() / n;
    let (mut input, mut output) = (to.input(0), to.output());
    (input.shape, output.shape) = ([1, 1, rows as u32, n as u32], [1, 1, rows as u32, n as u32]);
    match to.integers() {
        Some((params, _)) if params.width == Width::I16 => {
            let (coarse, fine) = (to.constant(&powers(256.0 * params.scale, n)), to.constant(&fine(params.scale)));
            to.push(SoftmaxI16 { input, output, coarse, fine })
        }
        Some((params, _)) => {
            let table = to.constant(&powers(params.scale, n));
            to.push(SoftmaxI8 { input, output, table })
        }
        None => to.push(SoftmaxF32 { input, output }),
    }
}

/// `round(exp(−d·scale)·2^31)` for d below 256.
fn fine(scale: f32) -> Vec<u32> {
    let power = |d: u32| (libm::exp(-f64::from(d) * f64::from(scale)) * 2147483648.0).round_ties_even() as u32;
    (0..256).map(power).collect()
}

/// `round(exp(−d·scale)·2^(31 − ⌈log2 n⌉))` for d from 0 on, without the zeros at the end.
fn powers(scale: f32, n: usize) -> Vec<u32> {
    let one = f64::powi(2.0, 31 - n.next_power_of_two().trailing_zeros() as i32);
    let power = |d: u32| (libm::exp(-f64::from(d) * f64::from(scale)) * one).round_ties_even() as u32;
    (0..256).map(power).take_while(|power| *power > 0).collect()
}
