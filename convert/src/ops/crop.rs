//! Parts of a tensor that its shape alone decides.

use ndarray::{ArrayD, IxDyn};

use crate::error::ConvertError;
use crate::graph::{Binary, Op, ValueId};
use crate::import::{Lowering, OnnxNode};

/// `CenterCropPad`, `Trilu`, `EyeLike`.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let x = to.value(node, 0)?;
    let y = match node.op() {
        "CenterCropPad" => center(node, to, x)?,
        "Trilu" => triangle(node, to, x)?,
        _ => eye(node, to, x)?,
    };
    Ok(vec![y])
}

fn center(node: &OnnxNode<'_>, to: &mut Lowering, x: ValueId) -> Result<ValueId, ConvertError> {
    let shape = to.shape(x);
    let axes: Vec<usize> = match node.ints("axes") {
        Some(axes) => axes.iter().map(|axis| node.axis(*axis, shape.len())).collect::<Result<_, _>>()?,
        None => (0..shape.len()).collect(),
    };
    let wanted = to.integers(node, 1)?.unwrap_or_default();
    if wanted.len() != axes.len() {
        return Err(node.error(format!("sizes {wanted:?} do not fit {} axes", axes.len())));
    }
    let (mut starts, mut cut, mut pads) = (vec![0; shape.len()], shape.clone(), vec![(0, 0); shape.len()]);
    for (axis, size) in axes.into_iter().zip(&wanted) {
        let size = usize::try_from(*size).ok().filter(|size| (1..=1 << 24).contains(size));
        let size = size.ok_or_else(|| node.error(format!("sizes {wanted:?} are not supported")))?;
        let more = size.saturating_sub(shape[axis]);
        (starts[axis], cut[axis]) = (shape[axis].saturating_sub(size) / 2, size.min(shape[axis]));
        pads[axis] = (more / 2, more - more / 2);
    }
    let steps = vec![1; shape.len()];
    let part = to.emit_shaped(node, "crop", Op::Slice { starts, steps }, &[x], cut)?;
    to.emit(node, "", Op::Pad { pads, value: 0.0 }, &[part])
}

/// Zeros on one side of a diagonal, by a mask of ones and zeros.
fn triangle(node: &OnnxNode<'_>, to: &mut Lowering, x: ValueId) -> Result<ValueId, ConvertError> {
    let k = to.integers(node, 1)?.and_then(|k| k.first().copied()).unwrap_or(0);
    let &[.., rows, columns] = &to.shape(x)[..] else { return Err(node.error("needs a matrix")) };
    let upper = node.int("upper", 1) != 0;
    let mask = ArrayD::from_shape_fn(IxDyn(&[rows, columns]), |at| {
        let above = (at[1] as i64 - at[0] as i64).saturating_sub(k);
        f32::from(u8::from(if upper { above >= 0 } else { above <= 0 }))
    });
    let mask = to.add_constant(node, "mask", mask)?;
    to.emit(node, "", Op::Binary(Binary::Mul), &[x, mask])
}

fn eye(node: &OnnxNode<'_>, to: &mut Lowering, x: ValueId) -> Result<ValueId, ConvertError> {
    let shape = to.shape(x);
    let k = node.int("k", 0);
    if shape.len() != 2 {
        return Err(node.error(format!("needs a matrix, not shape {shape:?}")));
    }
    let eye =
        |at: ndarray::Dim<ndarray::IxDynImpl>| f32::from(u8::from((at[0] as i64).checked_add(k) == Some(at[1] as i64)));
    to.add_constant(node, "eye", ArrayD::from_shape_fn(IxDyn(&shape), eye))
}
