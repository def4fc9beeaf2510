//! Islands of f32 in an int8 program: operations without an int8 form, or with an operand of which no range is known.
//!
//! Every value is held in the type of the operation that writes it. Who reads it in the other type reads a copy, made once, by a
//! `Quantize` or `Dequantize` in front of the first reader.

use std::collections::HashMap;

use super::{Params, activation_operands, has_int8_form, moves_only};
use crate::doors::Io;
use crate::graph::{Graph, Kind, Node, Op, Value, ValueId};

/// The graph with its changes of type, and the params of the values that are int8 in it.
pub(super) fn insert(graph: &Graph, known: Vec<Option<Params>>, io: Io) -> (Graph, Vec<Option<Params>>) {
    let mut walk = Walk::new(graph, known, io);
    for node in &graph.nodes {
        walk.step(node.clone());
    }
    for index in 0..graph.outputs.len() {
        walk.output(index, io);
    }
    (walk.graph, walk.held)
}

struct Walk {
    graph: Graph,
    /// Params that a value has if it is int8.
    known: Vec<Option<Params>>,
    /// Params of the values that are int8.
    held: Vec<Option<Params>>,
    /// The same value in the other type.
    copies: HashMap<ValueId, ValueId>,
}

impl Walk {
    fn new(graph: &Graph, known: Vec<Option<Params>>, io: Io) -> Walk {
        let graph = Graph { nodes: Vec::with_capacity(graph.nodes.len()), ..graph.clone() };
        let mut held = vec![None; known.len()];
        for (id, value) in graph.values.iter().enumerate() {
            let door = graph.inputs.contains(&ValueId(id)) && io == Io::Int8;
            held[id] = known[id].filter(|_| door || value.constant.is_some());
        }
        for state in &graph.states {
            held[state.input.0] = known[state.input.0].filter(|_| is_written_in_int8(&graph, state.output));
        }
        Walk { graph, known, held, copies: HashMap::new() }
    }

    fn step(&mut self, mut node: Node) {
        let state = self.graph.states.iter().find(|state| state.output == node.outputs[0]);
        let int8 = state.map_or_else(|| self.runs_in_int8(&node), |state| self.held[state.input.0].is_some());
        let operands = activation_operands(&node).len();
        for input in &mut node.inputs[..operands] {
            *input = self.in_type(*input, int8);
        }
        if matches!(node.op, Op::Gather { .. }) {
            node.inputs[1] = self.in_type(node.inputs[1], false);
        }
        let output = node.outputs[0];
        self.held[output.0] = self.known[output.0].filter(|_| int8);
        self.graph.nodes.push(node);
    }

    /// Whether an operation has an int8 form and its operands and its result have params. One that moves elements runs in the type
    /// in which these lie.
    fn runs_in_int8(&self, node: &Node) -> bool {
        let operands = activation_operands(node);
        let output = node.outputs[0];
        let result = self.known[output.0].is_some() || matches!(node.op, Op::ArgMax { .. });
        let int8 = result && has_int8_form(&node.op) && operands.iter().all(|id| self.known[id.0].is_some());
        let constant = |id: &ValueId| self.graph.constant(*id).is_some();
        let lies =
            operands.iter().all(constant) || operands.iter().any(|id| !constant(id) && self.held[id.0].is_some());
        int8 && !node.float && (lies || !moves_only(&node.op))
    }

    /// The value, or its copy in the other type.
    fn in_type(&mut self, id: ValueId, int8: bool) -> ValueId {
        if self.held[id.0].is_some() == int8 {
            return id;
        }
        if let Some(copy) = self.copies.get(&id) {
            return *copy;
        }
        let copy = self.copy(id, int8);
        self.copies.insert(id, copy);
        copy
    }

