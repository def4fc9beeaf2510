//! Functions of one variable, and nodes that change nothing.

use ndarray::{ArrayD, IxDyn};
use tract_onnx::pb::tensor_proto::DataType;

use super::binary_function::of;
use super::rescale;
use crate::encode::Writer;
use crate::error::ConvertError;
use crate::graph::{Binary, BinaryFunction, Function, Kind, Op, ValueId};
use crate::import::{Lowering, OnnxNode};
use crate::quantize::{Params, Width, function_table, interpolated_table};
use lacewing::Int;
use lacewing::ops::{TableI8, TableI16, UnaryF32};

/// Every operator of one operand, and the refusal of all that are unknown.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    match node.op() {
        "Identity" => return Ok(vec![to.value(node, 0)?]),
        "Dropout" => return dropout(node, to),
        "Clip" if !limits_are_numbers(node, to) => return Ok(vec![clip_by_tensors(node, to)?]),
        "BitwiseNot" => return Ok(vec![bitwise_not(node, to)?]),
        _ => {}
    }
    let function = function(node, to)?;
    let x = to.value(node, 0)?;
    Ok(vec![to.emit(node, "", Op::Unary(function), &[x])?])
}

fn function(node: &OnnxNode<'_>, to: &Lowering) -> Result<Function, ConvertError> {
    Ok(match node.op() {
        "Relu" => Function::Clip { lo: 0.0, hi: f32::INFINITY },
        "Clip" => clip(node, to)?,
        "LeakyRelu" => Function::LeakyRelu { alpha: node.float("alpha", 0.01)? },
        "Elu" => Function::Elu { alpha: node.float("alpha", 1.0)? },
        "Selu" => Function::Selu { alpha: node.float("alpha", 1.673_263_2)?, gamma: node.float("gamma", 1.050_701)? },
        "Sigmoid" => Function::Sigmoid,
        "HardSigmoid" => Function::HardSigmoid { alpha: node.float("alpha", 0.2)?, beta: node.float("beta", 0.5)? },
        "HardSwish" => Function::HardSwish,
        "Swish" if node.float("alpha", 1.0)? == 1.0 => Function::Silu,
        "Swish" => Function::Swish { alpha: node.float("alpha", 1.0)? },
        "Celu" => Function::Celu { alpha: node.float("alpha", 1.0)? },
        "ThresholdedRelu" => Function::ThresholdedRelu { alpha: node.float("alpha", 1.0)? },
        "Shrink" => Function::Shrink { lambda: node.float("lambd", 0.5)?, bias: node.float("bias", 0.0)? },
        "Tanh" => Function::Tanh,
        "Gelu" if node.string("approximate") == "tanh" => Function::GeluTanh,
        "Gelu" => Function::Gelu,
        "Exp" => Function::Exp,
        "Log" => Function::Log,
        "Sqrt" => Function::Sqrt,
        "Reciprocal" => Function::Reciprocal,
        "Abs" => Function::Abs,
        "Neg" => Function::Neg,
        "Erf" => Function::Erf,
        "Softplus" => Function::Softplus,
        "Softsign" => Function::Softsign,
        "Mish" => Function::Mish,
        "Floor" => Function::Floor,
        "Ceil" => Function::Ceil,
        "Round" => Function::Round,
        "Sin" => Function::Sin,
        "Cos" => Function::Cos,
        "Tan" => Function::Tan,
        "Asin" => Function::Asin,
        "Acos" => Function::Acos,
        "Atan" => Function::Atan,
        "Sinh" => Function::Sinh,
        "Cosh" => Function::Cosh,
        "Asinh" => Function::Asinh,
        "Acosh" => Function::Acosh,
        "Atanh" => Function::Atanh,
        "Sign" => Function::Sign,
        "Not" => Function::Not,
        "IsNaN" => Function::IsNan,
        "IsInf" => Function::IsInf {
            negative: node.int("detect_negative", 1) != 0,
            positive: node.int("detect_positive", 1) != 0,
        },
        _ => return Err(unsupported(node)),
    })
}

