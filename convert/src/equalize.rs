//! Channels brought to like magnitudes, so that one scale holds all channels of a value, and one scale all weights of an output.
//!
//! Between layers a channel may be multiplied by any `a > 0`: its weights are multiplied by `a` where it is written, and divided by `a` where it
//! is read. The outputs are the same up to float rounding if what lies between gives `a·y` for `a·x`. Here `a = w^α / x^(1−α)`, where `x`
//! is the channel's largest magnitude on the samples and `w` that of the weights that read it, both as parts of the largest of all
//! channels. Weights have a scale for each output, so that those that write it lose nothing.
//!
//! Source: M. Nagel et al., "Data-free quantization through weight equalization and bias correction", ICCV 2019, with `α = 1/2` and, as their
//! weights have one scale for all outputs, with those that write a channel in the place of `x`.

use std::collections::{BTreeMap, HashSet};

use lacewing_numeric::largest;
use ndarray::{ArrayD, Axis};

use crate::Sample;
use crate::calibrate::pass;
use crate::channels::{count, shared};
use crate::data::evenly;
use crate::error::ConvertError;
use crate::graph::{Binary, Graph, Layout, Node, NodeId, Op, Value, ValueId};
use crate::quantize::{Bits, Classes, Policy, nodes};
use crate::reference::FloatProgram;

/// `α`: at 1 the weights are alike, at 0 the activations.
const WEIGHTS: f64 = 0.7;

/// The least part of the largest that counts.
const LEAST: f64 = 1.0 / 16.0;

/// Samples that are looked at, at most.
const SAMPLES: usize = 64;

/// The graph with like channels, wherever layers alone write and read them, some of these with int4 weights: int8 has steps to spare, and
/// the activations would lose more than the weights gain. A graph with states stays as it is.
///
/// # Errors
/// [`ConvertError`] if the graph cannot be encoded or a sample does not fit.
pub fn equalize(mut graph: Graph, policy: &Policy, samples: &[Sample]) -> Result<Graph, ConvertError> {
    let mut streams = streams(&graph);
    streams.retain(|members| graph.nodes.iter().any(|node| reads(&graph, members, node) && is_int4(policy, node)));
    if streams.is_empty() || samples.is_empty() {
        return Ok(graph);
    }
    let largest = magnitudes(&graph, samples)?;
    for members in streams {
        let factors = factors(&graph, &members, &largest);
        scale(&mut graph, &members, &factors);
    }
    Ok(graph)
}

/// The largest magnitude in each channel of each value.
fn magnitudes(graph: &Graph, samples: &[Sample]) -> Result<Vec<Vec<f32>>, ConvertError> {
    let few: Vec<Sample> = evenly(samples.len(), SAMPLES).map(|at| samples[at].clone()).collect();
    let zeros: Vec<Vec<f32>> = (0..graph.values.len()).map(|id| vec![0.0; count(graph, ValueId(id))]).collect();
    let see = |seen: &mut Vec<Vec<f32>>, value: ValueId, numbers: &[f32]| largest(numbers, &mut seen[value.0]);
    let program = FloatProgram::new(graph)?;
    let parts = pass((graph, &program), &few, zeros.clone(), see, &mut || ())?;
    Ok(parts.iter().fold(zeros, |mut whole, part| {
        whole.iter_mut().zip(part).for_each(|(whole, part)| largest(part, whole));
        whole
    }))
}

