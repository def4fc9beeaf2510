//! From ranges to integers: scales and zero points of activations, int8 weights with one scale for each output channel.
//!
//! `real = scale · (q − zero)`. Activations are asymmetric over −128..127, or int16 as a quantized file has them; weights symmetric over
//! −127..127.

mod gates;
mod islands;
mod params;
mod table;
mod wide;

use std::collections::HashMap;

use ndarray::{ArrayD, Axis};

use crate::calibrate::Ranges;
use crate::doors::Io;
use crate::error::ConvertError;
use crate::graph::{Binary, Function, Graph, Grid, Kind, Node, NodeId, Op, PoolKind, ValueId};
pub use params::{Params, Width};
pub(crate) use table::interpolated_table;
use wide::Wide;

/// int8 weights of one node.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// `[out][..]` in the order of the graph's weights.
    pub ints: ArrayD<i8>,
    /// Real value of one step, for each output channel.
    pub scales: Vec<f64>,
    /// The integer that stands for 0, for each output channel; empty if it is 0 for all.
    pub zeros: Vec<i8>,
}

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

    /// The int8 weights of a node, if it has some.
    #[must_use]
    pub fn weights(&self, node: NodeId) -> Option<&Weights> {
        self.weights.get(&node)
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
pub fn quantize(graph: &Graph, ranges: &Ranges, io: Io) -> Result<(Graph, Quantization), ConvertError> {
    let mut graph = graph.clone();
    for index in 0..graph.nodes.len() {
        graph.nodes[index].float |= gates::need_floats(&graph, &graph.nodes[index]);
    }
    let wide = Wide::new(&graph, ranges, io);
    let (graph, params) = islands::insert(&graph, activations(&graph, ranges, &wide), wide, io);
    let (mut weights, mut gates) = (HashMap::new(), HashMap::new());
    for (id, node) in nodes(&graph) {
        match (&node.op, params[node.inputs[0].0], params[node.outputs[0].0]) {
            (Op::Conv { .. } | Op::FullyConnected, Some(input), _) => {
                weights.insert(id, node_weights(&graph, node, input)?);
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

/// Whether an operation has a form in integers of that width; functions in int16 need a table that is near enough beside that. What has
/// none runs in f32.
#[must_use]
pub fn has_form(op: &Op, width: Width) -> bool {
    match op {
        Op::Binary(Binary::Function(_)) => false,
        Op::MatMul { .. } => true,
        Op::Conv { .. } | Op::FullyConnected | Op::Binary(_) | Op::Unary(_) | Op::Softmax { .. } => true,
        Op::Pool { .. } | Op::ArgMax { .. } => true,
        Op::Normalize { .. } => width == Width::I8,
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
fn activations(graph: &Graph, ranges: &Ranges, wide: &Wide) -> Vec<Option<Params>> {
    let mut classes = Classes::new(graph.values.len());
    for node in graph.nodes.iter().filter(|node| moves_only(&node.op) && !wide.holds(node.outputs[0])) {
        activation_operands(node).iter().for_each(|input| classes.join(*input, node.outputs[0]));
    }
    graph.states.iter().for_each(|state| classes.join(state.input, state.output));
    let fixed = fixed(graph, &mut classes);
    let mut covered: HashMap<usize, (f32, f32)> = HashMap::new();
    for value in int8_values(graph) {
        if let Some((lo, hi)) = ranges.get(value) {
            let range = covered.entry(classes.of(value)).or_insert((lo, hi));
            *range = (range.0.min(lo), range.1.max(hi));
        }
    }
    let mut params = vec![None; graph.values.len()];
    for value in int8_values(graph) {
        let class = classes.of(value);
        let covering = || covered.get(&class).map(|(lo, hi)| Params::covering(*lo, *hi));
        params[value.0] = fixed.get(&class).copied().or_else(covering);
    }
    params
}

/// Params that are not chosen: of bytes, of softmax, and those that a quantized file names for what it dequantizes and quantizes.
/// Where both meet in one class the former stays, and the quantization becomes a change of scale.
fn fixed(graph: &Graph, classes: &mut Classes) -> HashMap<usize, Params> {
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
                let operand = fixed.get(&classes.of(node.inputs[0]));
                Some(Params::softmax(operand.map_or(Width::I8, |params: &Params| params.width)))
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
fn quantized(graph: &Graph) -> Vec<(ValueId, Params)> {
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
fn moves_only(op: &Op) -> bool {
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
struct Classes(Vec<usize>);

impl Classes {
    fn new(len: usize) -> Self {
        Self((0..len).collect())
    }

    fn of(&self, value: ValueId) -> usize {
        let mut at = value.0;
        while self.0[at] != at {
            at = self.0[at];
        }
        at
    }

    fn join(&mut self, a: ValueId, b: ValueId) {
        let (a, b) = (self.of(a), self.of(b));
        self.0[a] = b;
    }
}

/// No sum may be larger. Below it a multiplier's own rounding moves a result of int8 by less than 1/16 step; of int16 the encoder looks
/// itself.
pub(crate) fn largest_sum_of(width: Width) -> f64 {
    match width {
        Width::I8 => f64::powi(2.0, 28),
        Width::I16 => f64::powi(2.0, 40),
    }
}

/// Rounds each output channel's weights to −127..=127, and coarser where sum or bias would be too large for the accumulator.
/// The integers of a quantized file stay, and are refused where they are too large.
fn node_weights(graph: &Graph, node: &Node, input: Params) -> Result<Weights, ConvertError> {
    let floats = graph.constant(node.inputs[1]).expect("weights are constants after import");
    let grid = graph.value(node.inputs[1]).grid.as_deref();
    let bias = node.inputs.get(2).and_then(|bias| graph.constant(*bias));
    let zeros = grid.map_or_else(Vec::new, |grid| zeros(floats, grid));
    let limit = largest_sum_of(input.width);
    let mut ints = ArrayD::zeros(floats.raw_dim());
    let mut scales = Vec::with_capacity(floats.shape()[0]);
    for (o, (channel, mut to)) in floats.axis_iter(Axis(0)).zip(ints.axis_iter_mut(Axis(0))).enumerate() {
        let bias = bias.map_or(0.0, |bias| f64::from(bias[o]));
        let largest = channel.iter().fold(0f64, |most, w| most.max(f64::from(w.abs())));
        let given = grid.map(|grid| f64::from(grid.scale(o)));
        let mut scale = given.filter(|_| largest > 0.0).unwrap_or(largest / 127.0);
        let zero = zeros.get(o).copied().unwrap_or(0);
        loop {
            to.zip_mut_with(&channel, |q, w| *q = round_weight(*w, scale, zero, given.is_some()));
            let sum = largest_sum(to.iter().copied(), zero, (bias, scale), input);
            if scale == 0.0 || sum < limit {
                break;
            }
            if given.is_some() {
                return Err(too_large(node, o, sum, limit));
            }
            scale *= 1.01 * sum / limit;
        }
        scales.push(scale);
    }
    Ok(Weights { ints, scales, zeros })
}

/// The zero points of a quantized file's weights, one for each output channel; none if all weights less their zero points are
/// within int8 and can stand for themselves.
fn zeros(floats: &ArrayD<f32>, grid: &Grid) -> Vec<i8> {
    let channels = || floats.axis_iter(Axis(0)).enumerate();
    let fits = |w: f32, scale: f32| (-128.0..=127.0).contains(&(w / scale).round_ties_even());
    if channels().all(|(o, channel)| channel.iter().all(|w| fits(*w, grid.scale(o)))) {
        return Vec::new();
    }
    channels().map(|(o, _)| grid.zero(o).clamp(-128, 127) as i8).collect()
}

fn too_large(node: &Node, channel: usize, sum: f64, limit: f64) -> ConvertError {
    let reason = format!(
        "channel {channel} of its integer weights and bias sums up to {sum:.3e}, beyond {limit:.3e}, where a result may be wrong \
         by 1/16 step; quantize the float model instead"
    );
    ConvertError::Node { op: crate::encode::name(&node.op).into(), node: node.name.clone(), reason }
}

/// `-128` occurs in the integers of files alone.
fn round_weight(w: f32, scale: f64, zero: i8, from_file: bool) -> i8 {
    let least = if from_file { -128.0 } else { -127.0 };
    let steps = if scale == 0.0 { 0.0 } else { (f64::from(w) / scale).round_ties_even() };
    (steps + f64::from(zero)).clamp(least, 127.0) as i8
}

/// `|b| + 128·Σ|w − zero|`, in int16 `2^15`, with the bias in steps of the sum, the input's zero point folded in.
fn largest_sum(weights: impl Iterator<Item = i8> + Clone, zero: i8, (bias, scale): (f64, f64), input: Params) -> f64 {
    let step = f64::from(input.scale) * scale;
    let folded = if step == 0.0 { 0.0 } else { bias / step };
    let centered = weights.map(|w| i64::from(w) - i64::from(zero));
    let (sum, absolute) = (centered.clone().sum::<i64>(), centered.map(i64::abs).sum::<i64>());
    let farthest = -f64::from(*input.integers().start());
    (folded - f64::from(input.zero) * sum as f64).abs() + farthest * absolute as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_bounded() {
        let weights = [1i8, -2, 3];
        assert_eq!(
            largest_sum(weights.iter().copied(), 0, (10.0, 1.0), Params::int8(0.5, -4)),
            (20.0f64 + 8.0) + 128.0 * 6.0
        );
        assert_eq!(
            largest_sum(weights.iter().copied(), -2, (10.0, 1.0), Params::int8(0.5, -4)),
            (20.0f64 + 32.0) + 128.0 * 8.0
        );
    }
}
