//! What each operation needs and leaves.

use ndarray::{ArrayD, IxDyn};

use super::NHWC;
use super::reshape::{self, lies_in_order};
use super::view::{View, Walk, in_order, permuted};
use crate::graph::{Node, Op, Value, ValueId};
use crate::transposed::transposed;

/// Brings one node over.
pub(super) fn step(walk: &mut Walk<'_>, node: &Node) {
    match &node.op {
        Op::Conv { .. } => conv(walk, node),
        Op::Pool { .. } => spatial(walk, node, vec![]),
        Op::FullyConnected => fully_connected(walk, node),
        Op::Binary(_) | Op::Select => binary(walk, node),
        Op::Unary(_) | Op::Quantize | Op::Dequantize | Op::Rescale => elementwise(walk, node),
        Op::Concat { axis } => concat(walk, node, *axis),
        Op::Transpose { perm } => transpose(walk, node, perm),
        Op::Reshape => reshape::step(walk, node),
        Op::Softmax { axis } | Op::Normalize { axis, .. } => along_last(walk, node, *axis),
        Op::MatMul { .. } | Op::Lstm { .. } | Op::Gru { .. } | Op::Rnn { .. } => in_onnx_order(walk, node),
        Op::Scatter { .. } | Op::TopK { .. } => in_onnx_order(walk, node),
        Op::Pad { .. } | Op::Slice { .. } | Op::ArgMax { .. } | Op::Cumulative { .. } => along_axes(walk, node),
        Op::Take { .. } | Op::Resample { .. } => along_axes(walk, node),
        Op::Gather { axis } => gather(walk, node, *axis),
    }
}

fn conv(walk: &mut Walk<'_>, node: &Node) {
    let w = walk.ordered(node.inputs[1], &NHWC);
    let mut weights = vec![w];
    weights.extend(node.inputs.get(2).map(|b| walk.view(*b).id));
    spatial(walk, node, weights);
}

fn spatial(walk: &mut Walk<'_>, node: &Node, weights: Vec<ValueId>) {
    let mut inputs = vec![walk.ordered(node.inputs[0], &NHWC)];
    inputs.extend(weights);
    let shape = walk.from.shape(node.outputs[0]).to_vec();
    walk.emit_for(node, node.op.clone(), &inputs, (&shape, &NHWC));
}

fn elementwise(walk: &mut Walk<'_>, node: &Node) {
    let View { id, factors, perm } = walk.view(node.inputs[0]);
    let shape = walk.to.shape(id).to_vec();
    walk.emit_flat(node, node.op.clone(), &[id], (&factors, &perm), &shape);
}

/// The other axes may lie in any order; flattened features lie in any order if the columns of the weights do.
fn fully_connected(walk: &mut Walk<'_>, node: &Node) {
    let (x, result) = (node.inputs[0], walk.from.shape(node.outputs[0]).to_vec());
    let view = walk.view(x);
    let rank = result.len();
    let flattened = view.factors != walk.from.shape(x);
    let last_stays = !flattened && view.perm.last().copied() == rank.checked_sub(1) && !lies_in_order(&view);
    let (x, perm) = match (flattened, last_stays) {
        (true, _) => (view.id, in_order(rank)),
        (false, true) => (view.id, view.perm.clone()),
        (false, false) => (walk.ordered(x, &in_order(rank)), in_order(rank)),
    };
    let w = if flattened { reordered_columns(walk, node, &view) } else { walk.view(node.inputs[1]).id };
    let mut inputs = vec![x, w];
    inputs.extend(node.inputs.get(2).map(|b| walk.view(*b).id));
    walk.emit_for(node, Op::FullyConnected, &inputs, (&result, &perm));
}

/// The weights with their columns in the order in which the features lie.
fn reordered_columns(walk: &mut Walk<'_>, node: &Node, view: &View) -> ValueId {
    let old = walk.from.value(node.inputs[1]);
    let elements = old.constant.as_deref().cloned().unwrap_or_default();
    let split: Vec<usize> = [&old.shape[..1], &view.factors].concat();
    let perm: Vec<usize> = std::iter::once(0).chain(view.perm.iter().map(|p| p + 1)).collect();
    let value = Value::constant(&old.name, refactored(elements, &split, &perm, &old.shape));
    walk.to.add(Value { grid: old.grid.clone(), ..value })
}

/// `elements` under the shape `split`, permuted, under the shape `target`.
fn refactored(elements: ArrayD<f32>, split: &[usize], perm: &[usize], target: &[usize]) -> ArrayD<f32> {
    let split = elements.into_shape_with_order(IxDyn(split));
    split.and_then(|a| transposed(a.view(), perm).into_shape_with_order(IxDyn(target))).unwrap_or_default()
}

