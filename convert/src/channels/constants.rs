//! Channels that depend on no input, and what they hold.

use std::collections::HashMap;

use ndarray::{ArrayD, IxDyn};

use super::{Layer, count, links};
use crate::encode::{Context, Encoded, encode};
use crate::error::ConvertError;
use crate::graph::{Graph, Node, Op, ValueId};
use crate::quantize::Quantization;
use crate::runner::{Runner, reals};

/// The real number that a channel has everywhere.
#[derive(Clone, Debug, Default)]
pub(super) struct Constants(HashMap<ValueId, Vec<Option<f32>>>);

impl Constants {
    /// The number of a channel, if it has one.
    pub(super) fn get(&self, value: ValueId, channel: usize) -> Option<f32> {
        self.0.get(&value)?.get(channel).copied().flatten()
    }

    /// Those of all values that are computed.
    pub(super) fn of(
        graph: &Graph,
        quantization: &Quantization,
        layers: &[Option<Layer>],
    ) -> Result<Self, ConvertError> {
        let mut independent = independent(graph, layers);
        independent.retain(|id, channels| graph.constant(*id).is_none() && channels.contains(&true));
        if independent.is_empty() {
            return Ok(Self::default());
        }
        let seen = observed(graph, quantization)?;
        let constant = |(id, channels): (ValueId, Vec<bool>)| {
            let numbers = seen.get(&id).map_or(&[][..], Vec::as_slice);
            let uniform = |c: usize| uniform(numbers.iter().skip(c).step_by(channels.len()).copied());
            (id, (0..channels.len()).map(|c| uniform(c).filter(|_| channels[c])).collect())
        };
        Ok(Self(independent.into_iter().map(constant).collect()))
    }
}

/// The number that all are.
fn uniform(mut numbers: impl Iterator<Item = f32>) -> Option<f32> {
    let first = numbers.next().filter(|x| x.is_finite())?;
    numbers.all(|x| x.to_bits() == first.to_bits()).then_some(first)
}

/// For each value, which channels depend on no input; values of which all do are left out.
fn independent(graph: &Graph, layers: &[Option<Layer>]) -> HashMap<ValueId, Vec<bool>> {
    let constants = (0..graph.values.len()).map(ValueId).filter(|id| graph.constant(*id).is_some());
    let mut found: HashMap<_, _> = constants.map(|id| (id, vec![true; count(graph, id)])).collect();
    for (node, layer) in graph.nodes.iter().zip(layers) {
        let known = |id: ValueId, c: usize| found.get(&id).is_some_and(|channels| channels[c]);
        let channels = match layer {
            Some(layer) => Some((0..layer.rows).map(|o| layer.reads(o).all(|i| known(node.inputs[0], i))).collect()),
            None => of_operands(graph, node, known),
        };
        if let Some(channels) = channels.filter(|channels: &Vec<bool>| channels.contains(&true)) {
            found.insert(node.outputs[0], channels);
        }
    }
    found
}

/// The channels of a node's result of which all sources are known.
fn of_operands(graph: &Graph, node: &Node, known: impl Fn(ValueId, usize) -> bool) -> Option<Vec<bool>> {
    let mut channels = vec![true; count(graph, node.outputs[0])];
    for (operand, id) in node.inputs.iter().enumerate() {
        let sources = links::sources(graph, node, operand)?;
        let each = channels.iter_mut().zip(sources);
        each.for_each(|(channel, source)| *channel &= source.is_none_or(|source| known(*id, source)));
    }
    Some(channels)
}

/// What every value holds after a run on zeros, in real numbers.
fn observed(graph: &Graph, quantization: &Quantization) -> Result<HashMap<ValueId, Vec<f32>>, ConvertError> {
    let context = Context::new(graph, quantization.clone(), Vec::new())?;
    let Encoded { file, layers } = encode(&context)?;
    let mut runner = Runner::new(&file)?;
    let ops: Vec<_> = runner.model().ops().collect();
    let zeros: Vec<_> = graph.inputs.iter().map(|id| ArrayD::zeros(IxDyn(graph.shape(*id)))).collect();
    let mut seen = HashMap::new();
    runner.run_with(&zeros, |record, bytes| {
        let value = graph.nodes[layers[record].0].outputs[0];
        let (scale, zero) = quantization.params(value).map_or((1.0, 0), |params| (params.scale, params.zero));
        seen.insert(value, reals(bytes, ops[record].output().dtype(), scale, zero));
    })?;
    for node in graph.nodes.iter().filter(|node| node.op == Op::Reshape) {
        reshape(node, quantization, &mut seen);
    }
    Ok(seen)
}

/// A reshape that runs nothing: the same bytes, which may stand for other numbers.
fn reshape(node: &Node, quantization: &Quantization, seen: &mut HashMap<ValueId, Vec<f32>>) {
    let (x, y) = (node.inputs[0], node.outputs[0]);
    let Some(numbers) = seen.get(&x).filter(|_| !seen.contains_key(&y)) else { return };
    let params = quantization.params(x).zip(quantization.params(y));
    let number = |number: &f32| params.map_or(*number, |(x, y)| y.real(x.integer(*number)));
    let numbers = numbers.iter().map(number).collect();
    seen.insert(y, numbers);
}
