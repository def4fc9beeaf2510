//! Operators on shapes, and those that copy elements from one place to others.

use tract_onnx::pb::tensor_proto::DataType;

use crate::error::ConvertError;
use crate::import::tflite::onnx::{int, ints, wide};
use crate::import::tflite::schema::{PackOptions, ReshapeOptions, SqueezeOptions, UnpackOptions};
use crate::import::tflite::translation::{Op, Translation};

/// RESHAPE: the shape is input 1, else in the options.
pub(super) fn reshape(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let x = t.read(op, 0)?;
    let options = op.optional_options::<ReshapeOptions<'_>>()?.and_then(|o| o.new_shape());
    let shape = match (op.optional(1), options) {
        (Some(_), _) => t.read_int64s(op, 1)?,
        (None, Some(shape)) => t.int64s(op, "shape", &shape.iter().map(i64::from).collect::<Vec<_>>())?,
        (None, None) => t.int64s(op, "shape", &wide(t.output_shape(op, 0)?))?,
    };
    let y = t.emit(op, "Reshape", &[&x, &shape], Vec::new())?;
    t.write(op, 0, &y)
}

/// SQUEEZE: these axes, or all of size 1.
pub(super) fn squeeze(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let shape = t.shape(op, 0)?;
    let options = op.optional_options::<SqueezeOptions<'_>>()?.and_then(|o| o.axes());
    let mut axes: Vec<i64> = options.into_iter().flatten().map(i64::from).collect();
    if axes.is_empty() {
        axes = (0..).zip(shape).filter(|(_, size)| **size == 1).map(|(axis, _)| axis).collect();
    }
    let x = t.read(op, 0)?;
    let axes = t.int64s(op, "axes", &axes)?;
    let y = t.emit(op, "Squeeze", &[&x, &axes], Vec::new())?;
    t.write(op, 0, &y)
}

/// EXPAND_DIMS.
pub(super) fn expand_dims(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let axis = t.one(op, 1)?;
    let x = t.read(op, 0)?;
    let y = unsqueeze(t, op, &x, axis)?;
    t.write(op, 0, &y)
}

pub(super) fn unsqueeze(t: &mut Translation<'_>, op: &Op<'_>, x: &str, axis: i64) -> Result<String, ConvertError> {
    let axes = t.int64s(op, "axes", &[axis])?;
    t.emit(op, "Unsqueeze", &[x, &axes], Vec::new())
}

pub(super) fn squeezed(t: &mut Translation<'_>, op: &Op<'_>, x: &str, axis: i64) -> Result<String, ConvertError> {
    let axes = t.int64s(op, "axes", &[axis])?;
    t.emit(op, "Squeeze", &[x, &axes], Vec::new())
}

/// TRANSPOSE.
pub(super) fn transpose(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let perm = t.constants(op, 1)?;
    let x = t.read(op, 0)?;
    let y = t.emit(op, "Transpose", &[&x], vec![ints("perm", &perm)])?;
    t.write(op, 0, &y)
}

