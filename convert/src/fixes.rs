//! Changes of single layers that make a program better, each made and measured.

use std::collections::HashSet;

use crate::error::ConvertError;
use crate::isolated::LayerSteps;
use crate::quantize::{Policy, Precision, Rule, is_quantized};
use crate::report::Fix;
use crate::trial::{Fitted, Judge, Trials};
use crate::{Conversion, Options, Sample};

/// Layers that are tried, the worst by themselves first, and samples that they are tried on.
const LAYERS: usize = 12;
const SAMPLES: usize = 64;
/// Smaller gains are not told, in dB.
const LEAST: f64 = 0.1;

/// Tries int16 activations in the layers that are worst by themselves, and int8 weights where they are int4. Gives what raises the
/// SQNR of the outputs, the most helpful first; nothing for a program in f32 and for a quantized model, whose integers are its own.
/// `options` are those of the conversion.
///
/// # Errors
/// [`ConvertError`] if a program cannot be encoded or run.
pub fn fixes(
    conversion: &Conversion,
    options: &Options,
    own: &[LayerSteps],
    samples: &[Sample],
    mut progress: impl FnMut(usize),
) -> Result<Vec<Fix>, ConvertError> {
    if conversion.quantization.is_float() || is_quantized(&conversion.float) || samples.is_empty() {
        return Ok(Vec::new());
    }
    let judge = Judge::new(&conversion.float, samples, None)?;
    let fitted = Fitted::of(&conversion.graph, &conversion.quantization);
    let trials = Trials::with(conversion.float.clone(), options, fitted, samples)?;
    let base = trials.run(&options.policy, &judge, SAMPLES)?;
    let (mut found, changes) = (Vec::new(), changes(own, &options.policy));
    for (layer, precision, what) in &changes {
        let mut policy = options.policy.clone();
        policy.rules.push(Rule::new(layer, *precision));
        let trial = trials.run(&policy, &judge, SAMPLES)?;
        let bytes = |trial: &crate::trial::Trial| (trial.file_bytes + trial.arena_bytes) as i64;
        let gain_db = trial.verdict.noise.db() - base.verdict.noise.db();
        if gain_db >= LEAST {
            let cost_bytes = bytes(&trial) - bytes(&base);
            found.push(Fix { layer: layer.clone(), what: (*what).into(), gain_db: gain_db.min(999.0), cost_bytes });
        }
        progress(changes.len());
    }
    found.sort_by(|a, b| b.gain_db.total_cmp(&a.gain_db));
    Ok(found)
}

/// Layers and what each is to be in, and how that is told.
fn changes(own: &[LayerSteps], policy: &Policy) -> Vec<(String, Precision, &'static str)> {
    let mut worst: Vec<&LayerSteps> = own.iter().collect();
    worst.sort_by(|a, b| a.sqnr_db.total_cmp(&b.sqnr_db));
    let names: Vec<&String> = worst.into_iter().take(LAYERS).map(|layer| &layer.name).collect();
    let mut seen = HashSet::new();
    let change = |name: &&String| match policy.of(name) {
        Precision::Int8 => vec![((*name).clone(), Precision::Int16, "int16 activations")],
        Precision::Int4 => vec![
            ((*name).clone(), Precision::Int8, "int8 weights"),
            ((*name).clone(), Precision::Int16, "int8 weights, int16 activations"),
        ],
        Precision::Int16 | Precision::F32 => Vec::new(),
    };
    names.into_iter().filter(|name| seen.insert(name.as_str())).flat_map(|name| change(&name)).collect()
}
