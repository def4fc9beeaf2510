//! Networks over sequences: between 1-D convolutions, which are imported as 2-D ones of height 1, values keep that height.
//!
//! `[1, c, 1, l] -> reshape [1, c, l] -> f -> reshape [1, c, 1, l]` becomes `f` alone, so that batch normalization
//! and activations meet the convolution they belong to.

use std::collections::HashMap;

use ndarray::Axis;

use super::SimplifyOptions;
use crate::graph::{Graph, Node, Op, Original, Value, ValueId};

/// Where the height of 1 is inserted.
const HEIGHT: usize = 2;

pub(super) fn run(mut graph: Graph, _: &SimplifyOptions) -> Graph {
    let nodes = std::mem::take(&mut graph.nodes);
    let mut walk = Walk { graph, planes: HashMap::new(), instead: HashMap::new() };
    nodes.into_iter().for_each(|node| walk.step(node));
    walk.graph
}

struct Walk {
    graph: Graph,
    /// The value of height 1 with the same elements, for values of rank 3.
    planes: HashMap<ValueId, ValueId>,
    /// Values that are not computed a second time.
    instead: HashMap<ValueId, ValueId>,
}

impl Walk {
    fn step(&mut self, mut node: Node) {
        node.inputs.iter_mut().for_each(|id| *id = self.instead.get(id).copied().unwrap_or(*id));
        let (from, to) = (node.inputs.first().map(|id| self.graph.shape(*id)), self.graph.shape(node.outputs[0]));
        match (&node.op, from, to) {
            (Op::Reshape, Some(&[1, c, 1, l]), &[1, c2, l2]) if (c, l) == (c2, l2) => {
                self.planes.insert(node.outputs[0], node.inputs[0]);
                self.name_plane(node.outputs[0], node.inputs[0]);
                self.graph.nodes.push(node);
            }
            (Op::Reshape, Some(&[1, c, l]), &[1, c2, 1, l2]) if (c, l) == (c2, l2) => self.back(node),
            _ => match self.lifted(&node) {
                Some((op, inputs)) => self.lift(node, op, inputs),
                None => self.graph.nodes.push(node),
            },
        }
    }

    /// The plane equals the ONNX tensor that its line equals.
    fn name_plane(&mut self, line: ValueId, plane: ValueId) {
        if self.graph.value(plane).original.is_none() {
            let original = self.graph.value(line).original.as_ref().filter(|o| o.perm.is_sorted());
            let original = original.map(|o| Original::same(&o.tensor, self.graph.shape(plane)));
            self.graph.values[plane.0].original = original;
        }
    }

    /// A reshape to height 1: the value may be there already.
    fn back(&mut self, node: Node) {
        match self.planes.get(&node.inputs[0]) {
            Some(plane) if !self.graph.outputs.contains(&node.outputs[0]) => {
                self.instead.insert(node.outputs[0], *plane);
            }
            _ => self.graph.nodes.push(node),
        }
    }

    /// The operation and its operands at height 1, if every operand has one and some operand has one already.
    fn lifted(&mut self, node: &Node) -> Option<(Op, Vec<ValueId>)> {
        let op = match &node.op {
            Op::Unary(_) | Op::Binary(_) => node.op.clone(),
            Op::Concat { axis } => Op::Concat { axis: axis + usize::from(*axis >= HEIGHT) },
            _ => return None,
        };
        let known = |id: &ValueId| self.planes.contains_key(id) || self.graph.constant(*id).is_some();
        let some = node.inputs.iter().any(|id| self.planes.contains_key(id));
        if !some || !node.inputs.iter().all(known) || self.graph.shape(node.outputs[0]).len() != 3 {
            return None;
        }
        Some((op, node.inputs.iter().map(|id| self.plane(*id)).collect()))
    }

    fn plane(&mut self, id: ValueId) -> ValueId {
        if let Some(plane) = self.planes.get(&id) {
            return *plane;
        }
        let value = self.graph.value(id);
        let mut elements = value.constant.as_deref().cloned().unwrap_or_default();
        // Below rank 2 the axes count from the end, where nothing is inserted before them.
        if elements.ndim() >= 2 {
            elements = elements.clone().insert_axis(Axis(elements.ndim() - 1));
        }
        let plane = Value::constant(&value.name, elements);
        self.graph.add(plane)
    }

    fn lift(&mut self, node: Node, op: Op, inputs: Vec<ValueId>) {
        let old = node.outputs[0];
        let value = self.graph.value(old);
        let mut shape = value.shape.clone();
        shape.insert(HEIGHT, 1);
        let plane = Value::activation(&format!("{}.plane", value.name), &shape, value.kind);
        let plane = self.graph.add(plane);
        self.name_plane(old, plane);
        let clamp = node.clamp;
        self.graph.nodes.push(Node { clamp, ..Node::new(&node.name, op, &inputs, plane) });
        self.graph.nodes.push(Node::new(&format!("{}.line", node.name), Op::Reshape, &[plane], old));
        self.planes.insert(old, plane);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Build, equivalent};
    use super::*;
    use crate::graph::{Binary, Function};

    #[test]
    fn values_between_planes_stay_planes() {
        let mut b = Build::new();
        let x = b.input(&[1, 3, 1, 4]);
        let line = b.shaped(Op::Reshape, &[x], &[1, 3, 4]);
        let (c, row, one) = (b.random(&[1, 3, 1]), b.random(&[4]), b.number(2.0));
        let y = b.op(Op::Binary(Binary::Mul), &[line, c]);
        let y = b.op(Op::Binary(Binary::Add), &[row, y]);
        let y = b.op(Op::Binary(Binary::Mul), &[y, one]);
        let y = b.op(Op::Unary(Function::Tanh), &[y]);
        let other = b.random(&[1, 3, 2]);
        let y = b.op(Op::Concat { axis: 2 }, &[y, line, other]);
        let y = b.shaped(Op::Reshape, &[y], &[1, 3, 1, 10]);
        let y = b.op(Op::Unary(Function::Exp), &[y]);
        let graph = b.output(y);
        let options = SimplifyOptions::default();
        let after = super::super::dead::run(run(graph.clone(), &options), &options);
        equivalent(&graph, &after);
        assert!(after.nodes.iter().all(|n| n.op != Op::Reshape));
    }

    #[test]
    fn other_readers_still_get_their_line() {
        let mut b = Build::new();
        let x = b.input(&[1, 3, 1, 4]);
        let line = b.shaped(Op::Reshape, &[x], &[1, 3, 4]);
        let y = b.op(Op::Unary(Function::Tanh), &[line]);
        let w = b.random(&[2, 4]);
        let y = b.op(Op::FullyConnected, &[y, w]);
        let graph = b.output(y);
        let after = run(graph.clone(), &SimplifyOptions::default());
        equivalent(&graph, &after);
    }
}
