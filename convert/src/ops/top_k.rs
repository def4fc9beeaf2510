//! The largest or smallest elements.

use ndarray::{ArrayD, IxDyn};

use crate::encode::Writer;
use crate::error::ConvertError;
use crate::graph::{Binary, Op, ValueId};
use crate::import::{Lowering, OnnxNode};
use lacewing::ops::TopKF32;

/// `TopK`: the indices first, and the values by them. They are sorted, whether that is asked for or not.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let x = to.value(node, 0)?;
    let shape = to.shape(x);
    let axis = node.axis(node.int("axis", -1), shape.len())?;
    let k = match node.opset {
        ..=9 => node.int("k", 0),
        _ => to.integers(node, 1)?.and_then(|k| k.first().copied()).unwrap_or(0),
    };
    let k = usize::try_from(k).ok().filter(|k| (1..=shape[axis]).contains(k));
    let k = k.ok_or_else(|| node.error(format!("cannot select that many elements along axis {axis} of {shape:?}")))?;
    let perm: Vec<usize> = (0..shape.len()).filter(|a| *a != axis).chain([axis]).collect();
    let last = turned(node, to, "last", x, &perm)?;
    let indices = to.emit(node, "order", Op::TopK { k, largest: node.int("largest", 1) != 0 }, &[last])?;
    let values = values(node, to, last, indices)?;
    let mut back: Vec<usize> = (0..shape.len() - 1).collect();
    back.insert(axis, shape.len() - 1);
    Ok(vec![turned(node, to, "values", values, &back)?, turned(node, to, "indices", indices, &back)?])
}

/// `x` with its axes in another order, `x` itself if they are in order.
fn turned(
    node: &OnnxNode<'_>,
    to: &mut Lowering,
    part: &str,
    x: ValueId,
    perm: &[usize],
) -> Result<ValueId, ConvertError> {
    if perm.is_sorted() { Ok(x) } else { to.emit(node, part, Op::Transpose { perm: perm.to_vec() }, &[x]) }
}

/// The elements of each row of `x` at its indices.
pub(super) fn values(
    node: &OnnxNode<'_>,
    to: &mut Lowering,
    x: ValueId,
    indices: ValueId,
) -> Result<ValueId, ConvertError> {
    let (shape, result) = (to.shape(x), to.shape(indices));
    let (n, k) = (shape[shape.len() - 1], result[result.len() - 1]);
    let (len, rows) = (shape.iter().product::<usize>(), result.iter().product::<usize>() / k);
    if len > 1 << 24 {
        return Err(node.error(format!("selects from {len} elements, more than 2^24")));
    }
    let starts = ArrayD::from_shape_fn(IxDyn(&[rows, 1]), |at| (at[0] * n) as f32);
    let starts = to.add_constant(node, "starts", starts)?;
    let indices = to.emit_shaped(node, "rows", Op::Reshape, &[indices], vec![rows, k])?;
    let places = to.emit(node, "places", Op::Binary(Binary::Add), &[indices, starts])?;
    let flat = to.emit_shaped(node, "flat", Op::Reshape, &[x], vec![len])?;
    let taken = to.emit(node, "taken", Op::Gather { axis: 0 }, &[flat, places])?;
    to.emit_shaped(node, "", Op::Reshape, &[taken], result)
}

/// Writes a selection.
pub(crate) fn encode(k: usize, largest: bool, to: &mut Writer<'_>) -> Result<(), ConvertError> {
    if to.integers().is_some() {
        return Err(to.error("has no int8 form; convert with --precision f32"));
    }
    let n = to.shape(to.node().inputs[0]).last().map_or(0, |n| *n as u32);
    let record = TopKF32 { input: to.input(0), output: to.output(), n, k: k as u32, largest };
    to.push(record)
}
