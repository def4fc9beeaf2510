//! Islands in an integer program: operations in f32 between int8 and int16, where they have no form in integers, or an operand of which
//! no range is known; and changes between the two widths.
//!
//! Every value is held in the type of the operation that writes it. Who reads it in another type reads a copy, made once, by a
//! `Quantize`, `Dequantize` or `Rescale` in front of the first reader.

use std::collections::HashMap;

use super::wide::Wide;
use super::{Params, Width, activation_operands, gates, has_form, interpolated_table, moves_only};
use crate::doors::Io;
use crate::graph::{Function, Graph, Kind, Node, Op, Value, ValueId};
use crate::ops::{Normalizing, is_change};

/// The graph with its changes of type, and the params of the values that are integers in it.
pub(super) fn insert(graph: &Graph, known: Vec<Option<Params>>, wide: Wide, io: Io) -> (Graph, Vec<Option<Params>>) {
    let mut walk = Walk::new(graph, known, wide, io);
    for node in &graph.nodes {
        walk.step(node.clone());
    }
    for index in 0..graph.outputs.len() {
        walk.output(index, io);
    }
    (walk.graph, walk.held)
}

/// What a value is held in: integers of a width, or f32.
type Held = Option<Width>;

/// What an operation reads, operand by operand, and what it writes.
struct Form {
    reads: Vec<Held>,
    writes: Held,
}

struct Walk {
    graph: Graph,
    /// Params that a value has by itself if it is held in integers; in the other width it has those that follow from them.
    known: Vec<Option<Params>>,
    /// What is held in int16 all the same.
    wide: Wide,
    /// Params of the values that are held in integers.
    held: Vec<Option<Params>>,
    /// The same values in other types.
    copies: HashMap<(ValueId, Held), ValueId>,
}

impl Walk {
    fn new(from: &Graph, known: Vec<Option<Params>>, wide: Wide, io: Io) -> Walk {
        let graph = Graph { nodes: Vec::with_capacity(from.nodes.len()), ..from.clone() };
        let held = vec![None; known.len()];
        let mut walk = Walk { graph, known, wide, held, copies: HashMap::new() };
        for id in (0..walk.held.len()).map(ValueId) {
            let door = walk.graph.inputs.contains(&id) && io == Io::Int8;
            if door || walk.graph.constant(id).is_some() {
                walk.held[id.0] = walk.params(id, if door { walk.at_door(id) } else { walk.natural(id) });
            }
        }
        for state in walk.graph.states.clone() {
            walk.held[state.input.0] = walk.params(state.input, walk.written(from, state.output));
        }
        walk
    }

    /// What a value is held in.
    fn held(&self, id: ValueId) -> Held {
        self.held[id.0].map(|params| params.width)
    }

    /// The width that a value has by itself.
    fn natural(&self, id: ValueId) -> Held {
        self.known[id.0].map(|params| params.width)
    }

    /// The width that a value has at a door in integers.
    fn at_door(&self, id: ValueId) -> Held {
        if self.wide.holds(id) { Some(Width::I16) } else { self.natural(id) }
    }

    /// The params of a value in a type, if it has some there.
    fn params(&self, id: ValueId, held: Held) -> Option<Params> {
        let wide = self.wide.params(id);
        let own = self.known[id.0].or(wide);
        wide.filter(|_| held == Some(Width::I16)).or(Some(own?.in_width(held?)))
    }

    fn step(&mut self, mut node: Node) {
        let state = self.graph.states.iter().find(|state| state.output == node.outputs[0]);
        let form = match state {
            Some(state) => Form::all(&node, self.held(state.input)),
            None => self.form(&node),
        };
        for (input, held) in node.inputs.iter_mut().zip(form.reads) {
            *input = self.in_type(*input, held);
        }
        if matches!(node.op, Op::Gather { .. }) {
            node.inputs[1] = self.in_type(node.inputs[1], None);
        }
        let output = node.outputs[0];
        if node.op == Op::Unary(Function::Identity) && form.writes.is_none() {
            node.op = Op::Reshape;
        }
        self.held[output.0] = self.params(output, form.writes);
        self.graph.nodes.push(node);
    }

    /// How an operation runs. One that moves elements runs in the type in which these lie, a change of scale from the integers that are
    /// there to those that are wanted, any other in the widest type of its operands and its result; in f32 if it has no form there or
    /// if something has no params.
    fn form(&self, node: &Node) -> Form {
        let (operands, output) = (activation_operands(node), node.outputs[0]);
        let params = |id: &ValueId| self.known[id.0].or(self.wide.params(*id)).is_some();
        let result = params(&output) || matches!(node.op, Op::ArgMax { .. });
        if node.float || !result || !operands.iter().all(params) || self.has_wide_weights(node) {
            return Form::all(node, None);
        }
        let width = match &node.op {
            op if gates::have_integers(op) && self.ends_within_bound(node) => return Form::recurrent(node),
            Op::Lstm { .. } => None,
            Op::Unary(_) if self.wide.holds(output) => return Form::all(node, self.lies(node)),
            op if moves_only(op) => self.lies(node),
            Op::Unary(Function::Identity) if self.is_float(node.inputs[0]) => None,
            Op::Unary(function) if is_change(*function) => return self.change(node),
            _ => operands.iter().chain([&output]).filter_map(|id| self.natural(*id)).max(),
        };
        let fits = |width: &Width| self.fits_table(node, *width) && self.fits_normalization(node, *width);
        Form::all(node, width.filter(|width| has_form(&node.op) && fits(width)))
    }

