//! From ONNX models to `.lace` files: import, simplify, calibrate, quantize, plan, encode, verify.
//!
//! Each stage takes finished values and gives a new one; [`convert`] is all of them in their order. The command `lacewing` is a thin
//! shell round this library.

pub mod calibrate;
pub mod data;
pub mod doors;
pub mod encode;
pub mod error;
pub mod graph;
pub mod import;
pub mod isolated;
mod ops;
pub mod oracle;
pub mod parallel;
pub mod passes;
pub mod plan;
pub mod quantize;
pub mod reference;
pub mod runner;
pub mod states;
pub mod survey;
mod transposed;
pub mod verify;

use lacewing::format::metadata::Item;
use ndarray::ArrayD;
use sha2::{Digest, Sha256};

use crate::calibrate::calibrate;
use crate::doors::Io;
use crate::encode::{Context, Encoded, encode};
use crate::error::ConvertError;
use crate::graph::Graph;
use crate::import::ImportOptions;
use crate::passes::{SimplifyOptions, simplify};
use crate::plan::Plan;
use crate::quantize::{Quantization, is_quantized, quantize};
use crate::reference::Reference;
use crate::verify::{Verification, verify};

/// Arithmetic of the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// int8 weights and activations.
    #[default]
    Int8,
    /// 32-bit float.
    F32,
}

/// What the user wants.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How the model is read.
    pub import: ImportOptions,
    /// How it is laid out.
    pub simplify: SimplifyOptions,
    /// Arithmetic.
    pub precision: Precision,
    /// Type of inputs and outputs of an int8 program.
    pub io: Io,
}

/// One array for each model input.
pub type Sample = Vec<ArrayD<f32>>;

/// The stages that take time, for progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// One sample has passed the float program.
    Calibrate,
    /// One sample has passed the written bytes and the reference.
    Verify,
}

/// A converted model and what is known of it.
#[derive(Debug)]
pub struct Conversion {
    /// The bytes of the `.lace` file.
    pub file: Vec<u8>,
    /// The graph that was written.
    pub graph: Graph,
    /// Its memory.
    pub plan: Plan,
    /// The bytes against the float original, or what stands for it.
    pub verification: Verification,
}

/// Converts an ONNX model. `samples` calibrate and verify; `progress` is called after each sample of a stage.
///
/// # Errors
/// [`ConvertError`], naming the node or tensor and the way out.
pub fn convert(
    onnx: &[u8],
    options: &Options,
    samples: &[Sample],
    mut progress: impl FnMut(Stage),
) -> Result<Conversion, ConvertError> {
    let (graph, states) = import::with_states(onnx, &options.import)?;
    let graph = states::bind(simplify(graph, &options.simplify)?, &states)?;
    let reference = match samples {
        [] => None,
        _ => Some(Reference::new(onnx, &options.import, &graph, samples)?),
    };
    let (graph, quantization) = match options.precision {
        Precision::F32 => (graph, Quantization::none()),
        Precision::Int8 => {
            if samples.is_empty() && !is_quantized(&graph) {
                return Err(ConvertError::NoSamples);
            }
            let ranges = calibrate(&graph, samples, || progress(Stage::Calibrate))?;
            quantize(&graph, &ranges, options.io)?
        }
    };
    let context = Context::new(&graph, quantization, provenance(&graph, onnx))?;
    let Encoded { file, .. } = encode(&context)?;
    let plan = context.plan;
    let verification = match &reference {
        Some(reference) => verify(&graph, &file, reference, samples, || progress(Stage::Verify))?,
        None => Verification::default(),
    };
    Ok(Conversion { file, graph, plan, verification })
}

/// Where the file comes from.
fn provenance(graph: &Graph, onnx: &[u8]) -> Vec<Item> {
    let producer = concat!("lacewing ", env!("CARGO_PKG_VERSION"));
    let sha256 = Sha256::digest(onnx).into();
    vec![Item::Producer(producer.into()), Item::Source { name: graph.name.clone(), sha256 }]
}
