//! Ranges cut to where int8 leaves the model's outputs nearest to the float model's.
//!
//! The squared error of a value does not tell what it does to the outputs: a large number may matter less than the steps of the many
//! small ones. So each range is cut in several ways, the value alone is rounded as int8 would round it, and what follows it runs in float.
//! The cuts stay if the int8 program is clearly better with all of them.

use lacewing::ops::quantize::{dequantize, quantize};
use ndarray::ArrayD;

use super::Ranges;
use crate::Sample;
use crate::data::evenly;
use crate::encode::{Context, Encoded, encode};
use crate::error::ConvertError;
use crate::front::{Front, some};
use crate::graph::{Graph, Kind, Node, Op, ValueId};
use crate::parallel;
use crate::quantize::{Params, Quantization, Width, is_quantized, moved_together, moves_only};
use crate::runner::{Runner, macs};
use crate::trial::{self, Judge};
use crate::verify::Noise;

/// Parts of an extreme that a range may end at.
const PARTS: [f32; 6] = [0.8, 0.63, 0.5, 0.4, 0.31, 0.25];
/// Samples that are run: fewer tell too little, and more hardly more.
const SAMPLES: std::ops::RangeInclusive<u64> = 8..=64;
/// Multiply-accumulates that all runs may take, and what running one node takes beside its own.
const WORK: u64 = 1 << 34;
const NODE: u64 = 1 << 12;

/// What is left of the noise where a cut is worth it, and all cuts together: less of a gain on a few samples may be chance.
const LEFT: f64 = 0.5;

type Range = (f32, f32);

/// Values that share a range, the ways to cut it, and the noise of each at the outputs.
struct Group {
    members: Vec<ValueId>,
    /// Those that are computed, not moved; each is rounded by itself.
    sources: Vec<ValueId>,
    cuts: Vec<Range>,
    noise: Vec<f64>,
}

/// Cuts what `ranges` chose where that leaves clearly less noise at the outputs. Nothing changes for a model with states
/// or with ranges of its own, and where the work would be too much.
pub(super) fn cut(
    graph: &Graph,
    samples: &[Sample],
    ranges: &mut Ranges,
    mut progress: impl FnMut(usize),
) -> Result<(), ConvertError> {
    let mut groups = groups(graph, ranges);
    let own = graph.states.is_empty() && !is_quantized(graph);
    let Some(count) = affordable(graph, &groups)?.filter(|_| own) else { return Ok(()) };
    let few: Vec<Sample> = evenly(samples.len(), count).map(|at| samples[at].clone()).collect();
    let mut front = Front::new(graph, &some(graph, &few)?);
    let mut sources: Vec<(usize, usize, ValueId)> = Vec::new();
    for (at, group) in groups.iter().enumerate() {
        sources.extend(group.sources.iter().map(|id| (behind(graph, *id), at, *id)));
    }
    sources.sort_unstable();
    for (from, at, id) in &sources {
        front.advance(graph, &Quantization::none(), *from)?;
        let group = &mut groups[*at];
        if let Some(mut tail) = Tail::new(graph, &front, *id)? {
            for (cut, noise) in group.cuts.iter().zip(&mut group.noise) {
                *noise += tail.noise(*cut)?;
            }
        }
        progress(sources.len());
    }
    let mut cut = ranges.clone();
    groups.iter().for_each(|group| group.choose(&mut cut));
    if cut != *ranges {
        let judge = Judge::new(graph, &few, None)?;
        let [before, after] = [trial::noise(graph, ranges, &judge)?, trial::noise(graph, &cut, &judge)?];
        if after.ratio() < LEFT * before.ratio() {
            *ranges = cut;
        }
    }
    Ok(())
}

impl Group {
    fn choose(&self, ranges: &mut Ranges) {
        let best = self.cuts.iter().zip(&self.noise).reduce(|best, next| if next.1 < best.1 { next } else { best });
        let Some((cut, _)) = best.filter(|best| *best.1 < LEFT * self.noise[0]) else { return };
        self.members.iter().for_each(|id| ranges.chosen[id.0] = Some(*cut));
    }
}

