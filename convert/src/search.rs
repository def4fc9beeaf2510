//! The arithmetic of each layer and the share of pruning, searched within a budget.
//!
//! Samples are taken in turns: weights and ranges are fitted on one half, every program is judged on the other. On each share of pruning
//! that the budget calls for, every layer is tried alone in int4 and in int16; then layers change in the order of what they cost the
//! output for each byte that they save, or give for each byte that they take, and the programs on the way are tried. Noises of layers
//! add up nearly, which makes the order good, not certain: what is told of a program was measured on it.

mod choose;
mod paths;

use serde::Serialize;

pub use choose::{Budget, Quality};
use choose::{nearest, pareto, within};
use paths::Net;

use crate::channels::Removed;
use crate::error::ConvertError;
use crate::graph::Graph;
use crate::prune::Pruner;
use crate::quantize::{Policy, is_quantized};
use crate::report::Accuracy;
use crate::trial::{Judge, Trial};
use crate::{Conversion, Options, Sample, Step, simplified};

/// A program that was tried.
#[derive(Clone, Debug)]
pub struct Point {
    /// The arithmetic of its layers.
    pub policy: Policy,
    /// What it saves by pruning; see [`Options::prune`].
    pub prune: Option<f64>,
    /// Bytes of the arena.
    pub arena_bytes: usize,
    /// Bytes of the file.
    pub file_bytes: usize,
    /// Multiply-accumulates of one run.
    pub macs: u64,
    /// SQNR of the outputs against the float original, in dB.
    pub sqnr_db: f64,
    /// Share of samples to which it gives the class that the original gives, 0..1.
    pub agreement: f64,
    /// Share of samples to which it gives the right class, 0..1, if the samples have labels.
    pub accuracy: Option<f64>,
    /// How far its accuracy is below the original's, as a share of the samples; without labels the disagreement, which the drop cannot
    /// exceed.
    pub drop: f64,
}

/// What one layer does to a program in int8 when it alone changes.
#[derive(Clone, Debug, Serialize)]
pub struct Sensitivity {
    /// Its name.
    pub name: String,
    /// The operation.
    pub op: &'static str,
    /// With weights in int4.
    pub int4: Option<Change>,
    /// With its output in int16.
    pub int16: Option<Change>,
}

/// A difference between two programs.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Change {
    /// SQNR of the outputs, in dB.
    pub sqnr_db: f64,
    /// Bytes of the file.
    pub file_bytes: i64,
    /// Bytes of the arena.
    pub arena_bytes: i64,
}

/// What a search found.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Programs of which none is better than another in everything, from the smallest file on.
    pub points: Vec<Point>,
    /// Those within the budget, the best first: the smallest file if the budget says how good it must be, otherwise the least noise.
    pub within: Vec<usize>,
    /// Those that miss the budget least, nearest first, if none is within it.
    pub nearest: Vec<usize>,
    /// Layers of the network that is not pruned.
    pub layers: Vec<Sensitivity>,
    /// Programs that were tried.
    pub tried: usize,
    /// Samples that they were judged on.
    pub samples: usize,
    /// Share of these to which the original gives the right class, 0..1, if they have labels.
    pub float_accuracy: Option<f64>,
}

/// Searches the programs of a float model. Rules of `options.policy` hold for the layers that they name. `progress` is called as by
/// [`crate::convert`].
///
/// # Errors
/// [`ConvertError::Search`] for a model that is quantized already, otherwise as [`crate::convert`].
pub fn search(
    onnx: &[u8],
    options: &Options,
    budget: &Budget,
    samples: &[Sample],
    labels: Option<&[i64]>,
    mut progress: impl FnMut(Step),
) -> Result<Outcome, ConvertError> {
    let graph = simplified(onnx, options)?;
    options.policy.check(&graph)?;
    check(&graph, samples)?;
    let [fit, judge] = halves(samples.len(), !graph.states.is_empty());
    let pick = |at: &[usize]| at.iter().map(|at| samples[*at].clone()).collect::<Vec<Sample>>();
    let labels = labels.map(|labels| judge.iter().filter_map(|at| labels.get(*at).copied()).collect());
    let (fit, judge) = (pick(&fit), Judge::new(&graph, &pick(&judge), labels)?);
    let (mut points, mut layers) = (Vec::new(), Vec::new());
    let mut pruner = None;
    for share in shares(&graph, budget) {
        let Some(pruned) = pruned(&graph, &mut pruner, share, &fit)? else { break };
        let net = Net::new(pruned, options, &fit, &judge, &mut progress)?;
        let prune = (share > 0.0).then_some(share);
        let programs = net.programs(budget, &mut progress)?.into_iter();
        let found: Vec<Point> = programs.map(|(policy, trial)| point(policy, prune, &trial, &judge)).collect();
        let enough = is_enough(&found, budget);
        points.extend(found);
        if layers.is_empty() {
            layers = net.sensitivities();
        }
        if enough {
            break;
        }
    }
    Ok(outcome(points, layers, &judge, budget))
}

