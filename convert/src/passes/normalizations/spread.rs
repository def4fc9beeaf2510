//! What a value tells of another along one axis: its mean, its variance.

use super::super::edit::Edit;
use crate::graph::{Binary, Function, Node, Op, PoolKind, ValueId};
use crate::ops::MEAN;

/// A mean of squares along an axis.
pub(super) struct Spread {
    /// Of what.
    pub(super) of: ValueId,
    pub(super) axis: usize,
    /// Whether the square of the mean was taken off.
    pub(super) centered: bool,
}

/// The spread that a value is: `mean(d²)`, or `mean(x²) − mean(x)²`, which may be kept from falling below 0.
pub(super) fn spread(edit: &Edit, id: ValueId) -> Option<Spread> {
    if let Some((Function::Clip { lo: 0.0, hi: f32::INFINITY }, difference)) = edit.unary(id) {
        return centered(edit, unshaped(edit, difference));
    }
    centered(edit, id).or_else(|| {
        let (of, axis) = mean_of_squares(edit, id)?;
        Some(Spread { of, axis, centered: false })
    })
}

/// The spread that `mean(x²) − mean(x)²` is.
fn centered(edit: &Edit, id: ValueId) -> Option<Spread> {
    let [squares, mean] = edit.binary(id, Binary::Sub)?;
    let same_shape = edit.graph().shape(squares) == edit.graph().shape(mean);
    let ((of, axis), mean) = (mean_of_squares(edit, squares)?, square(edit, unshaped(edit, mean))?);
    (same_shape && reduced(edit, MEAN, mean, of) == Some(axis)).then_some(Spread { of, axis, centered: true })
}

/// `v` and the axis if the value is `mean(v²)`.
fn mean_of_squares(edit: &Edit, id: ValueId) -> Option<(ValueId, usize)> {
    let image = unshaped(edit, Pooled::behind(edit, id)?.input);
    let squares = untransposed(edit, image).unwrap_or(image);
    Some((square(edit, squares)?, reduced(edit, MEAN, id, squares)?))
}

/// The value that a transposition made this one from.
fn untransposed(edit: &Edit, id: ValueId) -> Option<ValueId> {
    let node = edit.node(edit.writer(id)?);
    matches!(node.op, Op::Transpose { .. }).then(|| node.inputs[0])
}

/// `v` if the value is `v²`.
fn square(edit: &Edit, id: ValueId) -> Option<ValueId> {
    match edit.unary(id) {
        Some((Function::Square, v)) => Some(v),
        _ => edit.binary(id, Binary::Mul).and_then(|[a, b]| (a == b).then_some(a)),
    }
}

/// The axis along which a value is what such a pool makes of `x`, standing where it broadcasts over `x`.
pub(super) fn reduces(edit: &Edit, kind: PoolKind, id: ValueId, x: ValueId) -> Option<usize> {
    reduced(edit, kind, id, x).filter(|axis| lies_along(edit, id, edit.graph().shape(x), *axis))
}

/// Whether a value has one element in place of that axis of a shape, and broadcasts to it.
pub(super) fn lies_along(edit: &Edit, id: ValueId, shape: &[usize], axis: usize) -> bool {
    let own = edit.graph().shape(id);
    let Some(missing) = shape.len().checked_sub(own.len()) else { return false };
    let one = |at: usize| if at == axis { 1 } else { shape[at] };
    (0..missing).all(|at| one(at) == 1) && own.iter().zip(missing..).all(|(n, at)| *n == one(at))
}

/// The axis along which a value is what such a pool makes of `x`, in any shape.
fn reduced(edit: &Edit, wanted: PoolKind, id: ValueId, x: ValueId) -> Option<usize> {
    let pooled = Pooled::behind(edit, id)?;
    let axis = gathered(edit, pooled.input, x, pooled.taps)?;
    let mean = pooled.kind == PoolKind::Sum && (pooled.factor * pooled.taps as f32 - 1.0).abs() < 1e-6;
    let kind = if mean { MEAN } else { pooled.kind };
    (kind == wanted && (mean || pooled.factor == 1.0)).then_some(axis)
}

/// The axis of `x` whose `n` elements lie side by side in `image`.
fn gathered(edit: &Edit, image: ValueId, x: ValueId, n: usize) -> Option<usize> {
    let shape = edit.graph().shape(x);
    let axis = reshapes(edit, image).find_map(|id| match edit.writer(id).map(|writer| edit.node(writer)) {
        _ if id == x => shape.len().checked_sub(1),
        Some(Node { op: Op::Transpose { perm }, inputs, .. }) if inputs[0] == x => brought_last(perm),
        _ => None,
    })?;
    (shape[axis] == n).then_some(axis)
}

/// The axis that a permutation brings behind all others, which keep their order.
fn brought_last(perm: &[usize]) -> Option<usize> {
    let (last, others) = perm.split_last()?;
    others.is_sorted().then_some(*last)
}

/// A pool of whole planes behind a value, and what its result was multiplied by on the way.
struct Pooled {
    input: ValueId,
    kind: PoolKind,
    taps: usize,
    factor: f32,
}

impl Pooled {
    fn behind(edit: &Edit, id: ValueId) -> Option<Pooled> {
        let (mut id, mut factor) = (unshaped(edit, id), 1.0);
        loop {
            let node = edit.node(edit.writer(id)?);
            match &node.op {
                Op::Pool { window, kind } => {
                    let (input, taps) = (node.inputs[0], window.kernel.iter().product());
                    let whole = edit.graph().shape(input)[2..] == window.kernel && window.pads == [0; 4];
                    return whole.then_some(Pooled { input, kind: *kind, taps, factor });
                }
                Op::Binary(Binary::Mul) => factor *= edit.number(node.inputs[1])?,
                _ => return None,
            }
            id = unshaped(edit, node.inputs[0]);
        }
    }
}

/// A value, and those that reshapes made it from.
fn reshapes(edit: &Edit, id: ValueId) -> impl Iterator<Item = ValueId> {
    std::iter::successors(Some(id), |id| {
        let node = edit.node(edit.writer(*id)?);
        (node.op == Op::Reshape).then(|| node.inputs[0])
    })
}

/// The first of them.
pub(super) fn unshaped(edit: &Edit, id: ValueId) -> ValueId {
    reshapes(edit, id).last().unwrap_or(id)
}
