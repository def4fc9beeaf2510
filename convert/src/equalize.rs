//! Channels brought to like magnitudes, so that one scale holds all channels of a value, and one scale all weights of an output.
//!
//! Between layers a channel may be multiplied by any `a > 0`: its weights are multiplied by `a` where it is written, and divided by `a` where it
//! is read. The outputs are the same up to float rounding if what lies between gives `a·y` for `a·x`. Here `a = w^α / x^(1−α)`, where `x`
//! is the channel's largest magnitude on the samples and `w` that of the weights that read it, both as parts of the largest of all
//! channels: at `α = 0` the activations are alike, at 1 the weights. `factors` chooses `α` for each stream by what rounding both would do
//! to the layers that read it. Weights have a scale for each output, so that those that write a channel lose nothing.
//!
//! An activation that ends at `T`, as ReLU6 does at 6, gives `min(a·y, T)`, which is `a·min(y, T)` for `a = 1`, and for as long as `a·y`
//! stays below `T`. So `a` lies between 1 and what brings the channel's largest number on the samples, and a margin, to `T`: what exceeds
//! that is cut off, as it is by the end of any range that calibration finds.
//!
//! Sources: M. Nagel et al., "Data-free quantization through weight equalization and bias correction", ICCV 2019, with `α = 1/2` and, as their
//! weights have one scale for all outputs, with those that write a channel in the place of `x`; G. Xiao et al., "SmoothQuant", ICML 2023,
//! for `α` and samples.

mod factors;
mod seen;
mod streams;

use std::collections::HashSet;

use ndarray::{ArrayD, Axis};

use crate::Sample;
use crate::data::evenly;
use crate::error::ConvertError;
use crate::graph::{Graph, Node, NodeId, Value, ValueId};
use crate::quantize::{Bits, Policy};
use factors::Stream;
use seen::{Seen, seen};
use streams::{is_depthwise, is_layer, streams};

/// Samples that are looked at, at most: a limit cuts off what they do not show.
const SAMPLES: usize = 1024;
/// The same of a stream that int4 layers read, whose weights count more than the rare extremes of activations.
const FEW: usize = 64;

/// The graph with like channels, wherever layers alone write and read them. A graph with states stays as it is.
///
/// # Errors
/// [`ConvertError`] if the graph cannot be encoded or a sample does not fit.
pub fn equalize(mut graph: Graph, policy: &Policy, samples: &[Sample]) -> Result<Graph, ConvertError> {
    let streams = streams(&graph);
    if streams.is_empty() || samples.is_empty() {
        return Ok(graph);
    }
    let is_int4 = |node: &Node| is_layer(&graph, node) && policy.bits(&node.name) == Bits::Four;
    let by_int4: HashSet<ValueId> =
        graph.nodes.iter().filter(|node| is_int4(node)).map(|node| node.inputs[0]).collect();
    let all = Looked::at(&graph, samples, SAMPLES)?;
    let few = if by_int4.is_empty() { None } else { Some(Looked::at(&graph, samples, FEW)?) };
    for members in streams {
        let looked = few.as_ref().filter(|_| !members.is_disjoint(&by_int4)).unwrap_or(&all);
        let factors = Stream::new(&graph, &members, (&looked.seen, looked.samples), policy).factors();
        scale(&mut graph, &members, &factors);
    }
    Ok(graph)
}

/// What so many samples have shown of each value.
struct Looked {
    seen: Vec<Seen>,
    samples: usize,
}

impl Looked {
    fn at(graph: &Graph, samples: &[Sample], most: usize) -> Result<Self, ConvertError> {
        let some: Vec<&Sample> = evenly(samples.len(), most).map(|at| &samples[at]).collect();
        Ok(Self { seen: seen(graph, &some)?, samples: some.len() })
    }
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
    use crate::graph::{Binary, Graph, Kind, Layout, Node, Op, PoolKind, Window};
    use crate::quantize::Precision;
    use crate::reference::FloatProgram;
    use ndarray::IxDyn;
    use proptest::prelude::*;

