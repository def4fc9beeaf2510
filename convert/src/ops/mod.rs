//! Operators: from the ONNX node to the graph (`lower`), file by file as in the runtime.

mod argmax;
mod attention;
mod batch_norm;
mod binary;
mod binary_function;
mod cast;
mod col2im;
mod compose;
mod concat;
mod conv;
mod conv_transpose;
mod crop;
mod cumulative;
mod depth;
mod depthwise;
mod einsum;
mod features;
mod fully_connected;
mod gather;
mod grid;
mod gru;
mod integer;
mod loss;
mod lstm;
mod matmul;
mod norm;
mod normalize;
mod one_hot;
mod pad;
mod pool;
pub(crate) mod quantize;
mod recurrent;
mod recurrent_i8;
mod reduce;
mod resample;
mod rescale;
pub(crate) mod reshape;
mod rnn;
mod rotary;
mod scatter;
mod select;
mod slice;
mod softmax;
mod strided_copy;
mod take;
mod top_k;
mod transpose;
mod unary;

use crate::encode::Writer;
use crate::error::ConvertError;
use crate::graph::{Function, Node, Op, ValueId};
use crate::import::{Lowering, OnnxNode};
pub(crate) use conv::{is_depthwise, shift as layer_shift, window_of};
pub(crate) use features::DOMAIN as FEATURES;
pub(crate) use normalize::Numbers as Normalizing;
pub(crate) use pool::MEAN;
pub(crate) use recurrent::BOUNDED;
pub(crate) use rescale::is_change;
pub(crate) use unary::unsupported;

/// Lowers one ONNX node; its results in the order of its outputs.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    if node.pb.domain == FEATURES {
        return features::lower(node, to);
    }
    match node.op() {
        "Conv" => conv::lower(node, to),
        "ConvTranspose" => conv_transpose::lower(node, to),
        "Col2Im" => col2im::lower(node, to),
        "MaxUnpool" => col2im::lower_unpool(node, to),
        "Gemm" => fully_connected::lower_gemm(node, to),
        "MatMul" => fully_connected::lower_matmul(node, to),
        "AveragePool" | "MaxPool" => pool::lower(node, to),
        "GlobalAveragePool" | "GlobalMaxPool" => pool::lower_global(node, to),
        "LpPool" | "GlobalLpPool" => to.in_float(|to| pool::lp::lower(node, to)),
        "ReduceMean" | "ReduceMax" | "ReduceSum" | "ReduceMin" | "ReduceL1" => reduce::lower(node, to),
        "ReduceProd" | "ReduceL2" | "ReduceLogSum" | "ReduceLogSumExp" | "ReduceSumSquare" => {
            to.in_float(|to| reduce::lower(node, to))
        }
        "LSTM" | "GRU" | "RNN" => recurrent::lower(node, to),
        "MatMulInteger" => integer::lower_matmul(node, to),
        "DynamicQuantizeLinear" => integer::lower_dynamic(node, to),
        "NegativeLogLikelihoodLoss" | "SoftmaxCrossEntropyLoss" => loss::lower(node, to),
        "Attention" => attention::lower(node, to),
        "RotaryEmbedding" => rotary::lower(node, to),
        "Einsum" => einsum::lower(node, to),
        "CumSum" | "CumProd" => cumulative::lower(node, to),
        "LayerNormalization" | "RMSNormalization" if norm::is_one_operation(node) => norm::lower(node, to),
        "LayerNormalization"
        | "RMSNormalization"
        | "InstanceNormalization"
        | "GroupNormalization"
        | "MeanVarianceNormalization"
        | "LpNormalization"
        | "LRN" => to.in_float(|to| norm::lower(node, to)),
        "Add" | "Sub" | "Mul" | "Div" | "Sum" | "Mean" | "Min" | "Max" | "Pow" | "PRelu" => binary::lower(node, to),
        "Equal" | "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual" | "And" | "Or" | "Xor" | "Mod" | "BitShift"
        | "BitwiseAnd" | "BitwiseOr" | "BitwiseXor" => binary_function::lower(node, to),
        "Where" => select::lower(node, to),
        "Cast" | "CastLike" => cast::lower(node, to),
        "BatchNormalization" => batch_norm::lower(node, to),
        "Pad" => pad::lower(node, to),
        "Concat" => concat::lower(node, to),
        "Transpose" => transpose::lower(node, to),
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => reshape::lower(node, to),
        "Slice" => slice::lower(node, to),
        "Split" => slice::lower_split(node, to),
        "QuantizeLinear" => quantize::lower_quantize(node, to),
        "DequantizeLinear" => quantize::lower_dequantize(node, to),
        "Gather" | "GatherElements" | "GatherND" => gather::lower(node, to),
        "Scatter" | "ScatterElements" | "ScatterND" => scatter::lower(node, to),
        "Tile" | "Expand" | "ReverseSequence" | "Compress" => take::lower(node, to),
        "DepthToSpace" | "SpaceToDepth" => depth::lower(node, to),
        "Resize" | "Upsample" => resample::lower(node, to),
        "CenterCropPad" | "Trilu" | "EyeLike" => crop::lower(node, to),
        "GridSample" => grid::lower(node, to),
        "AffineGrid" => grid::lower_affine(node, to),
        "TensorScatter" => scatter::lower_cache(node, to),
        "OneHot" => one_hot::lower(node, to),
        "TopK" => top_k::lower(node, to),
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
        Op::Lstm { activations, clip, bound, coupled } => lstm::encode(*activations, [*clip, *bound], *coupled, to),
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
        Op::Take { axis, indices } => take::encode(*axis, indices, to),
        Op::Gather { axis } => gather::encode(*axis, to),
        Op::Scatter { how, places } => scatter::encode(*how, places.as_ref(), to),
        Op::Resample { axis, table } => resample::encode(*axis, table, to),
        Op::TopK { k, largest } => top_k::encode(*k, *largest, to),
        Op::Softmax { axis } => softmax::encode(*axis, to),
        Op::Normalize { axis, epsilon, centered } => normalize::encode(*axis, *epsilon, *centered, to),
        Op::ArgMax { axis } => argmax::encode(*axis, to),
        Op::Quantize => quantize::encode_quantize(to),
        Op::Dequantize => quantize::encode_dequantize(to),
        Op::Rescale => rescale::encode(Function::Identity, to),
    }
}
