//! From ONNX models to `.lace` files: import, simplify, calibrate, quantize, plan, encode, verify.
//!
//! Each stage takes finished values and gives a new one; [`convert`] is all of them in their order. The command `lacewing` is a thin
//! shell round this library.

pub mod calibrate;
pub mod channels;
pub mod doors;
pub mod encode;
pub mod equalize;
pub mod error;
pub mod fixes;
mod front;
pub mod graph;
pub mod import;
pub mod isolated;
mod ops;
pub mod oracle;
pub mod passes;
pub mod plan;
mod provenance;
pub mod prune;
pub mod quantize;
mod reach;
pub mod reconstruct;
pub mod reference;
pub mod report;
pub mod search;
pub mod spread;
pub mod states;
pub mod survey;
mod transposed;
mod trial;
pub mod verify;
mod wish;

use lacewing::format::metadata::Item;
pub use lacewing_board::{data, parallel, predict, program, runner};
use ndarray::ArrayD;

use crate::calibrate::{Calibrator, calibrate};
use crate::channels::Removed;
use crate::encode::{Aim, Context, Encoded, encode};
use crate::equalize::equalize;
use crate::error::ConvertError;
use crate::graph::{Graph, Node};
use crate::import::ImportOptions;
use crate::passes::{SimplifyOptions, simplify};
use crate::plan::Plan;
use crate::provenance::Origin;
pub use crate::quantize::Precision;
use crate::quantize::{Policy, Quantization, Width, is_quantized, quantize, writes_states};
use crate::reconstruct::{Rounding, reconstruct};
use crate::reference::Reference;
use crate::runner::{RunnerError, macs};
use crate::verify::{Verification, verify};

/// What the user wants.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How the model is read.
    pub import: ImportOptions,
    /// How it is laid out.
    pub simplify: SimplifyOptions,
    /// Arithmetic.
    pub policy: Policy,
    /// How ranges are chosen.
    pub calibrator: Calibrator,
    /// How weights become integers.
    pub rounding: Rounding,
    /// Metadata that the file takes along: preprocessing, classes.
    pub items: Vec<Item>,
    /// What the file is written for.
    pub aim: Aim,
    /// The share of multiply-accumulates to save by leaving out what matters least; see [`mod@prune`].
    pub prune: Option<f64>,
}

impl Options {
    /// Every layer in that arithmetic, all else as it is by default.
    #[must_use]
    pub fn of(precision: Precision) -> Self {
        Self { policy: Policy { precision, ..Policy::default() }, ..Self::default() }
    }
}

/// One array for each model input.
pub type Sample = Vec<ArrayD<f32>>;

/// The stages that take time, for progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// A layer was looked at, weighed or fitted for pruning.
    Prune,
    /// One sample has passed the float program.
    Calibrate,
    /// Ranges of one value were tried.
    Cut,
    /// The weights of one layer were fitted.
    Fit,
    /// One program of a search was tried.
    Try,
    /// One sample has passed the written bytes and the reference.
    Verify,
}

/// One step of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The stage.
    pub stage: Stage,
    /// Steps of the stage in all.
    pub of: usize,
}

/// A converted model and what is known of it.
#[derive(Debug)]
pub struct Conversion {
    /// The bytes of the `.lace` file.
    pub file: Vec<u8>,
    /// The graph before quantization.
    pub float: Graph,
    /// The graph that was written.
    pub graph: Graph,
    /// The numbers of its integers.
    pub quantization: Quantization,
    /// Its memory.
    pub plan: Plan,
    /// Multiply-accumulates of one run.
    pub macs: u64,
    /// Constant and unread channels that were left out; the outputs are the same without them.
    pub removed: Removed,
    /// What was pruned.
    pub pruned: Removed,
    /// The bytes against the float original, or what stands for it.
    pub verification: Verification,
}

impl Conversion {
    /// Names of the recurrent layers that were to be int16 and read their sequence in int8 all the same: their integer form has int16 in
    /// the states alone.
    #[must_use]
    pub fn narrowed(&self, policy: &Policy) -> Vec<&str> {
        let reads_int8 = |node: &&Node| self.quantization.params(node.inputs[0]).is_some_and(|p| p.width == Width::I8);
        let recurrent = self.graph.nodes.iter().filter(|node| writes_states(node));
        let wide = recurrent.filter(|node| policy.of(&node.name) == Precision::Int16);
        wide.filter(reads_int8).map(|node| node.name.as_str()).collect()
    }
}

