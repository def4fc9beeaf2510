//! Batch normalization: `(x - mean) / sqrt(var + epsilon) * scale + shift`, as one factor and one addend per channel.

use ndarray::{ArrayD, IxDyn, Zip};

use crate::error::ConvertError;
use crate::graph::{Binary, Op, ValueId};
use crate::import::{Lowering, OnnxNode};

/// `BatchNormalization` in inference.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    if node.flag("training_mode") {
        return Err(node.error("is in training mode; export the model in evaluation mode"));
    }
    if (1..=4).any(|i| to.constant(node, i).is_none()) {
        return super::norm::lower(node, to);
    }
    let x = to.value(node, 0)?;
    let shape = to.shape(x);
    let channels = *shape.get(1).ok_or_else(|| node.error(format!("an input {shape:?} has no channels")))?;
    let (scale, shift) = (parameter(node, to, 1, channels)?, parameter(node, to, 2, channels)?);
    let (mean, var) = (parameter(node, to, 3, channels)?, parameter(node, to, 4, channels)?);
    let epsilon = node.float("epsilon", 1e-5)?;
    let factor = Zip::from(&scale).and(&var).map_collect(|s, v| s / (v + epsilon).sqrt());
    let addend = Zip::from(&shift).and(&mean).and(&factor).map_collect(|b, m, f| b - m * f);
    let mut along = vec![1; shape.len()];
    along[1] = channels;
    let factor = spread(node, to, "factor", factor, &along)?;
    let addend = spread(node, to, "addend", addend, &along)?;
    let scaled = to.emit(node, "scaled", Op::Binary(Binary::Mul), &[x, factor])?;
    Ok(vec![to.emit(node, "", Op::Binary(Binary::Add), &[scaled, addend])?])
}

fn parameter(node: &OnnxNode<'_>, to: &Lowering, i: usize, channels: usize) -> Result<ArrayD<f32>, ConvertError> {
    let found = to.weights(node, i)?;
    match found.shape() == [channels] {
        true => Ok(found),
        false => Err(node.error(format!("input {i} has shape {:?}, not [{channels}]", found.shape()))),
    }
}

fn spread(
    node: &OnnxNode<'_>,
    to: &mut Lowering,
    part: &str,
    elements: ArrayD<f32>,
    shape: &[usize],
) -> Result<ValueId, ConvertError> {
    let elements = elements.into_shape_with_order(IxDyn(shape)).map_err(|e| node.error(e.to_string()))?;
    to.add_constant(node, part, elements)
}
