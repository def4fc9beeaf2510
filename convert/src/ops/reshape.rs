//! Operations that keep the elements in their order.

use super::strided_copy::copy;
use crate::encode::Writer;
use crate::error::ConvertError;
use crate::graph::{Op, ValueId};
use crate::import::{Lowering, OnnxNode};

/// `Reshape`, `Flatten`, `Squeeze`, `Unsqueeze`.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let x = to.value(node, 0)?;
    let shape = to.shape(x);
    let target = target(node, to, &shape)?;
    Ok(vec![to.emit_shaped(node, "", Op::Reshape, &[x], target)?])
}

/// Whether an operator is one of these.
pub(crate) fn reshapes(op: &str) -> bool {
    matches!(op, "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze")
}

/// The shape that such an operator gives to elements of `shape`.
pub(crate) fn target(node: &OnnxNode<'_>, to: &Lowering, shape: &[usize]) -> Result<Vec<usize>, ConvertError> {
    let target = match node.op() {
        "Reshape" => reshape(node, to, shape)?,
        "Flatten" => flatten(node, shape)?,
        "Squeeze" => squeeze(node, to, shape)?,
        _ => unsqueeze(node, to, shape)?,
    };
    match shape.iter().product::<usize>() == target.iter().product::<usize>() {
        true => Ok(target),
        false => Err(node.error(format!("cannot give shape {target:?} to elements of shape {shape:?}"))),
    }
}

/// 0 copies a dimension, -1 is what is left.
fn reshape(node: &OnnxNode<'_>, to: &Lowering, shape: &[usize]) -> Result<Vec<usize>, ConvertError> {
    let listed = match node.opset {
        ..=4 => node.ints("shape").map(<[i64]>::to_vec),
        _ => to.integers(node, 1)?,
    };
    let listed = listed.ok_or_else(|| node.error("has no shape"))?;
    let error = || node.error(format!("the shape {listed:?} does not fit elements of shape {shape:?}"));
    let mut target = Vec::with_capacity(listed.len());
    let mut open = None;
    for (i, dim) in listed.iter().enumerate() {
        match *dim {
            -1 if open.is_none() => {
                open = Some(i);
                target.push(1);
            }
            0 if !node.flag("allowzero") => target.push(*shape.get(i).ok_or_else(error)?),
            dim => target.push(usize::try_from(dim).map_err(|_| error())?),
        }
    }
    if let Some(open) = open {
        let others = target.iter().try_fold(1, |n: usize, d| n.checked_mul(*d)).filter(|n| *n > 0).ok_or_else(error)?;
        target[open] = shape.iter().product::<usize>() / others;
    }
    match target.iter().try_fold(1, |n: usize, d| n.checked_mul(*d)) {
        Some(_) => Ok(target),
        None => Err(error()),
    }
}

fn flatten(node: &OnnxNode<'_>, shape: &[usize]) -> Result<Vec<usize>, ConvertError> {
    let axis = match node.int("axis", 1) {
        end if usize::try_from(end) == Ok(shape.len()) => shape.len(),
        axis => node.axis(axis, shape.len())?,
    };
    let (rows, columns) = shape.split_at(axis);
    Ok(vec![rows.iter().product(), columns.iter().product()])
}

/// Axes from the attribute (up to version 12) or the input.
fn axes(node: &OnnxNode<'_>, to: &Lowering) -> Result<Option<Vec<i64>>, ConvertError> {
    match node.opset {
        ..=12 => Ok(node.ints("axes").map(<[i64]>::to_vec)),
        _ => to.integers(node, 1),
    }
}

fn squeeze(node: &OnnxNode<'_>, to: &Lowering, shape: &[usize]) -> Result<Vec<usize>, ConvertError> {
    let dropped = match axes(node, to)? {
        Some(axes) => node.axes(&axes, shape.len())?,
        None => (0..shape.len()).filter(|a| shape[*a] == 1).collect(),
    };
    if let Some(axis) = dropped.iter().find(|a| shape[**a] != 1) {
        return Err(node.error(format!("axis {axis} of shape {shape:?} is not 1")));
    }
    Ok((0..shape.len()).filter(|a| !dropped.contains(a)).map(|a| shape[a]).collect())
}

fn unsqueeze(node: &OnnxNode<'_>, to: &Lowering, shape: &[usize]) -> Result<Vec<usize>, ConvertError> {
    let listed = axes(node, to)?.ok_or_else(|| node.error("has no axes"))?;
    let rank = shape.len() + listed.len();
    let added = node.axes(&listed, rank)?;
    let mut old = shape.iter();
    Ok((0..rank).map(|a| if added.contains(&a) { 1 } else { old.next().copied().unwrap_or(1) }).collect())
}

/// Writes nothing where the output is the input's bytes, else a copy.
pub(crate) fn encode(to: &mut Writer<'_>) -> Result<(), ConvertError> {
    match to.is_alias() {
        true => Ok(()),
        false => copy(0, &[(to.shape(to.node().outputs[0]).iter().product(), 1)], to),
    }
}
