//! What can go wrong, each with the way out.

use std::fmt;
use std::time::Duration;

use lacewing::Opcode;

/// A record that runs on the CPU alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// Its number in the program.
    pub record: usize,
    /// Its operation.
    pub opcode: Opcode,
    /// Why the GPU does not run it.
    pub reason: &'static str,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {}, {}: {}", self.record, self.opcode.name(), self.reason)
    }
}

/// Why there is no GPU, no model on it, or no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GpuError {
    /// No adapter; wgpu's own words.
    NoAdapter(String),
    /// There are adapters in software alone, and none was asked for; the name of the first.
    Software(String),
    /// The adapter gives no device with WebGPU's default limits; wgpu's own words.
    NoDevice(String),
    /// The model needs more of something than the device gives.
    Limit {
        /// Of what, with its unit.
        what: &'static str,
        /// How much the model needs.
        needed: u64,
        /// How much there is.
        allowed: u64,
    },
    /// Records that run on the CPU alone, and whatever else of the model does.
    Unsupported(Vec<Unsupported>),
    /// An inference was given inputs that are not the model's: their number or their lengths in bytes.
    Inputs {
        /// Bytes of each input of the model.
        wanted: Vec<usize>,
        /// Bytes of each that was given.
        got: Vec<usize>,
    },
    /// A batch is empty or larger than the model was loaded for.
    Batch {
        /// Inferences given.
        got: usize,
        /// The most that the model was loaded for.
        most: usize,
    },
    /// The GPU did not finish in time.
    Timeout(Duration),
    /// The device is lost, for good: load the model on another one, or run it on the CPU.
    Lost(String),
    /// The device has no memory left; wgpu's own words.
    OutOfMemory(String),
    /// wgpu refused a command: an error of this crate or of the driver; wgpu's own words.
    Refused(String),
}

impl fmt::Display for GpuError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAdapter(reason) => write!(f, "no GPU: {reason}"),
            Self::Software(name) => {
                write!(f, "no GPU: the only adapter, {name}, computes in software; it is there for tests")
            }
            Self::NoDevice(reason) => write!(f, "the GPU gives no device: {reason}"),
            Self::Limit { what, needed, allowed } => {
                write!(f, "the model exceeds the GPU: {needed} {what} where {allowed} are allowed")
            }
            Self::Unsupported(records) => {
                f.write_str("the GPU does not run all of the model:")?;
                records.iter().try_for_each(|record| write!(f, "\n  {record}"))
            }
            Self::Inputs { wanted, got } => write!(f, "inputs of {got:?} bytes where the model has {wanted:?}"),
            Self::Batch { got, most } => write!(f, "a batch of {got} where the model was loaded for 1 to {most}"),
            Self::Timeout(after) => write!(f, "the GPU did not finish within {after:?}"),
            Self::Lost(reason) => write!(f, "the GPU is lost: {reason}"),
            Self::OutOfMemory(reason) => write!(f, "the GPU has no memory left: {reason}"),
            Self::Refused(reason) => write!(f, "the GPU refused a command: {reason}"),
        }
    }
}

impl std::error::Error for GpuError {}

impl From<wgpu::Error> for GpuError {
    fn from(error: wgpu::Error) -> Self {
        match error {
            wgpu::Error::OutOfMemory { .. } => Self::OutOfMemory(error.to_string()),
            wgpu::Error::Validation { .. } | wgpu::Error::Internal { .. } => Self::Refused(error.to_string()),
        }
    }
}