    fn copy(&mut self, id: ValueId, int8: bool) -> ValueId {
        let (suffix, op) = if int8 { ("int8", Op::Quantize) } else { ("f32", Op::Dequantize) };
        let value = self.graph.value(id).clone();
        let (constant, name) = (value.constant.is_some(), format!("{}.{suffix}", value.name));
        let copy = self.graph.add(Value { name: name.clone(), ..value });
        self.known.push(self.known[id.0]);
        self.held.push(self.known[id.0].filter(|_| int8));
        if !constant {
            self.graph.nodes.push(Node::new(&name, op, &[id], copy));
        }
        copy
    }

    /// An output in the type that the door asks for, with the name that it has in the original.
    fn output(&mut self, index: usize, io: Io) {
        let inner = self.graph.outputs[index];
        let wanted = io == Io::Int8 && self.known[inner.0].is_some();
        let output = self.in_type(inner, wanted);
        if output == inner || self.graph.value(inner).kind == Kind::Index {
            return;
        }
        let (name, other) = (self.graph.value(inner).name.clone(), self.graph.value(output).name.clone());
        self.graph.values[output.0].name = name;
        self.graph.values[inner.0].name = other;
        self.graph.outputs[index] = output;
    }
}

/// Whether what is stored comes from an operation in int8, through any that only move it.
fn is_written_in_int8(graph: &Graph, mut value: ValueId) -> bool {
    while let Some(node) = graph.nodes.iter().find(|node| node.outputs[0] == value) {
        if !moves_only(&node.op) {
            return has_int8_form(&node.op) && !node.float;
        }
        value = node.inputs[0];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Function;

    const BYTES: Option<Params> = Some(Params { scale: 1.0, zero: 0 });

    /// `x -> relu -> y` and `y -> f -> z`.
    fn two(second: Op) -> Graph {
        let mut graph = Graph::default();
        let [x, y, z] = ["x", "y", "z"].map(|name| graph.add(Value::activation(name, &[1, 4], Kind::F32)));
        let relu = Op::Unary(Function::Clip { lo: 0.0, hi: f32::INFINITY });
        graph.nodes = vec![Node::new("relu", relu, &[x], y), Node::new("f", second, &[y], z)];
        (graph.inputs, graph.outputs) = (vec![x], vec![z]);
        graph
    }

    fn names(graph: &Graph) -> Vec<&str> {
        graph.nodes.iter().map(|node| crate::encode::name(&node.op)).collect()
    }

    #[test]
    fn doors_keep_their_names_and_change_type_inside() {
        let (graph, held) = insert(&two(Op::Unary(Function::Abs)), vec![BYTES; 3], Io::F32);
        assert_eq!(names(&graph), ["Quantize", "Unary", "Unary", "Dequantize"]);
        assert_eq!(graph.value(graph.inputs[0]).name, "x");
        assert_eq!(graph.value(graph.outputs[0]).name, "z");
        assert_eq!((held[graph.inputs[0].0], held[graph.outputs[0].0]), (None, None));
        graph.check().unwrap();
    }

    #[test]
    fn a_node_that_must_be_float_is_an_island() {
        let mut graph = two(Op::Unary(Function::Abs));
        graph.nodes[0].float = true;
        let (graph, held) = insert(&graph, vec![BYTES; 3], Io::Int8);
        assert_eq!(names(&graph), ["Dequantize", "Unary", "Quantize", "Unary"]);
        assert_eq!((held[0], held[1], held[2]), (BYTES, None, BYTES));
        graph.check().unwrap();
    }

    #[test]
    fn what_moves_elements_stays_where_they_are() {
        let mut graph = two(Op::Reshape);
        graph.nodes[0].float = true;
        let (graph, held) = insert(&graph, vec![BYTES; 3], Io::F32);
        assert_eq!(names(&graph), ["Unary", "Reshape"]);
        assert_eq!(held, [None; 3]);
    }

    #[test]
    fn a_value_without_a_range_is_float() {
        let (graph, _) = insert(&two(Op::Unary(Function::Abs)), vec![BYTES, None, BYTES], Io::Int8);
        assert_eq!(names(&graph), ["Dequantize", "Unary", "Unary", "Quantize"]);
    }
}
