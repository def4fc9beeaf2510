//! Each layer by itself: the integers that it wrote against the exact meaning of the integers that it read.
//!
//! The reference of a layer is its float operation on the dequantized integers that the program itself gave it, rounded once to the
//! layer's own scale. So errors of earlier layers do not count, and of a quantized model nothing counts but rounding.

use std::collections::HashMap;

use lacewing::format::Op as Record;
use lacewing::format::metadata::Layer;
use ndarray::{ArrayD, IxDyn};

use crate::Sample;
use crate::doors;
use crate::encode::name;
use crate::error::ConvertError;
use crate::graph::{Graph, Kind, Node, Op, Value, ValueId};
use crate::parallel;
use crate::program::layers_of;
use crate::quantize::Params;
use crate::reference::FloatProgram;
use crate::runner::{Runner, reals};
use crate::verify::{Noise, params_of};

/// How far one layer is from its exact meaning.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerSteps {
    /// The ONNX node's name.
    pub name: String,
    /// The operation.
    pub op: String,
    /// SQNR in dB of what it wrote against the exact result, which is not rounded; infinite if equal.
    pub sqnr_db: f64,
    /// The largest difference of an output, in steps of its scale.
    pub max_steps: u32,
    /// Share of the outputs that differ, 0..1.
    pub differing: f64,
    /// Share of the outputs whose exact result is more than half a step beyond the integers, 0..1.
    pub clipped: f64,
    /// The least and the largest integer of its type.
    pub integers: (i32, i32),
    /// What was seen along the last axis, which holds the channels.
    pub channels: Vec<Channel>,
}

/// What was seen of one channel of a layer's outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel {
    /// The least integer that it took.
    pub lo: i32,
    /// The largest.
    pub hi: i32,
    /// Outputs whose exact result is more than half a step beyond the integers.
    pub clipped: u64,
    /// All outputs.
    pub seen: u64,
}

/// Runs `file` on every sample and every layer of `graph` on what the program gave it. `graph` is the simplified graph that the
/// file was made from; layers are found in it by name. Layers in float and those that read a state are left out.
///
/// # Errors
/// [`ConvertError`] if the file or a layer does not run.
pub fn isolated(
    graph: &Graph,
    file: &[u8],
    samples: &[Sample],
    mut progress: impl FnMut(),
) -> Result<Vec<LayerSteps>, ConvertError> {
    let runner = Runner::new(file)?;
    let trace = Trace::new(graph, &runner);
    let probes = trace.probes()?;
    // The steps of a stream come one after the other.
    let mut workers = parallel::workers((runner, probes), !graph.states.is_empty());
    let work = |(runner, probes): &mut (Runner, Vec<Probe>), sample: &Sample| {
        let written = trace.run(runner, sample)?;
        probes.iter_mut().try_for_each(|probe| probe.run(&written))
    };
    parallel::each(&mut workers, samples, work, |()| {
        progress();
        Ok(())
    })?;
    let seen = workers.into_iter().map(|(_, probes)| probes).reduce(|mut all, probes| {
        all.iter_mut().zip(&probes).for_each(|(all, probe)| all.seen.include(&probe.seen));
        all
    });
    Ok(seen.into_iter().flatten().map(Probe::finish).collect())
}

/// The program and where its values come from.
struct Trace<'g> {
    graph: &'g Graph,
    layers: Vec<Layer>,
    ops: Vec<Record>,
    /// The inputs' params, `None` for those in f32.
    doors: Vec<Option<Params>>,
    /// The last record of each node, by the node's name.
    records: HashMap<String, usize>,
}

/// The real numbers that a run left: at the inputs, and behind each record.
struct Written {
    inputs: Vec<Vec<f32>>,
    records: Vec<Vec<f32>>,
}

impl<'g> Trace<'g> {
    fn new(graph: &'g Graph, runner: &Runner) -> Self {
        let (model, layers) = (runner.model(), layers_of(&runner.model()));
        let records = layers.iter().enumerate().map(|(index, layer)| (layer.name.clone(), index)).collect();
        let doors = model.inputs().map(|port| params_of(&port.tensor, Some((port.scale, port.zero)))).collect();
        let ops = model.ops().collect();
        Self { graph, layers, ops, doors, records }
    }