    const RELU6: Option<(f32, f32)> = Some((0.0, 6.0));
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

    fn policies() -> impl Iterator<Item = Policy> {
        Precision::ALL.into_iter().map(|precision| Policy { precision, ..Policy::default() })
    }

    fn equalized(graph: &Graph, policy: &Policy) -> Graph {
        equalize(graph.clone(), policy, &samples()).unwrap()
    }

    fn same_outputs(before: &Graph, after: &Graph) {
        let pairs = outputs(before).into_iter().zip(outputs(after));
        pairs.for_each(|(a, b)| assert!((a - b).abs() < 1e-4 * a.abs().max(1.0), "{a} {b}"));
    }

    /// The factors of what the first node writes.
    fn factors(graph: &Graph) -> Option<&[f32]> {
        graph.value(graph.nodes[0].outputs[0]).factors.as_deref()
    }

    #[test]
    fn all_members_are_multiplied_and_outputs_the_same() {
        for (clamp, policy) in [RELU, RELU6].into_iter().flat_map(|clamp| policies().map(move |each| (clamp, each))) {
            let before = graph(clamp);
            let after = equalized(&before, &policy);
            same_outputs(&before, &after);
            let scaled: Vec<bool> =
                after.nodes.iter().map(|node| after.value(node.outputs[0]).factors.is_some()).collect();
            assert_eq!(scaled, [true, true, true, true, false]);
        }
    }

    #[test]
    fn weights_are_alike_where_they_have_few_steps() {
        let apart = |graph: &Graph| {
            let weights = graph.constant(graph.nodes[4].inputs[1]).unwrap();
            let of = |c| weights.index_axis(Axis(1), c).iter().fold(0f32, |most, w| most.max(w.abs()));
            of(2) / of(1)
        };
        let [eight, four, ..] =
            policies().map(|policy| apart(&equalized(&graph(RELU), &policy))).collect::<Vec<_>>()[..]
        else {
            unreachable!()
        };
        assert!(apart(&graph(RELU)) > 100.0 && four < 20.0 && four <= eight, "{eight} {four}");
    }

    /// Of the channels of the first layer one reaches 6, and the others 2 and 0.75.
    #[test]
    fn below_a_limit_channels_grow_up_to_it() {
        let mut graph = graph(RELU6);
        graph.nodes[1].clamp = RELU6;
        let after = equalized(&graph, &Policy::default());
        let factors = factors(&after).unwrap();
        assert!(factors.iter().all(|a| *a >= 1.0) && factors[1] == 1.0 && factors[0] > 1.2, "{factors:?}");
        same_outputs(&graph, &after);
        assert_eq!(after.nodes[0].clamp, RELU6);
    }

    #[test]
    fn what_other_limits_cut_stays_as_it_is() {
        for clamp in [(-1.0, 1.0), (1.0, f32::INFINITY), (0.5, 6.0), (f32::NEG_INFINITY, 6.0)] {
            assert_eq!(factors(&equalized(&graph(Some(clamp)), &Policy::default())), None, "{clamp:?}");
        }
    }

    #[test]
    fn the_same_twice() {
        let [a, b] = [(); 2].map(|()| equalized(&graph(RELU6), &Policy::default()));
        assert!(factors(&a).is_some() && factors(&a) == factors(&b));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn outputs_are_the_same_whatever_the_weights(
            weights in prop::collection::vec(-9f32..9.0, 6),
            limit in prop_oneof![Just(f32::INFINITY), 0.1f32..20.0],
        ) {
            let mut graph = graph(Some((0.0, limit)));
            let weights = ArrayD::from_shape_vec(IxDyn(&[3, 1, 1, 2]), weights).unwrap();
            graph.nodes[0].inputs[1] = graph.add(Value::constant("weights", weights));
            policies().for_each(|policy| same_outputs(&graph, &equalized(&graph, &policy)));
        }
    }
}