/// Values whose channels are one stream, from the layers that write them to those that read them.
fn streams(graph: &Graph) -> Vec<HashSet<ValueId>> {
    if graph.layout != Layout::Nhwc || !graph.states.is_empty() {
        return Vec::new();
    }
    let (mut classes, shared) = (Classes::new(graph.values.len()), shared(graph));
    let mut held: Vec<ValueId> = graph.inputs.iter().chain(&graph.outputs).copied().collect();
    for (id, node) in nodes(graph) {
        let (x, y) = (node.inputs[0], node.outputs[0]);
        match is_layer(graph, node) && !shared.contains(&id) {
            true => held.extend(Some(y).filter(|_| !is_homogeneous(node))),
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

/// Whether the activation gives `a·y` for `a·x`.
fn is_homogeneous(node: &Node) -> bool {
    node.clamp.is_none_or(|(lo, hi)| (lo == 0.0 || lo == f32::NEG_INFINITY) && hi == f32::INFINITY)
}

/// Whether a node's channels can be scaled by its weights, those of inputs and of outputs.
fn is_layer(graph: &Graph, node: &Node) -> bool {
    let constants = node.inputs[1..].iter().all(|id| graph.constant(*id).is_some() && graph.value(*id).grid.is_none());
    constants
        && match node.op {
            Op::FullyConnected => true,
            Op::Conv { groups, .. } => groups == 1 || is_depthwise(graph, node),
            _ => false,
        }
}

/// Whether each channel is by itself.
fn is_depthwise(graph: &Graph, node: &Node) -> bool {
    let [x, y] = [node.inputs[0], node.outputs[0]].map(|id| count(graph, id));
    matches!(node.op, Op::Conv { groups, .. } if groups > 1 && groups == x && x == y)
}

/// Whether a node gives `a·y` for `a·x`, channel by channel.
fn passes(graph: &Graph, node: &Node) -> bool {
    let y = count(graph, node.outputs[0]);
    let same = node.inputs.iter().all(|x| graph.constant(*x).is_none() && count(graph, *x) == y);
    let passes = match &node.op {
        Op::Pool { .. } | Op::Binary(Binary::Add) | Op::Reshape => true,
        Op::Pad { pads, value } => *value == 0.0 && pads.last() == Some(&(0, 0)),
        _ => false,
    };
    passes && same && is_homogeneous(node)
}

/// `a` of each channel of a stream.
fn factors(graph: &Graph, members: &HashSet<ValueId>, magnitudes: &[Vec<f32>]) -> Vec<f64> {
    let count = members.iter().map(|id| count(graph, *id)).max().unwrap_or(0);
    let mut x = vec![0.0; count];
    members.iter().for_each(|id| largest(&magnitudes[id.0], &mut x));
    let mut w = vec![0.0; count];
    let readers = graph.nodes.iter().filter(|node| reads(graph, members, node));
    for weights in readers.filter_map(|node| graph.constant(node.inputs[1])) {
        let mut own = vec![0.0; count];
        largest(&weights.iter().copied().collect::<Vec<f32>>(), &mut own);
        parts(&own).into_iter().zip(&mut w).for_each(|(part, w)| *w = part.max(*w));
    }
    let w: Vec<f32> = w.into_iter().map(|w| w as f32).collect();
    let both = parts(&w).into_iter().zip(parts(&x));
    both.map(|(w, x)| libm::pow(w, WEIGHTS) / libm::pow(x, 1.0 - WEIGHTS)).collect()
}

/// Whether a node is a layer whose outputs each read all channels of a stream.
fn reads(graph: &Graph, members: &HashSet<ValueId>, node: &Node) -> bool {
    members.contains(&node.inputs[0]) && is_layer(graph, node) && !is_depthwise(graph, node)
}

fn is_int4(policy: &Policy, node: &Node) -> bool {
    policy.bits(&node.name) == Bits::Four
}

/// Magnitudes as parts of the largest.
fn parts(magnitudes: &[f32]) -> Vec<f64> {
    let most = magnitudes.iter().fold(0.0f32, |most, x| most.max(*x));
    let part = |x: &f32| if most > 0.0 { (f64::from(*x) / f64::from(most)).max(LEAST) } else { 1.0 };
    magnitudes.iter().map(part).collect()
}

/// Multiplies the channels of a stream.
fn scale(graph: &mut Graph, members: &HashSet<ValueId>, factors: &[f64]) {
    let inverse: Vec<f64> = factors.iter().map(|factor| 1.0 / factor).collect();
    for id in (0..graph.nodes.len()).map(NodeId) {
        let node = &graph.nodes[id.0];
        if !is_layer(graph, node) {
            continue;
        }
        let (reads, writes) = (members.contains(&node.inputs[0]), members.contains(&node.outputs[0]));
        let last = if is_depthwise(graph, node) { 0 } else { graph.shape(node.inputs[1]).len() - 1 };
        if reads {
            replace(graph, id, 1, last, &inverse);
        }
        if writes {
            (1..graph.nodes[id.0].inputs.len()).for_each(|input| replace(graph, id, input, 0, factors));
        }
    }
    members.iter().for_each(|id| graph.values[id.0].factors = Some(factors.iter().map(|a| *a as f32).collect()));
}

/// Gives a node another constant, whose indices along `axis` are multiplied.
fn replace(graph: &mut Graph, id: NodeId, input: usize, axis: usize, factors: &[f64]) {
    let old = graph.nodes[id.0].inputs[input];
    let Some(mut constant) = graph.constant(old).cloned() else { return };
    multiply(&mut constant, axis, factors);
    let new = Value::constant(&graph.value(old).name.clone(), constant);
    graph.nodes[id.0].inputs[input] = graph.add(new);
}

fn multiply(array: &mut ArrayD<f32>, axis: usize, factors: &[f64]) {
    for (mut part, factor) in array.axis_iter_mut(Axis(axis)).zip(factors) {
        part.mapv_inplace(|x| (f64::from(x) * factor) as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Kind, PoolKind, Window};
    use crate::quantize::Precision;
    use ndarray::IxDyn;

    const RELU: Option<(f32, f32)> = Some((0.0, f32::INFINITY));

    /// A convolution, a depthwise convolution added to it, a mean and a fully connected layer, whose channels differ a lot.
    fn graph(clamp: Option<(f32, f32)>) -> Graph {
        let mut graph = Graph { layout: Layout::Nhwc, ..Graph::default() };
        let mut value = |name, shape: &[usize]| graph.add(Value::activation(name, shape, Kind::F32));
        let image = [1, 2, 2, 3];
        let (x, a, b) = (value("x", &[1, 2, 2, 2]), value("a", &image), value("b", &image));
        let (sum, mean, y) = (value("sum", &image), value("mean", &[1, 1, 1, 3]), value("y", &[1, 1, 1, 2]));
        let mut constant = |shape: &[usize], numbers: &[f32]| {
            graph.add(Value::constant("w", ArrayD::from_shape_vec(IxDyn(shape), numbers.to_vec()).unwrap()))
        };
        let first = constant(&[3, 1, 1, 2], &[1.0, 0.5, 8.0, 4.0, -0.25, 0.5]);
        let (bias, depth) = (constant(&[3], &[0.5, 1.0, 0.25]), constant(&[3, 1, 1, 1], &[1.0, -2.0, 0.5]));
        let last = constant(&[2, 3], &[0.5, 0.01, 3.0, -0.25, 0.02, -4.0]);
        let conv = |groups| Op::Conv { window: Window::default(), groups };
        let plane = Window { kernel: [2; 2], ..Window::default() };
        let pool = Op::Pool { window: plane, kind: PoolKind::Average { count_include_pad: true } };
        graph.nodes = vec![
            Node { clamp, ..Node::new("conv", conv(1), &[x, first, bias], a) },
            Node { clamp: RELU, ..Node::new("depthwise", conv(3), &[a, depth], b) },
            Node::new("add", Op::Binary(Binary::Add), &[a, b], sum),
            Node::new("pool", pool, &[sum], mean),
            Node::new("fc", Op::FullyConnected, &[mean, last], y),
        ];
        (graph.inputs, graph.outputs) = (vec![x], vec![y]);
        graph
    }

    fn samples() -> Vec<Sample> {
        let number = |i: usize, j: usize| (i * 5 + j * 3) as f32 % 7.0 / 3.0 - 1.0;
        let sample = |i| (0..8).map(|j| number(i, j)).collect();
        (0..9).map(|i| vec![ArrayD::from_shape_vec(IxDyn(&[1, 2, 2, 2]), sample(i)).unwrap()]).collect()
    }

    fn outputs(graph: &Graph) -> Vec<f32> {
        let (mut program, mut outputs) = (FloatProgram::new(graph).unwrap(), Vec::new());
        let last = graph.outputs[0];
        let mut see = |value, numbers: Vec<f32>| outputs.extend(numbers.iter().filter(|_| value == last));
        samples().iter().for_each(|sample| program.run(graph, sample, &mut see).unwrap());
        outputs
    }

    fn int4() -> Policy {
        Policy { precision: Precision::Int4, ..Policy::default() }
    }

    #[test]
    fn channels_are_alike_and_outputs_the_same() {
        let before = graph(RELU);
        let after = equalize(before.clone(), &int4(), &samples()).unwrap();
        let apart = |graph: &Graph| {
            let weights = graph.constant(graph.nodes[4].inputs[1]).unwrap();
            let of = |c| weights.index_axis(Axis(1), c).iter().fold(0f32, |most, w| most.max(w.abs()));
            of(2) / of(1)
        };
        assert!(apart(&before) > 100.0 && apart(&after) < 20.0, "{}", apart(&after));
        let pairs = outputs(&before).into_iter().zip(outputs(&after));
        pairs.for_each(|(a, b)| assert!((a - b).abs() < 1e-4, "{a} {b}"));
        let scaled = |id: &ValueId| after.value(*id).factors.is_some();
        assert_eq!(
            after.nodes.iter().map(|node| scaled(&node.outputs[0])).collect::<Vec<_>>(),
            [true, true, true, true, false]
        );
    }

    #[test]
    fn what_an_upper_limit_cuts_stays_as_it_is() {
        let after = equalize(graph(Some((0.0, 6.0))), &int4(), &samples()).unwrap();
        assert!(after.values.iter().all(|value| value.factors.is_none()));
    }

    #[test]
    fn int8_stays_as_it_is() {
        let after = equalize(graph(RELU), &Policy::default(), &samples()).unwrap();
        assert!(after.values.iter().all(|value| value.factors.is_none()));
    }
}