/// Converts an ONNX model. `samples` calibrate and verify; `progress` is called after each step of a stage.
///
/// # Errors
/// [`ConvertError`], naming the node or tensor and the way out.
pub fn convert(
    onnx: &[u8],
    options: &Options,
    samples: &[Sample],
    mut progress: impl FnMut(Step),
) -> Result<Conversion, ConvertError> {
    let graph = simplified(onnx, options)?;
    let reference = match samples {
        [] => None,
        _ => Some(Reference::new(onnx, &options.import, &graph, samples)?),
    };
    options.policy.check(&graph)?;
    let integers = options.policy.precision != Precision::F32;
    let dense = options
        .prune
        .map(|share| prune::prune(&graph, share, samples, |of| progress(Step { stage: Stage::Prune, of })))
        .transpose()?;
    let pruned = dense.as_ref().map(|dense| Removed::between(&graph, dense, integers)).unwrap_or_default();
    let whole = dense.unwrap_or(graph);
    let Program { float, graph, quantization } = program(&whole, options, samples, &mut progress)?;
    let removed = Removed::between(&whole, &graph, integers);
    let items = Origin::of(onnx, samples).items(&graph.name, options);
    let context = Context::aimed(&graph, quantization.clone(), items, options.aim)?;
    let Encoded { file, .. } = encode(&context)?;
    let plan = context.plan;
    let verification = match &reference {
        Some(reference) => {
            verify(&float, &file, reference, samples, || progress(Step { stage: Stage::Verify, of: samples.len() }))?
        }
        None => Verification::default(),
    };
    let macs = macs(&lacewing::Model::read(&file).map_err(RunnerError::from)?);
    Ok(Conversion { file, float, graph, quantization, plan, macs, removed, pruned, verification })
}

/// The graph that a file is made from.
fn simplified(onnx: &[u8], options: &Options) -> Result<Graph, ConvertError> {
    let (graph, states) = import::with_states(onnx, &options.import)?;
    states::bind(simplify(graph, &options.simplify)?, &states)
}

/// What is written.
struct Program {
    /// The same in f32.
    float: Graph,
    graph: Graph,
    quantization: Quantization,
}

/// The program without constant and unread channels. Of a quantized model the integers decide which are constant, of any other the reals.
fn program(
    graph: &Graph,
    options: &Options,
    samples: &[Sample],
    progress: &mut impl FnMut(Step),
) -> Result<Program, ConvertError> {
    let (integers, given) = (options.policy.precision != Precision::F32, is_quantized(graph));
    if integers && !given && samples.is_empty() {
        return Err(ConvertError::NoSamples);
    }
    if integers && given {
        let (quantized, quantization) = quantized(graph, options, samples, progress)?;
        let removal = channels::find(&quantized, &quantization)?;
        let (float, _) = removal.apply(graph.clone(), Quantization::none());
        let (graph, quantization) = removal.apply(quantized, quantization);
        return Ok(Program { float, graph, quantization });
    }
    let (float, none) = channels::remove(graph.clone(), Quantization::none())?;
    if !integers {
        return Ok(Program { graph: float.clone(), float, quantization: none });
    }
    let float = equalize(float, &options.policy, samples)?;
    let (graph, quantization) = quantized(&float, options, samples, progress)?;
    Ok(Program { float, graph, quantization })
}

fn quantized(
    graph: &Graph,
    options: &Options,
    samples: &[Sample],
    progress: &mut impl FnMut(Step),
) -> Result<(Graph, Quantization), ConvertError> {
    let ranges = calibrate(graph, samples, options.calibrator, &mut *progress)?;
    let (quantized, quantization) = quantize(graph, &ranges, &options.policy)?;
    match options.rounding {
        rounding @ (Rounding::Gptq | Rounding::Adaround) if !samples.is_empty() && graph.states.is_empty() => {
            reconstruct(graph, quantized, quantization, samples, rounding, |of| {
                progress(Step { stage: Stage::Fit, of })
            })
        }
        _ => Ok((quantized, quantization)),
    }
}
