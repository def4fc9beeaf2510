//! A concatenation that begins with all parts of an earlier one reads that one, as dense networks need it: each of their layers joins all
//! layers before it, which would otherwise be kept one by one. Quantized models are left as their files have them.

use std::collections::HashMap;

use lacewing::ops::concat::MAX_INPUTS;

use super::SimplifyOptions;
use crate::graph::{Graph, Node, Op, ValueId};
use crate::quantize::is_quantized;

/// Parts that are followed through concatenations of concatenations.
const MOST: usize = 256;

pub(super) fn run(mut graph: Graph, _: &SimplifyOptions) -> Graph {
    if is_quantized(&graph) {
        return graph;
    }
    let mut seen = Seen::default();
    for node in &mut graph.nodes {
        node.inputs.iter_mut().for_each(|id| *id = seen.instead.get(id).copied().unwrap_or(*id));
        if let Op::Concat { axis } = node.op {
            seen.concat(node, axis);
        }
    }
    graph
}

/// The concatenations before a node.
#[derive(Default)]
struct Seen {
    /// Along which axis a value joins which parts that are no such concatenations themselves.
    parts: HashMap<ValueId, (usize, Vec<ValueId>)>,
    /// The first value of those parts.
    whole: HashMap<(usize, Vec<ValueId>), ValueId>,
    /// What to read instead of a value that joins the same.
    instead: HashMap<ValueId, ValueId>,
}

impl Seen {
    fn concat(&mut self, node: &mut Node, axis: usize) {
        let output = node.outputs[0];
        let parts: Vec<ValueId> = node.inputs.iter().flat_map(|id| self.flat(*id, axis)).collect();
        if parts.len() > MOST {
            return;
        }
        match self.longest(axis, &parts) {
            Some((len, whole)) if len == parts.len() => {
                self.instead.insert(output, whole);
                return;
            }
            Some((len, whole)) if parts.len() - len < MAX_INPUTS => {
                node.inputs = [&[whole], &parts[len..]].concat();
            }
            _ => {}
        }
        self.whole.insert((axis, parts.clone()), output);
        self.parts.insert(output, (axis, parts));
    }

    fn flat(&self, id: ValueId, axis: usize) -> Vec<ValueId> {
        let known = self.parts.get(&id).filter(|(along, _)| *along == axis);
        known.map_or_else(|| vec![id], |(_, parts)| parts.clone())
    }

    /// The value of most of the first parts, and how many.
    fn longest(&self, axis: usize, parts: &[ValueId]) -> Option<(usize, ValueId)> {
        let known = |len: usize| self.whole.get(&(axis, parts[..len].to_vec())).map(|whole| (len, *whole));
        (2..=parts.len()).rev().find_map(known)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Build, equivalent};
    use super::*;
    use crate::graph::Function;

    /// `count` layers of a dense block, each of which joins all before it.
    fn dense(count: usize) -> Graph {
        let mut b = Build::new();
        let mut parts = vec![b.input(&[1, 2])];
        for _ in 0..count {
            let mut joined = parts.clone();
            while joined.len() > 1 {
                joined = joined.chunks(MAX_INPUTS).map(|some| b.op(Op::Concat { axis: 1 }, some)).collect();
            }
            let w = b.random(&[2, 2 * parts.len()]);
            let dense = b.op(Op::FullyConnected, &[joined[0], w]);
            parts.push(b.op(Op::Unary(Function::Tanh), &[dense]));
        }
        let last = parts[count];
        b.output(last)
    }

    #[test]
    fn a_layer_adds_its_part_to_what_was_joined_before() {
        let graph = dense(40);
        let after = run(graph.clone(), &SimplifyOptions::default());
        equivalent(&graph, &after);
        let after = super::super::dead::run(after, &SimplifyOptions::default());
        let joins = after.nodes.iter().filter(|node| matches!(node.op, Op::Concat { .. }));
        assert!(joins.clone().all(|node| node.inputs.len() == 2));
        assert_eq!(joins.count(), 39);
    }

    #[test]
    fn the_same_parts_along_another_axis_are_another_value() {
        let mut b = Build::new();
        let (x, y) = (b.input(&[2, 2]), b.input(&[2, 2]));
        let [down, along] = [0, 1].map(|axis| b.op(Op::Concat { axis }, &[x, y]));
        let y = b.op(Op::MatMul { transposed: false }, &[down, along]);
        let graph = b.output(y);
        equivalent(&graph, &run(graph.clone(), &SimplifyOptions::default()));
    }

    #[test]
    fn what_doubles_again_and_again_is_not_followed() {
        let mut b = Build::new();
        let mut x = b.input(&[1, 1]);
        for _ in 0..16 {
            x = b.op(Op::Concat { axis: 1 }, &[x, x]);
        }
        let graph = b.output(x);
        equivalent(&graph, &run(graph.clone(), &SimplifyOptions::default()));
    }
}
