//! From ranges to integers: scales and zero points of activations, weights with one scale for each output channel.
//!
//! `real = scale · (q − zero)`. Activations are asymmetric over −128..127, or int16 and symmetric where that was asked for or a quantized
//! file has it; weights are symmetric, over −127..127 or, in int4, −8..7.

mod gates;
mod islands;
mod params;
mod policy;
mod table;
mod weights;
mod wide;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use ndarray::ArrayD;

use crate::calibrate::Ranges;
use crate::error::ConvertError;
use crate::graph::{Binary, Function, Graph, Kind, Node, NodeId, Op, PoolKind, Value, ValueId};
pub use params::{Params, Width};
pub use policy::{Policy, Precision, Rule};
pub(crate) use table::interpolated_table;
pub(crate) use weights::largest_sum_of;
pub use weights::{Bits, Exact, Weights};
use wide::Wide;
pub(crate) use wide::writes_states;

/// Every number that the int8 program needs beside the graph. Without entries it means a float program.
#[derive(Clone, Debug, Default)]
pub struct Quantization {
    params: Vec<Option<Params>>,
    weights: HashMap<NodeId, Weights>,
    gates: HashMap<NodeId, [Weights; 2]>,
}

impl Quantization {
    /// Everything stays in f32.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// What the integers of a value stand for, `None` if it is held in f32.
    #[must_use]
    pub fn params(&self, value: ValueId) -> Option<Params> {
        self.params.get(value.0).copied().flatten()
    }

    /// Bytes of one element of a value in the arena.
    #[must_use]
    pub fn element_bytes(&self, value: ValueId) -> usize {
        self.params(value).map_or(4, Params::bytes)
    }

    /// The same for a part of the nodes, numbered anew.
    pub(crate) fn of_nodes(&self, part: Range<usize>) -> Self {
        let moved = |id: &NodeId| part.contains(&id.0).then(|| NodeId(id.0 - part.start));
        let weights = self.weights.iter().filter_map(|(id, weights)| Some((moved(id)?, weights.clone())));
        let gates = self.gates.iter().filter_map(|(id, gates)| Some((moved(id)?, gates.clone())));
        Self { params: self.params.clone(), weights: weights.collect(), gates: gates.collect() }
    }

    /// Gives a node of `graph` other integers and another bias, if no sum is too large with them.
    pub(crate) fn refit(&mut self, graph: &mut Graph, id: NodeId, weights: Weights, bias: ArrayD<f32>) {
        let node = &mut graph.nodes[id.0];
        let fits = |input| weights.fit(bias.iter().copied(), input);
        if self.params(node.inputs[0]).is_some_and(fits) {
            let name = format!("{}.bias", node.name);
            node.inputs.truncate(2);
            let bias = graph.add(Value::constant(&name, bias));
            graph.nodes[id.0].inputs.push(bias);
            self.params.push(None);
            self.weights.insert(id, weights);
        }
    }

    /// The integer weights of a node, if it has some.
    #[must_use]
    pub fn weights(&self, node: NodeId) -> Option<&Weights> {
        self.weights.get(&node)
    }

    /// The same, to change.
    pub(crate) fn weights_mut(&mut self, node: NodeId) -> Option<&mut Weights> {
        self.weights.get_mut(&node)
    }

    /// Gives a value that was added to the graph the params of another.
    pub(crate) fn copy_params(&mut self, from: ValueId, to: ValueId) {
        let params = self.params(from);
        self.params.resize(self.params.len().max(to.0 + 1), None);
        self.params[to.0] = params;
    }

    /// Whether the program is in f32 alone.
    #[must_use]
    pub fn is_float(&self) -> bool {
        self.params.iter().all(Option::is_none)
    }

    /// The int8 weights of a recurrent layer's gates, for the sequence and for the state, if it has some.
    #[must_use]
    pub fn gates(&self, node: NodeId) -> Option<&[Weights; 2]> {
        self.gates.get(&node)
    }
}

/// Chooses all numbers of the int8 program, and puts the changes of type into it that it needs.
///
/// Operations that only move elements keep the scale of what they move: their values share one range. Scales that a
/// quantized file brings along stay as they are. What has no int8 form runs in f32, an island between changes of type.
///
/// # Errors
/// [`ConvertError::Node`] if the weights of a quantized file exceed what the arithmetic holds.
pub fn quantize(graph: &Graph, ranges: &Ranges, policy: &Policy) -> Result<(Graph, Quantization), ConvertError> {
    let mut graph = graph.clone();
    for index in 0..graph.nodes.len() {
        let asked = policy.of(&graph.nodes[index].name) == Precision::F32;
        graph.nodes[index].float |= asked || gates::need_floats(&graph, &graph.nodes[index]);
    }
    let wide = Wide::new(&graph, ranges, policy.io);
    let (graph, params) = islands::insert(&graph, activations(&graph, ranges, &wide, policy), wide, policy.io);
    let (mut weights, mut gates) = (HashMap::new(), HashMap::new());
    for (id, node) in nodes(&graph) {
        match (&node.op, params[node.inputs[0].0], params[node.outputs[0].0]) {
            (Op::Conv { .. } | Op::FullyConnected, Some(input), _) => {
                weights.insert(id, weights::nearest(&graph, node, input, policy.bits(&node.name))?);
            }
            (op, Some(x), Some(state)) if gates::have_integers(op) => {
                gates.insert(id, gates::gates(&graph, node, x, state)?);
            }
            _ => {}
        }
    }
    let graph = without_identities(graph, &params);
    Ok((graph, Quantization { params, weights, gates }))
}

