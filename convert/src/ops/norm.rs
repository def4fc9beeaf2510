//! Normalizations. Variances are means of squares of what the mean was taken from.

use ndarray::{ArrayD, IxDyn};

use super::compose::{Compose, Made};
use crate::error::ConvertError;
use crate::graph::{BinaryFunction, Function, Op, PoolKind, ValueId, Window};
use crate::import::{Lowering, OnnxNode};

/// Every normalization but `BatchNormalization` with constants.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let mut on = Compose::new(node, to);
    let x = on.input(0)?;
    let rank = on.shape(x).len();
    if rank < 2 && !matches!(node.op(), "LayerNormalization" | "RMSNormalization" | "LpNormalization") {
        return Err(node.error(format!("an input {:?} has no channels", on.shape(x))));
    }
    match node.op() {
        "LayerNormalization" => layer(&mut on, x),
        "RMSNormalization" => Ok(vec![rows(&mut on, x, false)?]),
        "InstanceNormalization" => Ok(vec![instance(&mut on, x)?]),
        "GroupNormalization" => Ok(vec![group(&mut on, x)?]),
        "MeanVarianceNormalization" => Ok(vec![mean_variance(&mut on, x)?]),
        "LpNormalization" => Ok(vec![lp(&mut on, x)?]),
        "LRN" => Ok(vec![local_response(&mut on, x)?]),
        _ => Ok(vec![batch(&mut on, x)?]),
    }
}

/// `x − mean`, the mean, and `1 / √(variance + epsilon)` along axes.
fn centered(on: &mut Compose<'_, '_>, x: ValueId, axes: &[usize], epsilon: f32) -> Result<[ValueId; 3], ConvertError> {
    let mean = on.mean(x, axes)?;
    let centered = on.sub(x, mean)?;
    let inverse = inverse_deviation(on, centered, axes, epsilon)?;
    Ok([centered, mean, inverse])
}

/// `1 / √(mean of squares + epsilon)`.
fn inverse_deviation(on: &mut Compose<'_, '_>, x: ValueId, axes: &[usize], epsilon: f32) -> Made {
    let squares = on.unary(Function::Square, x)?;
    let variance = on.mean(squares, axes)?;
    let variance = on.moved(variance, epsilon)?;
    let deviation = on.unary(Function::Sqrt, variance)?;
    on.unary(Function::Reciprocal, deviation)
}

/// The axes from the attribute `axis` on.
fn last_axes(on: &Compose<'_, '_>, x: ValueId) -> Result<Vec<usize>, ConvertError> {
    let rank = on.shape(x).len();
    let axis = on.node.axis(on.node.int("axis", -1), rank)?;
    Ok((axis..rank).collect())
}

/// Whether neither mean nor deviation is wanted, so that one operation does.
pub(crate) fn is_one_operation(node: &OnnxNode<'_>) -> bool {
    node.pb.output.iter().skip(1).all(String::is_empty)
}

fn layer(on: &mut Compose<'_, '_>, x: ValueId) -> Result<Vec<ValueId>, ConvertError> {
    if is_one_operation(on.node) {
        return Ok(vec![rows(on, x, true)?]);
    }
    let (axes, epsilon) = (last_axes(on, x)?, on.node.float("epsilon", 1e-5)?);
    let [centered, mean, inverse] = centered(on, x, &axes, epsilon)?;
    let normal = on.mul(centered, inverse)?;
    let y = affine(on, normal, 1, 2)?;
    Ok(vec![y, mean, inverse])
}

/// The axes from `axis` on as one, normalized in one operation; factors and addends that it cannot hold come after it.
fn rows(on: &mut Compose<'_, '_>, x: ValueId, centered: bool) -> Made {
    let (axes, epsilon, shape) = (last_axes(on, x)?, on.node.float("epsilon", 1e-5)?, on.shape(x));
    let (lead, row) = shape.split_at(axes[0]);
    let [gamma, beta] = [(1, 1.0), (2, 0.0)].map(|(i, default)| parameter(on, i, row, default));
    let (held, [gamma, beta]) = match gamma.zip(beta) {
        Some((gamma, beta)) => (true, [gamma, beta]),
        None => (false, [1.0, 0.0].map(|number| ArrayD::from_elem(IxDyn(&[row.iter().product()]), number))),
    };
    let x = on.reshape(x, [lead, gamma.shape()].concat())?;
    let inputs = [x, on.constant(gamma)?, on.constant(beta)?];
    let y = on.op(Op::Normalize { axis: axes[0], epsilon, centered }, &inputs)?;
    let y = on.reshape(y, shape)?;
    if held { Ok(y) } else { affine(on, y, 1, 2) }
}

/// Constant input `i`, or the default, for each element of a row.
fn parameter(on: &Compose<'_, '_>, i: usize, row: &[usize], default: f32) -> Option<ArrayD<f32>> {
    let numbers = match on.node.input(i) {
        Some(_) => on.to.weights(on.node, i).ok()?,
        None => ArrayD::from_elem(IxDyn(&[]), default),
    };
    let flat: Vec<f32> = numbers.broadcast(row)?.iter().copied().collect();
    ArrayD::from_shape_vec(IxDyn(&[flat.len()]), flat).ok()
}

/// `x · scale + shift`, as far as the node has these inputs.
fn affine(on: &mut Compose<'_, '_>, x: ValueId, scale: usize, shift: usize) -> Made {
    let mut y = x;
    if let Some(scale) = on.optional(scale)? {
        y = on.mul(y, scale)?;
    }
    if let Some(shift) = on.optional(shift)? {
        y = on.add(y, shift)?;
    }
    Ok(y)
}

