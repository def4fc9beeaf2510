//! Models on a GPU: what runs them in place of the CPU, and which records do not.

use std::sync::{Mutex, MutexGuard, PoisonError};

use lacewing::Model;
use lacewing::format::metadata::Item;
use lacewing_gpu::{Gpu, GpuError, GpuModel, Options};
use lacewing_targets::Threads;
use ndarray::ArrayD;
use serde_json::{Value, json};

use super::device::{Device, DeviceArgs};
use super::engine::{self, Engine};
use super::failure::Failure;
use super::terminal::{Progress, Terminal};
use crate::data::{InputSpec, Samples};
use crate::runner::Runner;

pub(super) mod bench;
mod choice;

/// What runs the model, as the user asked for.
///
/// # Errors
/// `gpu` is asked for, and there is none that runs the model.
pub(super) fn engine(
    args: &DeviceArgs,
    mut runner: Runner,
    file: &[u8],
    terminal: &Terminal,
) -> Result<Box<dyn Engine>, Failure> {
    let auto = args.device == Device::Auto;
    let gpu = if auto {
        choice::faster(args, runner.session(), (file, 1), terminal)
    } else {
        Some(load(args, &runner).map_err(told)?)
    };
    let Some(gpu) = gpu else { return Ok(Box::new(runner)) };
    Ok(Box::new(OnGpu(Mutex::new(Running { runner, gpu: Some(gpu), auto, last: Vec::new() }))))
}

fn load(args: &DeviceArgs, runner: &Runner) -> Result<GpuModel, GpuError> {
    GpuModel::load(&Gpu::new(&options(args))?, &runner.model())
}

/// The way out of an error, where the command line has one.
fn told(error: GpuError) -> Failure {
    match error {
        GpuError::Software(_) => Failure::new(format!("{error}: --allow-software-gpu takes it")),
        error => error.into(),
    }
}

fn options(args: &DeviceArgs) -> Options {
    Options { allow_software: args.allow_software_gpu, ..Options::default() }
}

/// Says which records of a model have no kernel.
pub(super) fn inspect(model: &Model<'_>, terminal: &Terminal) -> Value {
    let alone = GpuModel::unsupported(model);
    match alone.is_empty() {
        true => terminal.say("A GPU runs all of the model."),
        false => terminal.say("A GPU does not run the model, which runs on the CPU, because of:"),
    }
    alone.iter().for_each(|record| terminal.say(format_args!("  {record}")));
    let described = alone.iter().map(|unsupported| {
        json!({ "record": unsupported.record, "op": unsupported.opcode.name(), "reason": unsupported.reason })
    });
    json!({ "on_cpu": described.collect::<Vec<_>>() })
}

/// A model on a GPU.
struct OnGpu(Mutex<Running>);

struct Running {
    /// Knows the doors, and runs the model where the GPU was lost.
    runner: Runner,
    /// `None` after it was lost.
    gpu: Option<GpuModel>,
    /// Whether the CPU may take over.
    auto: bool,
    /// The bytes of the last outputs.
    last: Vec<u8>,
}

impl Running {
    fn run(&mut self, sample: &[ArrayD<f32>]) -> Result<Vec<ArrayD<f32>>, Failure> {
        let Some(gpu) = &mut self.gpu else { return self.on_cpu(sample) };
        let inputs = self.runner.input_bytes(sample)?;
        match gpu.run(&inputs.iter().map(Vec::as_slice).collect::<Vec<_>>()) {
            Ok(outputs) => {
                self.last = outputs.concat();
                Ok(self.runner.outputs_of(&outputs))
            }
            // A stream's states are lost with the GPU.
            Err(error @ GpuError::Lost(_)) if self.auto && !self.runner.has_states() => {
                eprintln!("device: CPU from now on, {error}");
                self.gpu = None;
                self.on_cpu(sample)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn on_cpu(&mut self, sample: &[ArrayD<f32>]) -> Result<Vec<ArrayD<f32>>, Failure> {
        let outputs = self.runner.run(sample)?;
        self.last = self.runner.output_bytes();
        Ok(outputs)
    }
}

impl OnGpu {
    fn running(&self) -> MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine for OnGpu {
    fn name(&self) -> &'static str {
        if self.running().gpu.is_some() { "lacewing on a GPU" } else { "lacewing" }
    }

    fn inputs(&self) -> Vec<InputSpec> {
        Engine::inputs(&self.running().runner)
    }

    fn outputs(&self) -> Vec<String> {
        Engine::outputs(&self.running().runner)
    }

    fn items(&self) -> Vec<Item> {
        Engine::items(&self.running().runner)
    }

    fn share(&mut self, threads: &Threads) {
        self.running().runner.share(threads);
    }

    fn run(&mut self, sample: &[ArrayD<f32>]) -> Result<Vec<ArrayD<f32>>, Failure> {
        self.running().run(sample)
    }

    fn output_bytes(&self) -> Option<Vec<u8>> {
        Some(self.running().last.clone())
    }

    /// One worker: there is one GPU.
    fn classes(&self, samples: &Samples, progress: Progress) -> Result<Vec<i64>, Failure> {
        engine::classes(vec![self], samples, |worker, sample| worker.running().run(sample), progress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_gpu_hands_over_to_the_cpu_in_auto_alone() {
        let options = Options { allow_software: true, ..Options::default() };
        let gpu = match Gpu::new(&options) {
            Ok(gpu) => gpu,
            Err(error) if std::env::var_os("CI").is_some() => panic!("{error}"),
            Err(error) => return eprintln!("SKIPPED: {error}"),
        };
        let file = &include_bytes!("../../../../../firmware-examples/qemu-mps2-an386-classify/fashion.lace")[..];
        let runner = Runner::new(file).expect("a model");
        let on_gpu = |auto| {
            let gpu = Some(GpuModel::load(&gpu, &runner.model()).expect("a model on the GPU"));
            Running { runner: runner.clone(), gpu, auto, last: Vec::new() }
        };
        let (mut auto, mut forced) = (on_gpu(true), on_gpu(false));
        let sample = [ArrayD::from_elem(vec![784], 0.5)];
        let wanted = runner.clone().run(&sample).expect("a run");
        assert_eq!(auto.run(&sample).expect("a run"), wanted);
        gpu.destroy();
        assert!(forced.run(&sample).is_err());
        assert_eq!(auto.run(&sample).expect("a run"), wanted);
        assert!(auto.gpu.is_none() && auto.last == auto.runner.output_bytes());
    }
}
