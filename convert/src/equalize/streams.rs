//! Values whose channels can be multiplied together.

use std::collections::{BTreeMap, HashSet};

use crate::channels::{count, shared};
use crate::graph::{Binary, Graph, Layout, Node, Op, ValueId};
use crate::quantize::{Classes, nodes};

/// Values whose channels are one stream, from the layers that write them to those that read them.
pub(super) fn streams(graph: &Graph) -> Vec<HashSet<ValueId>> {
    if graph.layout != Layout::Nhwc || !graph.states.is_empty() {
        return Vec::new();
    }
    let (mut classes, shared) = (Classes::new(graph.values.len()), shared(graph));
    let mut held: Vec<ValueId> = graph.inputs.iter().chain(&graph.outputs).copied().collect();
    for (id, node) in nodes(graph) {
        let (x, y) = (node.inputs[0], node.outputs[0]);
        match is_layer(graph, node) && !shared.contains(&id) {
            true => held.extend(Some(y).filter(|_| !is_scalable(node))),
            false if passes(graph, node) => node.inputs.iter().for_each(|x| classes.join(*x, y)),
            false => held.extend(node.inputs.iter().chain([&x, &y])),
        }
    }
    let held: HashSet<usize> = held.into_iter().map(|id| classes.of(id)).collect();
    let mut streams: BTreeMap<usize, HashSet<ValueId>> = BTreeMap::new();
    for node in &graph.nodes {
        let class = classes.of(node.outputs[0]);
        if !held.contains(&class) {
            streams.entry(class).or_default().insert(node.outputs[0]);
        }
    }
    streams.into_values().collect()
}

/// Whether the activation gives `a·y` for `a·x`, up to a limit if it has one.
fn is_scalable(node: &Node) -> bool {
    let homogeneous = |(lo, hi)| (lo == 0.0 || lo == f32::NEG_INFINITY) && hi == f32::INFINITY;
    node.clamp.is_none_or(homogeneous) || limit(node).is_some()
}

/// The upper limit of an activation from 0 on, if it has one.
pub(super) fn limit(node: &Node) -> Option<f32> {
    node.clamp.filter(|(lo, hi)| *lo == 0.0 && *hi > 0.0 && *hi < f32::INFINITY).map(|(_, hi)| hi)
}

/// Whether a node's channels can be scaled by its weights, those of inputs and of outputs.
pub(super) fn is_layer(graph: &Graph, node: &Node) -> bool {
    let constants = node.inputs[1..].iter().all(|id| graph.constant(*id).is_some() && graph.value(*id).grid.is_none());
    constants
        && match node.op {
            Op::FullyConnected => true,
            Op::Conv { groups, .. } => groups == 1 || is_depthwise(graph, node),
            _ => false,
        }
}

/// Whether each channel is by itself.
pub(super) fn is_depthwise(graph: &Graph, node: &Node) -> bool {
    let [x, y] = [node.inputs[0], node.outputs[0]].map(|id| count(graph, id));
    matches!(node.op, Op::Conv { groups, .. } if groups > 1 && groups == x && x == y)
}

/// Whether a node gives `a·y` for `a·x`, channel by channel, up to a limit if it has one.
fn passes(graph: &Graph, node: &Node) -> bool {
    let y = count(graph, node.outputs[0]);
    let same = node.inputs.iter().all(|x| graph.constant(*x).is_none() && count(graph, *x) == y);
    let passes = match &node.op {
        Op::Pool { .. } | Op::Binary(Binary::Add) | Op::Reshape => true,
        Op::Pad { pads, value } => *value == 0.0 && pads.last() == Some(&(0, 0)),
        _ => false,
    };
    passes && same && is_scalable(node)
}
