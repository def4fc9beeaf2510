//! What a loss inside means to the model.

use std::collections::BTreeMap;

use ndarray::ArrayD;

use super::Layer;
use super::candidates::{Candidate, families};
use crate::Sample;
use crate::data::evenly;
use crate::error::ConvertError;
use crate::graph::{Graph, Op, Value, ValueId};
use crate::parallel;
use crate::reference::FloatProgram;

/// The share of each family that goes for the trial.
const SHARE: f64 = 0.25;
/// Samples that a trial runs on.
const SAMPLES: usize = 64;

/// Weighs each family of channels by a trial: a part of it goes, the layers behind it make up for that, and the whole model runs. Its weight is
/// what the outputs lose for what these layers lose, both as shares of their variances.
pub(super) fn weigh(
    graph: &Graph,
    candidates: &mut [Candidate],
    layers: &[Option<Layer>],
    samples: &[Sample],
    step: &mut impl FnMut(),
) -> Result<(), ConvertError> {
    let samples: Vec<Sample> = evenly(samples.len(), SAMPLES).map(|at| samples[at].clone()).collect();
    let wanted = results(graph, &samples)?;
    let variance = variance(&wanted);
    for family in families(candidates).into_values() {
        let Trial { layers, loss } = Trial::new(family.iter().map(|at| &candidates[*at]).collect(), layers);
        let found = results(&with(graph, &layers), &samples)?;
        let squares = wanted.iter().flatten().zip(found.iter().flatten()).map(|(a, b)| (a - b) * (a - b));
        let weight = squares.sum::<f64>() / variance.max(f64::MIN_POSITIVE) / loss.max(LEAST);
        family.iter().for_each(|at| candidates[*at].weight = weight);
        step();
    }
    Ok(())
}

/// Losses below it are none.
const LEAST: f64 = 1e-9;

/// A part of a family gone.
struct Trial {
    /// The layers behind it, by node.
    layers: BTreeMap<usize, Layer>,
    /// The shares of variance that they lost.
    loss: f64,
}

impl Trial {
    fn new(mut family: Vec<&Candidate>, layers: &[Option<Layer>]) -> Self {
        let nodes = family.iter().flat_map(|candidate| &candidate.parts).map(|(node, _)| *node);
        let mut layers: BTreeMap<usize, Layer> = nodes.filter_map(|node| Some((node, layers[node].clone()?))).collect();
        let mut lost = 0.0;
        for _ in 0..(SHARE * family.len() as f64).ceil() as usize {
            let loss = |candidate: &&Candidate| {
                let losses = candidate.parts.iter().filter_map(|(node, inputs)| Some(layers.get(node)?.loss(inputs)));
                losses.sum::<f64>()
            };
            let losses: Vec<f64> = family.iter().map(loss).collect();
            let Some(least) = (0..losses.len()).min_by(|a, b| losses[*a].total_cmp(&losses[*b])) else { break };
            lost += losses[least];
            for (node, inputs) in &family.swap_remove(least).parts {
                layers.entry(*node).and_modify(|layer| layer.surgeon.remove(inputs));
            }
        }
        Self { layers, loss: lost }
    }
}

/// The graph with the weights that some layers have by now; those of inputs that are gone are 0.
fn with(graph: &Graph, layers: &BTreeMap<usize, Layer>) -> Graph {
    let mut changed = graph.clone();
    for (node, layer) in layers {
        let inputs = &graph.nodes[*node].inputs;
        let Some(old) = graph.constant(inputs[1]) else { continue };
        let (outputs, w) = (old.shape()[0], layer.surgeon.weights());
        let mut new = old.clone();
        new.iter_mut().enumerate().for_each(|(at, to)| *to = w[at % w.len()][at / w.len()] as f32);
        let mut bias: Vec<f32> =
            inputs.get(2).and_then(|id| graph.constant(*id)).into_iter().flatten().copied().collect();
        bias.resize(outputs, 0.0);
        for (at, (old, new)) in old.iter().zip(&new).enumerate() {
            bias[at / w.len()] += (f64::from(old - new) * layer.mean[at % w.len()]) as f32;
        }
        let constants = [new, ArrayD::from_shape_vec(vec![outputs], bias).unwrap_or_default()];
        let constants = constants.map(|constant| changed.add(Value::constant("trial", constant)));
        changed.nodes[*node].inputs = [inputs[0]].into_iter().chain(constants).collect();
    }
    changed
}

/// The model's outputs for each sample; of a softmax what goes into it, in which an error is seen where the softmax is flat.
fn results(graph: &Graph, samples: &[Sample]) -> Result<Vec<Vec<f64>>, ConvertError> {
    let ids: Vec<ValueId> = graph.outputs.iter().map(|id| before_softmax(graph, *id)).collect();
    let mut workers = parallel::workers(FloatProgram::new(graph)?, !graph.states.is_empty());
    let work = |program: &mut FloatProgram, sample: &Sample| {
        let mut seen = vec![Vec::new(); ids.len()];
        program.run(graph, sample, |id, numbers| {
            ids.iter().zip(&mut seen).filter(|(wanted, _)| **wanted == id).for_each(|(_, to)| to.clone_from(&numbers));
        })?;
        Ok(seen.into_iter().flatten().map(f64::from).collect())
    };
    let mut results = Vec::new();
    parallel::each(&mut workers, samples, work, |seen: Vec<f64>| {
        results.push(seen);
        Ok::<_, ConvertError>(())
    })?;
    Ok(results)
}

fn before_softmax(graph: &Graph, output: ValueId) -> ValueId {
    let writer = |id: ValueId| graph.nodes.iter().find(|node| node.outputs[0] == id);
    let softmax = writer(output).filter(|node| matches!(node.op, Op::Softmax { .. }));
    let mut id = softmax.map_or(output, |node| node.inputs[0]);
    // Reshapes run nothing.
    while let Some(node) = writer(id).filter(|node| node.op == Op::Reshape) {
        id = node.inputs[0];
    }
    id
}

/// Of numbers that each sample has, summed over samples.
fn variance(results: &[Vec<f64>]) -> f64 {
    let count = results.len() as f64;
    let of = |at: usize| {
        let numbers = || results.iter().map(move |numbers| numbers[at]);
        let mean = numbers().sum::<f64>() / count;
        numbers().map(|x| (x - mean) * (x - mean)).sum::<f64>()
    };
    (0..results.first().map_or(0, Vec::len)).map(of).sum()
}
