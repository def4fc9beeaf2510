//! Which channels of an operand become which of the result.

use crate::graph::{Graph, Layout, Node, Op};

use super::count;

/// For each channel of a node's result the channel of an operand that it is made of, `None` if of none of this operand; nothing if the
/// node mixes channels.
pub(super) fn sources(graph: &Graph, node: &Node, operand: usize) -> Option<Vec<Option<usize>>> {
    let (from, to) = (count(graph, node.inputs[operand]), count(graph, node.outputs[0]));
    let rank = graph.shape(node.inputs[operand]).len();
    let is_last = |axis: usize| axis + 1 == rank;
    let same = |applies: bool| (applies && from == to).then(|| (0..to).map(Some).collect());
    match &node.op {
        Op::Conv { groups, .. } if operand == 0 && is_depthwise(graph, node, *groups) => {
            Some((0..to).map(|o| Some(o / (to / from))).collect())
        }
        Op::Unary(_) | Op::Quantize | Op::Dequantize | Op::Rescale => same(true),
        Op::Pool { .. } => same(graph.layout == Layout::Nhwc),
        Op::Binary(_) | Op::Select if from == 1 => Some(vec![Some(0); to]),
        Op::Binary(_) | Op::Select => same(true),
        Op::Softmax { axis } | Op::Cumulative { axis, .. } | Op::Resample { axis, .. } => same(!is_last(*axis)),
        Op::Take { axis, indices } if is_last(*axis) => Some(indices.iter().copied().map(Some).collect()),
        Op::Take { .. } => same(true),
        Op::Pad { pads, .. } => same(pads.last() == Some(&(0, 0))),
        Op::Concat { axis } if is_last(*axis) => {
            let first: usize = node.inputs[..operand].iter().map(|part| count(graph, *part)).sum();
            Some((0..to).map(|o| o.checked_sub(first).filter(|i| *i < from)).collect())
        }
        Op::Concat { .. } => same(true),
        Op::Transpose { perm } => same(perm.last().is_some_and(|last| is_last(*last))),
        Op::Reshape => (from > 0 && to % from == 0).then(|| (0..to).map(|o| Some(o % from)).collect()),
        Op::Slice { starts, steps } => {
            let (start, step) = (*starts.last()?, *steps.last()?);
            Some((0..to).map(|o| start.checked_add_signed(o as isize * step)).collect())
        }
        _ => None,
    }
}

/// Whether each output channel reads one input channel of its own.
pub(super) fn is_depthwise(graph: &Graph, node: &Node, groups: usize) -> bool {
    groups > 1 && groups == count(graph, node.inputs[0]) && graph.layout == Layout::Nhwc
}

/// Whether a node gives all channels of its operand that are left of the result's, whichever these are.
pub(super) fn follows(node: &Node) -> bool {
    match &node.op {
        Op::Slice { steps, .. } => steps.last().is_none_or(|step| *step == 1),
        _ => true,
    }
}
