//! Which channels go.

use std::collections::{BTreeMap, HashMap};

use super::is_dense;
use crate::channels::{Groups, count};
use crate::error::ConvertError;
use crate::graph::{Graph, Node, Op, ValueId};

/// Channels that go together.
#[derive(Default)]
struct Group {
    /// How many channels of each value.
    members: BTreeMap<ValueId, usize>,
    /// Its part in each layer, by the layer's node.
    parts: Vec<(usize, f64)>,
    /// The layers that have less to do without it.
    touched: Vec<usize>,
    /// A channel of it.
    of: Option<(ValueId, usize)>,
}

/// The channels that stay of each value that loses some, if `share` of the multiply-accumulates is to be saved.
pub(super) fn choose(
    graph: &Graph,
    mut groups: Groups,
    energies: &[Vec<f64>],
    share: f64,
) -> Result<BTreeMap<ValueId, Vec<usize>>, ConvertError> {
    let mut candidates = candidates(graph, &groups, energies);
    let mut left: Vec<usize> = (0..graph.values.len()).map(|id| count(graph, ValueId(id))).collect();
    let mut energy: Vec<f64> = energies.iter().map(|of| of.iter().sum()).collect();
    let all: f64 = graph.nodes.iter().map(|node| macs(graph, node, |id| left[id.0])).sum();
    let mut saved = 0.0;
    while saved < share * all {
        let score = |group: &Group| {
            let part: f64 = group.parts.iter().map(|(node, part)| part / energy[*node].max(f64::MIN_POSITIVE)).sum();
            part / saving(graph, group, &left).max(1.0)
        };
        let fits = |group: &Group| group.members.iter().all(|(id, n)| left[id.0] > *n);
        let best = (0..candidates.len()).filter(|i| fits(&candidates[*i]));
        let Some(best) = best.min_by(|a, b| score(&candidates[*a]).total_cmp(&score(&candidates[*b]))) else {
            return Err(too_much(share, saved / all));
        };
        let group = candidates.swap_remove(best);
        saved += saving(graph, &group, &left);
        group.members.iter().for_each(|(id, n)| left[id.0] -= n);
        group.parts.iter().for_each(|(node, part)| energy[*node] -= part);
    }
    candidates.iter().filter_map(|group| group.of).for_each(|(id, channel)| groups.hold(id, channel));
    Ok(groups.kept(graph))
}

fn too_much(share: f64, most: f64) -> ConvertError {
    let reason = format!(
        "{:.1} % of its multiply-accumulates were to be saved, and all channels that can go save {:.1} %; ask for less",
        100.0 * share,
        100.0 * most
    );
    ConvertError::Prune { reason }
}

/// The groups that can go, in the order of their first channels.
fn candidates(graph: &Graph, groups: &Groups, energies: &[Vec<f64>]) -> Vec<Group> {
    let (mut found, mut index) = (Vec::<Group>::new(), HashMap::new());
    for y in graph.nodes.iter().map(|node| node.outputs[0]) {
        for channel in (0..count(graph, y)).filter(|channel| groups.goes(y, *channel)) {
            let at = *index.entry(groups.group(y, channel)).or_insert_with(|| {
                found.push(Group { of: Some((y, channel)), ..Group::default() });
                found.len() - 1
            });
            *found[at].members.entry(y).or_insert(0) += 1;
        }
    }
    for (id, node) in graph.nodes.iter().enumerate() {
        let x = node.inputs[0];
        for (channel, energy) in energies[id].iter().enumerate() {
            if let Some(at) = index.get(&groups.group(x, channel)).filter(|_| groups.goes(x, channel)) {
                found[*at].parts.push((id, *energy));
            }
        }
        let layer = matches!(node.op, Op::Conv { .. } | Op::FullyConnected);
        let touches = |group: &&mut Group| [x, node.outputs[0]].iter().any(|id| group.members.contains_key(id));
        found.iter_mut().filter(|_| layer).filter(touches).for_each(|group| group.touched.push(id));
    }
    found
}

/// Multiply-accumulates that are saved if a group goes.
fn saving(graph: &Graph, group: &Group, left: &[usize]) -> f64 {
    let without = |id: ValueId| left[id.0] - group.members.get(&id).copied().unwrap_or(0);
    let nodes = group.touched.iter().map(|id| &graph.nodes[*id]);
    nodes.map(|node| macs(graph, node, |id| left[id.0]) - macs(graph, node, without)).sum()
}

/// Multiply-accumulates of a layer with so many channels of each value.
fn macs(graph: &Graph, node: &Node, channels: impl Fn(ValueId) -> usize) -> f64 {
    let (x, y) = (node.inputs[0], node.outputs[0]);
    if !matches!(node.op, Op::Conv { .. } | Op::FullyConnected) {
        return 0.0;
    }
    let product = |shape: &[usize]| shape.iter().product::<usize>() as f64;
    let (w, rows) = (graph.shape(node.inputs[1]), count(graph, y) as f64);
    let per_channel = product(graph.shape(y)) / rows * product(w) / rows / *w.last().unwrap_or(&1) as f64;
    let columns = if is_dense(&node.op) { channels(x) } else { *w.last().unwrap_or(&1) };
    per_channel * channels(y) as f64 * columns as f64
}
