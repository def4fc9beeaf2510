//! Reductions along axes.

use ndarray::{ArrayD, IxDyn};

use super::compose::{Compose, Made};
use super::pool::MEAN;
use crate::error::ConvertError;
use crate::graph::{Function, Op, PoolKind, ValueId};
use crate::import::{Lowering, OnnxNode};

/// Every `Reduce…` operator.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let given = axes(node, to)?;
    let mut on = Compose::new(node, to);
    let x = on.input(0)?;
    let shape = on.shape(x);
    let axes = match (given.is_empty(), node.flag("noop_with_empty_axes")) {
        (true, true) => Vec::new(),
        (true, false) => (0..shape.len()).collect(),
        (false, _) => node.axes(&given, shape.len())?,
    };
    let y = reduced(&mut on, x, &axes)?;
    if node.int("keepdims", 1) != 0 {
        return Ok(vec![y]);
    }
    let kept = (0..shape.len()).filter(|a| !axes.contains(a)).map(|a| shape[a]).collect();
    Ok(vec![on.reshape(y, kept)?])
}

fn axes(node: &OnnxNode<'_>, to: &Lowering) -> Result<Vec<i64>, ConvertError> {
    match to.integers(node, 1)? {
        Some(axes) => Ok(axes),
        None => Ok(node.ints("axes").unwrap_or(&[]).to_vec()),
    }
}

fn reduced(on: &mut Compose<'_, '_>, x: ValueId, axes: &[usize]) -> Made {
    let sum = |on: &mut Compose<'_, '_>, x| on.reduce(PoolKind::Sum, x, axes);
    match on.node.op() {
        "ReduceMean" => on.reduce(MEAN, x, axes),
        "ReduceMax" => on.reduce(PoolKind::Max, x, axes),
        "ReduceMin" => {
            let negative = on.unary(Function::Neg, x)?;
            let largest = on.reduce(PoolKind::Max, negative, axes)?;
            on.unary(Function::Neg, largest)
        }
        "ReduceProd" => product(on, x, axes),
        "ReduceL1" => {
            let absolute = on.unary(Function::Abs, x)?;
            sum(on, absolute)
        }
        "ReduceL2" => {
            let squares = on.unary(Function::Square, x)?;
            let total = sum(on, squares)?;
            on.unary(Function::Sqrt, total)
        }
        "ReduceSumSquare" => {
            let squares = on.unary(Function::Square, x)?;
            sum(on, squares)
        }
        "ReduceLogSum" => {
            let total = sum(on, x)?;
            on.unary(Function::Log, total)
        }
        "ReduceLogSumExp" => log_sum_exp(on, x, axes),
        _ => sum(on, x),
    }
}

/// The last of the running products along the axes, which are brought to the end as one.
fn product(on: &mut Compose<'_, '_>, x: ValueId, axes: &[usize]) -> Made {
    let mut shape = on.shape(x);
    let kept: Vec<usize> = (0..shape.len()).filter(|a| !axes.contains(a)).collect();
    let size = |axes: &[usize]| axes.iter().map(|a| shape[*a]).product::<usize>();
    let (rows, columns) = (size(&kept), size(axes));
    let turned = on.transpose(x, [&kept[..], axes].concat())?;
    let flat = on.reshape(turned, vec![rows, columns])?;
    let op = Op::Cumulative { axis: 1, product: true, exclusive: false, reverse: false };
    let running = on.op(op, &[flat])?;
    let last = on.slice(running, 1, columns - 1, 1)?;
    axes.iter().for_each(|a| shape[*a] = 1);
    on.reshape(last, shape)
}

/// `m + log Σ exp(x − m)` with the largest `m`, which no exponential exceeds; limited, so that −∞ alone is no difference of infinities.
fn log_sum_exp(on: &mut Compose<'_, '_>, x: ValueId, axes: &[usize]) -> Made {
    let largest = on.reduce(PoolKind::Max, x, axes)?;
    let largest = on.unary(Function::Clip { lo: f32::MIN, hi: f32::MAX }, largest)?;
    let less = on.sub(x, largest)?;
    let powers = on.unary(Function::Exp, less)?;
    let total = on.reduce(PoolKind::Sum, powers, axes)?;
    let log = on.unary(Function::Log, total)?;
    on.add(log, largest)
}

/// 0, 1, 2, … along one axis of a rank.
pub(super) fn counting(rank: usize, axis: usize, n: usize) -> ArrayD<f32> {
    let mut shape = vec![1; rank];
    shape[axis] = n;
    ArrayD::from_shape_fn(IxDyn(&shape), |at| at[axis] as f32)
}
