//! Samples on their way through a program, stopped in front of a node: one way through it serves all layers.

use std::collections::HashSet;

use crate::Sample;
use crate::data::evenly;
use crate::doors;
use crate::encode::{Context, Encoded, encode};
use crate::error::ConvertError;
use crate::graph::{Graph, Node, ValueId};
use crate::parallel;
use crate::quantize::{Params, Quantization};
use crate::reference::FloatProgram;
use crate::runner::Runner;
use ndarray::ArrayD;

/// What each sample has of the values that later nodes read, as real numbers.
pub(crate) struct Front {
    /// The first node that has not run.
    next: usize,
    live: Vec<ValueId>,
    samples: Vec<Sample>,
}

impl Front {
    /// In front of the first node, with what [`some`] gave.
    pub(crate) fn new(graph: &Graph, samples: &[Sample]) -> Self {
        Self { next: 0, live: doors(graph), samples: samples.to_vec() }
    }

    /// Runs all nodes before `node`.
    pub(crate) fn advance(
        &mut self,
        graph: &Graph,
        quantization: &Quantization,
        node: usize,
    ) -> Result<(), ConvertError> {
        let read: HashSet<ValueId> = graph.nodes[node..].iter().flat_map(|node| node.inputs.iter().copied()).collect();
        let segment = segment(graph, graph.nodes[self.next..node].to_vec(), &self.live, &read);
        let kept: Vec<usize> = (0..self.live.len()).filter(|i| read.contains(&self.live[*i])).collect();
        let positions: Vec<usize> =
            segment.inputs.iter().filter_map(|id| self.live.iter().position(|live| live == id)).collect();
        let keep = |sample: &Sample| kept.iter().map(|i| sample[*i].clone()).collect::<Sample>();
        let mut after: Vec<Sample> = self.samples.iter().map(keep).collect();
        if !segment.outputs.is_empty() {
            let given: Vec<Sample> =
                self.samples.iter().map(|sample| positions.iter().map(|i| sample[*i].clone()).collect()).collect();
            let Encoded { file, .. } =
                encode(&Context::new(&segment, quantization.of_nodes(self.next..node), Vec::new())?)?;
            let mut workers = parallel::workers(Runner::new(&file)?, false);
            let mut to = after.iter_mut();
            let run = |runner: &mut Runner, sample: &Sample| runner.run(sample).map_err(ConvertError::from);
            parallel::each(&mut workers, &given, run, |outputs: Vec<ArrayD<f32>>| {
                to.next().into_iter().for_each(|sample| sample.extend(outputs.clone()));
                Ok(())
            })?;
        }
        self.live = kept.into_iter().map(|i| self.live[i]).chain(segment.outputs).collect();
        (self.next, self.samples) = (node, after);
        Ok(())
    }

    /// Rounds what is live to what `quantization` holds of it, as inputs are when they enter.
    pub(crate) fn round(&mut self, quantization: &Quantization) {
        for (at, id) in self.live.iter().enumerate() {
            let Some(params) = quantization.params(*id) else { continue };
            self.samples.iter_mut().for_each(|sample| sample[at].mapv_inplace(|x| params.real(params.integer(x))));
        }
    }

    /// Cuts what is live to what `quantization` holds of it.
    pub(crate) fn clamp(&mut self, quantization: &Quantization) {
        for (at, id) in self.live.iter().enumerate() {
            let Some((lo, hi)) = quantization.params(*id).map(Params::reach) else { continue };
            self.samples.iter_mut().for_each(|sample| sample[at].mapv_inplace(|x| x.clamp(lo, hi)));
        }
    }

    /// What each sample has of a value.
    pub(crate) fn of(&self, value: ValueId) -> Vec<&ArrayD<f32>> {
        let at = self.live.iter().position(|live| *live == value);
        self.samples.iter().filter_map(|sample| sample.get(at?)).collect()
    }

