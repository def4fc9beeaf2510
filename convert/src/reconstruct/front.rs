//! Samples on their way through a program, stopped in front of a node.

use std::collections::HashSet;

use crate::Sample;
use crate::doors;
use crate::encode::{Context, Encoded, encode};
use crate::error::ConvertError;
use crate::graph::{Graph, ValueId};
use crate::parallel;
use crate::quantize::Quantization;
use crate::runner::Runner;
use ndarray::ArrayD;

/// What each sample has of the values that later nodes read, as real numbers.
pub(super) struct Front {
    /// The first node that has not run.
    next: usize,
    live: Vec<ValueId>,
    samples: Vec<Sample>,
}

impl Front {
    /// In front of the first node.
    pub(super) fn new(graph: &Graph, samples: &[Sample]) -> Self {
        let standard = |array: ArrayD<f32>| array.as_standard_layout().into_owned();
        let arranged = |sample: &Sample| doors::arranged(graph, sample).into_iter().map(standard).collect();
        let samples = samples.iter().map(arranged).collect();
        Self { next: 0, live: graph.inputs.clone(), samples }
    }

    /// Runs all nodes before `node`.
    pub(super) fn advance(
        &mut self,
        graph: &Graph,
        quantization: &Quantization,
        node: usize,
    ) -> Result<(), ConvertError> {
        let read: HashSet<ValueId> = graph.nodes[node..].iter().flat_map(|node| node.inputs.iter().copied()).collect();
        let segment = segment(graph, self.next..node, &self.live, &read);
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

    /// What each sample has of a value.
    pub(super) fn of(&self, value: ValueId) -> Vec<&ArrayD<f32>> {
        let at = self.live.iter().position(|live| *live == value);
        self.samples.iter().filter_map(|sample| sample.get(at?)).collect()
    }
}

/// Nodes as a graph of their own, which reads what is live and gives what is read behind them.
fn segment(graph: &Graph, nodes: std::ops::Range<usize>, live: &[ValueId], read: &HashSet<ValueId>) -> Graph {
    let nodes = graph.nodes[nodes].to_vec();
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
