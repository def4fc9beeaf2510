//! Changes of type. All numbers are carried as reals, so a cast rounds, wraps, or does nothing.

use ndarray::{ArrayD, IxDyn};
use tract_onnx::pb::tensor_proto::DataType;

use super::binary_function::{modulo, of};
use crate::error::ConvertError;
use crate::graph::{Binary, BinaryFunction, Function, Op, ValueId};
use crate::import::{Lowering, OnnxNode, kind};

/// `Cast` and `CastLike`: to a truth value `x != 0`; to an integer towards zero, then into the bits that there are.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let x = to.any_value(node, 0)?;
    let target = match node.op() {
        "Cast" => i32::try_from(node.int("to", 1)).ok().and_then(|target| DataType::try_from(target).ok()),
        _ => to.element(node, 1),
    };
    let target = target.ok_or_else(|| node.error("casts to an unknown type"))?;
    let from = to.element(node, 0);
    let y = match range(target) {
        _ if from == Some(target) => x,
        Range::Float => x,
        Range::Truth => truth(node, to, x)?,
        Range::Integer(bits) => integer(node, to, (x, from), bits)?,
        Range::Unknown => {
            let reason = format!("a cast to {} is not supported; remove it before exporting", target.as_str_name());
            return Err(node.error(reason));
        }
    };
    Ok(vec![to.cast(node, "typed", y, kind(target))?])
}

/// What an element type holds.
enum Range {
    Float,
    Truth,
    /// Unsigned or signed (negative) of so many bits; 0 for those whose ends are not reached.
    Integer(i32),
    Unknown,
}

fn range(element: DataType) -> Range {
    use DataType::{Bfloat16, Bool, Double, Float, Float16, Int4, Int8, Int16, Int32, Int64};
    use DataType::{Uint4, Uint8, Uint16, Uint32, Uint64};
    match element {
        Float | Double | Float16 | Bfloat16 => Range::Float,
        Bool => Range::Truth,
        Uint4 => Range::Integer(4),
        Uint8 => Range::Integer(8),
        Uint16 => Range::Integer(16),
        Int4 => Range::Integer(-4),
        Int8 => Range::Integer(-8),
        Int16 => Range::Integer(-16),
        Int32 | Int64 | Uint32 | Uint64 => Range::Integer(0),
        _ => Range::Unknown,
    }
}

fn truth(node: &OnnxNode<'_>, to: &mut Lowering, x: ValueId) -> Result<ValueId, ConvertError> {
    let zero = number(node, to, "zero", 0.0)?;
    to.emit(node, "", of(BinaryFunction::NotEqual), &[x, zero])
}

fn integer(
    node: &OnnxNode<'_>,
    to: &mut Lowering,
    (x, from): (ValueId, Option<DataType>),
    bits: i32,
) -> Result<ValueId, ConvertError> {
    let whole = match to.kind(x).is_integer() {
        true => x,
        false => to.emit(node, "truncated", Op::Unary(Function::Trunc), &[x])?,
    };
    if bits == 0 || fits(from, bits) {
        return Ok(whole);
    }
    let values = f32::from(2u8).powi(bits.abs());
    if bits > 0 {
        return modulo(node, to, whole, values);
    }
    let half = number(node, to, "half", values / 2.0)?;
    let moved = to.emit(node, "moved", Op::Binary(Binary::Add), &[whole, half])?;
    let wrapped = modulo(node, to, moved, values)?;
    to.emit(node, "", Op::Binary(Binary::Sub), &[wrapped, half])
}

/// Whether every number of a type is one of the target's.
fn fits(from: Option<DataType>, bits: i32) -> bool {
    match from.map(range) {
        Some(Range::Truth) => true,
        Some(Range::Integer(from)) if from != 0 => {
            let wider = from.abs() < bits.abs();
            from == bits || (wider && (from > 0 || bits < 0))
        }
        _ => false,
    }
}

fn number(node: &OnnxNode<'_>, to: &mut Lowering, part: &str, x: f32) -> Result<ValueId, ConvertError> {
    to.add_constant(node, part, ArrayD::from_elem(IxDyn(&[]), x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wider_types_hold_narrower_ones() {
        assert!(fits(Some(DataType::Bool), 4) && fits(Some(DataType::Uint8), -16) && fits(Some(DataType::Int8), -8));
        assert!(!fits(Some(DataType::Int8), 16) && !fits(Some(DataType::Uint8), -8) && !fits(None, 8));
        assert!(!fits(Some(DataType::Int64), -16) && !fits(Some(DataType::Float), 8));
    }
}