    fn run(&self, runner: &mut Runner, sample: &[ArrayD<f32>]) -> Result<Written, ConvertError> {
        let sample = doors::arranged(self.graph, sample);
        let held = |params: &Option<Params>, x: f32| params.map_or(x, |params| params.real(params.integer(x)));
        let door = |(input, params): (&ArrayD<f32>, _)| input.iter().map(|x| held(params, *x)).collect();
        let inputs = sample.iter().zip(&self.doors).map(door).collect();
        let mut records = vec![Vec::new(); self.ops.len()];
        runner.run_with(&sample, |record, bytes| {
            let (scale, zero) = self.layers.get(record).and_then(Layer::quantization).unwrap_or((1.0, 0));
            records[record] = reals(bytes, self.ops[record].output().dtype(), scale, zero);
        })?;
        Ok(Written { inputs, records })
    }

    /// The layers that can be looked at.
    fn probes(&self) -> Result<Vec<Probe>, ConvertError> {
        let mut probes = Vec::new();
        for node in &self.graph.nodes {
            let record = self.records.get(&node.name).copied();
            let quantized = record.and_then(|record| Some((record, self.params(record)?)));
            if let Some((record, params)) = quantized
                && let Some(sources) = self.sources(node)
            {
                probes.push(Probe::new(self.graph, node, record, params, sources)?);
            }
        }
        Ok(probes)
    }

    /// What the integers that a record writes stand for.
    fn params(&self, record: usize) -> Option<Params> {
        params_of(self.ops[record].output(), self.layers[record].quantization())
    }

    /// Where the computed operands of a node come from; `None` if one of them is a state.
    fn sources(&self, node: &Node) -> Option<Vec<Source>> {
        let computed = node.inputs.iter().filter(|id| self.graph.constant(**id).is_none());
        computed.map(|id| self.source(*id)).collect()
    }

    fn source(&self, id: ValueId) -> Option<Source> {
        if let Some(index) = self.graph.inputs.iter().position(|input| *input == id) {
            return Some(Source { from: Origin::Input(index), functions: Vec::new() });
        }
        let node = self.graph.nodes.iter().find(|node| node.outputs.contains(&id))?;
        if let Some(record) = self.records.get(&node.name) {
            return Some(Source { from: Origin::Record(*record), functions: Vec::new() });
        }
        // A node of which nothing is left to run.
        let mut source = self.source(*node.inputs.first()?)?;
        if let Op::Unary(function) = node.op {
            source.functions.push(function);
        }
        Some(source)
    }
}

/// Numbers of a run, and what they pass that no record computes.
#[derive(Clone)]
struct Source {
    from: Origin,
    functions: Vec<crate::graph::Function>,
}

#[derive(Clone)]
enum Origin {
    Input(usize),
    Record(usize),
}

impl Source {
    fn numbers(&self, written: &Written) -> Vec<f32> {
        let numbers = match self.from {
            Origin::Input(index) => &written.inputs[index],
            Origin::Record(index) => &written.records[index],
        };
        numbers.iter().map(|x| self.functions.iter().fold(*x, |x, f| f.eval(x))).collect()
    }
}

/// One layer with its float program.
#[derive(Clone)]
struct Probe {
    graph: Graph,
    program: FloatProgram,
    sources: Vec<Source>,
    record: usize,
    op: &'static str,
    seen: Seen,
}

/// What was seen of a layer.
#[derive(Clone)]
struct Seen {
    params: Params,
    noise: Noise,
    max_steps: u32,
    differing: u64,
    channels: Vec<Channel>,
}

impl Seen {
    fn new(params: Params, channels: usize) -> Self {
        let unseen = Channel { lo: i32::MAX, hi: i32::MIN, clipped: 0, seen: 0 };
        Self { params, noise: Noise::default(), max_steps: 0, differing: 0, channels: vec![unseen; channels.max(1)] }
    }

    /// Outputs of one run, and what they are exactly.
    fn add(&mut self, exact: &[f32], got: &[f32]) {
        self.noise.add(exact, got);
        let count = self.channels.len();
        for (at, (exact, got)) in exact.iter().zip(got).enumerate() {
            let q = self.params.integer(*got);
            let steps = self.params.integer(*exact).abs_diff(q);
            self.max_steps = self.max_steps.max(steps);
            self.differing += u64::from(steps > 0);
            self.channels[at % count].add(q, is_beyond(self.params, *exact));
        }
    }

