//! What is known of a conversion, as one HTML page that needs nothing beside itself.
//!
//! The page is a template with the [`Report`] in it as JSON; a script in the template draws everything from that. What comes from the
//! model is data to the page, never markup.

mod share;

use std::collections::HashMap;

use lacewing::Model;
use lacewing::format::metadata::{self, Item};
use serde::Serialize;

use crate::error::ConvertError;
use crate::isolated::LayerSteps;
use crate::program::{self, Step, Tensor};
use crate::runner::Runner;
use crate::spread::Spread;
use crate::verify::{LayerNoise, Verification};
pub use share::{Accuracy, Share};

const PAGE: &str = include_str!("report/page.html");
/// Where the data goes in it.
const DATA: &str = "{{data}}";

/// What a report is made of.
#[derive(Clone, Copy, Debug)]
pub struct Findings<'a> {
    /// What the model is called.
    pub model: &'a str,
    /// Where the samples come from.
    pub data: &'a str,
    /// The bytes of the `.lace` file.
    pub file: &'a [u8],
    /// Them against the float original.
    pub verification: &'a Verification,
    /// Each layer by itself; empty without samples.
    pub own: &'a [LayerSteps],
    /// What was found to help.
    pub fixes: &'a [Fix],
    /// The class of each sample, where it is known.
    pub labels: Option<&'a [i64]>,
}

/// All that the page shows. Decibels are finite: ±999 stands for more.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What the model is called.
    pub model: String,
    /// Name and version of the program that wrote the file.
    pub producer: String,
    /// Where the samples come from, how many there are, and what the file was compared with on them.
    pub data: String,
    /// Number of samples.
    pub samples: usize,
    /// What the file was compared with; see [`Verification::reference`].
    pub reference: String,
    /// SQNR of all outputs, in dB.
    pub sqnr_db: Option<f64>,
    /// Samples to which both give the same class.
    pub agreement: Option<Share>,
    /// Samples to which each gives the right class, where that is known.
    pub accuracy: Option<Accuracy>,
    /// Bytes of RAM, and what no arena for this order of operations can be less than.
    pub arena_bytes: usize,
    /// See [`crate::plan::Plan::lower_bound_bytes`].
    pub lower_bound_bytes: u64,
    /// Bytes of the file.
    pub file_bytes: usize,
    /// The operations.
    pub layers: Vec<Layer>,
    /// What lies in the arena.
    pub tensors: Vec<Tensor>,
    /// What was found to help.
    pub fixes: Vec<Fix>,
}

/// One operation of the program, and how well it does.
#[derive(Clone, Debug, Serialize)]
pub struct Layer {
    /// The operation.
    #[serde(flatten)]
    pub step: Step,
    /// SQNR against the float original, in dB: with what all layers before it have lost.
    pub accumulated_db: Option<f64>,
    /// The layer by itself.
    pub own: Option<Own>,
    /// Its values in the original and in the program.
    pub spread: Option<Spread>,
}

/// A layer given what the program gave it; see [`LayerSteps`].
#[derive(Clone, Debug, Serialize)]
pub struct Own {
    /// SQNR, in dB.
    pub sqnr_db: f64,
    /// The largest difference, in steps of its scale.
    pub max_steps: u32,
    /// Share of its results that would lie beyond its integers, 0..1.
    pub clipped: f64,
    /// Share of its integers that lie between the smallest and the largest result, 0..1.
    pub used: f64,
    /// Smallest and largest result of each channel, as shares 0..1 of its integers, and the share that would lie beyond; of many
    /// channels, neighbors are joined.
    pub channels: Vec<[f64; 3]>,
}

/// A change that was made and measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fix {
    /// The layer's name.
    pub layer: String,
    /// What was changed there: `int16 activations`.
    pub what: String,
    /// What the output's SQNR gained, in dB.
    pub gain_db: f64,
    /// Bytes of file and arena that it takes.
    pub cost_bytes: i64,
}

