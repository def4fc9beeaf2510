//! Where the maxima of a max pool stand: its second output.

use ndarray::{ArrayD, IxDyn};

use crate::error::ConvertError;
use crate::graph::{Op, ValueId, Window};
use crate::import::window::Windows;
use crate::import::{Lowering, OnnxNode};
use crate::ops::take::{elements, positions};
use crate::ops::top_k::values;

/// The index of each maximum in the whole input: windows are laid out as rows, the largest of each row is found, and its place looked up.
pub(super) fn lower(
    node: &OnnxNode<'_>,
    to: &mut Lowering,
    x: ValueId,
    windows: &Windows,
) -> Result<ValueId, ConvertError> {
    let shape = to.shape(x);
    let (planes, rows, columns, lead) = match shape[..] {
        [n, c, l] => (n * c, 1, l, &shape[..2]),
        [n, c, h, w] => (n * c, h, w, &shape[..2]),
        _ => return Err(node.error("indices of maxima are supported over one and two spatial axes")),
    };
    let window = &windows.plane.window;
    let of = |axis, size| crate::graph::shape::windowed(size, window, axis).map_err(|e| node.error(e));
    let out = [of(0, rows)?, of(1, columns)?];
    let taps: usize = window.kernel.iter().product();
    to.check_size(node, &[planes, out[0], out[1], taps])?;
    let places: Vec<usize> = positions(&[planes, out[0], out[1]])
        .flat_map(|at| seen(window, at[0], [at[1], at[2]], [rows, columns]))
        .collect();
    let by_columns = node.flag("storage_order");
    let index = |place: &usize| {
        let (plane, at) = (place / (rows * columns), place % (rows * columns));
        let within = if by_columns { at % columns * rows + at / columns } else { at };
        (plane * rows * columns + within) as f32
    };
    let count = places.len() / taps;
    let table = places.iter().map(index).collect();
    let table = ArrayD::from_shape_vec(IxDyn(&[count, taps]), table).map_err(|e| node.error(e.to_string()))?;
    let table = to.add_constant(node, "places", table)?;
    let laid = elements(node, to, x, places, vec![count, taps])?;
    let best = to.emit(node, "best", Op::TopK { k: 1, largest: true }, &[laid])?;
    let found = values(node, to, table, best)?;
    let result = [lead, if shape.len() == 3 { &out[1..] } else { &out }].concat();
    to.emit_shaped(node, "indices", Op::Reshape, &[found], result)
}

/// The elements under the taps of one window; a tap outside sees the first one inside once more, which changes no maximum.
fn seen(window: &Window, plane: usize, out: [usize; 2], [rows, columns]: [usize; 2]) -> Vec<usize> {
    let along = |axis: usize, tap: usize, size: usize| {
        let at = out[axis] * window.strides[axis] + tap * window.dilations[axis];
        at.checked_sub(window.pads[axis]).filter(|at| *at < size)
    };
    let taps = positions(&window.kernel);
    let inside = taps.map(|tap| Some((plane * rows + along(0, tap[0], rows)?) * columns + along(1, tap[1], columns)?));
    let inside: Vec<Option<usize>> = inside.collect();
    let first = inside.iter().flatten().next().copied().unwrap_or(plane * rows * columns);
    inside.into_iter().map(|place| place.unwrap_or(first)).collect()
}
