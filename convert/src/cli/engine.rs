//! A model file that can be run on samples: a `.lace` file on the runtime, or an ONNX original through tract.

use std::path::Path;

use lacewing::format::metadata::{self, Item};
use lacewing_convert::data::{InputSpec, Samples};
use lacewing_convert::import::ImportOptions;
use lacewing_convert::oracle::Oracle;
use lacewing_convert::parallel;
use lacewing_convert::runner::Runner;
use lacewing_convert::verify;
use lacewing_targets::Threads;
use ndarray::ArrayD;
use serde_json::Value;

use super::arguments::DataArgs;
use super::failure::Failure;
use super::files;
use super::samples::{Found, Source};
use super::terminal::{Progress, Terminal};

/// Where a model runs.
pub(super) enum Engine {
    /// The runtime.
    Lace(Box<Runner>),
    /// tract, in float.
    Onnx(Box<Oracle>),
}

impl Engine {
    /// Opens a file; which kind it is its first bytes tell.
    pub(super) fn open(path: &Path, import: &ImportOptions) -> Result<Engine, Failure> {
        let bytes = files::read(path)?;
        Engine::of(&bytes, import).map_err(|failure| failure.of(path))
    }

    fn of(bytes: &[u8], import: &ImportOptions) -> Result<Engine, Failure> {
        if is_lace(bytes) {
            Ok(Engine::Lace(Box::new(Runner::new(bytes)?)))
        } else {
            Ok(Engine::Onnx(Box::new(Oracle::new(bytes, import)?)))
        }
    }

    /// With so many threads for each large layer, if it is the runtime that runs.
    pub(super) fn on(self, threads: u8) -> Result<Engine, Failure> {
        match self {
            Engine::Lace(runner) if threads > 1 => {
                Ok(Engine::Lace(Box::new(runner.on(&Threads::new(threads.into())?))))
            }
            other => Ok(other),
        }
    }

    /// What runs the model, for people.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Engine::Lace(_) => "lacewing",
            Engine::Onnx(_) => "tract, float",
        }
    }

    /// The inputs, in the model's order.
    pub(super) fn inputs(&self) -> Vec<InputSpec> {
        match self {
            Engine::Lace(runner) => runner
                .model()
                .inputs()
                .map(|port| InputSpec {
                    name: port.name().to_string(),
                    shape: port.shape().iter().map(|&dim| dim as usize).collect(),
                })
                .collect(),
            Engine::Onnx(oracle) => {
                let inputs = oracle.input_names().into_iter().zip(oracle.input_shapes());
                inputs.map(|(name, shape)| InputSpec { name, shape }).collect()
            }
        }
    }

    /// The names of the outputs, in the model's order.
    pub(super) fn outputs(&self) -> Vec<String> {
        match self {
            Engine::Lace(runner) => runner.model().outputs().map(|port| port.name().to_string()).collect(),
            Engine::Onnx(oracle) => oracle.output_names(),
        }
    }

    /// The outputs for one sample, as real numbers.
    pub(super) fn run(&mut self, sample: &[ArrayD<f32>]) -> Result<Vec<ArrayD<f32>>, Failure> {
        match self {
            Engine::Lace(runner) => Ok(runner.run(sample)?),
            Engine::Onnx(oracle) => Ok(oracle.run(sample)?),
        }
    }

    /// The bytes of the last outputs as a device has them; `None` for tract.
    pub(super) fn output_bytes(&self) -> Option<Vec<u8>> {
        match self {
            Engine::Lace(runner) => Some(runner.output_bytes()),
            Engine::Onnx(_) => None,
        }
    }

    /// The samples in a file or folder that fit this model.
    pub(super) fn samples(
        &self,
        path: &Path,
        args: &DataArgs,
        labeled: bool,
        terminal: &Terminal,
    ) -> Result<(Samples, Value), Failure> {
        let (inputs, items) = (self.inputs(), self.items());
        let source = Source { path: Some(path), args, inputs, items, most: usize::MAX, labeled };
        let Found { samples, data, .. } = source.read(terminal)?;
        Ok((samples.ok_or_else(|| Failure::new("no samples"))?, data))
    }

    fn items(&self) -> Vec<Item> {
        match self {
            Engine::Lace(runner) => metadata::read(runner.model().metadata_bytes()),
            Engine::Onnx(_) => Vec::new(),
        }
    }

    /// The class that the model gives to each sample.
    pub(super) fn classes(&self, samples: &Samples, mut progress: Progress) -> Result<Vec<i64>, Failure> {
        let mut classes = Vec::with_capacity(samples.len());
        let see = |class: Option<i64>| {
            classes.push(class.ok_or_else(|| Failure::new("the model has no output"))?);
            progress.step();
            Ok::<(), Failure>(())
        };
        match self {
            Engine::Lace(runner) => {
                let mut workers = parallel::workers(runner.clone(), runner.has_states());
                parallel::each(&mut workers, samples.rows(), |runner, sample| Ok(class(&runner.run(sample)?)), see)?;
            }
            Engine::Onnx(oracle) => {
                let mut workers = parallel::workers(oracle, oracle.has_states());
                parallel::each(&mut workers, samples.rows(), |oracle, sample| Ok(class(&oracle.run(sample)?)), see)?;
            }
        }
        Ok(classes)
    }
}

/// Whether a file is one of ours; nothing else begins like it.
pub(super) fn is_lace(bytes: &[u8]) -> bool {
    bytes.starts_with(&lacewing::format::MAGIC)
}

/// The class that the first output names.
fn class(outputs: &[ArrayD<f32>]) -> Option<i64> {
    verify::class(&outputs.first()?.iter().copied().collect::<Vec<_>>())
}

/// The share of predictions that equal their labels.
pub(super) fn accuracy(classes: &[i64], labels: &[i64]) -> f64 {
    let right = classes.iter().zip(labels).filter(|(class, label)| class == label).count();
    right as f64 / labels.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn classes_follow_the_scores() {
        assert_eq!(class(&[array![[0.1_f32, 0.7, 0.2]].into_dyn()]), Some(1));
        assert_eq!(class(&[]), None);
        assert_eq!(accuracy(&[1, 2, 3, 4], &[1, 2, 0, 4]), 0.75);
    }

    #[test]
    fn damaged_files_are_refused() {
        assert!(Engine::of(b"LACE, but not really", &ImportOptions::default()).is_err());
        assert!(Engine::of(b"neither", &ImportOptions::default()).is_err());
    }
}
