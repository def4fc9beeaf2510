//! Parts of a tensor whose indices are known, and operators that come to that.

use std::sync::Arc;

use super::strided_copy::{copy, strides};
use crate::encode::Writer;
use crate::error::ConvertError;
use crate::graph::{Op, ValueId};
use crate::import::{Lowering, OnnxNode};
use crate::quantize::Width;
use lacewing::format::{DType, Place, Tensor};
use lacewing::ops::{GatherF32, GatherI8, GatherI16};

/// Elements up to which a copy that repeats several axes is one list of places.
const MAX_PLACES: usize = 1 << 16;

/// The parts `indices` of `x` along `axis`; `x` itself if that is all of it.
pub(super) fn take(
    node: &OnnxNode<'_>,
    to: &mut Lowering,
    part: &str,
    (x, axis): (ValueId, usize),
    indices: Vec<usize>,
) -> Result<ValueId, ConvertError> {
    if indices.iter().copied().eq(0..to.shape(x)[axis]) {
        return Ok(x);
    }
    to.emit(node, part, Op::Take { axis, indices: indices.into() }, &[x])
}

/// The elements of `x` in the places `places` of its row-major order, under `shape`.
pub(super) fn elements(
    node: &OnnxNode<'_>,
    to: &mut Lowering,
    x: ValueId,
    places: Vec<usize>,
    shape: Vec<usize>,
) -> Result<ValueId, ConvertError> {
    let len = to.shape(x).iter().product();
    let flat = to.emit_shaped(node, "flat", Op::Reshape, &[x], vec![len])?;
    let taken = take(node, to, "taken", (flat, 0), places)?;
    to.emit_shaped(node, "", Op::Reshape, &[taken], shape)
}

/// An index from 0 on, or from the end if it is negative.
pub(super) fn place(node: &OnnxNode<'_>, index: i64, n: usize) -> Result<usize, ConvertError> {
    let from_start = if index < 0 { index.saturating_add_unsigned(n as u64) } else { index };
    let place = usize::try_from(from_start).ok().filter(|place| *place < n);
    place.ok_or_else(|| node.error(format!("index {index} is outside its axis of {n} elements")))
}

/// `Tile`, `Expand`, `ReverseSequence`, `Compress`.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let x = to.value(node, 0)?;
    let y = match node.op() {
        "Tile" => tile(node, to, x)?,
        "Expand" => expand(node, to, x)?,
        "ReverseSequence" => reverse_sequence(node, to, x)?,
        _ => compress(node, to, x)?,
    };
    Ok(vec![y])
}

fn tile(node: &OnnxNode<'_>, to: &mut Lowering, x: ValueId) -> Result<ValueId, ConvertError> {
    let repeats = to.integers(node, 1)?.ok_or_else(|| node.error("has no repeats"))?;
    let shape = to.shape(x);
    let sizes: Vec<usize> = repeats.iter().filter_map(|r| usize::try_from(*r).ok().filter(|r| *r > 0)).collect();
    if sizes.len() != shape.len() || repeats.len() != shape.len() {
        return Err(node.error(format!("repeats {repeats:?} do not fit shape {shape:?}")));
    }
    repeated(node, to, x, &shape.iter().zip(&sizes).map(|(d, r)| d.saturating_mul(*r)).collect::<Vec<_>>())
}

fn expand(node: &OnnxNode<'_>, to: &mut Lowering, x: ValueId) -> Result<ValueId, ConvertError> {
    let listed = to.integers(node, 1)?.ok_or_else(|| node.error("has no shape"))?;
    let error = || node.error(format!("cannot expand to {listed:?}"));
    let target: Option<Vec<usize>> = listed.iter().map(|d| usize::try_from(*d).ok()).collect();
    let shape = to.shape(x);
    let target = crate::graph::shape::broadcast(&shape, &target.ok_or_else(error)?).map_err(|e| node.error(e))?;
    let full = [vec![1; target.len() - shape.len()], shape.clone()].concat();
    let ranked = if full == shape { x } else { to.emit_shaped(node, "rank", Op::Reshape, &[x], full)? };
    repeated(node, to, ranked, &target)
}

/// `x` repeated to `target`: one axis keeps the others as they lie, several are one copy of the elements.
fn repeated(node: &OnnxNode<'_>, to: &mut Lowering, x: ValueId, target: &[usize]) -> Result<ValueId, ConvertError> {
    let shape = to.shape(x);
    to.check_size(node, target)?;
    let grown: Vec<usize> = (0..shape.len()).filter(|axis| shape[*axis] != target[*axis]).collect();
    match grown[..] {
        [] => Ok(x),
        [axis] => take(node, to, "", (x, axis), (0..target[axis]).map(|i| i % shape[axis]).collect()),
        _ if target.iter().product::<usize>() > MAX_PLACES => along_each(node, to, x, &grown, target),
        _ => {
            let from = strides(&shape);
            let place = |at: Vec<usize>| (0..at.len()).map(|a| at[a] % shape[a] * from[a] as usize).sum();
            elements(node, to, x, positions(target).map(place).collect(), target.to_vec())
        }
    }
}

/// One copy for each axis that grows.
fn along_each(
    node: &OnnxNode<'_>,
    to: &mut Lowering,
    x: ValueId,
    axes: &[usize],
    target: &[usize],
) -> Result<ValueId, ConvertError> {
    axes.iter().try_fold(x, |x, &axis| {
        let size = to.shape(x)[axis];
        take(node, to, &format!("axis_{axis}"), (x, axis), (0..target[axis]).map(|i| i % size).collect())
    })
}

