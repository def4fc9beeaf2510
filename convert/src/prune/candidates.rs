//! Channels that can go, and what goes with them.

use std::collections::{BTreeMap, HashMap};

use super::{is_dense, is_layer};
use crate::channels::{Groups, count};
use crate::graph::{Graph, Node, ValueId};

/// Channels that go together.
#[derive(Clone, Default)]
pub(super) struct Candidate {
    /// Channels of each value, by values.
    pub(super) members: BTreeMap<ValueId, Vec<usize>>,
    /// The layers that read it, by node, and which of their inputs it is.
    pub(super) parts: Vec<(usize, Vec<usize>)>,
    /// The layers, by node, that have less to do without it.
    pub(super) touched: Vec<usize>,
    /// The variance that the model's outputs lose, as a share, for each share of variance that the layers behind it lose.
    pub(super) weight: f64,
}

/// The values whose channels go together, and which candidates these are.
pub(super) fn families(candidates: &[Candidate]) -> BTreeMap<Vec<ValueId>, Vec<usize>> {
    let mut families = BTreeMap::<Vec<ValueId>, Vec<usize>>::new();
    for (at, candidate) in candidates.iter().enumerate() {
        families.entry(candidate.members.keys().copied().collect()).or_default().push(at);
    }
    families
}

/// What can go, in the order of first channels.
pub(super) fn candidates(graph: &Graph, groups: &Groups) -> Vec<Candidate> {
    let (mut found, mut index) = (Vec::<Candidate>::new(), HashMap::new());
    for y in graph.nodes.iter().map(|node| node.outputs[0]) {
        for channel in (0..count(graph, y)).filter(|channel| groups.goes(y, *channel)) {
            let at = *index.entry(groups.group(y, channel)).or_insert_with(|| {
                found.push(Candidate { weight: 1.0, ..Candidate::default() });
                found.len() - 1
            });
            found[at].members.entry(y).or_default().push(channel);
        }
    }
    for (id, node) in graph.nodes.iter().enumerate().filter(|(_, node)| is_layer(&node.op)) {
        let touched = [node.inputs[0], node.outputs[0]];
        for candidate in &mut found {
            if touched.iter().any(|value| candidate.members.contains_key(value)) {
                candidate.touched.push(id);
            }
            if let Some(channels) = candidate.members.get(&touched[0]).filter(|_| is_dense(&node.op)) {
                candidate.parts.push((id, inputs(graph, node, channels)));
            }
        }
    }
    found
}

/// The inputs of a layer that are some channels, whatever the tap of its kernel.
fn inputs(graph: &Graph, node: &Node, channels: &[usize]) -> Vec<usize> {
    let of = count(graph, node.inputs[0]);
    let depth = graph.shape(node.inputs[1])[1..].iter().product::<usize>();
    channels.iter().flat_map(|channel| (*channel..depth).step_by(of.max(1))).collect()
}

/// Multiply-accumulates of a layer, by node, with so many channels of each value; 0 for other nodes.
pub(super) fn macs(graph: &Graph, node: usize, channels: impl Fn(ValueId) -> usize) -> f64 {
    let node = &graph.nodes[node];
    if !is_layer(&node.op) {
        return 0.0;
    }
    let (x, y) = (node.inputs[0], node.outputs[0]);
    let product = |shape: &[usize]| shape.iter().product::<usize>() as f64;
    let (w, rows) = (graph.shape(node.inputs[1]), count(graph, y) as f64);
    let own = *w.last().unwrap_or(&1);
    let per_channel = product(graph.shape(y)) / rows * product(w) / rows / own as f64;
    let columns = if is_dense(&node.op) { channels(x) } else { own };
    per_channel * channels(y) as f64 * columns as f64
}
