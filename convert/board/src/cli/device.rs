//! Where a model runs: on this machine's CPU, or on a GPU where the build has the feature `gpu`.

use std::path::Path;

use lacewing::Model;
use serde_json::Value;

use super::engine::Engine;
use super::failure::Failure;
#[cfg(feature = "gpu")]
use super::gpu;
use super::terminal::Terminal;
use crate::runner::Runner;

/// What a model runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Device {
    /// This machine's processor
    Cpu,
    /// A GPU, or an error
    Gpu,
    /// What is faster with this model, tried once on each machine
    Auto,
}

/// What a user says of it.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct DeviceArgs {
    /// Where a .lace file runs; integers are the same everywhere, bit for bit
    #[arg(long, value_enum, value_name = "DEVICE", default_value_t = Device::Cpu)]
    pub device: Device,
    /// Let the GPU be one that computes in software, for tests
    #[arg(long)]
    pub allow_software_gpu: bool,
}

/// The end without a result.
#[cfg(not(feature = "gpu"))]
const ABSENT: &str = "this build has no GPU: the feature `gpu` of the crate was not compiled in";

impl DeviceArgs {
    /// Refuses a GPU for what is no `.lace` file.
    ///
    /// # Errors
    /// It is asked for.
    pub fn only_cpu(&self) -> Result<(), Failure> {
        if self.device == Device::Cpu { Ok(()) } else { Err(Failure::new("a GPU runs .lace files alone: convert it")) }
    }

    /// What runs the model: the runner itself, or a GPU in its place. `file` is the model's.
    ///
    /// # Errors
    /// There is no usable GPU, or the build has none.
    pub fn engine(&self, runner: Runner, file: &[u8], terminal: &Terminal) -> Result<Box<dyn Engine>, Failure> {
        match self.device {
            Device::Cpu => Ok(Box::new(runner)),
            #[cfg(feature = "gpu")]
            _ => gpu::engine(self, runner, file, terminal),
            #[cfg(not(feature = "gpu"))]
            _ => refused((file, terminal)),
        }
    }

    /// Measures a model on a GPU. Whether that was done: with `auto` the CPU may be faster.
    ///
    /// # Errors
    /// As [`DeviceArgs::engine`].
    pub fn bench(&self, model: &Path, threads: u8, terminal: &Terminal) -> Result<bool, Failure> {
        match self.device {
            Device::Cpu => Ok(false),
            #[cfg(feature = "gpu")]
            _ => gpu::bench::run(self, (model, threads), terminal),
            #[cfg(not(feature = "gpu"))]
            _ => refused((model, threads, terminal)),
        }
    }

    /// Says which records of a model run on the CPU alone, and why, for people and for programs.
    ///
    /// # Errors
    /// The build has no GPU.
    pub fn inspect(&self, model: &Model<'_>, terminal: &Terminal) -> Result<Option<Value>, Failure> {
        match self.device {
            Device::Cpu => Ok(None),
            #[cfg(feature = "gpu")]
            _ => Ok(Some(gpu::inspect(model, terminal))),
            #[cfg(not(feature = "gpu"))]
            _ => refused((model, terminal)),
        }
    }
}

/// Nothing is done with what was asked for.
#[cfg(not(feature = "gpu"))]
fn refused<T, U>(_asked: U) -> Result<T, Failure> {
    Err(Failure::new(ABSENT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_runs_lace_files_alone() {
        let on = |device| DeviceArgs { device, allow_software_gpu: false };
        assert!(on(Device::Cpu).only_cpu().is_ok());
        assert_eq!([Device::Gpu, Device::Auto].map(|device| on(device).only_cpu().unwrap_err().status()), [1, 1]);
    }

    #[test]
    #[cfg(not(feature = "gpu"))]
    fn a_build_without_gpu_says_so() {
        let args = DeviceArgs { device: Device::Auto, allow_software_gpu: false };
        let terminal = Terminal::new(false, false, clap::ColorChoice::Never);
        let failure = args.bench(Path::new("model.lace"), 1, &terminal).unwrap_err();
        assert_eq!(failure.status(), 1);
        assert!(failure.to_string().contains("not compiled in"), "{failure}");
    }
}
