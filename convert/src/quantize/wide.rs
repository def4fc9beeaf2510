//! Values that are held in int16 between layers in int8: the states of recurrent layers, and what only moves them.
//!
//! A recurrent layer writes its states in int16 of one scale, which those that it starts from have too. Whoever computes with them reads
//! a copy in int8, of the scale that the value's own range asks for. A quantized file that rounds all states of a layer to the same int16
//! names their scale.

use std::collections::HashMap;

use super::{Classes, Params, Width, activation_operands, gates, moves_only, quantized};
use crate::calibrate::Ranges;
use crate::doors::Io;
use crate::graph::{Function, Graph, Node, Op, ValueId};

/// Which values they are, and the params of all that are held in int16 or become it.
pub(super) struct Wide {
    held: Vec<bool>,
    params: Vec<Option<Params>>,
    /// What a quantized file names for what a recurrent layer writes.
    given: HashMap<ValueId, Params>,
}

impl Wide {
    /// No value.
    #[cfg(test)]
    pub(super) fn none(graph: &Graph) -> Wide {
        Wide { held: vec![false; graph.values.len()], params: Vec::new(), given: HashMap::new() }
    }

    pub(super) fn new(graph: &Graph, ranges: &Ranges, io: Io) -> Wide {
        let (held, params) = (vec![false; graph.values.len()], vec![None; graph.values.len()]);
        let mut wide = Wide { held, params, given: given(graph) };
        if io == Io::Int8 {
            let leading = leading(graph);
            graph.inputs.iter().for_each(|input| wide.held[input.0] = leading[input.0]);
        }
        // A state leads from the end of the graph to its start.
        while wide.spreads(graph, ranges) {}
        wide.choose(graph, ranges);
        wide
    }

    /// Whether the value is held in int16.
    pub(super) fn holds(&self, value: ValueId) -> bool {
        self.held[value.0]
    }

    /// The params of a value in int16.
    pub(super) fn params(&self, value: ValueId) -> Option<Params> {
        self.params.get(value.0).copied().flatten()
    }

    /// One walk; whether it found more.
    fn spreads(&mut self, graph: &Graph, ranges: &Ranges) -> bool {
        let before = self.held.iter().filter(|held| **held).count();
        for node in &graph.nodes {
            let output = node.outputs[0];
            let written =
                writes_states(node) && (ranges.extremes(output).is_some() || self.given.contains_key(&output));
            self.held[output.0] |= written || self.moves(node);
        }
        for state in &graph.states {
            self.held[state.input.0] |= self.held[state.output.0];
        }
        self.held.iter().filter(|held| **held).count() > before
    }

    /// Whether a node moves what is held in int16.
    fn moves(&self, node: &Node) -> bool {
        carries(node) && activation_operands(node).iter().any(|operand| self.holds(*operand))
    }

    /// One scale for all that are moved into each other: the file's, or a power of two with room above what was seen, as states add up.
    fn choose(&mut self, graph: &Graph, ranges: &Ranges) {
        let mut classes = Classes::new(graph.values.len());
        for node in &graph.nodes {
            let states = if writes_states(node) { &activation_operands(node)[1..] } else { activation_operands(node) };
            if self.holds(node.outputs[0]) {
                states.iter().for_each(|state| classes.join(*state, node.outputs[0]));
            }
        }
        graph
            .states
            .iter()
            .filter(|state| self.holds(state.input))
            .for_each(|state| classes.join(state.input, state.output));
        let mut largest = vec![None; graph.values.len()];
        for value in (0..graph.values.len()).map(ValueId) {
            if let Some((lo, hi)) = ranges.extremes(value) {
                let most: &mut Option<f32> = &mut largest[classes.of(value)];
                *most = Some(most.unwrap_or(0.0).max(-lo).max(hi));
            }
        }
        let given: HashMap<usize, Params> =
            self.given.iter().map(|(value, params)| (classes.of(*value), *params)).collect();
        let any: Vec<usize> =
            (0..self.held.len()).filter(|id| self.held[*id]).map(|id| classes.of(ValueId(id))).collect();
        for id in (0..graph.values.len()).filter(|id| any.contains(&classes.of(ValueId(*id)))) {
            let class = classes.of(ValueId(id));
            self.params[id] = given.get(&class).copied().or(largest[class].map(roomy));
        }
    }
}

/// The int16 to which all is rounded that a recurrent layer's output is moved to, where these agree.
fn given(graph: &Graph) -> HashMap<ValueId, Params> {
    let mut classes = Classes::new(graph.values.len());
    for node in graph.nodes.iter().filter(|node| moves_only(&node.op)) {
        activation_operands(node).iter().for_each(|operand| classes.join(*operand, node.outputs[0]));
    }
    let mut named: HashMap<usize, Option<Params>> = HashMap::new();
    for (value, params) in quantized(graph).into_iter().filter(|(_, params)| params.width == Width::I16) {
        let agreed = named.entry(classes.of(value)).or_insert(Some(params));
        *agreed = agreed.filter(|known| *known == params);
    }
    let sources = graph.nodes.iter().filter(|node| writes_states(node)).map(|node| node.outputs[0]);
    sources.filter_map(|output| Some((output, named.get(&classes.of(output)).copied().flatten()?))).collect()
}

/// int16 that reaches `largest`, in steps of a power of two.
fn roomy(largest: f32) -> Params {
    let exponent = (f64::from(largest) / 32767.0).log2().ceil();
    let scale = if exponent.is_finite() { 2f64.powf(exponent) as f32 } else { 1.0 };
    Params::int16(if scale.is_normal() { scale } else { 1.0 })
}

/// Whether a node writes states in int16.
pub(crate) fn writes_states(node: &Node) -> bool {
    gates::have_integers(&node.op) && !node.float
}

/// Whether a node gives elements of its operands.
fn carries(node: &Node) -> bool {
    let copies = node.op == Op::Unary(Function::Identity) && node.clamp.is_none();
    !node.float && (copies || moves_only(&node.op))
}

/// The values of which a state before the first step is made by moving them.
fn leading(graph: &Graph) -> Vec<bool> {
    let mut leading = vec![false; graph.values.len()];
    for node in graph.nodes.iter().rev() {
        let operands = activation_operands(node);
        let states = match writes_states(node) {
            true => &operands[1..],
            false if carries(node) && leading[node.outputs[0].0] => operands,
            false => &[],
        };
        states.iter().for_each(|state| leading[state.0] = true);
    }
    leading
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_powers_of_two_with_room() {
        assert_eq!(roomy(1.0).scale, 1.0 / 16384.0);
        assert_eq!(roomy(0.9).scale, 1.0 / 32768.0);
        assert_eq!(roomy(0.0).scale, 1.0);
    }
}
