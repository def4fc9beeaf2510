//! Operators on pairs of numbers. Shapes are broadcast from the last axis, as in ONNX.

use tract_onnx::pb::tensor_proto::DataType;

use super::activation::activate;
use crate::error::ConvertError;
use crate::import::tflite::onnx::int;
use crate::import::tflite::schema::{AddOptions, DivOptions, MulOptions, SubOptions};
use crate::import::tflite::translation::{Op, Translation};

/// ADD, SUB, MUL, DIV with their fused activation. Division of integers truncates in both.
pub(super) fn arithmetic(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let (onnx, activation) = match op.kind.as_str() {
        "ADD" => ("Add", op.optional_options::<AddOptions<'_>>()?.map(|o| o.activation())),
        "SUB" => ("Sub", op.optional_options::<SubOptions<'_>>()?.map(|o| o.activation())),
        "MUL" => ("Mul", op.optional_options::<MulOptions<'_>>()?.map(|o| o.activation())),
        _ => ("Div", op.optional_options::<DivOptions<'_>>()?.map(|o| o.activation())),
    };
    let y = pair(t, op, onnx)?;
    let y = activate(t, op, activation.unwrap_or(0), y)?;
    t.write(op, 0, &y)
}

fn pair(t: &mut Translation<'_>, op: &Op<'_>, onnx: &str) -> Result<String, ConvertError> {
    let (a, b) = (t.read(op, 0)?, t.read(op, 1)?);
    t.emit(op, onnx, &[&a, &b], Vec::new())
}

/// An ONNX operator of the same meaning on each pair.
pub(super) fn binary(t: &mut Translation<'_>, op: &Op<'_>, onnx: &str) -> Result<(), ConvertError> {
    let y = pair(t, op, onnx)?;
    t.write(op, 0, &y)
}

/// ADD_N.
pub(super) fn add_n(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let inputs: Vec<String> = (0..op.file.inputs.len()).map(|i| t.read(op, i)).collect::<Result<_, _>>()?;
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let y = t.emit(op, "Sum", &inputs, Vec::new())?;
    t.write(op, 0, &y)
}

/// NOT_EQUAL.
pub(super) fn not_equal(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let equal = pair(t, op, "Equal")?;
    let y = t.emit(op, "Not", &[&equal], Vec::new())?;
    t.write(op, 0, &y)
}

/// SQUARED_DIFFERENCE.
pub(super) fn squared_difference(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let difference = pair(t, op, "Sub")?;
    let y = t.emit(op, "Mul", &[&difference, &difference], Vec::new())?;
    t.write(op, 0, &y)
}

/// FLOOR_DIV: of floats the quotient rounded down; of integers exact after the remainder is taken off.
pub(super) fn floor_div(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let y = match is_float(t, op)? {
        true => {
            let quotient = pair(t, op, "Div")?;
            t.emit(op, "Floor", &[&quotient], Vec::new())?
        }
        false => {
            let (a, b) = (t.read(op, 0)?, t.read(op, 1)?);
            let remainder = t.emit(op, "Mod", &[&a, &b], Vec::new())?;
            let whole = t.emit(op, "Sub", &[&a, &remainder], Vec::new())?;
            t.emit(op, "Div", &[&whole, &b], Vec::new())?
        }
    };
    t.write(op, 0, &y)
}

/// FLOOR_MOD: the remainder has the divisor's sign. ONNX's of floats has the dividend's.
pub(super) fn floor_mod(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let (a, b) = (t.read(op, 0)?, t.read(op, 1)?);
    let float = is_float(t, op)?;
    let mut y = t.emit(op, "Mod", &[&a, &b], vec![int("fmod", float.into())])?;
    if float {
        let zero = t.float(op, "zero", 0.0)?;
        let product = t.emit(op, "Mul", &[&y, &b], Vec::new())?;
        let other = t.emit(op, "Less", &[&product, &zero], Vec::new())?;
        let turned = t.emit(op, "Add", &[&y, &b], Vec::new())?;
        y = t.emit(op, "Where", &[&other, &turned, &y], Vec::new())?;
    }
    t.write(op, 0, &y)
}

/// Whether input 0 is of real numbers.
fn is_float(t: &Translation<'_>, op: &Op<'_>) -> Result<bool, ConvertError> {
    let input = op.input(0)?;
    Ok(t.data_type(input)? == DataType::Float || t.quantization(input)?.is_some())
}

/// SELECT and SELECT_V2: the former may choose whole rows with a vector.
pub(super) fn select(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let (condition, rank) = (t.shape(op, 0)?, t.shape(op, 1)?.len());
    let mut chosen = t.read(op, 0)?;
    if op.kind == "SELECT" && condition.len() == 1 && rank > 1 {
        let mut shape = vec![1; rank];
        shape[0] = condition[0] as i64;
        let shape = t.int64s(op, "shape", &shape)?;
        chosen = t.emit(op, "Reshape", &[&chosen, &shape], Vec::new())?;
    }
    let (a, b) = (t.read(op, 1)?, t.read(op, 2)?);
    let y = t.emit(op, "Where", &[&chosen, &a, &b], Vec::new())?;
    t.write(op, 0, &y)
}
