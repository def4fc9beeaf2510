//! Classes of node cases that goals are set for.

use crate::facts::Facts;

/// A class of cases.
pub(crate) struct Class {
    /// For people and programs.
    pub(crate) name: &'static str,
    /// Whether a case is in it.
    pub(crate) has: fn(&Facts) -> bool,
}

/// The classes, each with a goal of its own; a case is in several or in none.
pub(crate) const CLASSES: [Class; 4] = [
    Class { name: "convolutional-network operators in f32, int, bool", has: convolutional },
    Class { name: "the same, quantized", has: quantized },
    Class { name: "function-expanded copies", has: is_expanded },
    Class { name: "all node cases", has: is_node },
];

/// Not copies, of one operator of [`CONVOLUTIONAL`], with inputs and outputs of these types.
fn convolutional(facts: &Facts) -> bool {
    const TYPES: [&str; 4] = ["bool", "float", "int32", "int64"];
    original(facts, &CONVOLUTIONAL, &TYPES)
}

/// As [`convolutional`], of [`QUANTIZED`]; narrow integers and accumulators.
fn quantized(facts: &Facts) -> bool {
    const TYPES: [&str; 4] = ["float", "int8", "int32", "uint8"];
    original(facts, &QUANTIZED, &TYPES)
}

fn original(facts: &Facts, ops: &[&str], types: &[&str]) -> bool {
    let known = |words: &[&str], word: &String| words.contains(&word.as_str());
    is_node(facts)
        && !is_expanded(facts)
        && facts.ops.iter().all(|op| known(ops, op))
        && facts.types.iter().all(|t| known(types, t))
}

/// ONNX defines some operators by others; the suite has a copy of each of their cases, written out.
fn is_expanded(facts: &Facts) -> bool {
    is_node(facts) && facts.name.contains("_expanded")
}

fn is_node(facts: &Facts) -> bool {
    facts.name.starts_with("node/")
}

/// What convolutional networks are made of. These give the 448 cases that the goal counts; onnxruntime 1.32 passes 441 of them,
/// and fails on random masks of Dropout (4), on Resize (2) and on ReduceMax of truth values.
const CONVOLUTIONAL: [&str; 83] = [
    "Abs",
    "Add",
    "ArgMax",
    "ArgMin",
    "AveragePool",
    "BatchNormalization",
    "Ceil",
    "Clip",
    "Concat",
    "Conv",
    "ConvTranspose",
    "Cos",
    "DepthToSpace",
    "Div",
    "Dropout",
    "Elu",
    "Equal",
    "Erf",
    "Exp",
    "Expand",
    "Flatten",
    "Floor",
    "Gather",
    "Gelu",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "Greater",
    "GreaterOrEqual",
    "GroupNormalization",
    "HardSigmoid",
    "HardSwish",
    "InstanceNormalization",
    "LRN",
    "LeakyRelu",
    "Less",
    "LessOrEqual",
    "Log",
    "LogSoftmax",
    "MatMul",
    "Max",
    "MaxPool",
    "Mean",
    "Min",
    "Mish",
    "Mul",
    "Neg",
    "PRelu",
    "Pad",
    "Pow",
    "Reciprocal",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "Relu",
    "Reshape",
    "Resize",
    "Round",
    "Selu",
    "Sigmoid",
    "Sign",
    "Sin",
    "Slice",
    "Softmax",
    "Softplus",
    "Softsign",
    "SpaceToDepth",
    "Split",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Sum",
    "Swish",
    "Tanh",
    "ThresholdedRelu",
    "Tile",
    "TopK",
    "Transpose",
    "Unsqueeze",
    "Upsample",
    "Where",
];

/// Arithmetic on quantized tensors, and the doors to it.
const QUANTIZED: [&str; 7] = [
    "ConvInteger",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
    "MatMulInteger",
    "QLinearConv",
    "QLinearMatMul",
    "QuantizeLinear",
];