    /// Whether a table can stand for a function; for an operation that is none, yes.
    fn fits_table(&self, node: &Node, width: Width) -> bool {
        let (Op::Unary(function), Width::I16) = (&node.op, width) else { return true };
        let params = self.params(node.inputs[0], Some(width)).zip(self.params(node.outputs[0], Some(width)));
        let clamp = node.clamp.unwrap_or((f32::NEG_INFINITY, f32::INFINITY));
        params.is_some_and(|(x, y)| interpolated_table(*function, clamp, [x, y]).is_some())
    }

    /// Whether integers can stand for a normalization's numbers; for any other operation, yes.
    fn fits_normalization(&self, node: &Node, width: Width) -> bool {
        let Op::Normalize { epsilon, .. } = node.op else { return true };
        let params = self.params(node.inputs[0], Some(width)).zip(self.params(node.outputs[0], Some(width)));
        let numbers = |id: ValueId| self.graph.constant(id)?.as_slice();
        let numbers = numbers(node.inputs[1]).zip(numbers(node.inputs[2]));
        let both = params.zip(numbers);
        both.is_some_and(|((x, y), (gamma, beta))| Normalizing::new([gamma, beta], epsilon, [x, y]).is_some())
    }

    /// Whether the int16 of a layer's states ends where the limit of its cells lies or before.
    fn ends_within_bound(&self, node: &Node) -> bool {
        let Op::Lstm { bound, .. } = node.op else { return true };
        let states = self.params(node.outputs[0], Some(Width::I16));
        states.is_some_and(|states| f64::from(states.scale) * 32767.0 <= f64::from(bound) * (1.0 + 1e-4))
    }

    /// Whether the weights of a quantized file have more than 8 bits: rounding them once more would change the model.
    fn has_wide_weights(&self, node: &Node) -> bool {
        let weights = node.inputs.get(1).filter(|_| matches!(node.op, Op::Conv { .. } | Op::FullyConnected));
        weights.and_then(|id| self.graph.value(*id).grid.as_ref()).is_some_and(|grid| grid.bits > 8)
    }

    /// The type in which a node's operands lie.
    fn lies(&self, node: &Node) -> Held {
        let computed = |id: &&ValueId| self.graph.constant(**id).is_none();
        let operands = activation_operands(node);
        match operands.iter().any(|id| computed(&id)) {
            true => operands.iter().filter(computed).filter_map(|id| self.held(*id)).max(),
            false => self.natural(node.outputs[0]),
        }
    }

    /// Whether a value was computed in f32.
    fn is_float(&self, id: ValueId) -> bool {
        self.held(id).is_none() && self.graph.nodes.iter().any(|node| node.outputs[0] == id)
    }

    fn change(&self, node: &Node) -> Form {
        let operand = node.inputs[0];
        let reads = self.held(operand).or(self.natural(operand));
        Form { reads: vec![reads], writes: self.natural(node.outputs[0]) }
    }

    /// What a value of the graph is written in, through any operations that only move it.
    fn written(&self, graph: &Graph, mut value: ValueId) -> Held {
        if self.wide.params(value).is_some() {
            return Some(Width::I16);
        }
        while let Some(node) = graph.nodes.iter().find(|node| node.outputs[0] == value) {
            if !moves_only(&node.op) && node.op != Op::Unary(Function::Identity) {
                return self.form(node).writes;
            }
            value = node.inputs[0];
        }
        self.natural(value)
    }

    /// The value, or its copy in another type.
    fn in_type(&mut self, id: ValueId, held: Held) -> ValueId {
        if self.held(id) == held {
            return id;
        }
        if let Some(copy) = self.copies.get(&(id, held)) {
            return *copy;
        }
        let copy = self.copy(id, held);
        self.copies.insert((id, held), copy);
        copy
    }

    fn copy(&mut self, id: ValueId, held: Held) -> ValueId {
        let suffix = match held {
            Some(Width::I8) => "int8",
            Some(Width::I16) => "int16",
            None => "f32",
        };
        let op = match (self.held(id), held) {
            (Some(_), Some(_)) => Op::Rescale,
            (Some(_), None) => Op::Dequantize,
            _ => Op::Quantize,
        };
        let value = self.graph.value(id).clone();
        let (constant, name) = (value.constant.is_some(), format!("{}.{suffix}", value.name));
        let copy = self.graph.add(Value { name: name.clone(), ..value });
        self.known.push(self.known[id.0]);
        self.held.push(self.params(id, held));
        if !constant {
            self.graph.nodes.push(Node::new(&name, op, &[id], copy));
        }
        copy
    }

