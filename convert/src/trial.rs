//! Programs of one float graph that differ in the arithmetic of layers, tried on samples: ranges are found and weights fitted once.

use std::collections::HashMap;

use lacewing_board::scores::class;
use ndarray::ArrayD;

use crate::calibrate::{Ranges, calibrate};
use crate::encode::{Context, Encoded, encode};
use crate::error::ConvertError;
use crate::graph::{Graph, NodeId};
use crate::provenance::Origin;
use crate::quantize::{Policy, Quantization, Weights, nodes, quantize};
use crate::reconstruct::{Rounding, reconstruct};
use crate::runner::{Runner, macs};
use crate::verify::Noise;
use crate::{Options, Sample, Stage, Step, doors, parallel};

/// Integer weights and biases of layers, by their names.
#[derive(Debug, Default)]
pub(crate) struct Fitted(HashMap<String, (Weights, ArrayD<f32>)>);

impl Fitted {
    /// Those of a program.
    pub(crate) fn of(graph: &Graph, quantization: &Quantization) -> Self {
        let layer = |(id, node): (NodeId, &crate::graph::Node)| {
            let bias = node.inputs.get(2).and_then(|bias| graph.constant(*bias))?.clone();
            Some((node.name.clone(), (quantization.weights(id)?.clone(), bias)))
        };
        Self(nodes(graph).filter_map(layer).collect())
    }

    /// Gives them to the layers of another program that have weights of the same kind.
    fn apply(&self, graph: &mut Graph, quantization: &mut Quantization) {
        for id in (0..graph.nodes.len()).map(NodeId) {
            let Some((weights, bias)) = self.0.get(&graph.nodes[id.0].name) else { continue };
            let same = |other: &Weights| other.bits == weights.bits && other.ints.shape() == weights.ints.shape();
            if quantization.weights(id).is_some_and(same) {
                quantization.refit(graph, id, weights.clone(), bias.clone());
            }
        }
    }
}

/// A float graph, and what its programs have in common.
#[derive(Debug)]
pub(crate) struct Trials<'a> {
    pub(crate) graph: Graph,
    pub(crate) options: &'a Options,
    origin: Origin,
    ranges: Ranges,
    fitted: Vec<Fitted>,
}

/// A program that was tried.
#[derive(Debug)]
pub(crate) struct Trial {
    /// Bytes of the arena.
    pub(crate) arena_bytes: usize,
    /// Bytes of the file.
    pub(crate) file_bytes: usize,
    /// Multiply-accumulates.
    pub(crate) macs: u64,
    /// How it did.
    pub(crate) verdict: Verdict,
}

impl<'a> Trials<'a> {
    /// Finds ranges on the samples, and fits weights for each of `policies`.
    pub(crate) fn new(
        graph: Graph,
        options: &'a Options,
        policies: &[Policy],
        samples: &[Sample],
        progress: &mut impl FnMut(Step),
    ) -> Result<Self, ConvertError> {
        let ranges = calibrate(&graph, samples, options.calibrator, &mut *progress)?;
        let mut fitted = Vec::new();
        for policy in policies.iter().filter(|_| options.rounding != Rounding::Nearest && graph.states.is_empty()) {
            let (program, numbers) = quantize(&graph, &ranges, policy)?;
            let step = |of| progress(Step { stage: Stage::Fit, of });
            let (program, numbers) = reconstruct(&graph, program, numbers, samples, options.rounding, step)?;
            fitted.push(Fitted::of(&program, &numbers));
        }
        let origin = Origin::unknown(samples.len());
        Ok(Self { graph, options, origin, ranges, fitted })
    }

    /// With weights that are fitted already.
    pub(crate) fn with(
        graph: Graph,
        options: &'a Options,
        fitted: Fitted,
        samples: &[Sample],
    ) -> Result<Self, ConvertError> {
        let ranges = calibrate(&graph, samples, options.calibrator, |_| {})?;
        let origin = Origin::unknown(samples.len());
        Ok(Self { graph, options, origin, ranges, fitted: vec![fitted] })
    }

    /// Writes a program and runs it on at most `most` samples of the judge.
    pub(crate) fn run(&self, policy: &Policy, judge: &Judge, most: usize) -> Result<Trial, ConvertError> {
        let (mut graph, mut numbers) = quantize(&self.graph, &self.ranges, policy)?;
        self.fitted.iter().for_each(|fitted| fitted.apply(&mut graph, &mut numbers));
        let options = Options { policy: policy.clone(), ..self.options.clone() };
        let items = self.origin.items(&graph.name, &options);
        let context = Context::aimed(&graph, numbers, items, options.aim)?;
        let Encoded { file, .. } = encode(&context)?;
        let runner = Runner::new(&file)?;
        let (macs, file_bytes) = (macs(&runner.model()), file.len());
        let verdict = judge.verdict(runner, most)?;
        Ok(Trial { arena_bytes: context.plan.arena_bytes, file_bytes, macs, verdict })
    }
}

