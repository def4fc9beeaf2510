//! The bytes that were written against the float original: signal to quantization noise of every layer, agreement at the output.
//!
//! `SQNR = 10·log10(Σ r² / Σ (r − y)²)` in dB over all samples, with `r` from the reference (tract where it runs the model) and `y` the dequantized result.

use std::collections::HashMap;

use lacewing_board::scores::{class, top1};
use ndarray::Axis;

use crate::Sample;
use crate::doors;
use crate::encode::name;
use crate::error::ConvertError;
use crate::graph::{Graph, Original, Value, ValueId};
use crate::parallel;
use crate::program::layers_of;
use crate::quantize::{Params, quantized};
use crate::reference::{Reference, Tensors};
use crate::runner::{Runner, reals};
use crate::spread::Spread;
use crate::transposed::transposed;
use lacewing::format::metadata::Layer;
use lacewing::format::{DType, Op, Tensor};

/// How far one layer is from the float original.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerNoise {
    /// The ONNX node's name.
    pub name: String,
    /// The operation.
    pub op: String,
    /// SQNR in dB; infinite if equal.
    pub sqnr_db: f64,
    /// Its values in the original and in the program, if it writes int8 or int16.
    pub spread: Option<Spread>,
}

/// What was found; without samples nothing was.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verification {
    /// Layers whose result is an ONNX tensor, in the order of the program.
    pub layers: Vec<LayerNoise>,
    /// SQNR of all outputs together, in dB.
    pub sqnr_db: f64,
    /// Name and SQNR in dB of each output.
    pub outputs: Vec<(String, f64)>,
    /// Whether the first output holds scores of classes, as [`scores_classes`] judges it; if not, the next two say little.
    pub has_classes: bool,
    /// Share of samples whose largest element of the first output has the same index, 0..1.
    pub top1_agreement: f64,
    /// The class that the original and the program give to each sample; see [`class`].
    pub classes: Vec<[Option<i64>; 2]>,
    /// Number of samples.
    pub samples: usize,
    /// What the bytes were compared with: `tract`, or `lacewing f32: ` and why tract does not run the original; empty without samples.
    pub reference: String,
}

/// Energies of a signal and of what was added to it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Noise {
    signal: f64,
    noise: f64,
}

impl Noise {
    pub(crate) fn include(&mut self, other: Noise) {
        self.signal += other.signal;
        self.noise += other.noise;
    }

    pub(crate) fn add(&mut self, reference: &[f32], got: &[f32]) {
        let (signal, noise) = lacewing_numeric::noise(reference, got);
        self.include(Noise { signal, noise });
    }

    /// Energy of the noise alone.
    pub(crate) fn energy(self) -> f64 {
        self.noise
    }

    /// Energy of the noise as a part of the signal's.
    pub(crate) fn ratio(self) -> f64 {
        self.noise / self.signal.max(f64::MIN_POSITIVE)
    }

    pub(crate) fn db(self) -> f64 {
        match (self.signal, self.noise) {
            (_, 0.0) => f64::INFINITY,
            (signal, noise) => 10.0 * (signal / noise).log10(),
        }
    }
}

/// A record whose result is an ONNX tensor.
#[derive(Clone)]
struct Probe<'g> {
    layer: &'g Layer,
    op: &'static str,
    original: &'g Original,
    value: &'g Value,
    /// How a quantized file rounds the result, which is then part of the record.
    rounding: Option<Params>,
    seen: Seen,
}

/// What was seen of a layer.
#[derive(Clone)]
struct Seen {
    noise: Noise,
    spread: Option<Spread>,
}

impl Seen {
    fn include(&mut self, other: &Seen) {
        self.noise.include(other.noise);
        if let (Some(to), Some(from)) = (&mut self.spread, &other.spread) {
            to.include(from);
        }
    }

    fn add(&mut self, reference: &[f32], got: &[f32]) {
        self.noise.add(reference, got);
        if let Some(spread) = &mut self.spread {
            spread.see(reference, got);
        }
    }
}

