//! Parts of a tensor.

use super::strided_copy::{copy, strides};
use crate::encode::Writer;
use crate::error::ConvertError;
use crate::graph::{Op, ValueId};
use crate::import::{Lowering, OnnxNode};

/// `Slice` in its attribute form (up to version 9) and its input form.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let x = to.value(node, 0)?;
    let shape = to.shape(x);
    let list = |attribute: &str, input| match node.opset {
        ..=9 => Ok(node.ints(attribute).map(<[i64]>::to_vec)),
        _ => to.integers(node, input),
    };
    let from = list("starts", 1)?.ok_or_else(|| node.error("has no starts"))?;
    let ends = list("ends", 2)?.ok_or_else(|| node.error("has no ends"))?;
    let axes = list("axes", 3)?.unwrap_or_else(|| (0..from.len() as i64).collect());
    let by = list("steps", 4)?.unwrap_or_else(|| vec![1; from.len()]);
    if [ends.len(), axes.len(), by.len()] != [from.len(); 3] {
        return Err(node.error("its starts, ends, axes and steps differ in number"));
    }
    let (mut starts, mut steps, mut result) = (vec![0; shape.len()], vec![1; shape.len()], shape.clone());
    for (i, axis) in axes.iter().enumerate() {
        let axis = node.axis(*axis, shape.len())?;
        let range = range(from[i], ends[i], by[i], shape[axis]);
        let (start, step, length) = range.ok_or_else(|| node.error(format!("selects nothing along axis {axis}")))?;
        (starts[axis], steps[axis], result[axis]) = (start, step, length);
    }
    Ok(vec![to.emit_shaped(node, "", Op::Slice { starts, steps }, &[x], result)?])
}

/// `(start, step, length)` of ONNX's half-open range on an axis of `size`, if it selects anything.
fn range(start: i64, end: i64, step: i64, size: usize) -> Option<(usize, isize, usize)> {
    let size = i64::try_from(size).ok()?;
    let from_end = |i: i64| if i < 0 { i.saturating_add(size) } else { i };
    let (first, length) = if step > 0 {
        let (first, end) = (from_end(start).clamp(0, size), from_end(end).clamp(0, size));
        (first, (end - first).max(0) as u64)
    } else {
        let (first, end) = (from_end(start).clamp(0, size - 1), from_end(end).clamp(-1, size - 1));
        (first, (first - end).max(0) as u64)
    };
    let length = length.div_ceil(step.unsigned_abs().max(1));
    let found = step != 0 && length > 0;
    let step = isize::try_from(step.clamp(-size, size)).ok()?;
    found.then_some((usize::try_from(first).ok()?, step, usize::try_from(length).ok()?))
}

/// `Split`: one slice for each output.
pub(crate) fn lower_split(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let x = to.value(node, 0)?;
    let shape = to.shape(x);
    let axis = node.axis(node.int("axis", 0), shape.len())?;
    let sizes = split_sizes(node, to, shape[axis])?;
    let mut start = 0;
    let mut parts = Vec::with_capacity(sizes.len());
    for (i, size) in sizes.iter().enumerate() {
        let mut starts = vec![0; shape.len()];
        starts[axis] = start;
        let mut part = shape.clone();
        part[axis] = *size;
        let steps = vec![1; shape.len()];
        parts.push(to.emit_shaped(node, &i.to_string(), Op::Slice { starts, steps }, &[x], part)?);
        start += size;
    }
    Ok(parts)
}

fn split_sizes(node: &OnnxNode<'_>, to: &Lowering, size: usize) -> Result<Vec<usize>, ConvertError> {
    let listed = match node.opset {
        ..=12 => node.ints("split").map(<[i64]>::to_vec),
        _ => to.integers(node, 1)?,
    };
    let outputs = node.pb.output.len();
    let equal = size.div_ceil(outputs.max(1));
    let sizes: Option<Vec<usize>> = match &listed {
        Some(listed) => listed.iter().map(|s| usize::try_from(*s).ok().filter(|s| (1..=size).contains(s))).collect(),
        None => (0..outputs).map(|i| size.checked_sub(i * equal).map(|rest| rest.min(equal))).collect(),
    };
    match sizes {
        Some(sizes) if sizes.iter().sum::<usize>() == size && sizes.len() == outputs => Ok(sizes),
        _ => Err(node.error(format!("cannot split {size} elements into {listed:?} for {outputs} outputs"))),
    }
}

/// Writes a slice.
pub(crate) fn encode(starts: &[usize], steps: &[isize], to: &mut Writer<'_>) -> Result<(), ConvertError> {
    let strides = strides(to.shape(to.node().inputs[0]));
    let start = starts.iter().zip(&strides).map(|(start, stride)| *start as i64 * stride).sum();
    let axes: Vec<(usize, i64)> = (to.shape(to.node().outputs[0]).iter().zip(steps).zip(&strides))
        .map(|((dim, step), stride)| (*dim, *step as i64 * stride))
        .collect();
    copy(start, &axes, to)
}

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn ranges_follow_onnx() {
        assert_eq!(range(1, i64::MAX, 1, 5), Some((1, 1, 4)));
        assert_eq!(range(-2, i64::MAX, 1, 5), Some((3, 1, 2)));
        assert_eq!(range(0, -1, 2, 5), Some((0, 2, 2)));
        assert_eq!(range(-1, i64::MIN, -1, 5), Some((4, -1, 5)));
        assert_eq!(range(4, 0, -2, 5), Some((4, -2, 2)));
        assert_eq!(range(i64::MAX, 1, -1, 5), Some((4, -1, 3)));
        assert_eq!(range(3, 3, 1, 5), None);
        assert_eq!(range(0, 5, 0, 5), None);
        assert_eq!(range(0, 5, i64::MAX, 5), Some((0, 5, 1)));
    }
}