fn instance(on: &mut Compose<'_, '_>, x: ValueId) -> Made {
    let epsilon = on.node.float("epsilon", 1e-5)?;
    let axes: Vec<usize> = (2..on.shape(x).len()).collect();
    let [centered, _, inverse] = centered(on, x, &axes, epsilon)?;
    let normal = on.mul(centered, inverse)?;
    per_channel(on, normal, x)
}

/// Scale and shift of inputs 1 and 2, one for each channel.
fn per_channel(on: &mut Compose<'_, '_>, normal: ValueId, x: ValueId) -> Made {
    let (scale, shift) = (channels(on, 1, x)?, channels(on, 2, x)?);
    let scaled = on.mul(normal, scale)?;
    on.add(scaled, shift)
}

/// Input `i`, one number for each channel of `x`.
fn channels(on: &mut Compose<'_, '_>, i: usize, x: ValueId) -> Made {
    let shape = on.shape(x);
    let mut along = vec![1; shape.len()];
    along[1] = shape[1];
    let parameter = on.input(i)?;
    on.reshape(parameter, along)
}

/// Up to version 20 scale and shift belong to groups, then to channels.
fn group(on: &mut Compose<'_, '_>, x: ValueId) -> Made {
    let (shape, epsilon) = (on.shape(x), on.node.float("epsilon", 1e-5)?);
    let groups = usize::try_from(on.node.int("num_groups", 0)).ok().filter(|g| *g > 0 && shape[1].is_multiple_of(*g));
    let groups = groups.ok_or_else(|| on.node.error(format!("num_groups does not divide {} channels", shape[1])))?;
    let rows = vec![shape[0], groups, shape[1..].iter().product::<usize>() / groups];
    let grouped = on.reshape(x, rows)?;
    let [centered, _, inverse] = centered(on, grouped, &[2], epsilon)?;
    let normal = on.mul(centered, inverse)?;
    if on.node.opset >= 21 {
        let normal = on.reshape(normal, shape)?;
        return per_channel(on, normal, x);
    }
    let y = per_channel(on, normal, grouped)?;
    on.reshape(y, shape)
}

fn mean_variance(on: &mut Compose<'_, '_>, x: ValueId) -> Made {
    let axes = on.node.axes(on.node.ints("axes").unwrap_or(&[0, 2, 3]), on.shape(x).len())?;
    let mean = on.mean(x, &axes)?;
    let centered = on.sub(x, mean)?;
    let squares = on.unary(Function::Square, centered)?;
    let variance = on.mean(squares, &axes)?;
    let deviation = on.unary(Function::Sqrt, variance)?;
    let deviation = on.moved(deviation, 1e-9)?;
    on.div(centered, deviation)
}

/// `x / ‖x‖` along an axis; what has no length stays 0.
fn lp(on: &mut Compose<'_, '_>, x: ValueId) -> Made {
    let axis = on.node.axis(on.node.int("axis", -1), on.shape(x).len())?;
    let length = match on.node.int("p", 2) {
        1 => {
            let absolute = on.unary(Function::Abs, x)?;
            on.reduce(PoolKind::Sum, absolute, &[axis])?
        }
        2 => {
            let squares = on.unary(Function::Square, x)?;
            let total = on.reduce(PoolKind::Sum, squares, &[axis])?;
            on.unary(Function::Sqrt, total)?
        }
        p => return Err(on.node.error(format!("p = {p} is not supported; 1 and 2 are"))),
    };
    let least = on.number(f32::MIN_POSITIVE)?;
    let length = on.function(BinaryFunction::Max, length, least)?;
    on.div(x, length)
}

/// `x / (bias + alpha/size · Σ x²)^beta` over neighboring channels.
fn local_response(on: &mut Compose<'_, '_>, x: ValueId) -> Made {
    let shape = on.shape(x);
    let size = usize::try_from(on.node.int("size", 0)).ok().filter(|size| (1..=1 << 15).contains(size));
    let size = size.ok_or_else(|| on.node.error("has no size"))?;
    let (alpha, beta) = (on.node.float("alpha", 1e-4)?, on.node.float("beta", 0.75)?);
    let squares = on.unary(Function::Square, x)?;
    let plane = on.reshape(squares, vec![1, shape[0], shape[1], shape[2..].iter().product()])?;
    let pads = [(size - 1) / 2, 0, size / 2, 0];
    let window = Window { kernel: [size, 1], strides: [1; 2], dilations: [1; 2], pads };
    let sums = on.op(Op::Pool { window, kind: PoolKind::Sum }, &[plane])?;
    let sums = on.reshape(sums, shape)?;
    let sums = on.scaled(sums, alpha / size as f32)?;
    let base = on.moved(sums, on.node.float("bias", 1.0)?)?;
    let factor = on.unary(Function::Power { exponent: -beta }, base)?;
    on.mul(x, factor)
}

/// Batch normalization with computed parameters.
fn batch(on: &mut Compose<'_, '_>, x: ValueId) -> Made {
    let (mean, variance) = (channels(on, 3, x)?, channels(on, 4, x)?);
    let centered = on.sub(x, mean)?;
    let variance = on.moved(variance, on.node.float("epsilon", 1e-5)?)?;
    let deviation = on.unary(Function::Sqrt, variance)?;
    let normal = on.div(centered, deviation)?;
    per_channel(on, normal, x)
}