/// All that have a range which may be chosen.
fn groups(graph: &Graph, ranges: &Ranges) -> Vec<Group> {
    let group = |members: Vec<ValueId>| {
        let computed = |id: &&ValueId| graph.inputs.contains(id) || writer(graph, **id).is_some_and(is_source);
        let sources: Vec<ValueId> = members.iter().filter(computed).copied().collect();
        let all = |range: &dyn Fn(ValueId) -> Option<Range>| {
            members.iter().filter_map(|id| range(*id)).fold((0.0f32, 0.0f32), |a, b| (a.0.min(b.0), a.1.max(b.1)))
        };
        let (chosen, (lo, hi)) = (all(&|id| ranges.int8(id)), all(&|id| ranges.extremes(id)));
        let cuts = cuts(chosen, lo, hi);
        Group { noise: vec![0.0; cuts.len()], members, sources, cuts }
    };
    let free = |members: &Vec<ValueId>| members.iter().all(|id| is_free(graph, *id));
    let groups = moved_together(graph).into_iter().filter(free).map(group);
    groups.filter(|group| !group.sources.is_empty()).collect()
}

/// Whether the scale of a value is the quantizer's to choose.
fn is_free(graph: &Graph, id: ValueId) -> bool {
    let softmax = writer(graph, id).is_some_and(|node| matches!(node.op, Op::Softmax { .. }));
    graph.value(id).kind == Kind::F32 && !softmax
}

fn is_source(node: &Node) -> bool {
    !moves_only(&node.op)
}

fn writer(graph: &Graph, id: ValueId) -> Option<&Node> {
    graph.nodes.iter().find(|node| node.outputs[0] == id)
}

/// The first node behind the one that writes a value.
fn behind(graph: &Graph, id: ValueId) -> usize {
    graph.nodes.iter().position(|node| node.outputs[0] == id).map_or(0, |at| at + 1)
}

/// What was chosen, the extremes, and these cut on either side or both.
fn cuts(chosen: Range, lo: f32, hi: f32) -> Vec<Range> {
    let sides = PARTS.iter().flat_map(|part| [(lo, hi * part), (lo * part, hi), (lo * part, hi * part)]);
    let mut cuts = vec![chosen, (lo, hi)];
    for cut in sides {
        if !cuts.contains(&cut) {
            cuts.push(cut);
        }
    }
    cuts
}

/// How many samples can be run within [`WORK`]; `None` if they are too few to tell. On the average half of the model follows a value.
fn affordable(graph: &Graph, groups: &[Group]) -> Result<Option<usize>, ConvertError> {
    let Encoded { file, .. } = encode(&Context::float(graph)?)?;
    let one = macs(&Runner::new(&file)?.model()) + NODE * graph.nodes.len() as u64;
    let runs: u64 = groups.iter().map(|group| (group.cuts.len() * group.sources.len()) as u64).sum();
    let count = WORK / (runs.saturating_mul(one) / 2).max(1);
    Ok((count >= *SAMPLES.start()).then_some(count.min(*SAMPLES.end()) as usize))
}

/// What follows a value, and what its inputs and outputs are in float.
struct Tail {
    /// Which input is the value.
    value: usize,
    samples: Vec<(Sample, Sample)>,
    workers: Vec<Runner>,
}

impl Tail {
    /// Of what `front` is in front of; `None` if no output of the model depends on `value`.
    fn new(graph: &Graph, front: &Front, value: ValueId) -> Result<Option<Self>, ConvertError> {
        let Some(tail) = front.tail(graph, value) else { return Ok(None) };
        let Encoded { file, .. } = encode(&Context::float(&tail)?)?;
        let mut workers = parallel::workers(Runner::new(&file)?, false);
        let columns: Vec<Vec<&ArrayD<f32>>> = tail.inputs.iter().map(|id| front.of(*id)).collect();
        let count = columns.first().map_or(0, Vec::len);
        let inputs: Vec<Sample> =
            (0..count).map(|at| columns.iter().map(|column| column[at].clone()).collect()).collect();
        let mut samples = Vec::with_capacity(count);
        let work = |runner: &mut Runner, inputs: &Sample| runner.run(inputs).map(|outputs| (inputs.clone(), outputs));
        parallel::each(&mut workers, &inputs, work, |pair| {
            samples.push(pair);
            Ok(())
        })?;
        Ok(tail.inputs.iter().position(|id| *id == value).map(|value| Self { value, samples, workers }))
    }

