//! From layers that were tried alone to programs on the way from int8 to fewer bytes and to less noise.

use std::collections::HashSet;

use super::{Budget, Change, Sensitivity};
use crate::channels;
use crate::encode::name;
use crate::equalize::equalize;
use crate::error::ConvertError;
use crate::graph::{Graph, Op};
use crate::quantize::{Policy, Precision, Quantization, Rule, has_form, moves_only};
use crate::trial::{Judge, Trial, Trials};
use crate::{Options, Sample, Stage, Step};

/// Programs on one path, and samples that a layer alone is tried on.
const STEPS: usize = 10;
const ALONE: usize = 64;

/// A network whose layers were tried alone.
pub(super) struct Net<'a> {
    trials: Trials<'a>,
    judge: &'a Judge,
    layers: Vec<Layer>,
}

/// A layer whose arithmetic can change.
struct Layer {
    name: String,
    op: &'static str,
    /// Of int4 and of int16: what it does to the program.
    alone: [Option<Effect>; 2],
}

/// What a layer does when it alone changes.
#[derive(Clone, Copy)]
struct Effect {
    /// Energy of the outputs' noise that it adds.
    noise: f64,
    change: Change,
}

impl<'a> Net<'a> {
    /// Fits the weights of `graph` in int8 and in int4, and tries each layer alone.
    pub(super) fn new(
        graph: Graph,
        options: &'a Options,
        samples: &[Sample],
        judge: &'a Judge,
        progress: &mut impl FnMut(Step),
    ) -> Result<Self, ConvertError> {
        let (graph, _) = channels::remove(graph, Quantization::none())?;
        let layers = layers(&graph, &options.policy);
        let policies = [Precision::Int8, Precision::Int4].map(|each| policy(options, each, &[]));
        let graph = equalize(graph, &policies[0], samples)?;
        let trials = Trials::new(graph, options, &policies, samples, progress)?;
        let mut net = Self { trials, judge, layers };
        let base = net.run(&net.with(&[]), ALONE)?;
        for at in 0..net.layers.len() {
            for (way, precision) in WAYS.into_iter().enumerate() {
                if net.layers[at].alone[way].is_some() {
                    let trial = net.run(&net.with(&[(at, precision)]), ALONE)?;
                    net.layers[at].alone[way] = Some(Effect::of(&trial, &base));
                    progress(Step { stage: Stage::Try, of: net.count() });
                }
            }
        }
        Ok(net)
    }

    /// Programs that are tried in all, nearly.
    fn count(&self) -> usize {
        self.layers.iter().flat_map(|layer| layer.alone.iter().flatten()).count() + 4 * STEPS
    }

    fn run(&self, policy: &Policy, samples: usize) -> Result<Trial, ConvertError> {
        self.trials.run(policy, self.judge, samples)
    }

    /// int8 in all layers but these.
    fn with(&self, changes: &[(usize, Precision)]) -> Policy {
        let four = changes.iter().filter(|(_, precision)| *precision == Precision::Int4).count();
        let fourths = self.layers.iter().filter(|layer| layer.alone[0].is_some()).count();
        // The fewer rules, the smaller the file that keeps them.
        let most = if 2 * four > fourths { Precision::Int4 } else { Precision::Int8 };
        let precision =
            |at: usize| changes.iter().rev().find(|(layer, _)| *layer == at).map(|(_, precision)| *precision);
        let rule = |(at, layer): (usize, &Layer)| {
            let own = precision(at).unwrap_or(Precision::Int8);
            let differs = own != most && (layer.alone[0].is_some() || own == Precision::Int16);
            differs.then(|| Rule::new(&layer.name, own))
        };
        let rules: Vec<Rule> = self.layers.iter().enumerate().filter_map(rule).collect();
        policy(self.trials.options, most, &rules)
    }

    /// The programs on the paths: from int8 to int4, from int8 to int16, and from two places of the first to int16.
    pub(super) fn programs(
        &self,
        budget: &Budget,
        progress: &mut impl FnMut(Step),
    ) -> Result<Vec<(Policy, Trial)>, ConvertError> {
        let mut found = Vec::new();
        let mut see = |policy: Policy| -> Result<bool, ConvertError> {
            let trial = self.run(&policy, usize::MAX)?;
            let flash = budget.flash.is_none_or(|most| trial.file_bytes <= most);
            found.push((policy, trial));
            progress(Step { stage: Stage::Try, of: self.count() });
            Ok(flash)
        };
        let [fours, wides] = [0, 1].map(|way| self.order(way));
        // How many layers in int4 are enough for the file to fit, and as many as there are.
        let mut enough = None;
        for count in counts(fours.len()) {
            let small = see(self.with(&fours[..count]))?;
            enough = enough.or(small.then_some(count));
        }
        let mut starts = vec![0, enough.unwrap_or(fours.len()), fours.len()];
        starts.dedup();
        for start in starts {
            let taken: HashSet<usize> = fours[..start].iter().map(|(at, _)| *at).collect();
            let wides: Vec<_> = wides.iter().copied().filter(|(at, _)| !taken.contains(at)).collect();
            for count in counts(wides.len()).into_iter().skip(1) {
                see(self.with(&[&fours[..start], &wides[..count]].concat()))?;
            }
        }
        see(policy(self.trials.options, Precision::Int16, &[]))?;
        Ok(found)
    }

