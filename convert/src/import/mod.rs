//! ONNX files to a [`Graph`].
//!
//! Nodes are walked one for one in the protobuf. What is constant is computed at once by tract, one node at a time and
//! under a bound on its size; everything else is lowered by `ops`, which also knows the shape of what it writes.
//! This is the only reader of foreign bytes in the converter: behind it there is no panic and no default.

mod budget;
mod cell;
mod constants;
mod control;
mod decode;
mod external;
mod fold;
mod functions;
mod given;
mod guard;
mod inputs;
mod lowering;
mod node;
mod problems;
mod qoperator;
mod survey;
mod tflite;
mod types;
pub(crate) mod window;
mod wire;

use std::collections::BTreeMap;

use prost::Message;

use crate::error::ConvertError;
use crate::graph::Graph;

pub(crate) use constants::{AxisGrid, Constant};
pub(crate) use decode::Source;
pub use external::self_contained;
pub(crate) use guard::quietly;
pub(crate) use inputs::{InputType, declared};
pub(crate) use lowering::Fate;
pub(crate) use lowering::{Lowering, MAX_ELEMENTS, kind};
pub(crate) use node::OnnxNode;
pub use survey::Door;
pub(crate) use survey::{SeenNode, Sight, survey};

/// What the user says about a model that its file does not.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// Sizes for dimensions without a fixed one, by symbol or as `<input>.<axis>` (`--dim name=value`).
    /// A first dimension without one is 1.
    pub dims: BTreeMap<String, usize>,
    /// Inputs that are states, each with the output that gives its next value (`--state input=output`).
    pub states: Vec<StateNames>,
    /// Inputs that are constants, by name: one number for every element, or one for each in row-major order (`--constant name=16000`).
    pub constants: BTreeMap<String, Vec<f64>>,
}

/// An input that holds a state, and the output that gives the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateNames {
    /// The ONNX input.
    pub input: String,
    /// The ONNX output.
    pub output: String,
}

/// Reads an ONNX model: decodes, infers every shape, folds constants, lowers each node.
///
/// # Errors
/// What is wrong with the file or cannot be converted, by node, tensor or input name. Any bytes may be given.
pub fn onnx(bytes: &[u8], options: &ImportOptions) -> Result<Graph, ConvertError> {
    with_states(bytes, options).map(|(graph, _)| graph)
}

/// As [`onnx`], and the states that the user names, then those that the model lists itself. In the graph these are still inputs and outputs.
///
/// # Errors
/// As [`onnx`].
pub fn with_states(bytes: &[u8], options: &ImportOptions) -> Result<(Graph, Vec<StateNames>), ConvertError> {
    let source = Source::decode(bytes, options)?;
    match quietly(|| lowering::lower(&source, options)) {
        Ok(graph) => Ok((graph?, source.states(options))),
        Err(reason) => Err(ConvertError::BrokenGraph { reason }),
    }
}

/// A TensorFlow Lite model as the ONNX model that is read in its place.
///
/// # Errors
/// What is wrong with the file, or which of its operators are not supported. Any bytes may be given.
pub fn tflite_as_onnx(bytes: &[u8]) -> Result<Vec<u8>, ConvertError> {
    tflite::translate(bytes).map(|model| model.encode_to_vec())
}

#[cfg(test)]
pub(crate) mod tests;
