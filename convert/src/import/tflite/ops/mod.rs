//! The operators, a file for each family.

mod activation;
mod arithmetic;
mod image;
mod lstm;
mod product;
mod recurrent;
mod reduce;
mod shape;
mod slice;
mod window;

use super::file::{CUSTOM, Operator};
use super::names;
use super::state;
use super::translation::{Op, Translation};
use crate::error::ConvertError;

/// Writes an operator's nodes.
pub(super) type Translate = fn(&mut Translation<'_>, &Op<'_>) -> Result<(), ConvertError>;

/// An operator's name, for errors.
pub(super) fn name(operator: &Operator<'_>) -> String {
    match operator.custom {
        Some(custom) => format!("custom operator {custom}"),
        None => names::operator(operator.code),
    }
}

/// How an operator is translated; `None` if it is not supported.
pub(super) fn find(operator: &Operator<'_>) -> Option<Translate> {
    if operator.code == CUSTOM {
        return None;
    }
    Some(match names::operator(operator.code).as_str() {
        "CONV_2D" => window::conv_2d,
        "DEPTHWISE_CONV_2D" => window::depthwise_conv_2d,
        "TRANSPOSE_CONV" => window::transpose_conv,
        "AVERAGE_POOL_2D" | "MAX_POOL_2D" | "L2_POOL_2D" => window::pool,
        "FULLY_CONNECTED" => product::fully_connected,
        "BATCH_MATMUL" => product::batch_mat_mul,
        "ADD" | "SUB" | "MUL" | "DIV" => arithmetic::arithmetic,
        "ADD_N" => arithmetic::add_n,
        "SQUARED_DIFFERENCE" => arithmetic::squared_difference,
        "FLOOR_DIV" => arithmetic::floor_div,
        "FLOOR_MOD" => arithmetic::floor_mod,
        "NOT_EQUAL" => arithmetic::not_equal,
        "SELECT" | "SELECT_V2" => arithmetic::select,
        "POW" => |t, op| arithmetic::binary(t, op, "Pow"),
        "MAXIMUM" => |t, op| arithmetic::binary(t, op, "Max"),
        "MINIMUM" => |t, op| arithmetic::binary(t, op, "Min"),
        "EQUAL" => |t, op| arithmetic::binary(t, op, "Equal"),
        "LESS" => |t, op| arithmetic::binary(t, op, "Less"),
        "LESS_EQUAL" => |t, op| arithmetic::binary(t, op, "LessOrEqual"),
        "GREATER" => |t, op| arithmetic::binary(t, op, "Greater"),
        "GREATER_EQUAL" => |t, op| arithmetic::binary(t, op, "GreaterOrEqual"),
        "LOGICAL_AND" => |t, op| arithmetic::binary(t, op, "And"),
        "LOGICAL_OR" => |t, op| arithmetic::binary(t, op, "Or"),
        "PRELU" => |t, op| arithmetic::binary(t, op, "PRelu"),
        "LOGICAL_NOT" => |t, op| activation::unary(t, op, "Not"),
        "RELU" => |t, op| activation::unary(t, op, "Relu"),
        "RELU6" | "RELU_N1_TO_1" | "RELU_0_TO_1" => activation::bounded,
        "LEAKY_RELU" => activation::leaky_relu,
        "LOGISTIC" => |t, op| activation::unary(t, op, "Sigmoid"),
        "TANH" => |t, op| activation::unary(t, op, "Tanh"),
        "HARD_SWISH" => |t, op| activation::unary(t, op, "HardSwish"),
        "ELU" => |t, op| activation::unary(t, op, "Elu"),
        "GELU" => activation::gelu,
        "SOFTMAX" => activation::softmax,
        "LOG_SOFTMAX" => activation::log_softmax,
        "EXP" => |t, op| activation::unary(t, op, "Exp"),
        "LOG" => |t, op| activation::unary(t, op, "Log"),
        "SQRT" => |t, op| activation::unary(t, op, "Sqrt"),
        "RSQRT" => activation::rsqrt,
        "SQUARE" => activation::square,
        "ABS" => |t, op| activation::unary(t, op, "Abs"),
        "NEG" => |t, op| activation::unary(t, op, "Neg"),
        "SIGN" => |t, op| activation::unary(t, op, "Sign"),
        "SIN" => |t, op| activation::unary(t, op, "Sin"),
        "COS" => |t, op| activation::unary(t, op, "Cos"),
        "FLOOR" => |t, op| activation::unary(t, op, "Floor"),
        "CEIL" => |t, op| activation::unary(t, op, "Ceil"),
        "ROUND" => |t, op| activation::unary(t, op, "Round"),
        "MEAN" => |t, op| reduce::reduce(t, op, "ReduceMean"),
        "SUM" => |t, op| reduce::reduce(t, op, "ReduceSum"),
        "REDUCE_PROD" => |t, op| reduce::reduce(t, op, "ReduceProd"),
        "REDUCE_MAX" => |t, op| reduce::reduce(t, op, "ReduceMax"),
        "REDUCE_MIN" => |t, op| reduce::reduce(t, op, "ReduceMin"),
        "REDUCE_ANY" | "REDUCE_ALL" => reduce::reduce_truth,
        "ARG_MAX" => |t, op| reduce::arg(t, op, "ArgMax"),
        "ARG_MIN" => |t, op| reduce::arg(t, op, "ArgMin"),
        "TOPK_V2" => reduce::top_k,
        "CUMSUM" => reduce::cumsum,
        "ONE_HOT" => reduce::one_hot,
        "L2_NORMALIZATION" => reduce::l2_normalization,
        "LOCAL_RESPONSE_NORMALIZATION" => reduce::local_response_normalization,
        "SPACE_TO_BATCH_ND" => reduce::space_to_batch,
        "BATCH_TO_SPACE_ND" => reduce::batch_to_space,
        "RESHAPE" => shape::reshape,
        "SQUEEZE" => shape::squeeze,
        "EXPAND_DIMS" => shape::expand_dims,
        "TRANSPOSE" => shape::transpose,
        "PACK" => shape::pack,
        "UNPACK" => shape::unpack,
        "SPLIT" => shape::split,
        "SPLIT_V" => shape::split_v,
        "SHAPE" | "RANK" => shape::shape,
        "TILE" | "BROADCAST_TO" => shape::repeat,
        "FILL" => shape::fill,
        "ZEROS_LIKE" => shape::zeros_like,
        "RANGE" => shape::range,
        "CAST" => shape::cast,
        "QUANTIZE" => shape::quantize,
        "DEQUANTIZE" | "DENSIFY" => |t, op| t.copy(op),
        "SLICE" => slice::slice,
        "STRIDED_SLICE" => slice::strided_slice,
        "REVERSE_V2" => slice::reverse,
        "REVERSE_SEQUENCE" => slice::reverse_sequence,
        "GATHER" => slice::gather,
        "GATHER_ND" => slice::gather_nd,
        "SCATTER_ND" => slice::scatter_nd,
        "EMBEDDING_LOOKUP" => slice::embedding_lookup,
        "CONCATENATION" => slice::concatenation,
        "PAD" | "PADV2" => slice::pad,
        "MIRROR_PAD" => slice::mirror_pad,
        "RESIZE_BILINEAR" => image::resize_bilinear,
        "RESIZE_NEAREST_NEIGHBOR" => image::resize_nearest,
        "DEPTH_TO_SPACE" => image::depth_to_space,
        "SPACE_TO_DEPTH" => image::space_to_depth,
        "UNIDIRECTIONAL_SEQUENCE_LSTM" => lstm::lstm,
        "SVDF" => recurrent::svdf,
        "VAR_HANDLE" => state::var_handle,
        "READ_VARIABLE" => state::read_variable,
        "ASSIGN_VARIABLE" => state::assign_variable,
        "CALL_ONCE" => state::call_once,
        _ => return None,
    })
}
