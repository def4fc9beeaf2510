//! `lacewing run`.

use std::path::{Path, PathBuf};

use lacewing_targets::Threads;
use ndarray::{ArrayD, ArrayViewD, Axis};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::arguments::DataArgs;
use super::device::DeviceArgs;
use super::engine::{self, Engine, Formats};
use super::failure::Failure;
use super::files;
use super::numbers::{grouped, hex, shape};
use super::terminal::Terminal;
use crate::data::{Samples, to_npy, to_npz};

/// Run a model on samples and write its outputs
///
/// Outputs are real numbers: int8 results times their scale. A leading axis of N beyond the model's input runs it N times.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args<F: Formats> {
    /// The model
    model: PathBuf,
    /// Samples: an .npy array, an .npz with `x` or one array for each input by name, a PNG, JPEG or WAV file, or a folder of them
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// Where the outputs go: .npz takes all of them by name, .npy the only one
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Threads that share each large layer of a .lace file; tract's are its own
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    threads: u8,
    #[command(flatten)]
    args: DataArgs,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    formats: F,
}

const EXAMPLES: &str = "\
Examples:
  lacewing run model.lace --input x.npy --output y.npy
  lacewing run model.lace --input two-inputs.npz --output y.npz
  lacewing run model.lace --input cat.jpg
  lacewing run model.lace --input x.npy --json";

/// Outputs with more elements are in the file alone, not in the JSON object.
const SHOWN_ELEMENTS: usize = 4096;

/// One output over all samples.
struct Output {
    name: String,
    values: ArrayD<f32>,
}

/// Runs it.
///
/// # Errors
/// The model or the samples cannot be used.
pub fn run<F: Formats>(args: &Args<F>, terminal: &Terminal) -> Result<(), Failure> {
    let mut engine = engine::open(&args.model, &args.formats, &args.device, terminal)?;
    if args.threads > 1 {
        engine.share(&Threads::new(args.threads.into())?);
    }
    check_output(args.output.as_deref(), engine.outputs().len())?;
    let (samples, data) = engine::samples(engine.as_ref(), &args.input, &args.args, false, terminal)?;
    let (outputs, sha256) = results(engine.as_mut(), &samples, terminal)?;
    if let Some(path) = &args.output {
        files::write(path, &encoded(path, &outputs)?)?;
    }
    outputs.iter().for_each(|output| report(output, terminal));
    terminal.object(&json!({
        "outputs": outputs.iter().map(described).collect::<Vec<_>>(),
        "n": samples.len(),
        "output_sha256": sha256,
        "data": data,
    }))
}

/// Refuses, before anything runs, a file that cannot take the outputs.
fn check_output(path: Option<&Path>, outputs: usize) -> Result<(), Failure> {
    match path.map(|path| (is(path, "npy"), is(path, "npz"))) {
        None | Some((_, true)) => Ok(()),
        Some((true, _)) if outputs == 1 => Ok(()),
        Some((true, _)) => Err(Failure::usage(format!("the model has {outputs} outputs; write them to an .npz file"))),
        Some(_) => Err(Failure::usage("--output takes a file that ends in .npy or .npz")),
    }
}

fn is(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

/// The outputs over all samples; for a `.lace` file also the SHA-256 of their bytes as the device has them.
fn results(
    engine: &mut dyn Engine,
    samples: &Samples,
    terminal: &Terminal,
) -> Result<(Vec<Output>, Option<String>), Failure> {
    let names = engine.outputs();
    let mut progress = terminal.progress("running", samples.len());
    let mut rows: Vec<Vec<ArrayD<f32>>> = vec![Vec::new(); names.len()];
    let mut bytes = Sha256::new();
    for sample in samples.rows() {
        let outputs = engine.run(sample)?;
        bytes.update(engine.output_bytes().unwrap_or_default());
        rows.iter_mut().zip(outputs).for_each(|(rows, output)| rows.push(output));
        progress.step();
    }
    let outputs = names.into_iter().zip(rows).map(|(name, rows)| Ok(Output { name, values: joined(&rows)? }));
    let sha256 = engine.output_bytes().map(|_| hex(&bytes.finalize()));
    Ok((outputs.collect::<Result<_, Failure>>()?, sha256))
}

/// The results of all samples: one batch where each has a batch of 1, otherwise stacked along a new axis.
fn joined(rows: &[ArrayD<f32>]) -> Result<ArrayD<f32>, Failure> {
    let views: Vec<ArrayViewD<'_, f32>> = rows.iter().map(|row| row.view()).collect();
    match rows {
        [single] => Ok(single.clone()),
        [first, ..] if first.shape().first() == Some(&1) => Ok(ndarray::concatenate(Axis(0), &views)?),
        _ => Ok(ndarray::stack(Axis(0), &views)?),
    }
}

fn encoded(path: &Path, outputs: &[Output]) -> Result<Vec<u8>, Failure> {
    match outputs {
        [only] if is(path, "npy") => Ok(to_npy(&only.values)?),
        _ => Ok(to_npz(outputs.iter().map(|output| (output.name.as_str(), &output.values)))?),
    }
}

fn report(output: &Output, terminal: &Terminal) {
    let first: Vec<String> = output.values.iter().take(12).map(|value| format!("{value:.5}")).collect();
    let more = if output.values.len() > first.len() { ", …" } else { "" };
    let elements = grouped(output.values.len() as u64);
    let Output { name, values } = output;
    terminal.say(format_args!("{name}  {}  {elements} elements", shape(values.shape())));
    terminal.say(format_args!("  [{}{more}]", first.join(", ")));
}

fn described(output: &Output) -> Value {
    let shown = output.values.len() <= SHOWN_ELEMENTS;
    json!({
        "name": output.name,
        "shape": output.values.shape(),
        "values": shown.then(|| output.values.iter().copied().collect::<Vec<f32>>()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{arr0, array};

    #[test]
    fn results_of_samples_become_one_array() {
        let row = array![[1.0_f32, 2.0]].into_dyn();
        assert_eq!(joined(std::slice::from_ref(&row)).unwrap().shape(), [1, 2]);
        assert_eq!(joined(&[row.clone(), row.clone(), row]).unwrap().shape(), [3, 2]);
        let two = array![[1.0_f32], [2.0]].into_dyn();
        assert_eq!(joined(&[two.clone(), two]).unwrap().shape(), [2, 2, 1]);
        let scalar = arr0(1.0_f32).into_dyn();
        assert_eq!(joined(&[scalar.clone(), scalar]).unwrap().shape(), [2]);
    }

    #[test]
    fn files_that_cannot_take_the_outputs_are_refused_first() {
        let check = |path: &str, outputs| check_output(Some(Path::new(path)), outputs);
        assert!(check("y.npy", 1).is_ok() && check("y.NPZ", 3).is_ok());
        assert_eq!(check("y.npy", 2).unwrap_err().status(), 2);
        assert_eq!(check("y.txt", 1).unwrap_err().status(), 2);
    }
}