/// Runs `file` and the reference on every sample and compares all layers. `graph` is the simplified graph that the file
/// was made from; layers are found in it by name.
///
/// # Errors
/// [`ConvertError`] if one of both does not run.
pub fn verify(
    graph: &Graph,
    file: &[u8],
    reference: &Reference,
    samples: &[Sample],
    mut progress: impl FnMut(),
) -> Result<Verification, ConvertError> {
    let runner = Runner::new(file)?;
    let layers = layers_of(&runner.model());
    let ops: Vec<Op> = runner.model().ops().collect();
    let mut probes = probes(graph, &layers, &ops);
    let (mut outputs, mut agree, mut classes) = (vec![Noise::default(); graph.outputs.len()], 0, Vec::new());
    reference.reset();
    // The steps of a stream come one after the other.
    let mut workers = parallel::workers((runner, probes.clone()), !graph.states.is_empty());
    let work = |(runner, probes): &mut (Runner, Vec<Option<Probe<'_>>>), sample: &Sample| {
        found(graph, (runner, &ops, probes), reference, sample)
    };
    parallel::each(&mut workers, samples, work, |found| {
        probes.iter_mut().flatten().zip(&found.layers).for_each(|(probe, seen)| probe.seen.include(seen));
        outputs.iter_mut().zip(&found.outputs).for_each(|(to, from)| to.include(*from));
        agree += usize::from(found.agrees);
        classes.push(found.classes);
        progress();
        Ok(())
    })?;
    let top1_agreement = f64::from(agree as u32) / f64::from((samples.len() as u32).max(1));
    let mut all = Noise::default();
    outputs.iter().for_each(|output| all.include(*output));
    let names = graph.outputs.iter().map(|id| graph.value(*id).name.clone());
    Ok(Verification {
        layers: report(probes),
        sqnr_db: all.db(),
        outputs: names.zip(outputs.iter().map(|output| output.db())).collect(),
        has_classes: graph.outputs.first().is_some_and(|id| scores_classes(onnx_shape(graph, *id))),
        top1_agreement,
        classes,
        samples: samples.len(),
        reference: reference.name(),
    })
}

/// What one sample tells: of every probe, of the outputs, of the classes and whether they agree.
struct Found {
    layers: Vec<Seen>,
    outputs: Vec<Noise>,
    classes: [Option<i64>; 2],
    agrees: bool,
}

