//! Functions of one variable, and nodes that change nothing.

use ndarray::ArrayD;
use tract_onnx::pb::tensor_proto::DataType;

use crate::encode::Writer;
use crate::error::ConvertError;
use crate::graph::{Function, Op, ValueId};
use crate::import::{Lowering, OnnxNode, kind};
use crate::quantize::function_table;
use lacewing::ops::{TableI8, UnaryF32};

/// Every operator of one operand, and the refusal of all that are unknown.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    match node.op() {
        "Identity" => return Ok(vec![to.value(node, 0)?]),
        "Dropout" => return dropout(node, to),
        "Cast" | "CastLike" => return cast(node, to),
        _ => {}
    }
    let function = function(node, to)?;
    let x = to.value(node, 0)?;
    Ok(vec![to.emit(node, "", Op::Unary(function), &[x])?])
}

/// In inference everything passes, and the mask says so.
fn dropout(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let x = to.value(node, 0)?;
    if node.pb.output.get(1).is_none_or(String::is_empty) {
        return Ok(vec![x]);
    }
    let mask = ArrayD::from_elem(to.shape(x), 1.0);
    Ok(vec![x, to.add_constant(node, "mask", mask)?])
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
        _ => return Err(unsupported(node)),
    })
}

/// Limits are attributes up to version 10, then optional inputs.
fn clip(node: &OnnxNode<'_>, to: &Lowering) -> Result<Function, ConvertError> {
    let (lo, hi) = match node.opset {
        ..=10 => (node.float("min", f32::NEG_INFINITY)?, node.float("max", f32::INFINITY)?),
        _ => (to.scalar(node, 1)?.unwrap_or(f32::NEG_INFINITY), to.scalar(node, 2)?.unwrap_or(f32::INFINITY)),
    };
    match lo <= hi {
        true => Ok(Function::Clip { lo, hi }),
        false => Err(node.error(format!("its limits {lo} and {hi} are in the wrong order"))),
    }
}

/// Floats of every width are f32, integers stay what they are.
fn cast(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let x = to.value(node, 0)?;
    let target = i32::try_from(node.int("to", 1)).ok().and_then(|t| DataType::try_from(t).ok());
    let kind = match target {
        Some(target @ (DataType::Float | DataType::Double | DataType::Float16 | DataType::Bfloat16)) => kind(target),
        Some(target @ (DataType::Int32 | DataType::Int64)) if to.kind(x).is_integer() => kind(target),
        _ => {
            let target = target.map_or("an unknown type", |t| t.as_str_name());
            return Err(node.error(format!("a cast to {target} is not supported here; remove it before exporting")));
        }
    };
    Ok(vec![to.cast(node, "", x, kind)?])
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
    if let Some((x, y)) = to.int8() {
        let table: Vec<i8> = function_table(function, (lo, hi), [x, y]).collect();
        let record = TableI8 { input: to.input(0), output: to.output(), table: to.constant(&table) };
        return to.push(record);
    }
    let record = UnaryF32 { input: to.input(0), output: to.output(), function };
    to.push(record)
}
