//! `lacewing run`.

use std::path::PathBuf;

use lacewing_convert::data::{InputSpec, to_npy, to_npz};
use ndarray::ArrayD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::convert::{DataArgs, ImportArgs};
use super::engine::Engine;
use super::failure::Failure;
use super::files;
use super::numbers::{grouped, shape};
use super::terminal::Terminal;

/// Run a model on samples and write its outputs
///
/// Outputs are real numbers (int8 results times their scale), as .npy, or as .npz by name.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The model, .lace or .onnx
    model: PathBuf,
    /// Samples: an .npy array, or an .npz with `x` or one array for each input by name
    #[arg(long, value_name = "NPY")]
    input: PathBuf,
    /// Where the outputs go; .npz holds all of them by name, .npy needs a model with one output
    #[arg(long, value_name = "NPY")]
    output: Option<PathBuf>,
    #[command(flatten)]
    scaling: DataArgs,
    #[command(flatten)]
    import: ImportArgs,
}

const EXAMPLES: &str = "\
Examples:
  lacewing run model.lace --input x.npy --output y.npy
  lacewing run model.lace --input two-inputs.npz --output y.npz --json";

/// Outputs with more elements are not in the JSON object, only in the file.
const SHOWN_ELEMENTS: usize = 4096;

pub(super) fn run(args: &Args, terminal: &Terminal) -> Result<(), Failure> {
    let mut engine = Engine::open(&args.model, &args.import.options())?;
    let names = engine.outputs();
    check_output(args, &names)?;
    let samples = engine.samples(&args.input, args.scaling.scaling()?)?;
    let mut progress = terminal.progress("running", samples.len());
    let mut results: Vec<Vec<ArrayD<f32>>> = vec![Vec::new(); names.len()];
    let mut hash = Sha256::new();
    for sample in samples.rows() {
        let outputs = engine.run(sample)?;
        if let Engine::Lace(runner) = &engine {
            hash.update(runner.output_bytes());
        }
        results.iter_mut().zip(outputs).for_each(|(all, output)| all.push(output));
        progress.step();
    }
    drop(progress);
    let outputs: Vec<InputSpecAndValues> = names.into_iter().zip(results).map(joined).collect();
    write(args, &outputs)?;
    report(args, &outputs, terminal);
    let sha256 = matches!(engine, Engine::Lace(_)).then(|| hex(&hash.finalize()));
    terminal.object(&json!({
        "outputs": outputs.iter().map(described).collect::<Vec<_>>(),
        "n": samples.len(),
        "output_sha256": sha256,
    }))
}