fn binary(walk: &mut Walk<'_>, node: &Node) {
    let result = walk.from.shape(node.outputs[0]).to_vec();
    let (factors, perm) = leading(walk, &node.inputs, &result);
    if factors != result {
        return flattened_binary(walk, node, (&factors, &perm), &result);
    }
    let inputs: Vec<ValueId> = node.inputs.iter().map(|id| aligned(walk, *id, &perm)).collect();
    walk.emit_for(node, node.op.clone(), &inputs, (&result, &perm));
}

/// Factors and order of the result: those of a computed operand of its shape, out of order rather than in order.
fn leading(walk: &mut Walk<'_>, operands: &[ValueId], result: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let computed: Vec<ValueId> = operands.iter().filter(|id| walk.from.constant(**id).is_none()).copied().collect();
    let full: Vec<ValueId> = computed.iter().filter(|id| walk.from.shape(**id) == result).copied().collect();
    let views: Vec<View> = full.into_iter().map(|id| walk.view(id)).collect();
    if let Some(view) = views.iter().find(|v| !lies_in_order(v)).or(views.first()) {
        return (view.factors.clone(), view.perm.clone());
    }
    let same_rank = computed.into_iter().find(|id| walk.from.shape(*id).len() == result.len());
    let perm = same_rank.map_or(in_order(result.len()), |id| walk.axes(id).perm);
    (result.to_vec(), perm)
}

/// An operand under the rank of `perm`, its axes in that order.
fn aligned(walk: &mut Walk<'_>, old: ValueId, perm: &[usize]) -> ValueId {
    let shape = walk.from.shape(old).to_vec();
    if shape.len() == perm.len() {
        return walk.ordered(old, perm);
    }
    let full = [vec![1; perm.len() - shape.len()], shape.clone()].concat();
    if let Some(constant) = walk.from.constant(old) {
        let elements = refactored(constant.clone(), &full, perm, &permuted(&full, perm));
        let old = walk.from.value(old);
        return walk.to.add(Value { kind: old.kind, ..Value::constant(&old.name, elements) });
    }
    let id = walk.ordered(old, &in_order(shape.len()));
    let (name, kind) = (walk.from.value(old).name.clone(), walk.from.value(old).kind);
    let id = walk.emit(&format!("{name}.rank"), Op::Reshape, &[id], &full, kind);
    if perm.is_sorted() {
        return id;
    }
    let op = Op::Transpose { perm: perm.to_vec() };
    walk.emit(&format!("{name}.transpose"), op, &[id], &permuted(&full, perm), kind)
}

/// One operand is flattened out of order: the other must be a constant, or lie in the same way.
fn flattened_binary(walk: &mut Walk<'_>, node: &Node, lead: (&[usize], &[usize]), result: &[usize]) {
    let inputs: Option<Vec<ValueId>> = node.inputs.iter().map(|id| flattened_like(walk, *id, lead, result)).collect();
    match inputs {
        Some(inputs) => walk.emit_flat(node, node.op.clone(), &inputs, lead, result),
        None => {
            let perm = in_order(result.len());
            let inputs: Vec<ValueId> = node.inputs.iter().map(|id| aligned(walk, *id, &perm)).collect();
            walk.emit_for(node, node.op.clone(), &inputs, (result, &perm));
        }
    }
}

fn flattened_like(walk: &mut Walk<'_>, old: ValueId, lead: (&[usize], &[usize]), result: &[usize]) -> Option<ValueId> {
    let Some(constant) = walk.from.constant(old) else {
        let view = walk.view(old);
        return ((&view.factors[..], &view.perm[..]) == lead).then_some(view.id);
    };
    if constant.len() == 1 {
        return Some(walk.view(old).id);
    }
    let every = constant.len() == result.iter().product::<usize>();
    let elements = every.then(|| refactored(constant.clone(), lead.0, lead.1, result))?;
    let value = Value::constant(&walk.from.value(old).name, elements);
    Some(walk.to.add(value))
}

/// Operations that take their operands as the original has them.
fn in_onnx_order(walk: &mut Walk<'_>, node: &Node) {
    let shapes: Vec<usize> = node.inputs.iter().map(|id| walk.from.shape(*id).len()).collect();
    let inputs: Vec<ValueId> =
        node.inputs.iter().zip(shapes).map(|(id, rank)| walk.ordered(*id, &in_order(rank))).collect();
    let result = walk.from.shape(node.outputs[0]).to_vec();
    walk.emit_for(node, node.op.clone(), &inputs, (&result, &in_order(result.len())));
}