/// Whether the model brings scales along: whether it dequantizes something.
#[must_use]
pub fn is_quantized(graph: &Graph) -> bool {
    graph.nodes.iter().any(|node| matches!(node.op, Op::Unary(Function::Dequantize { .. })))
}

/// Whether an operation has a form in integers, int8 and int16; functions in int16 need a table that is near enough beside that, and
/// normalizations numbers that their record holds. What has none runs in f32.
#[must_use]
pub fn has_form(op: &Op) -> bool {
    match op {
        Op::Binary(Binary::Function(_)) => false,
        Op::MatMul { .. } => true,
        Op::Conv { .. } | Op::FullyConnected | Op::Binary(_) | Op::Unary(_) | Op::Softmax { .. } => true,
        Op::Pool { .. } | Op::ArgMax { .. } | Op::Normalize { .. } => true,
        op => moves_only(op),
    }
}

/// Functions that change no integer become reshapes, of which nothing is left to run: both ends of a quantized file's
/// QuantizeLinear and DequantizeLinear, activations whose limits the scale has already.
fn without_identities(mut graph: Graph, params: &[Option<Params>]) -> Graph {
    for node in &mut graph.nodes {
        let Op::Unary(function) = node.op else { continue };
        let Some((x, y)) = params[node.inputs[0].0].zip(params[node.outputs[0].0]) else { continue };
        let clamp = node.clamp.unwrap_or((f32::NEG_INFINITY, f32::INFINITY));
        if x.width == y.width && function_table(function, clamp, [x, y]).eq(x.integers()) {
            (node.op, node.clamp) = (Op::Reshape, None);
        }
    }
    graph
}

/// `y = f(x)` for each integer `x` from the least on, within the limits of a fused activation.
pub(crate) fn function_table(
    function: Function,
    (lo, hi): (f32, f32),
    [x, y]: [Params; 2],
) -> impl Iterator<Item = i32> {
    x.integers().map(move |q| y.integer(function.eval(x.real(q)).max(lo).min(hi)))
}

/// The graph's nodes with their ids.
pub fn nodes(graph: &Graph) -> impl Iterator<Item = (NodeId, &Node)> {
    graph.nodes.iter().enumerate().map(|(i, node)| (NodeId(i), node))
}

/// Params of every value that may be int8, `None` where nothing is known of its range.
fn activations(graph: &Graph, ranges: &Ranges, wide: &Wide, policy: &Policy) -> Vec<Option<Params>> {
    let mut classes = Classes::moved(graph, |value| !wide.holds(value));
    graph.states.iter().for_each(|state| classes.join(state.input, state.output));
    let words = words(graph, &classes, policy);
    let fixed = fixed(graph, &classes, &words);
    let mut covered: HashMap<usize, (f32, f32)> = HashMap::new();
    for value in int8_values(graph) {
        let class = classes.of(value);
        let range = if words.contains(&class) { ranges.extremes(value) } else { ranges.int8(value) };
        if let Some((lo, hi)) = range {
            let range = covered.entry(class).or_insert((lo, hi));
            *range = (range.0.min(lo), range.1.max(hi));
        }
    }
    let mut params = vec![None; graph.values.len()];
    for value in int8_values(graph) {
        let class = classes.of(value);
        let width = if words.contains(&class) { Width::I16 } else { Width::I8 };
        let covering = || covered.get(&class).map(|(lo, hi)| Params::covering(*lo, *hi, width));
        params[value.0] = fixed.get(&class).copied().or_else(covering);
    }
    params
}

/// The values that an int8 program can hold as int8, together with those that operations only move from one to the other.
pub(crate) fn moved_together(graph: &Graph) -> Vec<Vec<ValueId>> {
    let classes = Classes::moved(graph, |_| true);
    let mut members: BTreeMap<usize, Vec<ValueId>> = BTreeMap::new();
    let mut values = int8_values(graph);
    values.sort_unstable();
    values.dedup();
    values.into_iter().for_each(|value| members.entry(classes.of(value)).or_default().push(value));
    members.into_values().collect()
}

/// The classes that are to be held in int16: of what such nodes compute, and of inputs where all nodes do.
fn words(graph: &Graph, classes: &Classes, policy: &Policy) -> HashSet<usize> {
    let wide = |node: &&Node| policy.of(&node.name) == Precision::Int16;
    let written = graph.nodes.iter().filter(wide).map(|node| node.outputs[0]);
    let doors = graph.inputs.iter().copied().filter(|_| policy.precision == Precision::Int16);
    written.chain(doors).map(|value| classes.of(value)).collect()
}