    /// The layers that gain by a change, the most gainful first: to int4 by noise for each byte of the file, to int16 by noise for each
    /// byte of the arena.
    fn order(&self, way: usize) -> Vec<(usize, Precision)> {
        let price = |effect: &Effect| match way {
            0 => effect.noise.max(0.0) / -effect.change.file_bytes as f64,
            _ => effect.noise / (1 + effect.change.arena_bytes.max(0)) as f64,
        };
        let gains = |effect: &Effect| if way == 0 { effect.change.file_bytes < 0 } else { effect.noise < 0.0 };
        let effects = self.layers.iter().enumerate().filter_map(|(at, layer)| Some((at, layer.alone[way]?)));
        let mut order: Vec<_> = effects.filter(|(_, effect)| gains(effect)).map(|(at, e)| (at, price(&e))).collect();
        order.sort_by(|a, b| a.1.total_cmp(&b.1));
        order.into_iter().map(|(at, _)| (at, WAYS[way])).collect()
    }

    /// What each layer does alone.
    pub(super) fn sensitivities(&self) -> Vec<Sensitivity> {
        let changes = |layer: &Layer| layer.alone.map(|effect| effect.map(|effect| effect.change));
        let sensitivity = |layer: &Layer| {
            let [int4, int16] = changes(layer);
            Sensitivity { name: layer.name.clone(), op: layer.op, int4, int16 }
        };
        self.layers.iter().map(sensitivity).collect()
    }
}

/// What a layer may change to.
const WAYS: [Precision; 2] = [Precision::Int4, Precision::Int16];

impl Effect {
    const UNKNOWN: Self = Self { noise: 0.0, change: Change { sqnr_db: 0.0, file_bytes: 0, arena_bytes: 0 } };

    fn of(trial: &Trial, base: &Trial) -> Self {
        let less = |a: usize, b: usize| a as i64 - b as i64;
        let change = Change {
            sqnr_db: (trial.verdict.noise.db() - base.verdict.noise.db()).clamp(-999.0, 999.0),
            file_bytes: less(trial.file_bytes, base.file_bytes),
            arena_bytes: less(trial.arena_bytes, base.arena_bytes),
        };
        Self { noise: trial.verdict.noise.energy() - base.verdict.noise.energy(), change }
    }
}

/// The layers that no rule names, and what they may change to.
fn layers(graph: &Graph, given: &Policy) -> Vec<Layer> {
    let mut seen = HashSet::new();
    let nodes = graph.nodes.iter().filter(|node| !node.float && !given.names(&node.name));
    let layer = |node: &crate::graph::Node| {
        let four = matches!(node.op, Op::Conv { .. } | Op::FullyConnected) && graph.constant(node.inputs[1]).is_some();
        let wide = has_form(&node.op) && !moves_only(&node.op) && !matches!(node.op, Op::ArgMax { .. });
        let alone = [four, wide].map(|can| can.then_some(Effect::UNKNOWN));
        (four || wide).then(|| Layer { name: node.name.clone(), op: name(&node.op), alone })
    };
    nodes.filter(|node| seen.insert(node.name.clone())).filter_map(layer).collect()
}

/// These rules, and behind them those that were given.
fn policy(options: &Options, precision: Precision, rules: &[Rule]) -> Policy {
    let rules = rules.iter().chain(&options.policy.rules).cloned().collect();
    Policy { precision, rules, io: options.policy.io }
}

/// At most `STEPS` numbers of layers, from none to all.
fn counts(layers: usize) -> Vec<usize> {
    let steps = layers.min(STEPS);
    (0..=steps).map(|step| step * layers / steps.max(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_go_from_none_to_all() {
        assert_eq!((counts(0), counts(3)), (vec![0], vec![0, 1, 2, 3]));
        let many = counts(57);
        assert!(many.len() == STEPS + 1 && many[0] == 0 && many[STEPS] == 57 && many.is_sorted());
    }
}