fn found(
    graph: &Graph,
    (runner, ops, probes): (&mut Runner, &[Op], &mut [Option<Probe<'_>>]),
    reference: &Reference,
    sample: &Sample,
) -> Result<Found, ConvertError> {
    let tensors = reference.run(sample)?;
    let got = runner.run_with(&doors::arranged(graph, sample), |record, bytes| {
        let Some(probe) = probes.get_mut(record).and_then(Option::as_mut) else { return };
        probe.seen = unseen(probe.layer, &ops[record]);
        let Some(mut wanted) = wanted(&tensors, probe.original, probe.value) else { return };
        if let Some(rounding) = probe.rounding {
            wanted.iter_mut().for_each(|real| *real = rounding.real(rounding.integer(*real)));
        }
        let (scale, zero) = probe.layer.quantization().unwrap_or((1.0, 0));
        probe.seen.add(&wanted, &reals(bytes, ops[record].output().dtype(), scale, zero));
    })?;
    let layers = probes.iter().flatten().map(|probe| probe.seen.clone()).collect();
    let outputs = vec![Noise::default(); graph.outputs.len()];
    let mut found = Found { layers, outputs, classes: [None; 2], agrees: false };
    for (index, (value, got)) in graph.outputs.iter().zip(got).enumerate() {
        let (Some(wanted), got) = (output_of(graph, *value, &tensors), got.into_raw_vec_and_offset().0) else {
            continue;
        };
        found.outputs[index].add(&wanted, &got);
        if index == 0 {
            found.agrees = top1(&wanted) == top1(&got);
            found.classes = [class(&wanted), class(&got)];
        }
    }
    Ok(found)
}

fn report(probes: Vec<Option<Probe<'_>>>) -> Vec<LayerNoise> {
    let seen = probes.into_iter().flatten().filter(|probe| probe.seen.noise.signal > 0.0);
    let layer = |Probe { layer, op, seen, .. }: Probe<'_>| LayerNoise {
        name: layer.name.clone(),
        op: op.into(),
        sqnr_db: seen.noise.db(),
        spread: seen.spread,
    };
    seen.map(layer).collect()
}

/// For each record its probe, `None` for records before the last of a node and where no ONNX tensor is known.
fn probes<'g>(graph: &'g Graph, layers: &'g [Layer], ops: &[Op]) -> Vec<Option<Probe<'g>>> {
    let nodes: HashMap<&str, _> = graph.nodes.iter().map(|node| (node.name.as_str(), node)).collect();
    let roundings: HashMap<ValueId, Params> = quantized(graph).into_iter().collect();
    let probe = |(index, layer): (usize, &'g Layer)| {
        let node = nodes.get(layer.name.as_str())?;
        let last = layers.get(index + 1).is_none_or(|next| next.name != layer.name);
        let value = graph.value(node.outputs[0]);
        let original = value.original.as_ref().filter(|_| last)?;
        let rounding = roundings.get(&node.outputs[0]).copied();
        Some(Probe { layer, op: name(&node.op), original, value, rounding, seen: unseen(layer, &ops[index]) })
    };
    layers.iter().enumerate().map(probe).collect()
}

fn unseen(layer: &Layer, op: &Op) -> Seen {
    Seen { noise: Noise::default(), spread: params_of(op.output(), layer.quantization()).map(Spread::new) }
}

/// What the integers of a tensor stand for; `None` for other types.
pub(crate) fn params_of(tensor: &Tensor, quantization: Option<(f32, i8)>) -> Option<Params> {
    let (scale, zero) = quantization?;
    match tensor.dtype()? {
        DType::I8 => Some(Params::int8(scale, zero)),
        DType::I16 => Some(Params::int16(scale)),
        _ => None,
    }
}

/// What a value is to be: the original's elements in our order, multiplied as the value's are.
fn wanted(tensors: &Tensors, original: &Original, value: &Value) -> Option<Vec<f32>> {
    let mut wanted = arranged(tensors, original, value.kept.as_deref())?;
    let factors = value.factors.iter().flat_map(|factors| factors.iter().cycle());
    wanted.iter_mut().zip(factors).for_each(|(real, factor)| *real *= factor);
    Some(wanted)
}

/// The original's elements in our order, those of channels that are left.
fn arranged(tensors: &Tensors, original: &Original, kept: Option<&[usize]>) -> Option<Vec<f32>> {
    let tensor = tensors.get(&original.tensor)?;
    let shaped = tensor.to_shape(original.shape.as_slice()).ok()?;
    let whole = transposed(shaped.view(), &original.perm);
    let left = match kept {
        Some(kept) => whole.select(Axis(whole.ndim().checked_sub(1)?), kept),
        None => whole,
    };
    Some(left.into_raw_vec_and_offset().0)
}

fn output_of(graph: &Graph, value: ValueId, tensors: &Tensors) -> Option<Vec<f32>> {
    let value = graph.value(value);
    match &value.original {
        Some(original) => arranged(tensors, original, None),
        None => tensors.get(&value.name).map(|tensor| tensor.iter().copied().collect()),
    }
}

/// The shape that an output has in the original.
fn onnx_shape(graph: &Graph, output: ValueId) -> &[usize] {
    let value = graph.value(output);
    value.original.as_ref().map_or(&value.shape, |original| &original.shape)
}

/// Whether an output of this shape is taken for the scores of classes: a row, or the channels of an image of one pixel. Boxes, maps and
/// sequences are none.
#[must_use]
pub fn scores_classes(shape: &[usize]) -> bool {
    let all = shape.iter().product::<usize>();
    let along = |axis: Option<&usize>| axis.is_none_or(|n| *n == all);
    along(shape.last()) || shape.len() == 4 && along(shape.get(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_in_decibels() {
        let mut noise = Noise::default();
        noise.add(&[10.0, 0.0], &[9.0, 0.0]);
        assert!((noise.db() - 20.0).abs() < 1e-9);
    }

    #[test]
    fn boxes_and_maps_are_no_classes() {
        let shapes = [&[1, 10][..], &[10], &[1, 1, 10], &[1, 1000, 1, 1], &[1, 1], &[]];
        assert!(shapes.into_iter().all(scores_classes));
        let shapes = [&[1, 896, 16][..], &[1, 896, 1], &[1, 2, 8, 8], &[20, 1, 37]];
        assert!(!shapes.into_iter().any(scores_classes));
    }
}
