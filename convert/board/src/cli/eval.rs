//! `lacewing eval`.

use std::path::PathBuf;

use serde_json::json;

use super::arguments::DataArgs;
use super::device::DeviceArgs;
use super::engine::{self, Formats, accuracy};
use super::failure::Failure;
use super::numbers::{counted, percent};
use super::terminal::{Paint, Terminal};

/// Measure the accuracy of a model on labeled samples
///
/// A .lace file runs on the runtime, an .onnx file in float through tract.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args<F: Formats> {
    /// The model
    model: PathBuf,
    /// Samples and labels: an .npz with `x` (or one array for each input by name) and `y`,
    /// or a folder of PNG, JPEG or WAV files in folders with the names of their classes
    #[arg(long, value_name = "PATH")]
    data: PathBuf,
    #[command(flatten)]
    args: DataArgs,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    formats: F,
}

const EXAMPLES: &str = "\
Examples:
  lacewing eval model.lace --data test.npz
  lacewing eval model.onnx --data test.npz
  lacewing eval model.lace --data test_images/
  lacewing eval model.onnx --data clips/ --preprocess mfcc.toml
  lacewing eval model.lace --data images.npz --input-scale 0.00392157    (bytes to 0..1)";

/// Runs it.
///
/// # Errors
/// The model or the samples cannot be used.
pub fn run<F: Formats>(args: &Args<F>, terminal: &Terminal) -> Result<(), Failure> {
    let engine = engine::open(&args.model, &args.formats, &args.device, terminal)?;
    let (samples, data) = engine::samples(engine.as_ref(), &args.data, &args.args, true, terminal)?;
    let labels = samples.labels()?;
    let classes = engine.classes(&samples, terminal.progress("evaluating", samples.len()))?;
    let top1 = accuracy(&classes, labels);
    let shown = terminal.paint(percent(top1), Paint::Bold);
    let n = counted(samples.len(), "sample");
    terminal.say(format_args!("top-1 {shown} of {n} ({}, {})", args.model.display(), engine.name()));
    if terminal.verbose() {
        by_class(&classes, labels, terminal);
    }
    terminal.object(&json!({ "top1": top1, "n": samples.len(), "engine": engine.name(), "data": data }))
}

/// How many samples of each class were recognized.
fn by_class(classes: &[i64], labels: &[i64], terminal: &Terminal) {
    let mut seen: Vec<i64> = labels.to_vec();
    seen.sort_unstable();
    seen.dedup();
    let mut table = terminal.table(["class", "samples", "right", "share"], 0..4);
    for class in seen {
        let of = labels.iter().filter(|label| **label == class).count();
        let right = classes.iter().zip(labels).filter(|&(c, l)| c == l && *l == class).count();
        table.add_row([class.to_string(), of.to_string(), right.to_string(), percent(right as f64 / of as f64)]);
    }
    terminal.say(table);
}
