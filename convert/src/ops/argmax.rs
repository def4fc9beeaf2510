//! Index of the largest element.

use crate::encode::Writer;
use crate::error::ConvertError;
use crate::graph::{Function, Op, ValueId};
use crate::import::{Lowering, OnnxNode};
use lacewing::ops::{ArgMaxF32, ArgMaxI8};

/// `ArgMax`, and `ArgMin` as the largest of `-x`.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    if node.flag("select_last_index") {
        return Err(node.error("select_last_index is not supported; the first of equal elements is selected"));
    }
    let mut x = to.value(node, 0)?;
    let mut shape = to.shape(x);
    let axis = node.axis(node.int("axis", 0), shape.len())?;
    if node.op() == "ArgMin" {
        x = to.emit(node, "negative", Op::Unary(Function::Neg), &[x])?;
    }
    shape[axis] = 1;
    if node.int("keepdims", 1) != 0 {
        return Ok(vec![to.emit_shaped(node, "", Op::ArgMax { axis }, &[x], shape)?]);
    }
    let kept = to.emit_shaped(node, "index", Op::ArgMax { axis }, &[x], shape.clone())?;
    shape.remove(axis);
    Ok(vec![to.emit_shaped(node, "", Op::Reshape, &[kept], shape)?])
}

/// Writes an index of the largest.
pub(crate) fn encode(axis: usize, to: &mut Writer<'_>) -> Result<(), ConvertError> {
    let shape = to.shape(to.node().inputs[0]);
    let (n, inner) = (shape[axis] as u32, shape[axis + 1..].iter().product::<usize>() as u32);
    let (input, output) = (to.input(0), to.output());
    match to.params(to.node().inputs[0]) {
        Some(_) => to.push(ArgMaxI8 { input, output, n, inner }),
        None => to.push(ArgMaxF32 { input, output, n, inner }),
    }
}
