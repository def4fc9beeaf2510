//! Functions of two variables that sums, differences and products are not: comparisons, truth values, rests and bits.

use ndarray::{ArrayD, IxDyn};
use tract_onnx::pb::tensor_proto::DataType;

use super::binary::operands;
use crate::encode::Writer;
use crate::error::ConvertError;
use crate::graph::{Binary, BinaryFunction, Function, Op, ValueId};
use crate::import::{Lowering, OnnxNode};
use lacewing::ops::BinaryF32;

/// Comparisons, `And`, `Or`, `Xor`, `Mod`, `BitShift` and the bitwise operators. Truth values are 0 and 1.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    use BinaryFunction::{BitAnd, BitOr, BitXor, Equal, Fmod, Less, LessOrEqual, Max, Mod, NotEqual};
    if node.op() == "BitShift" {
        return Ok(vec![shift(node, to)?]);
    }
    let (a, b) = (to.any_value(node, 0)?, to.any_value(node, 1)?);
    let (function, operands) = match node.op() {
        "And" => return Ok(vec![to.emit(node, "", Op::Binary(Binary::Mul), &[a, b])?]),
        "Or" => (Max, [a, b]),
        "Xor" => (NotEqual, [a, b]),
        "Equal" => (Equal, [a, b]),
        "Less" => (Less, [a, b]),
        "LessOrEqual" => (LessOrEqual, [a, b]),
        "Greater" => (Less, [b, a]),
        "GreaterOrEqual" => (LessOrEqual, [b, a]),
        "BitwiseAnd" => (BitAnd, [a, b]),
        "BitwiseOr" => (BitOr, [a, b]),
        "BitwiseXor" => (BitXor, [a, b]),
        _ if node.flag("fmod") => (Fmod, [a, b]),
        _ => (Mod, [a, b]),
    };
    Ok(vec![to.emit(node, "", of(function), &operands)?])
}

/// The operation of a function.
pub(super) fn of(function: BinaryFunction) -> Op {
    Op::Binary(Binary::Function(function))
}

/// `BitShift`; what leaves a byte on the left is lost.
fn shift(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<ValueId, ConvertError> {
    let (x, mut by) = (to.value(node, 0)?, to.value(node, 1)?);
    match node.string("direction") {
        "LEFT" => {}
        "RIGHT" => by = to.emit(node, "back", Op::Unary(Function::Neg), &[by])?,
        other => return Err(node.error(format!("direction `{other}` does not exist"))),
    }
    let shifted = to.emit(node, "shifted", of(BinaryFunction::Shift), &[x, by])?;
    let limit = match to.element(node, 0) {
        Some(DataType::Uint8) => 256.0,
        Some(DataType::Uint16) => 65536.0,
        _ => return Ok(shifted),
    };
    modulo(node, to, shifted, limit)
}

/// The rest of integers by a number.
pub(super) fn modulo(node: &OnnxNode<'_>, to: &mut Lowering, x: ValueId, limit: f32) -> Result<ValueId, ConvertError> {
    let limit = to.add_constant(node, "limit", ArrayD::from_elem(IxDyn(&[]), limit))?;
    to.emit(node, "wrapped", of(BinaryFunction::Mod), &[x, limit])
}

/// Writes a function of two variables.
pub(crate) fn encode(function: BinaryFunction, to: &mut Writer<'_>) -> Result<(), ConvertError> {
    let (inputs, output) = operands(to)?;
    let (lo, hi) = to.clamp();
    to.push(BinaryF32 { inputs, output, function, lo, hi })
}