    /// What rounding the value within a range does to the outputs: the noise of each as a part of its signal.
    fn noise(&mut self, (lo, hi): Range) -> Result<f64, ConvertError> {
        let (params, value) = (Params::covering(lo, hi, Width::I8), self.value);
        let rounded = |x| dequantize(quantize::<i8>(x, params.scale, params.zero), params.scale, params.zero);
        let work = |runner: &mut Runner, (inputs, outputs): &(Sample, Sample)| {
            let mut inputs = inputs.clone();
            inputs[value].mapv_inplace(rounded);
            let got = runner.run(&inputs)?;
            Ok::<_, ConvertError>(outputs.iter().zip(&got).map(|(wanted, got)| noise(wanted, got)).collect::<Vec<_>>())
        };
        let mut sums = Vec::new();
        parallel::each(&mut self.workers, &self.samples, work, |noises| {
            sums.resize(noises.len(), Noise::default());
            sums.iter_mut().zip(noises).for_each(|(sum, noise)| sum.include(noise));
            Ok(())
        })?;
        Ok(sums.into_iter().map(Noise::ratio).sum())
    }
}

fn noise(wanted: &ArrayD<f32>, got: &ArrayD<f32>) -> Noise {
    let numbers = |array: &ArrayD<f32>| array.iter().copied().collect::<Vec<f32>>();
    let mut noise = Noise::default();
    noise.add(&numbers(wanted), &numbers(got));
    noise
}

#[cfg(test)]
mod tests {
    use ndarray::IxDyn;

    use super::*;
    use crate::calibrate::{Calibrator, calibrate};
    use crate::graph::{Function, Value};

    fn array(shape: &[usize], numbers: &[f32]) -> ArrayD<f32> {
        ArrayD::from_shape_vec(IxDyn(shape), numbers.to_vec()).unwrap()
    }

    /// Of eight inputs, of which one is large and counts for nothing; two functions of it, joined.
    fn graph() -> Graph {
        let mut graph = Graph::default();
        let x = graph.add(Value::activation("x", &[1, 8], Kind::F32));
        let w = graph.add(Value::constant("w", array(&[1, 8], &[0.0, 1.0, -1.0, 1.0, 0.5, -0.5, 0.25, 1.0])));
        let y = graph.add(Value::activation("y", &[1, 1], Kind::F32));
        let [a, b] = ["a", "b"].map(|name| graph.add(Value::activation(name, &[1, 1], Kind::F32)));
        let z = graph.add(Value::activation("z", &[1, 2], Kind::F32));
        graph.nodes = vec![
            Node::new("fc", Op::FullyConnected, &[x, w], y),
            Node::new("a", Op::Unary(Function::Abs), &[y], a),
            Node::new("b", Op::Unary(Function::Tanh), &[y], b),
            Node::new("z", Op::Concat { axis: 1 }, &[a, b], z),
        ];
        (graph.inputs, graph.outputs) = (vec![x], vec![z]);
        graph
    }

    fn samples() -> Vec<Sample> {
        let number = |i: usize, j: usize| if j == 0 { i as f32 } else { ((i * 31 + j * 17) % 23) as f32 / 11.5 - 1.0 };
        (0..40).map(|i| vec![array(&[1, 8], &(0..8).map(|j| number(i, j)).collect::<Vec<_>>())]).collect()
    }

    #[test]
    fn what_counts_for_nothing_is_cut() {
        let (graph, x) = (graph(), ValueId(0));
        let range = |calibrator| calibrate(&graph, &samples(), calibrator, |_| {}).unwrap().int8(x).unwrap();
        assert!(range(Calibrator::Mse).1 > 30.0);
        assert!(range(Calibrator::Outputs).1 < 20.0);
        assert!(range(Calibrator::Outputs).0 <= -0.9);
    }

    #[test]
    fn what_is_joined_has_one_range() {
        let graph = graph();
        let found = groups(&graph, &Ranges::made_up(&graph));
        let joined = found.iter().find(|group| group.members.contains(&graph.outputs[0])).unwrap();
        assert_eq!((joined.members.len(), joined.sources.len()), (3, 2));
        let noise = joined.cuts.iter().map(|cut| f64::from(cut.1 - cut.0)).collect();
        let least = Group { noise, ..found.into_iter().last().unwrap() };
        let mut ranges = Ranges::made_up(&graph);
        least.choose(&mut ranges);
        assert!(least.members.iter().all(|id| ranges.int8(*id) == Some((-0.25, 0.25))));
    }
}
