//! Losses of classifications, whose targets are indices of classes.

use super::compose::{Compose, Made};
use super::pool::MEAN;
use super::reduce::counting;
use crate::error::ConvertError;
use crate::graph::{BinaryFunction, Function, Kind, PoolKind, ValueId};
use crate::import::{Lowering, OnnxNode};

/// `NegativeLogLikelihoodLoss`, and `SoftmaxCrossEntropyLoss`, which takes the logarithm of the softmax first.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let mut on = Compose::new(node, to);
    let (scores, target) = (on.input(0)?, on.input(1)?);
    let shape = on.shape(scores);
    let without = [shape.get(..1).unwrap_or(&[]), shape.get(2..).unwrap_or(&[])].concat();
    if shape.len() < 2 || on.shape(target) != without {
        return Err(node.error(format!("targets {:?} do not fit scores {shape:?}", on.shape(target))));
    }
    let logs = if node.op() == "SoftmaxCrossEntropyLoss" { log_softmax(&mut on, scores)? } else { scores };
    let chosen = chosen(&mut on, target, &shape)?;
    let weights = weights(&mut on, target, chosen, &shape)?;
    let own = on.mul(chosen, logs)?;
    let own = dropped(&mut on, own, &without)?;
    let own = on.unary(Function::Neg, own)?;
    let loss = match weights {
        Some(weights) => on.mul(own, weights)?,
        None => own,
    };
    Ok(vec![reduced(&mut on, loss, weights)?, logs])
}

/// `(x − m) − log Σ exp(x − m)` along the classes.
fn log_softmax(on: &mut Compose<'_, '_>, x: ValueId) -> Made {
    let largest = on.reduce(PoolKind::Max, x, &[1])?;
    let less = on.sub(x, largest)?;
    let powers = on.unary(Function::Exp, less)?;
    let total = on.reduce(PoolKind::Sum, powers, &[1])?;
    let log = on.unary(Function::Log, total)?;
    on.sub(less, log)
}

/// 1 at the class of each target, else 0.
fn chosen(on: &mut Compose<'_, '_>, target: ValueId, shape: &[usize]) -> Made {
    let mut one = shape.to_vec();
    one[1] = 1;
    let target = on.reshape(target, one)?;
    let classes = on.constant(counting(shape.len(), 1, shape[1]))?;
    let chosen = on.function(BinaryFunction::Equal, target, classes)?;
    on.to.cast(on.node, "chosen", chosen, Kind::F32)
}

/// The sum along the classes, without their axis.
fn dropped(on: &mut Compose<'_, '_>, x: ValueId, without: &[usize]) -> Made {
    let sum = on.reduce(PoolKind::Sum, x, &[1])?;
    on.reshape(sum, without.to_vec())
}

/// The weight of each target: that of its class, 0 where the target is to be ignored; nothing if all are 1.
fn weights(
    on: &mut Compose<'_, '_>,
    target: ValueId,
    chosen: ValueId,
    shape: &[usize],
) -> Result<Option<ValueId>, ConvertError> {
    let without = on.shape(target);
    let mut weights = None;
    if let Some(classes) = on.optional(2)? {
        let mut along = vec![1; shape.len()];
        along[1] = shape[1];
        let classes = on.reshape(classes, along)?;
        let each = on.mul(chosen, classes)?;
        weights = Some(dropped(on, each, &without)?);
    }
    if on.node.ints("ignore_index").is_some() {
        let ignored = on.number(on.node.int("ignore_index", 0) as f32)?;
        let counts = on.function(BinaryFunction::NotEqual, target, ignored)?;
        let counts = on.to.cast(on.node, "counted", counts, Kind::F32)?;
        weights = Some(match weights {
            Some(weights) => on.mul(weights, counts)?,
            None => counts,
        });
    }
    Ok(weights)
}

/// The mean is that of the weights.
fn reduced(on: &mut Compose<'_, '_>, loss: ValueId, weights: Option<ValueId>) -> Made {
    let axes: Vec<usize> = (0..on.shape(loss).len()).collect();
    match (on.node.string("reduction"), weights) {
        ("none", _) => Ok(loss),
        ("sum", _) => scalar(on, PoolKind::Sum, loss, &axes),
        (_, None) => scalar(on, MEAN, loss, &axes),
        (_, Some(weights)) => {
            let (total, weight) = (scalar(on, PoolKind::Sum, loss, &axes)?, scalar(on, PoolKind::Sum, weights, &axes)?);
            on.div(total, weight)
        }
    }
}

fn scalar(on: &mut Compose<'_, '_>, kind: PoolKind, x: ValueId, axes: &[usize]) -> Made {
    let y = on.reduce(kind, x, axes)?;
    on.reshape(y, vec![])
}