    /// An output in the type that the door asks for, with the name that it has in the original.
    fn output(&mut self, index: usize, io: Io) {
        let inner = self.graph.outputs[index];
        let wanted = self.at_door(inner).filter(|_| io == Io::Int8);
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

impl Form {
    /// Everything in one type.
    fn all(node: &Node, held: Held) -> Form {
        Form { reads: vec![held; activation_operands(node).len()], writes: held }
    }

    /// A sequence in int8, states in int16.
    fn recurrent(node: &Node) -> Form {
        let mut form = Form::all(node, Some(Width::I16));
        form.reads[0] = Some(Width::I8);
        form
    }
}

#[cfg(test)]
mod tests {
    use lacewing::ops::normalize::MAX_ROW;
    use ndarray::{ArrayD, IxDyn};

    use super::*;

    const BYTES: Option<Params> = Some(Params::int8(1.0, 0));
    const WORDS: Option<Params> = Some(Params::int16(0.5));

    /// `x -> relu -> y` and `y -> f -> z`.
    fn two(second: Op) -> Graph {
        let mut graph = Graph::default();
        let [x, y, z] = ["x", "y", "z"].map(|name| graph.add(Value::activation(name, &[1, 4], Kind::F32)));
        let relu = Op::Unary(Function::Clip { lo: 0.0, hi: f32::INFINITY });
        graph.nodes = vec![Node::new("relu", relu, &[x], y), Node::new("f", second, &[y], z)];
        (graph.inputs, graph.outputs) = (vec![x], vec![z]);
        graph
    }

    fn insert_all(graph: Graph, known: Vec<Option<Params>>, io: Io) -> (Graph, Vec<Option<Params>>) {
        insert(&graph, known, Wide::none(&graph), io)
    }

    fn names(graph: &Graph) -> Vec<&str> {
        graph.nodes.iter().map(|node| crate::encode::name(&node.op)).collect()
    }

    #[test]
    fn doors_keep_their_names_and_change_type_inside() {
        let (graph, held) = insert_all(two(Op::Unary(Function::Abs)), vec![BYTES; 3], Io::F32);
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
        let (graph, held) = insert_all(graph.clone(), vec![BYTES; 3], Io::Int8);
        assert_eq!(names(&graph), ["Dequantize", "Unary", "Quantize", "Unary"]);
        assert_eq!((held[0], held[1], held[2]), (BYTES, None, BYTES));
        graph.check().unwrap();
    }

    #[test]
    fn rows_too_long_for_integers_are_normalized_in_f32() {
        for (n, held) in [(MAX_ROW as usize, BYTES), (MAX_ROW as usize + 1, None)] {
            let mut graph = two(Op::Normalize { axis: 1, epsilon: 1e-5, centered: true });
            graph.values.iter_mut().for_each(|value| value.shape = vec![1, n]);
            let numbers = graph.add(Value::constant("ones", ArrayD::ones(IxDyn(&[n]))));
            graph.nodes[1].inputs.extend([numbers; 2]);
            let (_, params) = insert_all(graph, vec![BYTES, BYTES, BYTES, None], Io::F32);
            assert_eq!(params[2], held);
        }
    }

    #[test]
    fn what_moves_elements_stays_where_they_are() {
        let mut graph = two(Op::Reshape);
        graph.nodes[0].float = true;
        let (graph, held) = insert_all(graph.clone(), vec![BYTES; 3], Io::F32);
        assert_eq!(names(&graph), ["Unary", "Reshape"]);
        assert_eq!(held, [None; 3]);
    }

    #[test]
    fn a_value_without_a_range_is_float() {
        let (graph, _) = insert_all(two(Op::Unary(Function::Abs)), vec![BYTES, None, BYTES], Io::Int8);
        assert_eq!(names(&graph), ["Dequantize", "Unary", "Unary", "Quantize"]);
    }

    #[test]
    fn int16_is_kept_and_changes_to_int8_where_that_is_wanted() {
        let (graph, held) = insert_all(two(Op::Unary(Function::Identity)), vec![WORDS, WORDS, BYTES], Io::Int8);
        assert_eq!(names(&graph), ["Unary", "Unary"]);
        assert_eq!(held, [WORDS, WORDS, BYTES]);
        let (graph, held) = insert_all(two(Op::Reshape), vec![BYTES, WORDS, WORDS], Io::F32);
        assert_eq!(names(&graph), ["Quantize", "Unary", "Reshape", "Dequantize"]);
        assert_eq!((held[1], held[2]), (WORDS, WORDS));
    }

    #[test]
    fn a_copy_in_another_width_is_a_change_of_scale() {
        let graph = two(Op::Reshape);
        let mut walk = Walk::new(&graph, vec![WORDS, WORDS, WORDS], Wide::none(&graph), Io::Int8);
        let copy = walk.in_type(ValueId(0), Some(Width::I8));
        assert_eq!(walk.in_type(ValueId(0), Some(Width::I8)), copy);
        assert_eq!(names(&walk.graph), ["Rescale"]);
        assert_eq!(walk.held[copy.0].unwrap().width, Width::I8);
    }
}