/// Samples, and what the float original makes of them.
#[derive(Debug)]
pub(crate) struct Judge {
    samples: Vec<(Sample, Sample)>,
    labels: Option<Vec<i64>>,
    in_order: bool,
}

/// What the int8 program of those ranges, its weights rounded to the nearest, adds to the outputs on the judge's samples.
pub(crate) fn noise(graph: &Graph, ranges: &Ranges, judge: &Judge) -> Result<Noise, ConvertError> {
    let (graph, numbers) = quantize(graph, ranges, &Policy::default())?;
    let Encoded { file, .. } = encode(&Context::new(&graph, numbers, Vec::new())?)?;
    Ok(judge.verdict(Runner::new(&file)?, judge.len())?.noise)
}

/// How a program did on some samples.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Verdict {
    /// Of all outputs.
    pub(crate) noise: Noise,
    /// Samples to which it gives the class that the original gives.
    pub(crate) agreeing: usize,
    /// Samples to which it gives the right class, if that is known.
    pub(crate) right: usize,
    /// All samples.
    pub(crate) of: usize,
}

impl Judge {
    /// Runs the float graph on the samples, which may have labels.
    pub(crate) fn new(graph: &Graph, samples: &[Sample], labels: Option<Vec<i64>>) -> Result<Self, ConvertError> {
        let Encoded { file, .. } = encode(&Context::float(graph)?)?;
        let in_order = !graph.states.is_empty();
        let mut workers = parallel::workers(Runner::new(&file)?, in_order);
        let work = |runner: &mut Runner, sample: &Sample| {
            let sample = doors::arranged(graph, sample);
            runner.run(&sample).map(|outputs| (sample, outputs))
        };
        let mut run = Vec::with_capacity(samples.len());
        parallel::each(&mut workers, samples, work, |pair| {
            run.push(pair);
            Ok(())
        })?;
        Ok(Self { samples: run, labels, in_order })
    }

    /// Number of samples.
    pub(crate) fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether the samples have labels.
    pub(crate) fn is_labeled(&self) -> bool {
        self.labels.is_some()
    }

    /// Samples to which the float original gives the right class.
    pub(crate) fn float_right(&self) -> usize {
        let right = |(at, (_, wanted)): (usize, &(Sample, Sample))| self.is_right(at, wanted);
        self.samples.iter().enumerate().filter(|sample| right(*sample)).count()
    }

    fn is_right(&self, at: usize, outputs: &[ArrayD<f32>]) -> bool {
        let label = self.labels.as_ref().and_then(|labels| labels.get(at));
        label.is_some() && class_of(outputs) == label.copied()
    }

    fn verdict(&self, runner: Runner, most: usize) -> Result<Verdict, ConvertError> {
        let chosen: Vec<usize> = match self.in_order {
            true => (0..self.len().min(most)).collect(),
            false => crate::data::evenly(self.len(), most).collect(),
        };
        let mut workers = parallel::workers(runner, self.in_order);
        let work = |runner: &mut Runner, at: &usize| {
            let (sample, wanted) = &self.samples[*at];
            let got = runner.run(sample)?;
            let mut noise = Noise::default();
            let numbers = |array: &ArrayD<f32>| array.iter().copied().collect::<Vec<f32>>();
            wanted.iter().zip(&got).for_each(|(wanted, got)| noise.add(&numbers(wanted), &numbers(got)));
            let agreeing = usize::from(class_of(wanted) == class_of(&got));
            Ok::<_, ConvertError>(Verdict { noise, agreeing, right: self.is_right(*at, &got).into(), of: 1 })
        };
        let mut verdict = Verdict::default();
        parallel::each(&mut workers, &chosen, work, |one| {
            verdict.noise.include(one.noise);
            verdict.agreeing += one.agreeing;
            verdict.right += one.right;
            verdict.of += one.of;
            Ok(())
        })?;
        Ok(verdict)
    }
}

/// The class that the first output tells.
fn class_of(outputs: &[ArrayD<f32>]) -> Option<i64> {
    class(&outputs.first()?.iter().copied().collect::<Vec<f32>>())
}
