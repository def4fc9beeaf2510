//! From ranges to integers: scales and zero points of activations, int8 weights with one scale for each output channel.
//!
//! `real = scale · (q − zero)`. Activations are asymmetric over −128..127, weights symmetric over −127..127.

use std::collections::HashMap;

use ndarray::{ArrayD, Axis};

use crate::calibrate::Ranges;
use crate::graph::{Graph, Node, NodeId, Op, PoolKind, ValueId};

/// Scale and zero point of one int8 tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Params {
    /// Real value of one step; positive.
    pub scale: f32,
    /// The integer that stands for 0.
    pub zero: i8,
}

/// int8 weights of one node.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// `[out][..]` in the order of the graph's weights.
    pub ints: ArrayD<i8>,
    /// Real value of one step, for each output channel.
    pub scales: Vec<f64>,
}

/// Every number that the int8 program needs beside the graph. Without entries it means a float program.
#[derive(Clone, Debug, Default)]
pub struct Quantization {
    params: Vec<Option<Params>>,
    weights: HashMap<NodeId, Weights>,
}

impl Quantization {
    /// Everything stays in f32.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Scale and zero point of a value, `None` if it is not int8.
    #[must_use]
    pub fn params(&self, value: ValueId) -> Option<Params> {
        self.params.get(value.0).copied().flatten()
    }

    /// Bytes of one element of a value in the arena.
    #[must_use]
    pub fn element_bytes(&self, value: ValueId) -> usize {
        if self.params(value).is_some() { 1 } else { 4 }
    }

    /// The int8 weights of a node, if it has some.
    #[must_use]
    pub fn weights(&self, node: NodeId) -> Option<&Weights> {
        self.weights.get(&node)
    }
}

impl Params {
    /// The params of the softmax kernel's output.
    const SOFTMAX: Self = Self { scale: 1.0 / 256.0, zero: -128 };

    /// Params that cover `lo..=hi` and 0, so that 0 is exact.
    #[must_use]
    pub fn covering(lo: f32, hi: f32) -> Self {
        let (lo, hi) = (f64::from(lo.min(0.0)), f64::from(hi.max(0.0)));
        let scale = ((hi - lo) / 255.0) as f32;
        if !(scale.is_normal()) {
            return Self { scale: 1.0, zero: 0 };
        }
        let zero = (-128.0 - lo / f64::from(scale)).round_ties_even();
        Self { scale, zero: zero.clamp(-128.0, 127.0) as i8 }
    }

    /// The integer for a real number, as at the door.
    #[must_use]
    pub fn quantize(self, x: f32) -> i8 {
        lacewing::ops::quantize::quantize(x, self.scale, self.zero)
    }

    /// The real number of an integer.
    #[must_use]
    pub fn real(self, q: i8) -> f32 {
        lacewing::ops::quantize::dequantize(q, self.scale, self.zero)
    }
}

/// Chooses all numbers of the int8 program.
///
/// Operations that only move elements keep the scale of what they move: their values share one range.
#[must_use]
pub fn quantize(graph: &Graph, ranges: &Ranges) -> Quantization {
    let params = activations(graph, ranges);
    let mut weights = HashMap::new();
    for (id, node) in nodes(graph) {
        if let (Op::Conv { .. } | Op::FullyConnected, Some(input)) = (&node.op, params[node.inputs[0].0]) {
            weights.insert(id, node_weights(graph, node, input));
        }
    }
    Quantization { params, weights }
}

/// The graph's nodes with their ids.
pub fn nodes(graph: &Graph) -> impl Iterator<Item = (NodeId, &Node)> {
    graph.nodes.iter().enumerate().map(|(i, node)| (NodeId(i), node))
}

/// Params of every value that is int8, the door's float sides and indices left out.
fn activations(graph: &Graph, ranges: &Ranges) -> Vec<Option<Params>> {
    let mut classes = Classes::new(graph.values.len());
    for node in &graph.nodes {
        if moves_only(&node.op) {
            node.inputs.iter().for_each(|input| classes.join(*input, node.outputs[0]));
        }
    }
    let mut covered: HashMap<usize, (f32, f32)> = HashMap::new();
    let mut fixed: HashMap<usize, Params> = HashMap::new();
    for value in int8_values(graph) {
        let (lo, hi) = ranges.get(value);
        let range = covered.entry(classes.of(value)).or_insert((lo, hi));
        *range = (range.0.min(lo), range.1.max(hi));
    }
    for node in graph.nodes.iter().filter(|node| matches!(node.op, Op::Softmax { .. })) {
        fixed.insert(classes.of(node.outputs[0]), Params::SOFTMAX);
    }
    let mut params = vec![None; graph.values.len()];
    for value in int8_values(graph) {
        let class = classes.of(value);
        let (lo, hi) = covered[&class];
        params[value.0] = Some(fixed.get(&class).copied().unwrap_or_else(|| Params::covering(lo, hi)));
    }
    params
}

