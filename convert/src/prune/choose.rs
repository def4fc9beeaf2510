//! Which channels go.

use std::collections::BTreeMap;

use super::Layer;
use super::candidates::{Candidate, macs};
use crate::channels::{Groups, count};
use crate::error::ConvertError;
use crate::graph::{Graph, ValueId};

/// Of the channels of a value, what share stays at least.
const LEAST: f64 = 0.3;

/// The channels that stay of each value that loses some, if `share` of the multiply-accumulates is to be saved.
pub(super) fn choose(
    graph: &Graph,
    mut groups: Groups,
    candidates: Vec<Candidate>,
    layers: Vec<Option<Layer>>,
    share: f64,
) -> Result<BTreeMap<ValueId, Vec<usize>>, ConvertError> {
    let left: Vec<usize> = (0..graph.values.len()).map(|id| count(graph, ValueId(id))).collect();
    let all: f64 = (0..graph.nodes.len()).map(|node| macs(graph, node, |id| left[id.0])).sum();
    let mut state = State { graph, layers, left, changed: vec![true; graph.nodes.len()] };
    let mut rivals: Vec<Rival> = candidates.into_iter().map(Rival::new).collect();
    let mut saved = 0.0;
    while saved < share * all {
        rivals.iter_mut().for_each(|rival| state.look(rival));
        state.changed.fill(false);
        let fitting = (0..rivals.len()).filter(|at| state.can_lose(&rivals[*at].candidate));
        let Some(least) = fitting.min_by(|a, b| rivals[*a].score().total_cmp(&rivals[*b].score())) else {
            return Err(too_much(share, saved / all));
        };
        let rival = rivals.swap_remove(least);
        saved += rival.saving;
        state.remove(&rival.candidate);
    }
    let first = |rival: &Rival| rival.candidate.members.iter().next().map(|(id, channels)| (*id, channels[0]));
    rivals.iter().filter_map(first).for_each(|(id, channel)| groups.hold(id, channel));
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

/// A candidate, and what it would mean now that it went.
struct Rival {
    candidate: Candidate,
    /// What each layer that reads it would lose.
    losses: Vec<f64>,
    /// Multiply-accumulates.
    saving: f64,
}

impl Rival {
    fn new(candidate: Candidate) -> Self {
        Self { losses: vec![0.0; candidate.parts.len()], candidate, saving: 0.0 }
    }

    fn score(&self) -> f64 {
        self.candidate.weight * self.losses.iter().sum::<f64>() / self.saving.max(1.0)
    }
}

/// The graph, as far as it is pruned.
struct State<'g> {
    graph: &'g Graph,
    layers: Vec<Option<Layer>>,
    /// Channels of each value.
    left: Vec<usize>,
    /// Whether a node is another one since all rivals were looked at.
    changed: Vec<bool>,
}

impl State<'_> {
    fn look(&self, rival: &mut Rival) {
        for ((node, inputs), loss) in rival.candidate.parts.iter().zip(&mut rival.losses) {
            if let Some(layer) = self.layers[*node].as_ref().filter(|_| self.changed[*node]) {
                *loss = layer.loss(inputs);
            }
        }
        if rival.candidate.touched.iter().any(|node| self.changed[*node]) {
            rival.saving = self.saving(&rival.candidate);
        }
    }

    fn saving(&self, candidate: &Candidate) -> f64 {
        let without = |id: ValueId| self.left[id.0] - candidate.members.get(&id).map_or(0, Vec::len);
        let saving = |node: &usize| macs(self.graph, *node, |id| self.left[id.0]) - macs(self.graph, *node, without);
        candidate.touched.iter().map(saving).sum()
    }

    fn can_lose(&self, candidate: &Candidate) -> bool {
        candidate.members.iter().all(|(id, channels)| {
            let least = (LEAST * count(self.graph, *id) as f64).max(1.0);
            self.left[id.0].checked_sub(channels.len()).is_some_and(|left| left as f64 >= least)
        })
    }

    fn remove(&mut self, candidate: &Candidate) {
        candidate.members.iter().for_each(|(id, channels)| self.left[id.0] -= channels.len());
        candidate.touched.iter().for_each(|node| self.changed[*node] = true);
        for (node, inputs) in &candidate.parts {
            self.layers[*node].iter_mut().for_each(|layer| layer.surgeon.remove(inputs));
        }
        for node in &candidate.touched {
            let gone = candidate.members.get(&self.graph.nodes[*node].outputs[0]).into_iter().flatten();
            let layer = &mut self.layers[*node];
            gone.for_each(|output| layer.iter_mut().for_each(|layer| layer.surgeon.silence(*output)));
        }
    }
}
