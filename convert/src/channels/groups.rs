//! Channels that go together or stay together.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{count, links};
use crate::graph::{Graph, Node, NodeId, Op, ValueId};
use crate::quantize::nodes;

/// The channels of all values, each in a group, a forest in an array. A group goes if nothing holds it.
#[derive(Clone)]
pub(crate) struct Groups {
    /// Where a value's channels begin.
    first: Vec<usize>,
    parent: Vec<usize>,
    /// Of the root of each group, whether it stays.
    stays: Vec<bool>,
}

impl Groups {
    /// All channels by themselves, and all stay.
    pub(super) fn none(graph: &Graph) -> Self {
        let mut first = vec![0];
        for id in (0..graph.values.len()).map(ValueId) {
            first.push(first[id.0] + count(graph, id));
        }
        let total = first[graph.values.len()];
        Self { first, parent: (0..total).collect(), stays: vec![true; total] }
    }

    /// The groups of a graph. Those stay that a door or a state has, that are mixed with others, that belong to a layer whose weights are
    /// another's too and would be in the file twice, or that a layer reads which cannot lose them: `loses` says of each, and of the layer's input channel, whether it can.
    /// `shared` are the layers of [`shared`].
    pub(crate) fn of(graph: &Graph, shared: &HashSet<NodeId>, loses: impl Fn(NodeId, usize) -> bool) -> Self {
        let mut groups = Self::none(graph);
        groups.stays.fill(false);
        let states = graph.states.iter().flat_map(|state| [state.input, state.output]);
        graph.inputs.iter().chain(&graph.outputs).copied().chain(states).for_each(|id| groups.hold_all(graph, id));
        for (id, node) in nodes(graph) {
            groups.include(graph, node, |channel| loses(id, channel));
            if shared.contains(&id) {
                [node.inputs[0], node.outputs[0]].into_iter().for_each(|value| groups.hold_all(graph, value));
            }
        }
        (0..groups.parent.len()).for_each(|at| groups.parent[at] = groups.root(at));
        groups
    }

    fn include(&mut self, graph: &Graph, node: &Node, loses: impl Fn(usize) -> bool) {
        let (x, y) = (node.inputs[0], node.outputs[0]);
        match &node.op {
            Op::FullyConnected | Op::Conv { groups: 1, .. } => {
                (0..count(graph, x)).filter(|channel| !loses(*channel)).for_each(|channel| self.hold(x, channel));
            }
            Op::Conv { groups, .. } if links::is_depthwise(graph, node, *groups) => self.link(graph, node, 0),
            _ if !links::follows(node) => node.inputs.iter().chain([&y]).for_each(|id| self.hold_all(graph, *id)),
            _ => (0..node.inputs.len()).for_each(|operand| self.link(graph, node, operand)),
        }
    }

    /// Joins the channels of an operand with those of the result.
    fn link(&mut self, graph: &Graph, node: &Node, operand: usize) {
        let (x, y) = (node.inputs[operand], node.outputs[0]);
        let (from, to) = (count(graph, x), count(graph, y));
        let Some(sources) = links::sources(graph, node, operand) else {
            return [x, y].into_iter().for_each(|id| self.hold_all(graph, id));
        };
        let is_constant = graph.constant(x).is_some();
        let broadcasts = matches!(node.op, Op::Binary(_) | Op::Select) && from == 1 && to > 1;
        match broadcasts {
            // One number for all channels.
            true => self.hold_all(graph, x),
            false => {
                for (o, i) in sources.into_iter().enumerate().filter_map(|(o, i)| Some((o, i?))) {
                    if is_constant && from != to {
                        self.hold(y, o);
                    } else if !is_constant {
                        self.join((x, i), (y, o));
                    }
                }
            }
        }
    }

    /// No value loses all its channels.
    pub(super) fn leave_one(&mut self, graph: &Graph) {
        for node in &graph.nodes {
            let y = node.outputs[0];
            if (0..count(graph, y)).all(|channel| self.goes(y, channel)) {
                self.hold(y, 0);
            }
        }
    }

    fn hold_all(&mut self, graph: &Graph, id: ValueId) {
        (0..count(graph, id)).for_each(|channel| self.hold(id, channel));
    }

    /// Makes a channel stay.
    pub(crate) fn hold(&mut self, id: ValueId, channel: usize) {
        let group = self.root(self.first[id.0] + channel);
        self.stays[group] = true;
    }

    fn join(&mut self, a: (ValueId, usize), b: (ValueId, usize)) {
        let [a, b] = [a, b].map(|(id, channel)| self.root(self.first[id.0] + channel));
        self.parent[a] = b;
        self.stays[b] |= self.stays[a];
    }

    /// The root above a place in the array, which is then nearer for the next who asks.
    fn root(&mut self, mut at: usize) -> usize {
        while self.parent[at] != at {
            self.parent[at] = self.parent[self.parent[at]];
            at = self.parent[at];
        }
        at
    }

    /// The root of a channel's group.
    pub(crate) fn group(&self, id: ValueId, channel: usize) -> usize {
        let mut at = self.first[id.0] + channel;
        while self.parent[at] != at {
            at = self.parent[at];
        }
        at
    }

    /// Whether a channel goes.
    pub(crate) fn goes(&self, id: ValueId, channel: usize) -> bool {
        !self.stays[self.group(id, channel)]
    }

    /// Whether all channels go that go in another one of the same graph, and more.
    pub(super) fn exceeds(&self, other: &Self) -> bool {
        let goes = |groups: &Self| self.channels().map(|(id, c)| groups.goes(id, c)).collect::<Vec<_>>();
        let (more, fewer) = (goes(self), goes(other));
        more != fewer && more.iter().zip(fewer).all(|(more, fewer)| *more || !fewer)
    }

    /// All channels of all values.
    fn channels(&self) -> impl Iterator<Item = (ValueId, usize)> {
        let of = |(id, ends): (usize, &[usize])| (0..ends[1] - ends[0]).map(move |channel| (ValueId(id), channel));
        self.first.windows(2).enumerate().flat_map(of)
    }

    /// The channels that stay, of each value that loses some.
    pub(crate) fn kept(&self, graph: &Graph) -> BTreeMap<ValueId, Vec<usize>> {
        let values = graph.nodes.iter().map(|node| node.outputs[0]);
        let kept = |id: ValueId| (0..count(graph, id)).filter(|c| !self.goes(id, *c)).collect::<Vec<_>>();
        values.map(|id| (id, kept(id))).filter(|(id, kept)| kept.len() < count(graph, *id)).collect()
    }
}

/// The layers whose weights another has too, as steps of an unrolled loop do.
pub(crate) fn shared(graph: &Graph) -> HashSet<NodeId> {
    let layers = nodes(graph).filter(|(_, node)| matches!(node.op, Op::Conv { .. } | Op::FullyConnected));
    let mut readers: HashMap<(&[usize], Vec<u32>), Vec<NodeId>> = HashMap::new();
    for (id, node) in layers {
        let bits = graph.constant(node.inputs[1]).into_iter().flatten().map(|w| w.to_bits()).collect();
        readers.entry((graph.shape(node.inputs[1]), bits)).or_default().push(id);
    }
    readers.into_values().filter(|readers| readers.len() > 1).flatten().collect()
}