/// PACK: inputs side by side along a new axis.
pub(super) fn pack(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let axis = i64::from(op.options::<PackOptions<'_>>()?.axis());
    let mut parts = Vec::new();
    for i in 0..op.file.inputs.len() {
        let x = t.read(op, i)?;
        parts.push(unsqueeze(t, op, &x, axis)?);
    }
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let y = t.emit(op, "Concat", &parts, vec![int("axis", axis)])?;
    t.write(op, 0, &y)
}

/// UNPACK: one output for each index of an axis, which falls away.
pub(super) fn unpack(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let axis = i64::from(op.options::<UnpackOptions<'_>>()?.axis());
    let x = t.read(op, 0)?;
    let count = op.file.outputs.len();
    let parts = split_in(t, op, &x, axis, &vec![1; count])?;
    for (slot, part) in parts.iter().enumerate() {
        let y = squeezed(t, op, part, axis)?;
        t.write(op, slot, &y)?;
    }
    Ok(())
}

/// SPLIT: input 1 in equal parts along the axis that input 0 names.
pub(super) fn split(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let axis = t.one(op, 0)?;
    let size = along(op, t.shape(op, 1)?, axis)?;
    let count = op.file.outputs.len();
    if count == 0 || !size.is_multiple_of(count) {
        return Err(op.error(format!("cannot split {size} into {count} equal parts")));
    }
    split_to(t, op, 1, axis, &vec![(size / count) as i64; count])
}

/// SPLIT_V: input 0 in parts of the sizes in input 1; one of them may be −1, the rest.
pub(super) fn split_v(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let axis = t.one(op, 2)?;
    let size = along(op, t.shape(op, 0)?, axis)? as i64;
    let mut sizes = t.constants(op, 1)?;
    let known = sizes.iter().filter(|s| **s >= 0).try_fold(0, |sum: i64, s| sum.checked_add(*s));
    let rest = known.map(|known| size - known).filter(|rest| *rest >= 0);
    if let (Some(open), Some(rest)) = (sizes.iter().position(|s| *s == -1), rest) {
        sizes[open] = rest;
    }
    if sizes.len() != op.file.outputs.len() || sizes.iter().any(|s| *s < 0) || sizes.iter().sum::<i64>() != size {
        return Err(op.error(format!("cannot split {size} into {} parts of {sizes:?}", op.file.outputs.len())));
    }
    split_to(t, op, 0, axis, &sizes)
}

/// The size along an axis, which may count from the end.
pub(super) fn along(op: &Op<'_>, shape: &[usize], axis: i64) -> Result<usize, ConvertError> {
    let from_start = if axis < 0 { axis.saturating_add(shape.len() as i64) } else { axis };
    let size = usize::try_from(from_start).ok().and_then(|axis| shape.get(axis));
    size.copied().ok_or_else(|| op.error(format!("axis {axis} does not exist in the shape {shape:?}")))
}

fn split_to(t: &mut Translation<'_>, op: &Op<'_>, i: usize, axis: i64, sizes: &[i64]) -> Result<(), ConvertError> {
    let x = t.read(op, i)?;
    let parts = split_in(t, op, &x, axis, sizes)?;
    parts.iter().enumerate().try_for_each(|(slot, part)| t.write(op, slot, part))
}

/// Parts of these sizes.
pub(super) fn split_in(
    t: &mut Translation<'_>,
    op: &Op<'_>,
    x: &str,
    axis: i64,
    sizes: &[i64],
) -> Result<Vec<String>, ConvertError> {
    let parts = t.int64s(op, "parts", sizes)?;
    t.emit_many(op, "Split", &[x, &parts], vec![int("axis", axis)], sizes.len())
}

/// SHAPE and RANK of input 0.
pub(super) fn shape(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let kind = t.data_type(op.output(0)?)?;
    let x = t.read(op, 0)?;
    let mut y = t.emit(op, "Shape", &[&x], Vec::new())?;
    if op.kind == "RANK" {
        y = t.emit(op, "Size", &[&y], Vec::new())?;
    }
    if kind != DataType::Int64 {
        y = t.cast(op, &y, kind)?;
    }
    t.write(op, 0, &y)
}

/// TILE and BROADCAST_TO: input 1 says how often, or to which shape.
pub(super) fn repeat(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let x = t.read(op, 0)?;
    let shape = t.read_int64s(op, 1)?;
    let onnx = if op.kind == "TILE" { "Tile" } else { "Expand" };
    let y = t.emit(op, onnx, &[&x, &shape], Vec::new())?;
    t.write(op, 0, &y)
}

/// FILL: input 1 in the shape that input 0 names.
pub(super) fn fill(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let shape = t.read_int64s(op, 0)?;
    let x = t.read(op, 1)?;
    let y = t.emit(op, "Expand", &[&x, &shape], Vec::new())?;
    t.write(op, 0, &y)
}

/// ZEROS_LIKE.
pub(super) fn zeros_like(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let kind = t.data_type(op.output(0)?)?;
    let x = t.read(op, 0)?;
    let shape = t.emit(op, "Shape", &[&x], Vec::new())?;
    let zero = t.float(op, "zero", 0.0)?;
    let zero = if kind == DataType::Float { zero } else { t.cast(op, &zero, kind)? };
    let y = t.emit(op, "Expand", &[&zero, &shape], Vec::new())?;
    t.write(op, 0, &y)
}

/// RANGE from input 0 to input 1 in steps of input 2.
pub(super) fn range(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let (start, end, step) = (t.read(op, 0)?, t.read(op, 1)?, t.read(op, 2)?);
    let y = t.emit(op, "Range", &[&start, &end, &step], Vec::new())?;
    t.write(op, 0, &y)
}

/// CAST of the numbers as they are stored.
pub(super) fn cast(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let x = t.stored(op.input(0)?)?;
    let y = t.cast(op, &x, t.data_type(op.output(0)?)?)?;
    t.write_stored(op, &y)
}

/// QUANTIZE: the output's rounding does it.
pub(super) fn quantize(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    if t.quantization(op.output(0)?)?.is_none() {
        return Err(op.error("its output has no scale"));
    }
    let x = t.read(op, 0)?;
    t.write(op, 0, &x)
}