/// Operations whose axes are renamed.
fn along_axes(walk: &mut Walk<'_>, node: &Node) {
    let (old, result) = (node.inputs[0], walk.from.shape(node.outputs[0]).to_vec());
    let mut view = walk.axes(old);
    if result.len() != view.perm.len() {
        let perm = in_order(view.perm.len());
        view = View { id: walk.ordered(old, &perm), perm, ..view };
        return walk.emit_flat(
            node,
            renamed(&node.op, &view.perm),
            &[view.id],
            (&result, &in_order(result.len())),
            &result,
        );
    }
    walk.emit_for(node, renamed(&node.op, &view.perm), &[view.id], (&result, &view.perm));
}

/// One axis of indices takes the place of the axis that they index, wherever that lies.
fn gather(walk: &mut Walk<'_>, node: &Node, axis: usize) {
    let (x, indices, result) = (node.inputs[0], node.inputs[1], walk.from.shape(node.outputs[0]).to_vec());
    if walk.from.shape(indices).len() != 1 {
        return in_onnx_order(walk, node);
    }
    let (view, indices) = (walk.axes(x), walk.ordered(indices, &[0]));
    walk.emit_for(node, renamed(&Op::Gather { axis }, &view.perm), &[view.id, indices], (&result, &view.perm));
}

/// The operation on axes that lie in the order `perm`.
fn renamed(op: &Op, perm: &[usize]) -> Op {
    let at = |axis: usize| perm.iter().position(|p| *p == axis).unwrap_or(axis);
    match op {
        Op::Pad { pads, value } => Op::Pad { pads: perm.iter().map(|p| pads[*p]).collect(), value: *value },
        Op::Slice { starts, steps } => {
            Op::Slice { starts: permuted(starts, perm), steps: perm.iter().map(|p| steps[*p]).collect() }
        }
        Op::ArgMax { axis } => Op::ArgMax { axis: at(*axis) },
        Op::Concat { axis } => Op::Concat { axis: at(*axis) },
        Op::Take { axis, indices } => Op::Take { axis: at(*axis), indices: indices.clone() },
        Op::Gather { axis } => Op::Gather { axis: at(*axis) },
        Op::Softmax { axis } => Op::Softmax { axis: at(*axis) },
        Op::Normalize { axis, epsilon, centered } => {
            Op::Normalize { axis: at(*axis), epsilon: *epsilon, centered: *centered }
        }
        Op::Resample { axis, table } => Op::Resample { axis: at(*axis), table: table.clone() },
        Op::Cumulative { axis, product, exclusive, reverse } => {
            Op::Cumulative { axis: at(*axis), product: *product, exclusive: *exclusive, reverse: *reverse }
        }
        other => other.clone(),
    }
}

/// Runs along the last axis in the runtime: the axis is brought there, the others stay in the order in which they lie.
fn along_last(walk: &mut Walk<'_>, node: &Node, axis: usize) {
    let (x, result) = (node.inputs[0], walk.from.shape(node.outputs[0]).to_vec());
    let mut perm = walk.axes(x).perm;
    let behind = perm.iter().rev().take_while(|other| **other != axis);
    if behind.into_iter().any(|other| result[*other] != 1) {
        perm.retain(|other| *other != axis);
        perm.push(axis);
    }
    let mut inputs = vec![walk.ordered(x, &perm)];
    inputs.extend(node.inputs[1..].iter().map(|id| walk.view(*id).id));
    walk.emit_for(node, renamed(&node.op, &perm), &inputs, (&result, &perm));
}

/// All parts in the order of the largest one that is computed.
fn concat(walk: &mut Walk<'_>, node: &Node, axis: usize) {
    let result = walk.from.shape(node.outputs[0]).to_vec();
    let computed = node.inputs.iter().filter(|id| walk.from.constant(**id).is_none());
    let largest = computed.max_by_key(|id| walk.from.shape(**id).iter().product::<usize>()).copied();
    let perm = largest.map_or(in_order(result.len()), |id| walk.axes(id).perm);
    let inputs: Vec<ValueId> = node.inputs.iter().map(|id| walk.ordered(*id, &perm)).collect();
    walk.emit_for(node, renamed(&Op::Concat { axis }, &perm), &inputs, (&result, &perm));
}

/// The elements stay where they are: only the axes' names change.
fn transpose(walk: &mut Walk<'_>, node: &Node, perm: &[usize]) {
    let view = walk.axes(node.inputs[0]);
    let new = |old: &usize| perm.iter().position(|p| p == old).unwrap_or(*old);
    let factors = walk.from.shape(node.outputs[0]).to_vec();
    let perm = view.perm.iter().map(new).collect();
    walk.alias(node.outputs[0], View { id: view.id, factors, perm });
}
