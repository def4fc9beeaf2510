//! Rewriting a graph in place, node by node in its order.

use ndarray::ArrayD;

use crate::graph::{Binary, Function, Graph, Node, Op, Value, ValueId};

/// A graph with who writes and who reads each value.
pub(super) struct Edit {
    graph: Graph,
    /// The node that writes each value.
    writer: Vec<Option<usize>>,
    /// How often each value is read; being an output of the graph counts.
    reads: Vec<usize>,
    removed: Vec<bool>,
    /// What to read instead of a value whose node was dropped.
    instead: Vec<ValueId>,
}

/// Calls `f` on each node that is still there, with its inputs up to date.
pub(super) fn each(graph: Graph, mut f: impl FnMut(&mut Edit, usize)) -> Graph {
    let mut edit = Edit::new(graph);
    for node in 0..edit.graph.nodes.len() {
        if !edit.removed[node] {
            edit.settle(node);
            f(&mut edit, node);
        }
    }
    edit.finish()
}

impl Edit {
    fn new(graph: Graph) -> Edit {
        let count = graph.values.len();
        let mut edit = Edit {
            writer: vec![None; count],
            reads: vec![0; count],
            removed: vec![false; graph.nodes.len()],
            instead: (0..count).map(ValueId).collect(),
            graph,
        };
        for (index, node) in edit.graph.nodes.iter().enumerate() {
            node.inputs.iter().for_each(|id| edit.reads[id.0] += 1);
            node.outputs.iter().for_each(|id| edit.writer[id.0] = Some(index));
        }
        edit.graph.outputs.iter().for_each(|id| edit.reads[id.0] += 1);
        edit
    }

    /// Its reads were counted when the node in between was dropped.
    fn settle(&mut self, node: usize) {
        for id in &mut self.graph.nodes[node].inputs {
            *id = self.instead[id.0];
        }
    }

    fn finish(mut self) -> Graph {
        let mut removed = self.removed.into_iter();
        self.graph.nodes.retain(|_| !removed.next().unwrap_or(false));
        self.graph
    }

    /// The graph as it stands.
    pub(super) fn graph(&self) -> &Graph {
        &self.graph
    }

    /// A node.
    pub(super) fn node(&self, node: usize) -> &Node {
        &self.graph.nodes[node]
    }

    /// A node to change in ways that leave inputs and outputs alone.
    pub(super) fn node_mut(&mut self, node: usize) -> &mut Node {
        &mut self.graph.nodes[node]
    }

    /// What a node writes.
    pub(super) fn output(&self, node: usize) -> ValueId {
        self.graph.nodes[node].outputs[0]
    }

    /// The node that writes a value.
    pub(super) fn writer(&self, id: ValueId) -> Option<usize> {
        self.writer[id.0].filter(|w| !self.removed[*w])
    }

    /// The node that writes a value which is read in one place only.
    pub(super) fn sole_writer(&self, id: ValueId) -> Option<usize> {
        self.writer(id).filter(|_| self.reads[id.0] == 1)
    }

    /// Makes a node read `id` in `slot`. A node that nothing reads any more is dropped.
    pub(super) fn read(&mut self, node: usize, slot: usize, id: ValueId) {
        self.reads[id.0] += 1;
        let old = std::mem::replace(&mut self.graph.nodes[node].inputs[slot], id);
        self.release(vec![old]);
    }

    /// Replaces a node's operation and all its inputs.
    pub(super) fn replace(&mut self, node: usize, op: Op, inputs: &[ValueId]) {
        inputs.iter().for_each(|id| self.reads[id.0] += 1);
        self.graph.nodes[node].op = op;
        let old = std::mem::replace(&mut self.graph.nodes[node].inputs, inputs.to_vec());
        self.release(old);
    }

    /// Takes back one read of each value, and drops the nodes whose results are then read by none.
    fn release(&mut self, mut ids: Vec<ValueId>) {
        while let Some(id) = ids.pop() {
            self.reads[id.0] -= 1;
            if let Some(writer) = self.writer(id).filter(|_| self.reads[id.0] == 0) {
                self.removed[writer] = true;
                ids.append(&mut self.graph.nodes[writer].inputs);
            }
        }
    }

    /// Drops `reader`; `writer`, whose output only `reader` reads, writes its output instead.
    pub(super) fn merge(&mut self, writer: usize, reader: usize) {
        let output = self.output(reader);
        let between = std::mem::replace(&mut self.graph.nodes[writer].outputs[0], output);
        self.writer[between.0] = None;
        self.writer[output.0] = Some(writer);
        self.remove(reader);
    }

    /// Drops a node that passes its first input on. A copy from a value with other readers to an output stays.
    pub(super) fn bypass(&mut self, node: usize) {
        let (input, output) = (self.node(node).inputs[0], self.output(node));
        if let Some(writer) = self.sole_writer(input) {
            self.merge(writer, node);
        } else if !self.graph.outputs.contains(&output) {
            self.instead[output.0] = input;
            // The readers are still to come; until then the input must not look unread.
            self.reads[input.0] += self.reads[output.0];
            self.remove(node);
        } else {
            self.replace(node, Op::Unary(Function::Identity), &[input]);
        }
    }

    fn remove(&mut self, node: usize) {
        self.removed[node] = true;
        let inputs = std::mem::take(&mut self.graph.nodes[node].inputs);
        self.release(inputs);
    }

    /// Adds a constant named after a node.
    pub(super) fn constant(&mut self, node: usize, part: &str, elements: ArrayD<f32>) -> ValueId {
        let name = format!("{}.{part}", self.graph.nodes[node].name);
        let id = self.graph.add(Value::constant(&name, elements));
        self.writer.push(None);
        self.reads.push(0);
        self.instead.push(id);
        id
    }

    /// Forgets that a value equals an ONNX tensor.
    pub(super) fn forget_original(&mut self, id: ValueId) {
        self.graph.values[id.0].original = None;
    }

    /// The function and operand of the node that writes a value.
    pub(super) fn unary(&self, id: ValueId) -> Option<(Function, ValueId)> {
        let node = self.node(self.writer(id)?);
        match node.op {
            Op::Unary(function) => Some((function, node.inputs[0])),
            _ => None,
        }
    }

    /// The operands of the node that writes a value by `op`.
    pub(super) fn binary(&self, id: ValueId, op: Binary) -> Option<[ValueId; 2]> {
        let node = self.node(self.writer(id)?);
        (node.op == Op::Binary(op)).then(|| [node.inputs[0], node.inputs[1]])
    }

    /// The number that a constant of one element holds.
    pub(super) fn number(&self, id: ValueId) -> Option<f32> {
        let constant = self.graph.constant(id)?;
        (constant.len() == 1).then(|| constant.iter().sum())
    }
}
