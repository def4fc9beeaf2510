//! Index of the largest element.

use super::compose::Compose;
use crate::encode::Writer;
use crate::error::ConvertError;
use crate::graph::{Function, Op, ValueId};
use crate::import::{Lowering, OnnxNode};
use crate::quantize::Width;
use lacewing::ops::{ArgMaxF32, ArgMaxI8, ArgMaxI16};

/// `ArgMax`, and `ArgMin` as the largest of `-x`. The last of equals is the first from the end.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let mut on = Compose::new(node, to);
    let mut x = on.input(0)?;
    let mut shape = on.shape(x);
    let axis = node.axis(node.int("axis", 0), shape.len())?;
    let n = shape[axis];
    if node.op() == "ArgMin" {
        x = on.unary(Function::Neg, x)?;
    }
    let last = node.flag("select_last_index");
    if last {
        x = on.reversed(x, axis)?;
    }
    shape[axis] = 1;
    let mut index = on.shaped(Op::ArgMax { axis }, &[x], shape.clone())?;
    if last {
        let end = on.number(n as f32 - 1.0)?;
        index = on.sub(end, index)?;
    }
    if node.int("keepdims", 1) == 0 {
        shape.remove(axis);
    }
    Ok(vec![on.reshape(index, shape)?])
}

/// Writes an index of the largest.
pub(crate) fn encode(axis: usize, to: &mut Writer<'_>) -> Result<(), ConvertError> {
    let shape = to.shape(to.node().inputs[0]);
    let (n, inner) = (shape[axis] as u32, shape[axis + 1..].iter().product::<usize>() as u32);
    let (input, output) = (to.input(0), to.output());
    match to.params(to.node().inputs[0]).map(|params| params.width) {
        Some(Width::I8) => to.push(ArgMaxI8 { input, output, n, inner }),
        Some(Width::I16) => to.push(ArgMaxI16 { input, output, n, inner }),
        None => to.push(ArgMaxF32 { input, output, n, inner }),
    }
}