    /// What is still to run of that which leads from `value`, and whatever else it reads, to outputs of the graph; `None` if nothing does.
    pub(crate) fn tail(&self, graph: &Graph, value: ValueId) -> Option<Graph> {
        let rest = &graph.nodes[self.next..];
        let mut reached = HashSet::from([value]);
        for node in rest.iter() {
            if node.inputs.iter().any(|id| reached.contains(id)) {
                reached.extend(&node.outputs);
            }
        }
        reached.remove(&value);
        let ends: HashSet<ValueId> = graph.outputs.iter().copied().filter(|id| reached.contains(id)).collect();
        let (mut needed, mut nodes) = (ends.clone(), Vec::new());
        for node in rest.iter().rev() {
            if node.outputs.iter().any(|id| needed.contains(id)) {
                needed.extend(&node.inputs);
                nodes.push(node.clone());
            }
        }
        nodes.reverse();
        (!ends.is_empty()).then(|| segment(graph, nodes, &self.live, &ends))
    }
}

/// Nodes as a graph of their own, which reads what is live and gives what is read behind them.
fn segment(graph: &Graph, nodes: Vec<Node>, live: &[ValueId], read: &HashSet<ValueId>) -> Graph {
    let inputs: HashSet<ValueId> = nodes.iter().flat_map(|node| node.inputs.iter().copied()).collect();
    let written = nodes.iter().map(|node| node.outputs[0]);
    let outputs = written.filter(|id| read.contains(id)).collect();
    let inputs = live.iter().copied().filter(|id| inputs.contains(id)).collect();
    Graph {
        nodes,
        inputs,
        outputs,
        states: Vec::new(),
        name: graph.name.clone(),
        layout: graph.layout,
        values: graph.values.clone(),
    }
}

/// What a graph starts from: inputs, and states as an earlier run left them.
fn doors(graph: &Graph) -> Vec<ValueId> {
    graph.inputs.iter().copied().chain(graph.states.iter().map(|state| state.input)).collect()
}

/// Numbers that a program's samples may hold at once.
const ROOM: usize = 1 << 26;

/// As many samples as there is room for, evenly spread, as the graph's inputs lie and with what its states then hold.
///
/// # Errors
/// [`ConvertError`] if a graph with states cannot be encoded, or a sample does not fit.
pub(crate) fn some(graph: &Graph, samples: &[Sample]) -> Result<Vec<Sample>, ConvertError> {
    let len = |id: ValueId| graph.shape(id).iter().product::<usize>();
    let inputs: usize = graph.inputs.iter().map(|id| len(*id)).sum();
    // What a node reads and writes; more is live beside it where a graph branches.
    let at = |node: &Node| {
        let computed = node.inputs.iter().filter(|id| graph.constant(**id).is_none());
        computed.chain(&node.outputs).map(|id| len(*id)).sum::<usize>()
    };
    let most = graph.nodes.iter().map(at).max().unwrap_or_default().max(inputs);
    let states = states(graph, samples)?;
    let standard = |array: ArrayD<f32>| array.as_standard_layout().into_owned();
    let sample = |at: usize| {
        let states = states.get(at).into_iter().flatten().cloned();
        doors::arranged(graph, &samples[at]).into_iter().map(standard).chain(states).collect()
    };
    Ok(evenly(samples.len(), (ROOM / most.max(1)).max(1)).map(sample).collect())
}

/// What the states of a stream hold before each sample; nothing for a graph without states.
fn states(graph: &Graph, samples: &[Sample]) -> Result<Vec<Sample>, ConvertError> {
    if graph.states.is_empty() {
        return Ok(Vec::new());
    }
    let mut held: Sample = graph.states.iter().map(|state| ArrayD::zeros(graph.shape(state.input))).collect();
    let mut program = FloatProgram::new(graph)?;
    let before = |sample: &Sample| {
        let before = held.clone();
        program.run(graph, sample, |id, numbers| {
            let state = graph.states.iter().position(|state| state.output == id).map(|at| &mut held[at]);
            state.into_iter().for_each(|state| state.iter_mut().zip(&numbers).for_each(|(to, x)| *to = *x));
        })?;
        Ok(before)
    };
    samples.iter().map(before).collect()
}
