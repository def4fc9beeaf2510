//! One of several values at the place of an index.

use ndarray::{ArrayD, IxDyn};

use crate::error::ConvertError;
use crate::graph::{Binary, Function, Op, ValueId};
use crate::import::{Lowering, OnnxNode};

/// `OneHot`: `off + (on − off) · max(1 − |index − i|, 0)` for whole numbers, of which a negative one counts from the end.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let indices = to.value(node, 0)?;
    let depth = to.scalar(node, 1)?.map(|depth| depth as usize).filter(|depth| (1..=1 << 24).contains(depth));
    let depth = depth.ok_or_else(|| node.error("needs a constant depth"))?;
    let &[off, on] = &to.floats(node, 2)?[..] else {
        return Err(node.error("needs two constant values"));
    };
    let shape = to.shape(indices);
    let axis = node.axis(node.int("axis", -1), shape.len() + 1)?;
    let (mut alone, mut along) = (shape.clone(), vec![1; shape.len() + 1]);
    alone.insert(axis, 1);
    along[axis] = depth;
    let number = |to: &mut Lowering, part: &str, x: f32| to.add_constant(node, part, ArrayD::from_elem(IxDyn(&[1]), x));
    let index = to.emit_shaped(node, "index", Op::Reshape, &[indices], alone)?;
    let negative = to.emit(node, "negative", Op::Unary(Function::HardSigmoid { alpha: -1.0, beta: 0.0 }), &[index])?;
    let round = number(to, "depth", depth as f32)?;
    let round = to.emit(node, "round", Op::Binary(Binary::Mul), &[negative, round])?;
    let index = to.emit(node, "from_start", Op::Binary(Binary::Add), &[index, round])?;
    let places = ArrayD::from_shape_fn(IxDyn(&along), |at| -(at[axis] as f32));
    let places = to.add_constant(node, "places", places)?;
    let away = to.emit(node, "away", Op::Binary(Binary::Add), &[index, places])?;
    let away = to.emit(node, "distance", Op::Unary(Function::Abs), &[away])?;
    let hit = to.emit(node, "hit", Op::Unary(Function::HardSigmoid { alpha: -1.0, beta: 1.0 }), &[away])?;
    let (height, base) = (number(to, "height", on - off)?, number(to, "base", off)?);
    let hit = to.emit(node, "scaled", Op::Binary(Binary::Mul), &[hit, height])?;
    Ok(vec![to.emit(node, "", Op::Binary(Binary::Add), &[hit, base])?])
}
