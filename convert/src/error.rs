//! Errors of the converter. Each names what the user knows (node, operator, tensor, input) and the way out.

use std::fmt::Write as _;

/// Why a model cannot be converted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// The bytes are no ONNX model at all.
    #[error("not an ONNX model: {reason}")]
    NotOnnx {
        /// What is wrong with the bytes.
        reason: String,
    },
    /// The bytes say that they are a TensorFlow Lite model, and are a broken one.
    #[error("the TensorFlow Lite model is broken: {reason}")]
    NotTflite {
        /// What is wrong with the bytes.
        reason: String,
    },
    /// The model decodes, but its graph contradicts itself.
    #[error("the ONNX graph is broken: {reason}")]
    BrokenGraph {
        /// The contradiction.
        reason: String,
    },
    /// A graph input has a type or a shape that cannot be used.
    #[error("input `{input}`: {reason}")]
    Input {
        /// The ONNX input's name.
        input: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// An initializer or another constant is wrong.
    #[error("tensor `{tensor}`: {reason}")]
    Tensor {
        /// The ONNX tensor's name.
        tensor: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// One node cannot be converted.
    #[error("{op} `{node}`: {reason}")]
    Node {
        /// The ONNX operator.
        op: String,
        /// The ONNX node's name.
        node: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// Several things are wrong with the model.
    #[error("{}", lines(.problems, *.more))]
    Several {
        /// What is wrong, in the order of the model.
        problems: Vec<Problem>,
        /// How many problems there are beside these.
        more: usize,
    },
    /// A pass left the graph inconsistent.
    #[error("pass `{pass}`: {reason}; this is a defect of Lacewing, please report it with the model")]
    Pass {
        /// The pass.
        pass: &'static str,
        /// The first inconsistency found.
        reason: String,
    },
    /// tract cannot run the float original.
    #[error("tract cannot run the float original: {reason}")]
    Oracle {
        /// tract's own words.
        reason: String,
    },
    /// int8 without samples, of a model that brings no scales along.
    #[error("int8 needs samples of real inputs to choose its scales: --calib samples.npz (or keep --precision f32)")]
    NoSamples,
    /// A rule for layers that are not there.
    #[error("no layer is named `{pattern}`; the layers are {}", listed(layers))]
    NoLayer {
        /// The pattern.
        pattern: String,
        /// The names.
        layers: Vec<String>,
    },
    /// The calibration data lead to numbers that int8 cannot hold.
    #[error("`{node}`: {reason}")]
    Calibration {
        /// The node.
        node: String,
        /// What was seen.
        reason: String,
    },
    /// Channels that do not matter cannot be left out as it was asked.
    #[error("pruning: {reason}")]
    Prune {
        /// Why, and what to do.
        reason: String,
    },
    /// A search that cannot be.
    #[error("--precision auto: {reason}")]
    Search {
        /// Why, and what to do.
        reason: String,
    },
    /// The memory plan failed.
    #[error(transparent)]
    Plan(#[from] crate::plan::PlanError),
    /// The model exceeds the format.
    #[error(transparent)]
    TooLarge(#[from] lacewing::format::encode::TooLarge),
    /// The file that was written, or a sample, was refused.
    #[error(transparent)]
    Run(#[from] crate::runner::RunnerError),
}

/// One of several things that are wrong with a model.
#[derive(Debug)]
pub struct Problem {
    /// What is wrong.
    pub error: ConvertError,
    /// How many other nodes of the same operator it is wrong with.
    pub others: usize,
}

/// Some of the names, and how many there are.
fn listed(names: &[String]) -> String {
    let some: Vec<String> = names.iter().take(20).map(|name| format!("`{name}`")).collect();
    match names.len() - some.len() {
        0 => some.join(", "),
        more => format!("{} and {more} more", some.join(", ")),
    }
}

fn lines(problems: &[Problem], more: usize) -> String {
    let mut text = "several things are wrong:".to_string();
    for Problem { error, others } in problems {
        let plural = if *others == 1 { "" } else { "s" };
        let others = if *others == 0 { String::new() } else { format!(" (and {others} other node{plural})") };
        // Writing to a string does not fail.
        let _ = write!(text, "\n  {error}{others}");
    }
    if more > 0 {
        let _ = write!(text, "\n  and {more} more");
    }
    text
}
