//! Operators: from the ONNX node to the graph (`lower`), file by file as in the runtime.

mod argmax;
mod attention;
mod batch_norm;
mod binary;
mod binary_function;
mod cast;
mod compose;
mod concat;
mod conv;
mod cumulative;
mod depthwise;
mod einsum;
mod fully_connected;
mod gru;
mod integer;
mod loss;
mod lstm;
mod matmul;
mod norm;
mod pad;
mod pool;
pub(crate) mod quantize;
mod recurrent;
mod reduce;
mod reshape;
mod rnn;
mod rotary;
mod select;
mod slice;
mod softmax;
mod strided_copy;
mod transpose;
mod unary;

use crate::encode::Writer;
use crate::error::ConvertError;
use crate::graph::{Node, Op, ValueId};
use crate::import::{Lowering, OnnxNode};
pub(crate) use unary::unsupported;

/// Lowers one ONNX node; its results in the order of its outputs.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    match node.op() {
        "Conv" => conv::lower(node, to),
        "Gemm" => fully_connected::lower_gemm(node, to),
        "MatMul" => fully_connected::lower_matmul(node, to),
        "AveragePool" | "MaxPool" => pool::lower(node, to),
        "GlobalAveragePool" | "GlobalMaxPool" => pool::lower_global(node, to),
        "ReduceMean" | "ReduceMax" | "ReduceSum" | "ReduceMin" | "ReduceProd" | "ReduceL1" | "ReduceL2"
        | "ReduceLogSum" | "ReduceLogSumExp" | "ReduceSumSquare" => reduce::lower(node, to),
        "LSTM" | "GRU" | "RNN" => recurrent::lower(node, to),
        "MatMulInteger" => integer::lower_matmul(node, to),
        "DynamicQuantizeLinear" => integer::lower_dynamic(node, to),
        "NegativeLogLikelihoodLoss" | "SoftmaxCrossEntropyLoss" => loss::lower(node, to),
        "Attention" => attention::lower(node, to),
        "RotaryEmbedding" => rotary::lower(node, to),
        "Einsum" => einsum::lower(node, to),
        "CumSum" | "CumProd" => cumulative::lower(node, to),
        "LayerNormalization"
        | "RMSNormalization"
        | "InstanceNormalization"
        | "GroupNormalization"
        | "MeanVarianceNormalization"
        | "LpNormalization"
        | "LRN" => norm::lower(node, to),
        "Add" | "Sub" | "Mul" | "Div" | "Sum" | "Mean" | "Min" | "Max" | "Pow" | "PRelu" => binary::lower(node, to),
        "Equal" | "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual" | "And" | "Or" | "Xor" | "Mod" | "BitShift"
        | "BitwiseAnd" | "BitwiseOr" | "BitwiseXor" => binary_function::lower(node, to),
        "Where" => select::lower(node, to),
        "Cast" | "CastLike" => cast::lower(node, to),
        "BatchNormalization" => batch_norm::lower(node, to),
        "Pad" => pad::lower(node, to),
        "Concat" => concat::lower(node, to),
        "Transpose" => transpose::lower(node, to),
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" | "Expand" => reshape::lower(node, to),
        "Slice" => slice::lower(node, to),
        "Split" => slice::lower_split(node, to),
        "Gather" => slice::lower_gather(node, to),
        "QuantizeLinear" => quantize::lower_quantize(node, to),
        "DequantizeLinear" => quantize::lower_dequantize(node, to),
        "Softmax" | "LogSoftmax" | "Hardmax" => softmax::lower(node, to),
        "ArgMax" | "ArgMin" => argmax::lower(node, to),
        _ => unary::lower(node, to),
    }
}

/// Writes the records of one node of the graph.
pub(crate) fn encode(node: &Node, to: &mut Writer<'_>) -> Result<(), ConvertError> {
    match &node.op {
        Op::Conv { window, groups } => conv::encode(window, *groups, to),
        Op::FullyConnected => fully_connected::encode(to),
        Op::Pool { window, kind } => pool::encode(window, *kind, to),
        Op::Binary(binary) => binary::encode(*binary, to),
        Op::Select => select::encode(to),
        Op::MatMul { transposed } => matmul::encode(*transposed, to),
        Op::Lstm { activations, clip, coupled } => lstm::encode(*activations, *clip, *coupled, to),
        Op::Gru { activations, clip, reset_last } => gru::encode(*activations, *clip, *reset_last, to),
        Op::Rnn { activation, clip } => rnn::encode(*activation, *clip, to),
        Op::Cumulative { axis, product, exclusive, reverse } => {
            cumulative::encode(*axis, [*product, *exclusive, *reverse], to)
        }
        Op::Unary(function) => unary::encode(*function, to),
        Op::Pad { pads, value } => pad::encode(pads, *value, to),
        Op::Concat { axis } => concat::encode(*axis, to),
        Op::Transpose { perm } => transpose::encode(perm, to),
        Op::Reshape => reshape::encode(to),
        Op::Slice { starts, steps } => slice::encode(starts, steps, to),
        Op::Softmax { axis } => softmax::encode(*axis, to),
        Op::ArgMax { axis } => argmax::encode(*axis, to),
        Op::Quantize => quantize::encode_quantize(to),
        Op::Dequantize => quantize::encode_dequantize(to),
    }
}
