//! A model file that can be run on samples.

use std::path::Path;

use lacewing::format::metadata::{self, Item};
use lacewing_targets::Threads;
use ndarray::ArrayD;
use serde_json::Value;

use super::arguments::DataArgs;
use super::device::DeviceArgs;
use super::failure::Failure;
use super::files;
use super::samples::{Found, Source};
use super::terminal::{Progress, Terminal};
use crate::data::{InputSpec, Samples};
use crate::parallel;
use crate::runner::Runner;
use crate::scores;

/// What runs a model.
pub trait Engine {
    /// Its name, for people.
    fn name(&self) -> &'static str;

    /// The inputs, in the model's order.
    fn inputs(&self) -> Vec<InputSpec>;

    /// The names of the outputs, in the model's order.
    fn outputs(&self) -> Vec<String>;

    /// The model's metadata.
    fn items(&self) -> Vec<Item>;

    /// Has large layers computed by these threads together, where the runtime computes them.
    fn share(&mut self, _threads: &Threads) {}

    /// The outputs for one sample, as real numbers.
    ///
    /// # Errors
    /// The sample does not fit, or the model did not run.
    fn run(&mut self, sample: &[ArrayD<f32>]) -> Result<Vec<ArrayD<f32>>, Failure>;

    /// The bytes of the last outputs as a device has them; `None` where there are none such.
    fn output_bytes(&self) -> Option<Vec<u8>>;

    /// The class that the model gives to each sample.
    ///
    /// # Errors
    /// As [`Engine::run`], or the model has no output.
    fn classes(&self, samples: &Samples, progress: Progress) -> Result<Vec<i64>, Failure>;
}

/// The files that a build of the command reads, and what it asks of the user for those that are not `.lace` files.
pub trait Formats: clap::Args {
    /// Opens what is no `.lace` file; `path` is the file's.
    ///
    /// # Errors
    /// The file cannot be used, or not by this build.
    fn open(&self, file: &[u8], path: &Path) -> Result<Box<dyn Engine>, Failure>;

    /// Says what is in a file that is no `.lace` file.
    ///
    /// # Errors
    /// As [`Formats::open`].
    fn inspect(&self, file: &[u8], path: &Path, terminal: &Terminal) -> Result<(), Failure>;
}

/// Opens a file; which kind it is its first bytes tell.
///
/// # Errors
/// The file cannot be read, or is refused.
pub fn open(
    path: &Path,
    formats: &impl Formats,
    device: &DeviceArgs,
    terminal: &Terminal,
) -> Result<Box<dyn Engine>, Failure> {
    let bytes = files::read(path)?;
    if is_lace(&bytes) {
        let runner = Runner::new(&bytes).map_err(|error| Failure::from(error).of(path))?;
        return device.engine(runner, &bytes, terminal);
    }
    device.only_cpu().and_then(|()| formats.open(&bytes, path)).map_err(|failure| failure.of(path))
}

/// Whether a file is one of ours; nothing else begins like it.
#[must_use]
pub fn is_lace(bytes: &[u8]) -> bool {
    bytes.starts_with(&lacewing::format::MAGIC)
}

/// The samples in a file or folder that fit a model, and what a program wants to know of where they come from.
///
/// # Errors
/// They cannot be read or do not fit.
pub fn samples(
    engine: &dyn Engine,
    path: &Path,
    args: &DataArgs,
    labeled: bool,
    terminal: &Terminal,
) -> Result<(Samples, Value), Failure> {
    let (inputs, items) = (engine.inputs(), engine.items());
    let source = Source { path: Some(path), args, inputs, items, most: usize::MAX, labeled };
    let Found { samples, data, .. } = source.read(terminal)?;
    Ok((samples.ok_or_else(|| Failure::new("no samples"))?, data))
}

impl Engine for Runner {
    fn name(&self) -> &'static str {
        "lacewing"
    }

    fn inputs(&self) -> Vec<InputSpec> {
        let spec = |port: lacewing::format::Port<'_>| InputSpec {
            name: port.name().to_string(),
            shape: port.shape().iter().map(|&dim| dim as usize).collect(),
        };
        self.model().inputs().map(spec).collect()
    }

    fn outputs(&self) -> Vec<String> {
        self.model().outputs().map(|port| port.name().to_string()).collect()
    }

    fn items(&self) -> Vec<Item> {
        metadata::read(self.model().metadata_bytes())
    }

    fn share(&mut self, threads: &Threads) {
        Runner::share(self, threads);
    }

    fn run(&mut self, sample: &[ArrayD<f32>]) -> Result<Vec<ArrayD<f32>>, Failure> {
        Ok(Runner::run(self, sample)?)
    }

    fn output_bytes(&self) -> Option<Vec<u8>> {
        Some(Runner::output_bytes(self))
    }

    fn classes(&self, samples: &Samples, progress: Progress) -> Result<Vec<i64>, Failure> {
        let workers = parallel::workers(self.clone(), self.has_states());
        classes(workers, samples, Runner::run, progress)
    }
}

/// The class that the first output names, of each sample; each worker on a thread of its own.
///
/// # Errors
/// The first that `run` gives, or there is no output.
pub fn classes<W: Send, E: Into<Failure>>(
    mut workers: Vec<W>,
    samples: &Samples,
    run: impl Fn(&mut W, &[ArrayD<f32>]) -> Result<Vec<ArrayD<f32>>, E> + Sync,
    mut progress: Progress,
) -> Result<Vec<i64>, Failure> {
    let mut classes = Vec::with_capacity(samples.len());
    let work = |worker: &mut W, sample: &Vec<ArrayD<f32>>| run(worker, sample).map(|o| class(&o)).map_err(Into::into);
    parallel::each(&mut workers, samples.rows(), work, |class: Option<i64>| {
        classes.push(class.ok_or_else(|| Failure::new("the model has no output"))?);
        progress.step();
        Ok::<(), Failure>(())
    })?;
    Ok(classes)
}

/// The class that the first output names.
fn class(outputs: &[ArrayD<f32>]) -> Option<i64> {
    scores::class(&outputs.first()?.iter().copied().collect::<Vec<_>>())
}

/// The share of predictions that equal their labels.
#[must_use]
pub fn accuracy(classes: &[i64], labels: &[i64]) -> f64 {
    let right = classes.iter().zip(labels).filter(|(class, label)| class == label).count();
    right as f64 / labels.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::board::LaceAlone;
    use crate::cli::device::Device;
    use ndarray::array;

    #[test]
    fn classes_follow_the_scores() {
        assert_eq!(class(&[array![[0.1_f32, 0.7, 0.2]].into_dyn()]), Some(1));
        assert_eq!(class(&[]), None);
        assert_eq!(accuracy(&[1, 2, 3, 4], &[1, 2, 0, 4]), 0.75);
    }

    #[test]
    fn damaged_and_foreign_files_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let device = DeviceArgs { device: Device::Cpu, allow_software_gpu: false };
        let terminal = Terminal::new(false, false, clap::ColorChoice::Never);
        let refused = |bytes: &[u8]| {
            let path = folder.path().join("model");
            std::fs::write(&path, bytes).expect("a file");
            open(&path, &LaceAlone {}, &device, &terminal).err().map(|failure| failure.to_string())
        };
        assert!(refused(b"LACE, but not really").is_some());
        assert!(refused(b"neither").is_some_and(|text| text.contains("without the converter")));
    }
}
