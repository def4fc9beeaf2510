//! Parts of a tensor by their indices.

use super::strided_copy::strides;
use super::take::{self, elements, offset, place, positions, take};
use crate::encode::Writer;
use crate::error::ConvertError;
use crate::graph::{Op, ValueId};
use crate::import::{Lowering, OnnxNode};

/// `Gather`, `GatherElements`, `GatherND`.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let x = to.value(node, 0)?;
    let y = match node.op() {
        "Gather" => gather(node, to, x)?,
        "GatherElements" => gather_elements(node, to, x)?,
        _ => gather_nd(node, to, x)?,
    };
    Ok(vec![y])
}

fn gather(node: &OnnxNode<'_>, to: &mut Lowering, x: ValueId) -> Result<ValueId, ConvertError> {
    let shape = to.shape(x);
    let axis = node.axis(node.int("axis", 0), shape.len())?;
    let Some(indices) = to.constant(node, 1) else {
        let indices = to.value(node, 1)?;
        return to.emit(node, "", Op::Gather { axis }, &[x, indices]);
    };
    let of = indices.shape().to_vec();
    let places = indices.integers()?.into_iter().map(|i| place(node, i, shape[axis])).collect::<Result<Vec<_>, _>>()?;
    let result = [&shape[..axis], &of, &shape[axis + 1..]].concat();
    let part = if of.len() == 1 { "" } else { "taken" };
    let taken = match places.windows(2).all(|pair| pair[0] + 1 == pair[1]) {
        true => slice(node, to, part, (x, axis), &places)?,
        false => take(node, to, part, (x, axis), places)?,
    };
    if of.len() == 1 { Ok(taken) } else { to.emit_shaped(node, "", Op::Reshape, &[taken], result) }
}

/// Consecutive parts.
fn slice(
    node: &OnnxNode<'_>,
    to: &mut Lowering,
    part: &str,
    (x, axis): (ValueId, usize),
    places: &[usize],
) -> Result<ValueId, ConvertError> {
    let mut shape = to.shape(x);
    let (mut starts, steps) = (vec![0; shape.len()], vec![1; shape.len()]);
    (starts[axis], shape[axis]) = (places.first().copied().unwrap_or(0), places.len());
    to.emit_shaped(node, part, Op::Slice { starts, steps }, &[x], shape)
}

/// The shape and the elements of constant indices.
pub(super) fn indices(node: &OnnxNode<'_>, to: &Lowering, i: usize) -> Result<(Vec<usize>, Vec<i64>), ConvertError> {
    let numbers = to.integers(node, i)?.ok_or_else(|| node.error("has no indices"))?;
    Ok((to.constant(node, i).map(|c| c.shape().to_vec()).unwrap_or_default(), numbers))
}

fn gather_elements(node: &OnnxNode<'_>, to: &mut Lowering, x: ValueId) -> Result<ValueId, ConvertError> {
    let axis = node.axis(node.int("axis", 0), to.shape(x).len())?;
    let (of, numbers) = indices(node, to, 1)?;
    let places = along_axis(node, &to.shape(x), axis, (&of, &numbers))?;
    elements(node, to, x, places, of)
}

/// For each index, the place of its element: at the index along `axis`, else where the index itself stands.
pub(super) fn along_axis(
    node: &OnnxNode<'_>,
    shape: &[usize],
    axis: usize,
    (of, numbers): (&[usize], &[i64]),
) -> Result<Vec<usize>, ConvertError> {
    if of.len() != shape.len() || (0..of.len()).any(|a| a != axis && of[a] > shape[a]) {
        return Err(node.error(format!("indices of shape {of:?} do not fit shape {shape:?}")));
    }
    let steps = strides(shape);
    let found = positions(of).zip(numbers).map(|(mut at, index)| {
        at[axis] = place(node, *index, shape[axis])?;
        Ok(offset(&at, &steps))
    });
    found.collect()
}

fn gather_nd(node: &OnnxNode<'_>, to: &mut Lowering, x: ValueId) -> Result<ValueId, ConvertError> {
    let shape = to.shape(x);
    let (of, numbers) = indices(node, to, 1)?;
    let batch = usize::try_from(node.int("batch_dims", 0)).unwrap_or(usize::MAX);
    let found = of.split_last().filter(|(depth, rows)| batch <= rows.len() && batch + **depth <= shape.len());
    let (depth, rows) = found.ok_or_else(|| node.error(format!("indices {of:?} do not fit shape {shape:?}")))?;
    let (indexed, part) = shape.split_at(batch + depth);
    if rows[..batch] != shape[..batch] {
        return Err(node.error(format!("the batch of indices {of:?} is not that of shape {shape:?}")));
    }
    let places = in_depth(node, indexed, batch, (rows, &numbers))?;
    let parts = vec![indexed.iter().product(), part.iter().product()];
    let parts = to.emit_shaped(node, "parts", Op::Reshape, &[x], parts)?;
    let taken = take(node, to, "taken", (parts, 0), places)?;
    to.emit_shaped(node, "", Op::Reshape, &[taken], [rows, part].concat())
}

/// For each tuple of indices, one for each axis of `indexed` behind the batch, the place that they name.
pub(super) fn in_depth(
    node: &OnnxNode<'_>,
    indexed: &[usize],
    batch: usize,
    (rows, numbers): (&[usize], &[i64]),
) -> Result<Vec<usize>, ConvertError> {
    let depth = indexed.len() - batch;
    let tuples = (0..rows.iter().product()).map(|i: usize| &numbers[i * depth..(i + 1) * depth]);
    let found = positions(rows).zip(tuples).map(|(at, tuple)| {
        let mut sum = at[..batch].iter().zip(indexed).fold(0, |sum, (i, n)| sum * n + i);
        for (index, n) in tuple.iter().zip(&indexed[batch..]) {
            sum = sum * n + place(node, *index, *n)?;
        }
        Ok(sum)
    });
    found.collect()
}

/// Writes a gather by computed indices.
pub(crate) fn encode(axis: usize, to: &mut Writer<'_>) -> Result<(), ConvertError> {
    let shape = to.shape(to.node().inputs[0]);
    let sizes = [shape[axis], shape[axis + 1..].iter().product::<usize>()];
    let indices = to.input(1);
    take::gather(indices, sizes, to)
}
