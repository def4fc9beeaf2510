//! What the converter asks of ONNX files.

use std::path::Path;

use lacewing::format::metadata::Item;
use lacewing_convert::data::{InputSpec, Samples};
use lacewing_convert::import::{ImportOptions, StateNames, self_contained};
use lacewing_convert::oracle::Oracle;
use lacewing_convert::parallel;
use ndarray::ArrayD;

use super::engine::{self, Engine, Formats};
use super::failure::Failure;
use super::files;
use super::survey;
use super::terminal::{Progress, Terminal};

/// What an ONNX file leaves open.
#[derive(Debug, clap::Args)]
pub(super) struct ImportArgs {
    /// Size of a symbolic dimension of an ONNX model; may be given several times
    #[arg(long = "dim", value_name = "NAME=SIZE", value_parser = dim)]
    dims: Vec<(String, usize)>,
    /// An input that holds a state, and the output that gives its next value; may be given several times
    ///
    /// The model then keeps the state from one run to the next, and samples are the steps of one stream.
    #[arg(long = "state", value_name = "INPUT=OUTPUT", value_parser = state)]
    states: Vec<StateNames>,
    /// An input that is always the same, such as a sample rate: one number, or one for each element; may be given several times
    #[arg(long = "constant", value_name = "INPUT=NUMBERS", value_parser = constant, allow_negative_numbers = true)]
    constants: Vec<(String, Vec<f64>)>,
}

impl ImportArgs {
    pub(super) fn options(&self) -> ImportOptions {
        ImportOptions {
            dims: self.dims.iter().cloned().collect(),
            states: self.states.clone(),
            constants: self.constants.iter().cloned().collect(),
        }
    }
}

/// ONNX and TFLite models run in float, through tract.
impl Formats for ImportArgs {
    fn open(&self, file: &[u8], path: &Path) -> Result<Box<dyn Engine>, Failure> {
        Ok(Box::new(Original(Oracle::new(&whole(file.to_vec(), path)?, &self.options())?)))
    }

    fn inspect(&self, file: &[u8], path: &Path, terminal: &Terminal) -> Result<(), Failure> {
        survey::run(&whole(file.to_vec(), path)?, self.options(), terminal)
    }
}

/// A model's file, with the weights that it keeps in files beside it.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    whole(files::read(path)?, path).map_err(|failure| failure.of(path))
}

fn whole(file: Vec<u8>, path: &Path) -> Result<Vec<u8>, Failure> {
    Ok(self_contained(file, path.parent().unwrap_or(Path::new("")))?)
}

/// The float original.
struct Original(Oracle);

impl Engine for Original {
    fn name(&self) -> &'static str {
        "tract, float"
    }

    fn inputs(&self) -> Vec<InputSpec> {
        let inputs = self.0.input_names().into_iter().zip(self.0.input_shapes());
        inputs.map(|(name, shape)| InputSpec { name, shape }).collect()
    }

    fn outputs(&self) -> Vec<String> {
        self.0.output_names()
    }

    fn items(&self) -> Vec<Item> {
        Vec::new()
    }

    fn run(&mut self, sample: &[ArrayD<f32>]) -> Result<Vec<ArrayD<f32>>, Failure> {
        Ok(self.0.run(sample)?)
    }

    fn output_bytes(&self) -> Option<Vec<u8>> {
        None
    }

    fn classes(&self, samples: &Samples, progress: Progress) -> Result<Vec<i64>, Failure> {
        let workers = parallel::workers(&self.0, self.0.has_states());
        engine::classes(workers, samples, |oracle, sample| oracle.run(sample), progress)
    }
}

fn state(text: &str) -> Result<StateNames, String> {
    match text.split_once('=') {
        Some((input, output)) if !input.is_empty() && !output.is_empty() => {
            Ok(StateNames { input: input.into(), output: output.into() })
        }
        _ => Err("expected INPUT=OUTPUT".to_string()),
    }
}

fn constant(text: &str) -> Result<(String, Vec<f64>), String> {
    let expected = || "expected INPUT=NUMBER or INPUT=NUMBER,NUMBER,…".to_string();
    let (name, numbers) = text.rsplit_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(expected)?;
    let numbers: Result<Vec<f64>, _> = numbers.split(',').map(|number| number.trim().parse()).collect();
    Ok((name.to_string(), numbers.map_err(|_| expected())?))
}

fn dim(text: &str) -> Result<(String, usize), String> {
    let (name, size) = text.rsplit_once('=').ok_or("expected NAME=SIZE")?;
    match size.parse() {
        Ok(size) if size > 0 && !name.is_empty() => Ok((name.to_string(), size)),
        _ => Err("expected NAME=SIZE with a size of at least 1".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_models_are_refused() {
        let formats = ImportArgs { dims: Vec::new(), states: Vec::new(), constants: Vec::new() };
        assert!(formats.open(b"neither", Path::new("neither")).is_err());
    }

    #[test]
    fn dimensions_are_names_and_sizes() {
        assert_eq!(dim("unk__22=4"), Ok(("unk__22".to_string(), 4)));
        assert_eq!(dim("a=b=7"), Ok(("a=b".to_string(), 7)));
        for wrong in ["n", "n=", "=4", "n=0", "n=-1", "n=x"] {
            assert!(dim(wrong).is_err(), "{wrong}");
        }
    }
}
