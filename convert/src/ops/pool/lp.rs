//! Pools of powers: `(Σ |x|^p)^(1/p)`.

use ndarray::{ArrayD, IxDyn};

use super::{global, pooled, spatial};
use crate::error::ConvertError;
use crate::graph::{Binary, Function, Op, PoolKind, ValueId};
use crate::import::{Lowering, OnnxNode, window};

/// `LpPool` and `GlobalLpPool`: the mean of powers, times their number, and the root. Padding counts as zeros.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let x = to.value(node, 0)?;
    let shape = to.shape(x);
    let p = node.int("p", 2);
    if !(1..=64).contains(&p) {
        return Err(node.error(format!("p = {p} is not supported; 1 to 64 are")));
    }
    let powers = power(node, to, x, p)?;
    let (mean, count) = match node.op() {
        "LpPool" => {
            let kernel = node.sizes("kernel_shape", 1)?.ok_or_else(|| node.error("has no kernel_shape"))?;
            let windows = window::read(node, spatial(node, &shape)?, &kernel)?;
            let kind = PoolKind::Average { count_include_pad: true };
            (pooled(node, to, powers, kind, windows)?, kernel.iter().product::<usize>())
        }
        _ => {
            let kind = PoolKind::Average { count_include_pad: false };
            (global(node, to, powers, kind)?, shape.iter().skip(2).product())
        }
    };
    let count = to.add_constant(node, "count", ArrayD::from_elem(IxDyn(&[1]), count as f32))?;
    let sum = to.emit(node, "sum", Op::Binary(Binary::Mul), &[mean, count])?;
    Ok(vec![root(node, to, sum, p)?])
}

/// `|x|^p`, by squares and products.
fn power(node: &OnnxNode<'_>, to: &mut Lowering, x: ValueId, p: i64) -> Result<ValueId, ConvertError> {
    if p % 2 == 0 && p / 2 == 1 {
        return to.emit(node, "square", Op::Unary(Function::Square), &[x]);
    }
    let base = to.emit(node, "absolute", Op::Unary(Function::Abs), &[x])?;
    let mut y = base;
    for bit in (0..63 - p.leading_zeros()).rev() {
        y = to.emit(node, &format!("square_{bit}"), Op::Unary(Function::Square), &[y])?;
        if p >> bit & 1 == 1 {
            y = to.emit(node, &format!("product_{bit}"), Op::Binary(Binary::Mul), &[y, base])?;
        }
    }
    Ok(y)
}

/// `y^(1/p)` of what is not negative; the logarithm of 0 is −∞, whose power is 0 again.
fn root(node: &OnnxNode<'_>, to: &mut Lowering, y: ValueId, p: i64) -> Result<ValueId, ConvertError> {
    match p {
        1 => to.emit(node, "", Op::Unary(Function::Identity), &[y]),
        2 => to.emit(node, "", Op::Unary(Function::Sqrt), &[y]),
        _ => {
            let log = to.emit(node, "log", Op::Unary(Function::Log), &[y])?;
            let share = to.add_constant(node, "share", ArrayD::from_elem(IxDyn(&[1]), 1.0 / p as f32))?;
            let log = to.emit(node, "root", Op::Binary(Binary::Mul), &[log, share])?;
            to.emit(node, "", Op::Unary(Function::Exp), &[log])
        }
    }
}
