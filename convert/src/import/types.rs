//! Element types that nodes give. The graph carries all numbers as reals; what an operator means depends on their types.

use tract_onnx::pb::tensor_proto::DataType;

use super::OnnxNode;

/// The type of a node's results, from those of its inputs.
pub(super) fn result(node: &OnnxNode<'_>, input: impl Fn(usize) -> Option<DataType>) -> Option<DataType> {
    match node.op() {
        "Cast" => DataType::try_from(i32::try_from(node.int("to", 1)).ok()?).ok(),
        "CastLike" | "Where" => input(1),
        "Equal" | "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual" | "And" | "Or" | "Xor" | "Not" | "IsNaN"
        | "IsInf" => Some(DataType::Bool),
        "ArgMax" | "ArgMin" | "Shape" | "Size" | "NonZero" => Some(DataType::Int64),
        "MatMulInteger" | "ConvInteger" => Some(DataType::Int32),
        "QuantizeLinear" => input(2).or(Some(DataType::Uint8)),
        "DequantizeLinear" => Some(DataType::Float),
        _ => input(0),
    }
}
