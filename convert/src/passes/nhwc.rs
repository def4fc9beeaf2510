//! Channels last: every convolution and pool works on `[batch, rows, columns, channels]`.
//!
//! The graph is walked once. For each value of the old graph a [`View`] says how its elements lie in the new one.
//! A transposition only changes the view; elementwise operations keep it; a transposition is written only where an
//! operation needs an order that the value does not have. So a model that transposes its channels-last input first
//! ends with no transposition at all, and one before a fully connected layer ends in that layer's weights.

mod reshape;
mod rules;
mod view;

use super::SimplifyOptions;
use crate::graph::{Graph, Layout, Op};
use view::Walk;

/// Channels last in terms of channels first: axis `i` is axis `NHWC[i]`.
const NHWC: [usize; 4] = [0, 2, 3, 1];

/// The inverse of [`NHWC`].
const NCHW: [usize; 4] = [0, 3, 1, 2];

pub(super) fn run(graph: Graph, options: &SimplifyOptions) -> Graph {
    if graph.layout == Layout::Nhwc {
        return graph;
    }
    let (wanted, mut walk) = (wanted(&graph), Walk::new(&graph));
    for &input in &graph.inputs {
        let turned = options.input_layout_nhwc && graph.shape(input).len() == 4 && !is_channels_last(&graph, input);
        walk.input(input, if turned { &NHWC } else { &[] });
        if wanted[input.0] {
            walk.settle(input, &NHWC);
        }
    }
    graph.nodes.iter().for_each(|node| rules::step(&mut walk, node));
    graph.outputs.iter().for_each(|output| walk.output(*output));
    walk.finish()
}

/// Images that are read by convolutions and pools alone, if need be after elementwise operations: these are turned
/// before anything computes with them, so that what computes with them meets its layer.
fn wanted(graph: &Graph) -> Vec<bool> {
    let mut wanted: Vec<bool> = graph.values.iter().map(|v| v.shape.len() == 4 && v.constant.is_none()).collect();
    let mut read = vec![false; wanted.len()];
    graph.outputs.iter().for_each(|id| wanted[id.0] = false);
    for node in graph.nodes.iter().rev() {
        let turns = match node.op {
            Op::Conv { .. } | Op::Pool { .. } => true,
            Op::Unary(_) | Op::Binary(_) | Op::Select => wanted[node.outputs[0].0] && read[node.outputs[0].0],
            _ => false,
        };
        for id in &node.inputs {
            wanted[id.0] &= turns;
            read[id.0] = true;
        }
    }
    wanted.iter().zip(&read).map(|(wanted, read)| *wanted && *read).collect()
}

/// Whether all that the model does with an input is to bring it from channels-last to channels-first.
fn is_channels_last(graph: &Graph, input: crate::graph::ValueId) -> bool {
    let mut readers = graph.nodes.iter().filter(|n| n.inputs.contains(&input)).peekable();
    readers.peek().is_some()
        && readers.all(|n| n.op == Op::Reshape || matches!(&n.op, Op::Transpose { perm } if *perm == NCHW))
}

#[cfg(test)]
mod tests;
