//! Pictures sampled at the points of a grid.

mod point;

use ndarray::{ArrayD, IxDyn};

use super::concat::joined;
use super::take::{positions, take};
use crate::error::ConvertError;
use crate::graph::{Binary, Op, PoolKind, ValueId, Window};
use crate::import::{Lowering, OnnxNode};
use point::Sampler;

/// `GridSample` with a constant grid: for each point its neighbors, their weights, and the sum.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let x = to.value(node, 0)?;
    let (shape, grid) = (to.shape(x), to.weights(node, 1)?);
    let rank = shape.len().saturating_sub(2);
    let points = grid.shape().len() == rank + 2 && (2..=3).contains(&rank) && grid.shape()[rank + 1] == rank;
    if !points || grid.shape()[0] != shape[0] {
        return Err(node.error(format!("a grid {:?} does not fit an image {shape:?}", grid.shape())));
    }
    let sampler = Sampler::read(node, &shape[2..])?;
    let (c, size, out) = (shape[1], shape[2..].iter().product::<usize>(), grid.shape()[1..=rank].to_vec());
    let flat = to.emit_shaped(node, "flat", Op::Reshape, &[x], vec![shape[0], c, size])?;
    let mut images = Vec::with_capacity(shape[0]);
    for (n, grid) in grid.outer_iter().enumerate() {
        let coordinates: Vec<f32> = grid.iter().copied().collect();
        let taps: Vec<Vec<(usize, f32)>> = coordinates.chunks(rank).map(|point| sampler.taps(point)).collect();
        let (starts, steps) = (vec![n, 0, 0], vec![1; 3]);
        let image =
            to.emit_shaped(node, &format!("image_{n}"), Op::Slice { starts, steps }, &[flat], vec![1, c, size])?;
        images.push(weighted(node, to, image, (n, &taps))?);
    }
    let y = joined(node, to, images, 0)?;
    Ok(vec![to.emit_shaped(node, "shape", Op::Reshape, &[y], [&shape[..2], &out[..]].concat())?])
}

/// For each point, the sum of weighted elements of `[1, c, size]`: all taps side by side, their weights, and the mean of each point.
fn weighted(
    node: &OnnxNode<'_>,
    to: &mut Lowering,
    x: ValueId,
    (n, points): (usize, &[Vec<(usize, f32)>]),
) -> Result<ValueId, ConvertError> {
    let taps = points.iter().map(Vec::len).max().unwrap_or(0).max(1);
    let c = to.shape(x)[1];
    to.check_size(node, &[c, points.len(), taps])?;
    let tap = |at: &[usize]| points[at[0]].get(at[1]).copied().unwrap_or((0, 0.0));
    let places = positions(&[points.len(), taps]).map(|at| tap(&at).0).collect();
    let weights = ArrayD::from_shape_fn(IxDyn(&[points.len(), taps]), |at| tap(&[at[0], at[1]]).1 * taps as f32);
    let seen = take(node, to, &format!("seen_{n}"), (x, 2), places)?;
    let seen = to.emit_shaped(node, &format!("taps_{n}"), Op::Reshape, &[seen], vec![1, c, points.len(), taps])?;
    let weights = to.add_constant(node, "weights", weights)?;
    let parts = to.emit(node, &format!("parts_{n}"), Op::Binary(Binary::Mul), &[seen, weights])?;
    let window = Window { kernel: [1, taps], ..Window::default() };
    let op = Op::Pool { window, kind: PoolKind::Average { count_include_pad: false } };
    let sums = to.emit(node, &format!("sums_{n}"), op, &[parts])?;
    to.emit_shaped(node, &format!("points_{n}"), Op::Reshape, &[sums], vec![1, c, points.len()])
}

/// `AffineGrid`: every point of a regular grid, turned by the matrices.
pub(crate) fn lower_affine(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let theta = to.value(node, 0)?;
    let listed = to.integers(node, 1)?.unwrap_or_default();
    let size: Option<Vec<usize>> = listed.iter().map(|d| usize::try_from(*d).ok().filter(|d| *d > 0)).collect();
    let size = size.filter(|size| (4..=5).contains(&size.len()));
    let size = size.ok_or_else(|| node.error(format!("cannot make a grid of size {listed:?}")))?;
    let (out, rank) = (&size[2..], size.len() - 2);
    if to.shape(theta) != [size[0], rank, rank + 1] {
        return Err(node.error(format!("matrices {:?} do not fit the size {size:?}", to.shape(theta))));
    }
    to.check_size(node, &[out, &[size[0], rank + 1]].concat())?;
    let step = |axis: usize, i: usize| match (node.flag("align_corners"), out[axis]) {
        (true, 1) => -1.0,
        (true, n) => 2.0 * i as f32 / (n - 1) as f32 - 1.0,
        (false, n) => (2 * i + 1) as f32 / n as f32 - 1.0,
    };
    let point = |at: Vec<usize>| (0..rank).rev().map(|axis| step(axis, at[axis])).chain([1.0]).collect::<Vec<f32>>();
    let points: Vec<f32> = positions(out).flat_map(point).collect();
    let count = out.iter().product::<usize>();
    let points = ArrayD::from_shape_vec(IxDyn(&[count, rank + 1]), points).map_err(|e| node.error(e.to_string()))?;
    let points = to.add_constant(node, "points", points)?;
    let turned = to.emit(node, "turned", Op::FullyConnected, &[theta, points])?;
    let last = to.emit(node, "last", Op::Transpose { perm: vec![0, 2, 1] }, &[turned])?;
    Ok(vec![to.emit_shaped(node, "", Op::Reshape, &[last], [&size[..1], out, &[rank]].concat())?])
}