/// Limits are attributes up to version 10, then optional inputs.
fn clip(node: &OnnxNode<'_>, to: &Lowering) -> Result<Function, ConvertError> {
    let (lo, hi) = match node.opset {
        ..=10 => (node.float("min", f32::NEG_INFINITY)?, node.float("max", f32::INFINITY)?),
        _ => (to.scalar(node, 1)?.unwrap_or(f32::NEG_INFINITY), to.scalar(node, 2)?.unwrap_or(f32::INFINITY)),
    };
    // With limits in the wrong order everything is the upper one.
    Ok(Function::Clip { lo: lo.min(hi), hi })
}

fn limits_are_numbers(node: &OnnxNode<'_>, to: &Lowering) -> bool {
    let number = |i: usize| to.constant(node, i).is_some_and(|c| c.tensor.len() == 1);
    (1..=2).all(|i| node.input(i).is_none() || number(i))
}

/// `Clip` with limits that are known at run time alone.
fn clip_by_tensors(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<ValueId, ConvertError> {
    let mut y = to.value(node, 0)?;
    for (i, part, limit) in [(1, "raised", BinaryFunction::Max), (2, "", BinaryFunction::Min)] {
        if node.input(i).is_some() {
            let bound = to.any_value(node, i)?;
            y = to.emit(node, part, of(limit), &[y, bound])?;
        }
    }
    Ok(y)
}

/// `Dropout` in inference, or of nothing; its mask keeps everything.
fn dropout(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let x = to.value(node, 0)?;
    let trains = to.constant(node, 2).is_some_and(|c| c.integers().is_ok_and(|t| t.contains(&1)));
    if trains && to.scalar(node, 1)? != Some(0.0) {
        return Err(node.error("is in training mode; export the model in evaluation mode"));
    }
    let mut results = vec![x];
    if node.pb.output.get(1).is_some_and(|name| !name.is_empty()) {
        let mask = to.add_constant(node, "mask", ArrayD::ones(IxDyn(&to.shape(x))))?;
        results.push(to.cast(node, "kept", mask, Kind::Integer)?);
    }
    Ok(results)
}

/// `−1 − x`, and for unsigned integers the largest less `x`.
fn bitwise_not(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<ValueId, ConvertError> {
    let x = to.value(node, 0)?;
    let all = match to.element(node, 0) {
        Some(DataType::Uint8) => 255.0,
        Some(DataType::Uint16) => 65535.0,
        Some(DataType::Uint32 | DataType::Uint64) => {
            return Err(node.error("its results are beyond 2^24, which integers are exact to"));
        }
        _ => -1.0,
    };
    let all = to.add_constant(node, "all", ArrayD::from_elem(IxDyn(&[1]), all))?;
    to.emit(node, "", Op::Binary(Binary::Sub), &[all, x])
}

/// The refusal of an operator that is not known.
pub(crate) fn unsupported(node: &OnnxNode<'_>) -> ConvertError {
    let way_out = match node.op() {
        "LSTM" | "GRU" | "RNN" => "recurrent layers are planned",
        "If" | "Loop" | "Scan" => "simplify the model with onnxsim, which removes control flow that is constant",
        _ => "replace it before exporting, or end the model before it",
    };
    node.error(format!("is not supported; {way_out}"))
}

/// Writes a function: in int8 its table over all 256 inputs.
pub(crate) fn encode(function: Function, to: &mut Writer<'_>) -> Result<(), ConvertError> {
    let (lo, hi) = to.clamp();
    if let Some((x, y)) = to.integers() {
        if (x.width, y.width) != (Width::I8, Width::I8) {
            return encode_i16(function, [x, y], to);
        }
        let table: Vec<i8> = function_table(function, (lo, hi), [x, y]).map(i8::saturate).collect();
        let record = TableI8 { input: to.input(0), output: to.output(), table: to.constant(&table) };
        return to.push(record);
    }
    let record = UnaryF32 { input: to.input(0), output: to.output(), function };
    to.push(record)
}

/// In int16: a change of scale, or a table between whose entries lines are drawn.
fn encode_i16(function: Function, params: [Params; 2], to: &mut Writer<'_>) -> Result<(), ConvertError> {
    if rescale::is_change(function) {
        return rescale::encode(function, to);
    }
    let table = interpolated_table(function, to.clamp(), params);
    let table = table.ok_or_else(|| to.error("is too steep for a table in int16"))?;
    let record = TableI16 { input: to.input(0), output: to.output(), table: to.constant(&table) };
    to.push(record)
}