    fn include(&mut self, other: &Seen) {
        self.noise.include(other.noise);
        self.max_steps = self.max_steps.max(other.max_steps);
        self.differing += other.differing;
        self.channels.iter_mut().zip(&other.channels).for_each(|(to, from)| to.include(*from));
    }
}

impl Channel {
    fn add(&mut self, q: i32, beyond: bool) {
        self.include(Channel { lo: q, hi: q, clipped: beyond.into(), seen: 1 });
    }

    fn include(&mut self, other: Channel) {
        (self.lo, self.hi) = (self.lo.min(other.lo), self.hi.max(other.hi));
        self.clipped += other.clipped;
        self.seen += other.seen;
    }
}

/// Whether a real number is more than half a step beyond the integers.
fn is_beyond(params: Params, x: f32) -> bool {
    let (least, most) = params.integers().into_inner();
    let q = x / params.scale + f32::from(params.zero);
    q < least as f32 - 0.5 || q > most as f32 + 0.5
}

impl Probe {
    fn new(
        from: &Graph,
        node: &Node,
        record: usize,
        params: Params,
        sources: Vec<Source>,
    ) -> Result<Self, ConvertError> {
        let graph = alone(from, node);
        let program = FloatProgram::new(&graph)?;
        let seen = Seen::new(params, graph.shape(graph.outputs[0]).last().copied().unwrap_or(1));
        Ok(Self { graph, program, sources, record, op: name(&node.op), seen })
    }

    fn run(&mut self, written: &Written) -> Result<(), ConvertError> {
        let operand = |(id, source): (&ValueId, &Source)| {
            let shape = IxDyn(self.graph.shape(*id));
            ArrayD::from_shape_vec(shape, source.numbers(written)).unwrap_or_default()
        };
        let sample: Vec<ArrayD<f32>> = self.graph.inputs.iter().zip(&self.sources).map(operand).collect();
        let (output, mut exact) = (self.graph.outputs[0], Vec::new());
        self.program.run(&self.graph, &sample, |id, numbers| {
            if id == output {
                exact = numbers;
            }
        })?;
        self.seen.add(&exact, &written.records[self.record]);
        Ok(())
    }

    fn finish(self) -> LayerSteps {
        let Seen { params, noise, max_steps, differing, channels } = self.seen;
        let (clipped, seen) = channels.iter().fold((0, 0), |(c, s), channel| (c + channel.clipped, s + channel.seen));
        let share = |count: u64| count as f64 / seen.max(1) as f64;
        LayerSteps {
            name: self.graph.name,
            op: self.op.into(),
            sqnr_db: noise.db(),
            max_steps,
            differing: share(differing),
            clipped: share(clipped),
            integers: params.integers().into_inner(),
            channels,
        }
    }
}

/// A graph of one node, named after it; its computed operands are the inputs.
fn alone(from: &Graph, node: &Node) -> Graph {
    let mut graph = Graph { name: node.name.clone(), layout: from.layout, ..Graph::default() };
    let mut node = node.clone();
    for id in &mut node.inputs {
        let value = from.value(*id);
        let computed = value.constant.is_none();
        let kind = if computed { Kind::F32 } else { value.kind };
        *id = graph.add(Value { original: None, kind, ..value.clone() });
        if computed {
            graph.inputs.push(*id);
        }
    }
    let output = from.value(node.outputs[0]);
    node.outputs[0] = graph.add(Value::activation(&output.name, &output.shape, Kind::F32));
    graph.outputs.push(node.outputs[0]);
    graph.nodes.push(node);
    graph
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_see_their_own_integers_and_what_lies_beyond() {
        let params = Params::int8(0.5, 0);
        let mut seen = Seen::new(params, 2);
        seen.add(&[1.0, 64.0, -64.5, 3.2], &[1.0, 63.5, -64.0, 3.0]);
        let channel = |lo, hi, clipped| Channel { lo, hi, clipped, seen: 2 };
        assert_eq!(seen.channels, [channel(-128, 2, 1), channel(6, 127, 1)]);
        assert_eq!((seen.max_steps, seen.differing), (0, 0));
        let mut twice = seen.clone();
        twice.include(&seen);
        assert_eq!((twice.channels[1].clipped, twice.channels[1].seen), (2, 4));
        assert!((twice.noise.db() - seen.noise.db()).abs() < 1e-9);
    }
}
