//! Runs `.lace` programs on a GPU, by wgpu; those in integers with the bits that the CPU gives.
//!
//! ```no_run
//! use lacewing_gpu::{Gpu, GpuModel, Options};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let model = lacewing_targets::load("model.lace")?;
//! let gpu = Gpu::new(&Options::default())?;
//! let mut on_gpu = GpuModel::load(&gpu, &model.model())?;
//! let outputs = on_gpu.run(&[&[0; 150528]])?;
//! # Ok(())
//! # }
//! ```
//!
//! A model is loaded once: its weights are put in the order of the kernels and sent, a pipeline is compiled for each kernel. A run then
//! is one submission of one pass with a dispatch for each record, one wait, and one copy back.
//!
//! **Exact.** int8 is summed in i32 and requantized by the rule of `lacewing`, its 64-bit product made of halves. No integer result hangs on the
//! rounding of floats, which GPUs are free in. Operations in f32 agree with the CPU's within the rounding of f32.
//!
//! **Memory.** The file's arena plan holds for rows that follow each other in time: outputs lie over rows of inputs, bands keep a few
//! lines. On a GPU all rows are computed at once, so values are placed anew, none over another, and bands run layer by layer. A GPU
//! takes more memory for values than the file's arena, therefore.
//!
//! **Limits** are WebGPU's defaults: 256 invocations in a workgroup, of which 64 are used, no shared memory, 128 MiB for all values of a
//! batch and 128 MiB for all constants, two storage buffers. A model beyond them is [`GpuError::Limit`].
//!
//! **Whole models.** A record without a kernel, as all arithmetic in int16, makes [`GpuModel::load`] fail, with all of them and why; the model
//! runs on the CPU then. Each way between the two would cost more than the records between.
//!
//! Whether a GPU is faster is to be measured: those of small boards often are not.
#![warn(missing_docs)]

mod buffers;
mod device;
mod error;
mod kernel;
mod lower;
mod model;
mod pipelines;
mod plan;

pub use device::{Gpu, Options};
pub use error::{GpuError, Unsupported};
pub use model::{Costs, GpuModel};