/// Params that are not chosen: of bytes, of softmax, and those that a quantized file names for what it dequantizes and quantizes.
/// Where both meet in one class the former stays, and the quantization becomes a change of scale.
fn fixed(graph: &Graph, classes: &Classes, words: &HashSet<usize>) -> HashMap<usize, Params> {
    let mut fixed = HashMap::new();
    for (id, value) in graph.values.iter().enumerate() {
        let given = value.grid.as_deref().and_then(Params::of_grid);
        if let Some(params) = given.or(Params::of_integers(value.kind)) {
            fixed.entry(classes.of(ValueId(id))).or_insert(params);
        }
    }
    for node in &graph.nodes {
        let params = match node.op {
            Op::Softmax { .. } => {
                let operand = fixed.get(&classes.of(node.inputs[0])).map(|params: &Params| params.width);
                let asked = words.contains(&classes.of(node.outputs[0])).then_some(Width::I16);
                Some(Params::softmax(operand.max(asked).unwrap_or(Width::I8)))
            }
            Op::Unary(Function::Dequantize { scale, zero }) => {
                Params::of_quantized(graph.value(node.inputs[0]).kind, scale, zero)
            }
            _ => None,
        };
        if let Some(params) = params {
            fixed.entry(classes.of(node.outputs[0])).or_insert(params);
        }
    }
    for (value, params) in quantized(graph) {
        fixed.entry(classes.of(value)).or_insert(params);
    }
    fixed
}

/// What the file quantizes, and how, if it is read by quantizations alone and these agree.
pub(crate) fn quantized(graph: &Graph) -> Vec<(ValueId, Params)> {
    let mut read: HashMap<ValueId, Option<Params>> = graph.outputs.iter().map(|output| (*output, None)).collect();
    for node in &graph.nodes {
        let params = match node.op {
            Op::Unary(Function::Quantize { scale, zero, .. }) => {
                Params::of_quantized(graph.value(node.outputs[0]).kind, scale, zero)
            }
            _ => None,
        };
        for input in &node.inputs {
            read.entry(*input).and_modify(|known| *known = known.filter(|p| Some(*p) == params)).or_insert(params);
        }
    }
    let mut agreed: Vec<_> = read.into_iter().filter_map(|(value, params)| Some((value, params?))).collect();
    agreed.sort_unstable_by_key(|(value, _)| *value);
    agreed
}

/// Whether the operation gives elements of its inputs, or pads with a value that its range holds.
pub(crate) fn moves_only(op: &Op) -> bool {
    match op {
        Op::Pool { kind, .. } => *kind == PoolKind::Max,
        Op::Pad { .. } | Op::Concat { .. } | Op::Transpose { .. } | Op::Reshape | Op::Slice { .. } => true,
        Op::Take { .. } | Op::Gather { .. } | Op::Resample { .. } => true,
        _ => false,
    }
}

/// The values that an int8 program can hold as int8: inputs, operands and results, but not wide integers and indices, and not the
/// weights and biases, which have a rule of their own.
fn int8_values(graph: &Graph) -> Vec<ValueId> {
    let mut values = graph.inputs.clone();
    values.extend(graph.states.iter().map(|state| state.input));
    for node in &graph.nodes {
        values.extend(activation_operands(node));
        values.extend(&node.outputs);
    }
    values.retain(|value| !matches!(graph.value(*value).kind, Kind::Integer | Kind::Index));
    values
}

/// The operands of a node that are no weights, no bias and no indices.
fn activation_operands(node: &Node) -> &[ValueId] {
    match node.op {
        Op::Conv { .. } | Op::FullyConnected | Op::Gather { .. } | Op::Normalize { .. } => &node.inputs[..1],
        Op::Lstm { .. } => &node.inputs[..3],
        Op::Gru { .. } | Op::Rnn { .. } => &node.inputs[..2],
        _ => &node.inputs,
    }
}

/// Groups of values that share one scale, a forest in an array.
pub(crate) struct Classes(Vec<usize>);

impl Classes {
    pub(crate) fn new(len: usize) -> Self {
        Self((0..len).collect())
    }

    /// What operations that only move elements read and write, as far as `counts` says so of what they write.
    fn moved(graph: &Graph, counts: impl Fn(ValueId) -> bool) -> Self {
        let mut classes = Self::new(graph.values.len());
        for node in graph.nodes.iter().filter(|node| moves_only(&node.op) && counts(node.outputs[0])) {
            activation_operands(node).iter().for_each(|input| classes.join(*input, node.outputs[0]));
        }
        classes
    }

    pub(crate) fn of(&self, value: ValueId) -> usize {
        let mut at = value.0;
        while self.0[at] != at {
            at = self.0[at];
        }
        at
    }

    pub(crate) fn join(&mut self, a: ValueId, b: ValueId) {
        let (a, b) = (self.of(a), self.of(b));
        self.0[a] = b;
    }
}