/// Whether the operation gives elements of its inputs, or pads with a value that its range holds.
fn moves_only(op: &Op) -> bool {
    match op {
        Op::Pool { kind, .. } => *kind == PoolKind::Max,
        Op::Pad { .. } | Op::Concat { .. } | Op::Transpose { .. } | Op::Reshape | Op::Slice { .. } => true,
        _ => false,
    }
}

/// The values that an int8 program holds as int8: operands and results, but not the float side of a door,
/// not indices, and not the weights and biases, which have a rule of their own.
fn int8_values(graph: &Graph) -> Vec<ValueId> {
    let mut values = Vec::new();
    for node in &graph.nodes {
        let operands = match node.op {
            Op::Conv { .. } | Op::FullyConnected => &node.inputs[..1],
            Op::Quantize => &[],
            _ => &node.inputs[..],
        };
        values.extend(operands);
        if !matches!(node.op, Op::ArgMax { .. } | Op::Dequantize) {
            values.extend(&node.outputs);
        }
    }
    values
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

/// The largest `|bias| + 128·Σ|w|` of a channel. Below it a multiplier's own rounding moves a result by less than 1/16 step.
pub(crate) const LARGEST_SUM: f64 = (1 << 28) as f64;

/// Rounds each output channel's weights to −127..=127, and coarser where sum or bias would be too large for the accumulator.
fn node_weights(graph: &Graph, node: &Node, input: Params) -> Weights {
    let floats = graph.constant(node.inputs[1]).expect("weights are constants after import");
    let bias = node.inputs.get(2).and_then(|bias| graph.constant(*bias));
    let mut ints = ArrayD::zeros(floats.raw_dim());
    let mut scales = Vec::with_capacity(floats.shape()[0]);
    for (o, (channel, mut to)) in floats.axis_iter(Axis(0)).zip(ints.axis_iter_mut(Axis(0))).enumerate() {
        let bias = bias.map_or(0.0, |bias| f64::from(bias[o]));
        let largest = channel.iter().fold(0f64, |most, w| most.max(f64::from(w.abs())));
        let mut scale = largest / 127.0;
        loop {
            to.zip_mut_with(&channel, |q, w| *q = round_weight(*w, scale));
            let sum = largest_sum(to.iter().copied(), bias, f64::from(input.scale) * scale, input.zero);
            if scale == 0.0 || sum < LARGEST_SUM {
                break;
            }
            scale *= 1.01 * sum / LARGEST_SUM;
        }
        scales.push(scale);
    }
    Weights { ints, scales }
}

fn round_weight(w: f32, scale: f64) -> i8 {
    if scale == 0.0 { 0 } else { (f64::from(w) / scale).round_ties_even().clamp(-127.0, 127.0) as i8 }
}

/// `|b| + 128·Σ|w|` with the bias in steps of the sum, the input's zero point folded in.
fn largest_sum(weights: impl Iterator<Item = i8> + Clone, bias: f64, step: f64, zero: i8) -> f64 {
    let folded = if step == 0.0 { 0.0 } else { bias / step };
    let sum: i64 = weights.clone().map(i64::from).sum();
    let absolute: i64 = weights.map(|w| i64::from(w).abs()).sum();
    (folded - f64::from(zero) * sum as f64).abs() + 128.0 * absolute as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_exact_and_the_ends_are_reached() {
        for (lo, hi) in [(-1.0, 1.0), (0.0, 6.0), (-3.7, 0.2), (2.0, 5.0), (-5.0, -2.0), (0.0, 0.0)] {
            let params = Params::covering(lo, hi);
            assert_eq!(params.real(params.quantize(0.0)), 0.0, "{lo} {hi}");
            let half = params.scale * 0.51;
            for x in [lo, hi] {
                assert!((params.real(params.quantize(x)) - x).abs() <= half + 1e-6, "{lo} {hi} {params:?}");
            }
        }
    }

    #[test]
    fn sums_are_bounded() {
        let weights = [1i8, -2, 3];
        assert_eq!(largest_sum(weights.iter().copied(), 10.0, 0.5, -4), (20.0f64 + 8.0) + 128.0 * 6.0);
    }
}
