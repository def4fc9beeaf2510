//! The bytes that were written against the float original: signal to quantization noise of every layer, agreement at the output.
//!
//! `SQNR = 10·log10(Σ r² / Σ (r − y)²)` in dB over all samples, with `r` from the reference (tract where it runs the model) and `y` the dequantized result.

use std::collections::HashMap;

use crate::Sample;
use crate::doors;
use crate::encode::name;
use crate::error::ConvertError;
use crate::graph::{Graph, Original, ValueId};
use crate::parallel;
use crate::reference::{Reference, Tensors};
use crate::runner::{Runner, reals};
use crate::transposed::transposed;
use lacewing::format::Op;
use lacewing::format::metadata::{self, Item, Layer};

/// How far one layer is from the float original.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerNoise {
    /// The ONNX node's name.
    pub name: String,
    /// The operation.
    pub op: String,
    /// SQNR in dB; infinite if equal.
    pub sqnr_db: f64,
}

/// What was found; without samples nothing was.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verification {
    /// Layers whose result is an ONNX tensor, in the order of the program.
    pub layers: Vec<LayerNoise>,
    /// SQNR of all outputs together, in dB.
    pub sqnr_db: f64,
    /// Share of samples whose largest element of the first output has the same index, 0..1.
    pub top1_agreement: f64,
    /// Number of samples.
    pub samples: usize,
    /// What the bytes were compared with: `tract`, or `lacewing f32: ` and why tract does not run the original; empty without samples.
    pub reference: String,
}

/// Energies of a signal and of what was added to it.
#[derive(Clone, Copy, Debug, Default)]
struct Noise {
    signal: f64,
    noise: f64,
}

impl Noise {
    fn include(&mut self, other: Noise) {
        self.signal += other.signal;
        self.noise += other.noise;
    }

    fn add(&mut self, reference: &[f32], got: &[f32]) {
        let (signal, noise) = lacewing_numeric::noise(reference, got);
        self.include(Noise { signal, noise });
    }

    fn db(self) -> f64 {
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
    noise: Noise,
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
    let layers = layers(&runner);
    let ops: Vec<Op> = runner.model().ops().collect();
    let mut probes = probes(graph, &layers);
    let (mut output, mut agree) = (Noise::default(), 0);
    reference.reset()?;
    // The steps of a stream come one after the other.
    let mut workers = parallel::workers((runner, probes.clone()), !graph.states.is_empty());
    let work = |(runner, probes): &mut (Runner, Vec<Option<Probe<'_>>>), sample: &Sample| {
        found(graph, (runner, &ops, probes), reference, sample)
    };
    parallel::each(&mut workers, samples, work, |found| {
        probes.iter_mut().flatten().zip(found.layers).for_each(|(probe, noise)| probe.noise.include(noise));
        output.include(found.output);
        agree += usize::from(found.agrees);
        progress();
        Ok(())
    })?;
    let top1_agreement = f64::from(agree as u32) / f64::from((samples.len() as u32).max(1));
    let (layers, sqnr_db, reference) = (report(probes), output.db(), reference.name());
    Ok(Verification { layers, sqnr_db, top1_agreement, samples: samples.len(), reference })
}

/// What one sample tells: the noise of every probe, that of the outputs, whether both find the same class.
struct Found {
    layers: Vec<Noise>,
    output: Noise,
    agrees: bool,
}

fn found(
    graph: &Graph,
    (runner, ops, probes): (&mut Runner, &[Op], &mut [Option<Probe<'_>>]),
    reference: &Reference,
    sample: &Sample,
) -> Result<Found, ConvertError> {
    let tensors = reference.run(sample)?;
    let got = runner.run_with(&doors::arranged(graph, sample), |record, arena| {
        let Some(probe) = probes.get_mut(record).and_then(Option::as_mut) else { return };
        probe.noise = Noise::default();
        let Some(wanted) = arranged(&tensors, probe.original) else { return };
        let (scale, zero) = probe.layer.quantization().unwrap_or((1.0, 0));
        probe.noise.add(&wanted, &reals(arena, ops[record].output(), scale, zero));
    })?;
    let layers = probes.iter().flatten().map(|probe| probe.noise).collect();
    let mut found = Found { layers, output: Noise::default(), agrees: false };
    for (index, (value, got)) in graph.outputs.iter().zip(got).enumerate() {
        let (Some(wanted), got) = (output_of(graph, *value, &tensors), got.into_raw_vec_and_offset().0) else {
            continue;
        };
        found.output.add(&wanted, &got);
        found.agrees |= index == 0 && top1(&wanted) == top1(&got);
    }
    Ok(found)
}

fn report(probes: Vec<Option<Probe<'_>>>) -> Vec<LayerNoise> {
    let seen = probes.into_iter().flatten().filter(|probe| probe.noise.signal > 0.0);
    seen.map(|probe| LayerNoise { name: probe.layer.name.clone(), op: probe.op.into(), sqnr_db: probe.noise.db() })
        .collect()
}

/// The layers' names and scales from the file's metadata.
pub(crate) fn layers(runner: &Runner) -> Vec<Layer> {
    let items = metadata::read(runner.model().metadata_bytes());
    let layers = |item| if let Item::Layers(layers) = item { Some(layers) } else { None };
    items.into_iter().find_map(layers).unwrap_or_default()
}

/// For each record its probe, `None` for records before the last of a node and where no ONNX tensor is known.
fn probes<'g>(graph: &'g Graph, layers: &'g [Layer]) -> Vec<Option<Probe<'g>>> {
    let nodes: HashMap<&str, _> = graph.nodes.iter().map(|node| (node.name.as_str(), node)).collect();
    let probe = |(index, layer): (usize, &'g Layer)| {
        let node = nodes.get(layer.name.as_str())?;
        let last = layers.get(index + 1).is_none_or(|next| next.name != layer.name);
        let original = graph.value(node.outputs[0]).original.as_ref().filter(|_| last)?;
        Some(Probe { layer, op: name(&node.op), original, noise: Noise::default() })
    };
    layers.iter().enumerate().map(probe).collect()
}

/// The original's elements in our order.
fn arranged(tensors: &Tensors, original: &Original) -> Option<Vec<f32>> {
    let tensor = tensors.get(&original.tensor)?;
    let shaped = tensor.to_shape(original.shape.as_slice()).ok()?;
    Some(transposed(shaped.view(), &original.perm).into_raw_vec_and_offset().0)
}

fn output_of(graph: &Graph, value: ValueId, tensors: &Tensors) -> Option<Vec<f32>> {
    let value = graph.value(value);
    match &value.original {
        Some(original) => arranged(tensors, original),
        None => tensors.get(&value.name).map(|tensor| tensor.iter().copied().collect()),
    }
}

/// Index of the first largest element.
#[must_use]
pub fn top1(numbers: &[f32]) -> Option<usize> {
    let larger = |best: (usize, f32), next: (usize, f32)| if next.1 > best.1 { next } else { best };
    numbers.iter().copied().enumerate().reduce(larger).map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_in_decibels() {
        let mut noise = Noise::default();
        noise.add(&[10.0, 0.0], &[9.0, 0.0]);
        assert!((noise.db() - 20.0).abs() < 1e-9);
        assert_eq!(top1(&[1.0, 3.0, 3.0]), Some(1));
        assert_eq!(top1(&[]), None);
    }
}