/// All positions of a shape in row-major order.
pub(super) fn positions(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> + use<> {
    let (shape, steps) = (shape.to_vec(), strides(shape));
    let count = shape.iter().product();
    (0..count).map(move |i: usize| (0..shape.len()).map(|axis| i / steps[axis] as usize % shape[axis]).collect())
}

/// Where the element at a position lies, with these strides.
pub(super) fn offset(at: &[usize], strides: &[i64]) -> usize {
    at.iter().zip(strides).map(|(i, stride)| i * *stride as usize).sum()
}

/// Every sequence of the batch backwards, up to its length.
fn reverse_sequence(node: &OnnxNode<'_>, to: &mut Lowering, x: ValueId) -> Result<ValueId, ConvertError> {
    let shape = to.shape(x);
    let lengths = to.integers(node, 1)?.ok_or_else(|| node.error("has no lengths"))?;
    let batch = node.axis(node.int("batch_axis", 1), shape.len())?;
    let time = node.axis(node.int("time_axis", 0), shape.len())?;
    let fits = |length: &i64| usize::try_from(*length).is_ok_and(|length| length <= shape[time]);
    if batch == time || lengths.len() != shape[batch] || !lengths.iter().all(fits) {
        return Err(node.error(format!("lengths {lengths:?} do not fit axis {batch} of shape {shape:?}")));
    }
    let steps = strides(&shape);
    let place = |mut at: Vec<usize>| {
        let length = lengths[at[batch]] as usize;
        at[time] = if at[time] < length { length - 1 - at[time] } else { at[time] };
        offset(&at, &steps)
    };
    let places = positions(&shape).map(place).collect();
    elements(node, to, x, places, shape)
}

/// The parts whose condition holds.
fn compress(node: &OnnxNode<'_>, to: &mut Lowering, x: ValueId) -> Result<ValueId, ConvertError> {
    let holds = to.integers(node, 1)?.ok_or_else(|| node.error("has no condition"))?;
    let indices: Vec<usize> = (0..holds.len()).filter(|i| holds[*i] != 0).collect();
    let shape = to.shape(x);
    if node.has("axis") {
        let axis = node.axis(node.int("axis", 0), shape.len())?;
        return take(node, to, "", (x, axis), indices);
    }
    let count = indices.len();
    elements(node, to, x, indices, vec![count])
}

/// Writes parts: a copy by strides where the indices step regularly, else a gather.
pub(crate) fn encode(axis: usize, indices: &Arc<[usize]>, to: &mut Writer<'_>) -> Result<(), ConvertError> {
    let shape = to.shape(to.node().inputs[0]);
    let outer = shape[..axis].iter().product::<usize>();
    let (n, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
    let flat: Vec<i64> = indices.iter().map(|index| *index as i64).collect();
    if let Some(steps) = regular(&flat, 4) {
        let start = flat.first().copied().unwrap_or(0) * inner as i64;
        let steps = steps.into_iter().map(|(dim, step)| (dim, step * inner as i64));
        let axes: Vec<(usize, i64)> =
            std::iter::once((outer, (n * inner) as i64)).chain(steps).chain([(inner, 1)]).collect();
        return copy(start, &axes, to);
    }
    let places: Vec<i32> = indices.iter().map(|index| *index as i32).collect();
    let span = to.constant(&places);
    let indices = Tensor::new(Place::Constant, DType::I32, span.offset, [1, 1, 1, places.len() as u32]);
    gather(indices, [n, inner], to)
}

/// Dimensions and steps whose sums, added to the first number, are the numbers; at most `most` of them.
fn regular(numbers: &[i64], most: usize) -> Option<Vec<(usize, i64)>> {
    let (first, second) = match numbers {
        [] | [_] => return Some(Vec::new()),
        [first, second, ..] => (*first, *second),
    };
    let step = second - first;
    let run = 1 + numbers.windows(2).take_while(|pair| pair[1] - pair[0] == step).count();
    let run = (2..=run).rev().find(|run| numbers.len().is_multiple_of(*run)).filter(|_| most > 0)?;
    let like_first = |block: &[i64]| (0..run).all(|i| block[i] - block[0] == i as i64 * step);
    if !numbers.chunks(run).all(like_first) {
        return None;
    }
    let starts: Vec<i64> = numbers.iter().step_by(run).copied().collect();
    let mut steps = regular(&starts, most - 1)?;
    steps.push((run, step));
    Some(steps)
}

/// Writes a gather with these indices, of either type and in either place.
pub(super) fn gather(indices: Tensor, [n, inner]: [usize; 2], to: &mut Writer<'_>) -> Result<(), ConvertError> {
    let (inputs, output, n, inner) = ([to.input(0), indices], to.output(), n as u32, inner as u32);
    match to.moved() {
        Some(Width::I8) => to.push(GatherI8 { inputs, output, n, inner }),
        Some(Width::I16) => to.push(GatherI16 { inputs, output, n, inner }),
        None => to.push(GatherF32 { inputs, output, n, inner }),
    }
}

#[cfg(test)]
mod tests {
    use super::regular;

    #[test]
    fn regular_indices_are_found() {
        assert_eq!(regular(&[0, 0, 1, 1, 2, 2], 4), Some(vec![(3, 1), (2, 0)]));
        assert_eq!(regular(&[0, 1, 2, 0, 1, 2], 4), Some(vec![(2, 0), (3, 1)]));
        assert_eq!(regular(&[5, 3, 1], 4), Some(vec![(3, -2)]));
        assert_eq!(regular(&[0, 1, 1, 2], 4), Some(vec![(2, 1), (2, 1)]));
        assert_eq!(regular(&[0, 1, 1, 2], 1), None);
        assert_eq!(regular(&[1, 0, 1, 2], 4), None);
        assert_eq!(regular(&[7], 4), Some(vec![]));
    }
}