fn outcome(points: Vec<Point>, layers: Vec<Sensitivity>, judge: &Judge, budget: &Budget) -> Outcome {
    let float_accuracy = judge.is_labeled().then(|| judge.float_right() as f64 / judge.len() as f64);
    let (tried, points) = (points.len(), pareto(points));
    let within = within(&points, budget);
    let nearest = if within.is_empty() { nearest(&points, budget) } else { Vec::new() };
    Outcome { points, within, nearest, layers, tried, samples: judge.len(), float_accuracy }
}

/// Whether more pruning gives nothing that is better: programs fit, or, where they are to be good, none is any more.
fn is_enough(points: &[Point], budget: &Budget) -> bool {
    match budget.quality {
        Some(_) => !points.iter().any(|point| budget.keeps(point)),
        None => points.iter().any(|point| budget.fits(point)),
    }
}

/// Shares of pruning.
const SHARES: [f64; 8] = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7];

/// The shares that are tried: from the one on that saves the multiply-accumulates that it must.
fn shares(graph: &Graph, budget: &Budget) -> Vec<f64> {
    let all = Removed::between(graph, &Graph::default(), false).macs.max(1) as f64;
    let least = budget.macs.map_or(0.0, |most| (1.0 - most as f64 / all).clamp(0.0, 1.0));
    std::iter::once(least).chain(SHARES.into_iter().filter(|share| *share > least)).collect()
}

/// The graph without that share; `None` if it has no more to give. The pruner is made when it is first needed.
fn pruned<'g>(
    graph: &'g Graph,
    pruner: &mut Option<Pruner<'g>>,
    share: f64,
    samples: &[Sample],
) -> Result<Option<Graph>, ConvertError> {
    if share == 0.0 {
        return Ok(Some(graph.clone()));
    }
    let pruned = match pruner {
        Some(pruner) => pruner.prune(share, &mut |_| ()),
        None => Pruner::new(graph, samples, &mut |_| ()).and_then(|new| pruner.insert(new).prune(share, &mut |_| ())),
    };
    match pruned {
        Err(ConvertError::Prune { .. }) => Ok(None),
        pruned => pruned.map(Some),
    }
}

fn check(graph: &Graph, samples: &[Sample]) -> Result<(), ConvertError> {
    if is_quantized(graph) {
        let reason = "the model is quantized already and keeps its integers; leave --precision away";
        return Err(ConvertError::Search { reason: reason.into() });
    }
    if samples.is_empty() {
        return Err(ConvertError::NoSamples);
    }
    Ok(())
}

/// Which samples are fitted on and which are judged on: in turns, and all for both where they are few or steps of one stream.
fn halves(samples: usize, stream: bool) -> [Vec<usize>; 2] {
    if stream || samples < FEW {
        return [(0..samples).collect(), (0..samples).collect()];
    }
    [0, 1].map(|first| (first..samples).step_by(2).collect())
}

/// So few samples are not divided.
const FEW: usize = 8;

impl Point {
    /// A finished conversion, judged on all its samples.
    #[must_use]
    pub fn of(conversion: &Conversion, options: &Options, labels: Option<&[i64]>) -> Self {
        let verification = &conversion.verification;
        let accuracy = labels.and_then(|labels| Accuracy::new(&verification.classes, labels));
        let accuracies = accuracy.map(|Accuracy { float, program, .. }| [float, program].map(|share| share.share()));
        Self {
            policy: options.policy.clone(),
            prune: options.prune,
            arena_bytes: conversion.plan.arena_bytes,
            file_bytes: conversion.file.len(),
            macs: conversion.macs,
            sqnr_db: verification.sqnr_db,
            agreement: verification.top1_agreement,
            accuracy: accuracies.map(|[_, program]| program),
            drop: accuracies.map_or(1.0 - verification.top1_agreement, |[float, program]| float - program),
        }
    }
}

fn point(policy: Policy, prune: Option<f64>, trial: &Trial, judge: &Judge) -> Point {
    let verdict = &trial.verdict;
    let share = |count: usize| count as f64 / verdict.of.max(1) as f64;
    let accuracy = judge.is_labeled().then(|| share(verdict.right));
    let below = |accuracy: f64| share(judge.float_right()) - accuracy;
    Point {
        policy,
        prune,
        arena_bytes: trial.arena_bytes,
        file_bytes: trial.file_bytes,
        macs: trial.macs,
        sqnr_db: verdict.noise.db(),
        agreement: share(verdict.agreeing),
        accuracy,
        drop: accuracy.map_or_else(|| 1.0 - share(verdict.agreeing), below),
    }
}
