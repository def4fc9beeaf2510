//! Each layer by itself: the integers that it wrote against the exact meaning of the integers that it read.
//!
//! The reference of a layer is its float operation on the dequantized integers that the program itself gave it, rounded once to the
//! layer's own scale. So errors of earlier layers do not count, and of a quantized model nothing counts but rounding.

use std::collections::HashMap;

use lacewing::format::metadata::Layer;
use lacewing::format::{DType, Op as Record, Port, Tensor};
use ndarray::{ArrayD, IxDyn};

use crate::Sample;
use crate::doors;
use crate::encode::name;
use crate::error::ConvertError;
use crate::graph::{Graph, Kind, Node, Op, Value, ValueId};
use crate::quantize::Params;
use crate::reference::FloatProgram;
use crate::runner::{Runner, reals};
use crate::verify::layers;

/// How far one layer is from its exact meaning.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerSteps {
    /// The ONNX node's name.
    pub name: String,
    /// The operation.
    pub op: String,
    /// The largest difference of an output, in steps of its scale.
    pub max_steps: u32,
    /// Share of the outputs that differ, 0..1.
    pub differing: f64,
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
    let mut runner = Runner::new(file)?;
    let trace = Trace::new(graph, &runner);
    let mut probes = trace.probes()?;
    for sample in samples {
        let written = trace.run(&mut runner, sample)?;
        for probe in &mut probes {
            probe.run(&written)?;
        }
        progress();
    }
    Ok(probes.into_iter().map(Probe::finish).collect())
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
        let (model, layers) = (runner.model(), layers(runner));
        let records = layers.iter().enumerate().map(|(index, layer)| (layer.name.clone(), index)).collect();
        let params = |port: Port<'_>| params(&port.tensor, port.scale, port.zero);
        let doors = model.inputs().map(params).collect();
        let ops = model.ops().collect();
        Self { graph, layers, ops, doors, records }
    }

    fn run(&self, runner: &mut Runner, sample: &[ArrayD<f32>]) -> Result<Written, ConvertError> {
        let sample = doors::arranged(self.graph, sample);
        let held = |params: &Option<Params>, x: f32| params.map_or(x, |params| params.real(params.integer(x)));
        let door = |(input, params): (&ArrayD<f32>, _)| input.iter().map(|x| held(params, *x)).collect();
        let inputs = sample.iter().zip(&self.doors).map(door).collect();
        let mut records = Vec::with_capacity(self.ops.len());
        runner.run_with(&sample, |record, arena| {
            let (scale, zero) = self.layers.get(record).and_then(Layer::quantization).unwrap_or((1.0, 0));
            records.push(reals(arena, self.ops[record].output(), scale, zero));
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
        let (scale, zero) = self.layers[record].quantization()?;
        params(self.ops[record].output(), scale, zero)
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
struct Source {
    from: Origin,
    functions: Vec<crate::graph::Function>,
}

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
struct Probe {
    graph: Graph,
    program: FloatProgram,
    sources: Vec<Source>,
    record: usize,
    params: Params,
    op: &'static str,
    max_steps: u32,
    differing: usize,
    seen: usize,
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
        Ok(Self { graph, program, sources, record, params, op: name(&node.op), max_steps: 0, differing: 0, seen: 0 })
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
        for (exact, got) in exact.iter().zip(&written.records[self.record]) {
            let steps = self.params.integer(*exact).abs_diff(self.params.integer(*got));
            self.max_steps = self.max_steps.max(steps);
            self.differing += usize::from(steps > 0);
            self.seen += 1;
        }
        Ok(())
    }

    fn finish(self) -> LayerSteps {
        let differing = self.differing as f64 / self.seen.max(1) as f64;
        LayerSteps { name: self.graph.name, op: self.op.into(), max_steps: self.max_steps, differing }
    }
}

/// What the integers of a tensor stand for; `None` for other types.
fn params(tensor: &Tensor, scale: f32, zero: i8) -> Option<Params> {
    match tensor.dtype()? {
        DType::I8 => Some(Params::int8(scale, zero)),
        DType::I16 => Some(Params::int16(scale)),
        _ => None,
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