impl Report {
    /// What the findings say.
    ///
    /// # Errors
    /// [`ConvertError::Run`] if the file is refused.
    pub fn new(findings: &Findings<'_>) -> Result<Report, ConvertError> {
        let runner = Runner::new(findings.file)?;
        let (model, verification) = (runner.model(), findings.verification);
        let verified = verification.samples > 0;
        let (steps, tensors) = program::read(&model);
        let lower_bound_bytes = program::lower_bound(&steps);
        Ok(Report {
            model: findings.model.into(),
            producer: producer(&model),
            data: findings.data.into(),
            samples: verification.samples,
            reference: verification.reference.clone(),
            sqnr_db: verified.then(|| finite(verification.sqnr_db)),
            agreement: (verified && verification.has_classes)
                .then(|| Share::rounded(verification.top1_agreement, verification.samples)),
            accuracy: findings.labels.and_then(|labels| Accuracy::new(&verification.classes, labels)),
            arena_bytes: model.arena_len(),
            lower_bound_bytes,
            file_bytes: findings.file.len(),
            layers: layers(steps, &verification.layers, findings.own),
            tensors,
            fixes: findings.fixes.to_vec(),
        })
    }

    /// The page.
    ///
    /// # Panics
    /// Never: numbers and text are always JSON.
    #[must_use]
    pub fn page(&self) -> String {
        let data = serde_json::to_string(self).expect("numbers and text are JSON");
        PAGE.replace(DATA, &inert(&data))
    }
}

/// JSON in which nothing can end the element that it stands in.
fn inert(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

fn producer(model: &Model<'_>) -> String {
    let items = metadata::read(model.metadata_bytes());
    let producer = |item| if let Item::Producer(name) = item { Some(name) } else { None };
    items.into_iter().find_map(producer).unwrap_or_default()
}

fn finite(db: f64) -> f64 {
    db.clamp(-999.0, 999.0)
}

/// Joins steps with what is known of their nodes, which is said of the last step of each.
fn layers(steps: Vec<Step>, noises: &[LayerNoise], own: &[LayerSteps]) -> Vec<Layer> {
    let noises: HashMap<&str, &LayerNoise> = noises.iter().map(|layer| (layer.name.as_str(), layer)).collect();
    let own: HashMap<&str, &LayerSteps> = own.iter().map(|layer| (layer.name.as_str(), layer)).collect();
    let is_last: Vec<bool> =
        (0..steps.len()).map(|i| steps.get(i + 1).is_none_or(|next| next.name != steps[i].name)).collect();
    let layer = |(step, last): (Step, bool)| {
        let noise = noises.get(step.name.as_str()).filter(|_| last);
        Layer {
            accumulated_db: noise.map(|noise| finite(noise.sqnr_db)),
            own: own.get(step.name.as_str()).filter(|_| last).map(|own| Own::new(own)),
            spread: noise.and_then(|noise| noise.spread.clone()),
            step,
        }
    };
    steps.into_iter().zip(is_last).map(layer).collect()
}

/// No more channels are drawn.
const DRAWN: usize = 128;

impl Own {
    fn new(steps: &LayerSteps) -> Own {
        let (least, most) = (steps.integers.0, steps.integers.1);
        let range = f64::from(most - least);
        let share = |q: i32| f64::from(q - least) / range;
        let drawn = |group: &[crate::isolated::Channel]| {
            let (lo, hi) = reach(group).unwrap_or((least, least));
            let (clipped, seen) = group.iter().fold((0, 0), |(c, s), channel| (c + channel.clipped, s + channel.seen));
            [share(lo), share(hi), clipped as f64 / seen.max(1) as f64]
        };
        let (lo, hi) = reach(&steps.channels).unwrap_or((least, least));
        Own {
            sqnr_db: finite(steps.sqnr_db),
            max_steps: steps.max_steps,
            clipped: steps.clipped,
            used: share(hi) - share(lo),
            channels: steps.channels.chunks(steps.channels.len().div_ceil(DRAWN).max(1)).map(drawn).collect(),
        }
    }
}

/// Smallest and largest integer of all.
fn reach(channels: &[crate::isolated::Channel]) -> Option<(i32, i32)> {
    channels.iter().map(|channel| (channel.lo, channel.hi)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_the_data() {
        let hostile = r#"{"name":"</script><script>alert(1)//&amp;\"'"}"#;
        let text = inert(hostile);
        assert!(!text.contains(['<', '>', '&']), "{text}");
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&text), read(hostile));
        assert_eq!(PAGE.matches(DATA).count(), 1);
    }
}
