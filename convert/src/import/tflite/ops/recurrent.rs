//! Operators that carry something from step to step.

use super::activation::activate;
use super::shape::unsqueeze;
use crate::error::ConvertError;
use crate::import::tflite::onnx::int;
use crate::import::tflite::schema::SVDFOptions;
use crate::import::tflite::state::{read_kept, write_kept};
use crate::import::tflite::translation::{Op, Translation};

/// SVDF: input `[batch, inputs]`, feature weights `[filters, inputs]`, time weights `[filters, memory]`, bias or none, and the kept
/// features `[batch, filters × memory]`. The new feature enters each filter's memory at the end; a unit sums `rank` filters.
pub(super) fn svdf(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let o: SVDFOptions<'_> = op.options()?;
    let batch = t.shape(op, 0)?.first().copied().unwrap_or(0);
    let &[filters, memory] = t.shape(op, 2)? else {
        return Err(op.error(format!("has time weights of shape {:?}", t.shape(op, 2)?)));
    };
    let rank = usize::try_from(o.rank()).ok().filter(|rank| *rank > 0 && filters.is_multiple_of(*rank));
    let rank = rank.ok_or_else(|| op.error(format!("has the rank {} for {filters} filters", o.rank())))?;
    let (x, weights) = (t.read(op, 0)?, t.read(op, 1)?);
    let feature = t.emit(op, "Gemm", &[&x, &weights], vec![int("transB", 1)])?;
    let feature = unsqueeze(t, op, &feature, 2)?;
    let kept = read_kept(t, op, 4)?;
    let shape = t.int64s(op, "shape", &[batch as i64, filters as i64, memory as i64])?;
    let kept = t.emit(op, "Reshape", &[&kept, &shape], Vec::new())?;
    let (starts, ends) = (t.int64s(op, "starts", &[1])?, t.int64s(op, "ends", &[memory as i64])?);
    let axes = t.int64s(op, "axes", &[2])?;
    let newer = t.emit(op, "Slice", &[&kept, &starts, &ends, &axes], Vec::new())?;
    let now = t.emit(op, "Concat", &[&newer, &feature], vec![int("axis", 2)])?;
    let flat = t.int64s(op, "flat", &[batch as i64, (filters * memory) as i64])?;
    let now = t.emit(op, "Reshape", &[&now, &flat], Vec::new())?;
    let now = write_kept(t, op, 4, &now)?;
    let now = t.emit(op, "Reshape", &[&now, &shape], Vec::new())?;
    let time = t.read(op, 2)?;
    let weighted = t.emit(op, "Mul", &[&now, &time], Vec::new())?;
    let y = t.emit(op, "ReduceSum", &[&weighted, &axes], vec![int("keepdims", 0)])?;
    let units = t.int64s(op, "units", &[batch as i64, (filters / rank) as i64, rank as i64])?;
    let y = t.emit(op, "Reshape", &[&y, &units], Vec::new())?;
    let mut y = t.emit(op, "ReduceSum", &[&y, &axes], vec![int("keepdims", 0)])?;
    if let Some(bias) = bias(t, op)? {
        y = t.emit(op, "Add", &[&y, &bias], Vec::new())?;
    }
    let y = activate(t, op, o.activation(), y)?;
    t.write(op, 0, &y)
}

/// The bias of SVDF, in steps of the scales of what is kept and of the time weights.
fn bias(t: &mut Translation<'_>, op: &Op<'_>) -> Result<Option<String>, ConvertError> {
    super::window::bias(t, op, 4, 2, 3)
}
