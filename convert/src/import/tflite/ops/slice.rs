//! Parts of tensors: slices, gathers, paddings, concatenations.

use tract_onnx::pb::tensor_proto::DataType;

use super::activation::activate;
use super::shape::along;
use crate::error::ConvertError;
use crate::import::tflite::onnx::{int, string};
use crate::import::tflite::schema::{
    ConcatenationOptions, GatherOptions, MirrorPadOptions, ReverseSequenceOptions, StridedSliceOptions,
};
use crate::import::tflite::translation::{Op, Translation};

/// Beyond the end of any axis, and before its start.
const END: i64 = i32::MAX as i64;
const START: i64 = i32::MIN as i64;

/// Bounds of a slice, an entry for each axis that is cut.
#[derive(Default)]
struct Cut {
    axes: Vec<i64>,
    starts: Vec<i64>,
    ends: Vec<i64>,
    steps: Vec<i64>,
}

impl Cut {
    fn push(&mut self, axis: i64, start: i64, end: i64, step: i64) {
        self.axes.push(axis);
        self.starts.push(start);
        self.ends.push(end);
        self.steps.push(step);
    }

    fn emit(&self, t: &mut Translation<'_>, op: &Op<'_>, x: &str) -> Result<String, ConvertError> {
        let starts = t.int64s(op, "starts", &self.starts)?;
        let ends = t.int64s(op, "ends", &self.ends)?;
        let axes = t.int64s(op, "axes", &self.axes)?;
        let steps = t.int64s(op, "steps", &self.steps)?;
        t.emit(op, "Slice", &[x, &starts, &ends, &axes, &steps], Vec::new())
    }
}

/// SLICE from input 1 with the sizes of input 2, where −1 is all that follows.
pub(super) fn slice(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let (starts, sizes) = (t.constants(op, 1)?, t.constants(op, 2)?);
    if starts.len() != sizes.len() {
        return Err(op.error(format!("has the starts {starts:?} and the sizes {sizes:?}")));
    }
    let mut cut = Cut::default();
    for (axis, (start, size)) in (0..).zip(starts.iter().zip(&sizes)) {
        let end = if *size == -1 { END } else { start.saturating_add(*size) };
        cut.push(axis, *start, end, 1);
    }
    let x = t.read(op, 0)?;
    let y = cut.emit(t, op, &x)?;
    t.write(op, 0, &y)
}

/// STRIDED_SLICE with starts, ends and steps. A bit of a mask is an entry of these lists: its start or end is open, it stands for as
/// many axes as are left, it is a new axis, or its axis falls away.
pub(super) fn strided_slice(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let o: StridedSliceOptions<'_> = op.options()?;
    let (starts, ends, steps) = (t.constants(op, 1)?, t.constants(op, 2)?, t.constants(op, 3)?);
    let entries = starts.len();
    if ends.len() != entries || steps.len() != entries || entries > 32 {
        return Err(op.error(format!("has the starts {starts:?}, the ends {ends:?} and the steps {steps:?}")));
    }
    let bit = |mask: i32, i: usize| mask >> i & 1 == 1;
    let rank = t.shape(op, 0)?.len();
    let inserted = (0..entries).filter(|i| bit(o.new_axis_mask(), *i) && !bit(o.ellipsis_mask(), *i)).count();
    let (mut cut, mut gone, mut new) = (Cut::default(), Vec::new(), Vec::new());
    let (mut axis, mut place) = (0, 0);
    for i in 0..entries {
        if bit(o.ellipsis_mask(), i) {
            let skipped = (rank + inserted + 1).saturating_sub(entries) as i64;
            (axis, place) = (axis + skipped, place + skipped);
        } else if bit(o.new_axis_mask(), i) {
            new.push(place);
            place += 1;
        } else if bit(o.shrink_axis_mask(), i) {
            let end = if starts[i] == -1 { END } else { starts[i].saturating_add(1) };
            cut.push(axis, starts[i], end, 1);
            gone.push(axis);
            axis += 1;
        } else {
            let (first, last) = if steps[i] < 0 { (END, START) } else { (0, END) };
            let start = if bit(o.begin_mask(), i) { first } else { starts[i] };
            let end = if o.offset() { starts[i].saturating_add(ends[i]) } else { ends[i] };
            cut.push(axis, start, if bit(o.end_mask(), i) { last } else { end }, steps[i]);
            (axis, place) = (axis + 1, place + 1);
        }
    }
    let mut y = t.read(op, 0)?;
    y = cut.emit(t, op, &y)?;
    for (onnx, axes) in [("Squeeze", gone), ("Unsqueeze", new)] {
        if !axes.is_empty() {
            let axes = t.int64s(op, "axes", &axes)?;
            y = t.emit(op, onnx, &[&y, &axes], Vec::new())?;
        }
    }
    t.write(op, 0, &y)
}

/// REVERSE_V2 along the axes in input 1.
pub(super) fn reverse(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let mut cut = Cut::default();
    t.constants(op, 1)?.into_iter().for_each(|axis| cut.push(axis, END, START, -1));
    let x = t.read(op, 0)?;
    let y = cut.emit(t, op, &x)?;
    t.write(op, 0, &y)
}

/// REVERSE_SEQUENCE.
pub(super) fn reverse_sequence(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let o: ReverseSequenceOptions<'_> = op.options()?;
    let x = t.read(op, 0)?;
    let lengths = t.read_int64s(op, 1)?;
    let attributes = vec![int("time_axis", o.sequence_axis().into()), int("batch_axis", o.batch_axis().into())];
    let y = t.emit(op, "ReverseSequence", &[&x, &lengths], attributes)?;
    t.write(op, 0, &y)
}

/// GATHER along an axis, or for each batch its own.
pub(super) fn gather(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let options = op.optional_options::<GatherOptions<'_>>()?;
    let (axis, batch) = options.map_or((0, 0), |o| (o.axis(), o.batch_dims()));
    let (x, indices) = (t.read(op, 0)?, t.read(op, 1)?);
    let y = match batch {
        0 => t.emit(op, "Gather", &[&x, &indices], vec![int("axis", axis.into())])?,
        _ if batch == axis => {
            let indices = t.cast(op, &indices, DataType::Int64)?;
            let each = super::shape::unsqueeze(t, op, &indices, -1)?;
            t.emit(op, "GatherND", &[&x, &each], vec![int("batch_dims", batch.into())])?
        }
        _ => return Err(op.error(format!("gathers along axis {axis} with {batch} batch axes, which is not supported"))),
    };
    t.write(op, 0, &y)
}

/// GATHER_ND.
pub(super) fn gather_nd(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let x = t.read(op, 0)?;
    let indices = t.read(op, 1)?;
    let indices = t.cast(op, &indices, DataType::Int64)?;
    let y = t.emit(op, "GatherND", &[&x, &indices], Vec::new())?;
    t.write(op, 0, &y)
}

/// SCATTER_ND: indices, updates, which add up where they meet, and the shape.
pub(super) fn scatter_nd(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let indices = t.read(op, 0)?;
    let indices = t.cast(op, &indices, DataType::Int64)?;
    let updates = t.read(op, 1)?;
    let shape = t.read_int64s(op, 2)?;
    let kind = t.data_type(op.output(0)?)?;
    let zero = t.float(op, "zero", 0.0)?;
    let zero = if kind == DataType::Float { zero } else { t.cast(op, &zero, kind)? };
    let zeros = t.emit(op, "Expand", &[&zero, &shape], Vec::new())?;
    let y = t.emit(op, "ScatterND", &[&zeros, &indices, &updates], vec![string("reduction", "add")])?;
    t.write(op, 0, &y)
}

/// EMBEDDING_LOOKUP: rows of input 1 by the numbers in input 0.
pub(super) fn embedding_lookup(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let (indices, x) = (t.read(op, 0)?, t.read(op, 1)?);
    let y = t.emit(op, "Gather", &[&x, &indices], vec![int("axis", 0)])?;
    t.write(op, 0, &y)
}

/// CONCATENATION.
pub(super) fn concatenation(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let o: ConcatenationOptions<'_> = op.options()?;
    let parts: Vec<String> = (0..op.file.inputs.len()).map(|i| t.read(op, i)).collect::<Result<_, _>>()?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let y = t.emit(op, "Concat", &parts, vec![int("axis", o.axis().into())])?;
    let y = activate(t, op, o.activation(), y)?;
    t.write(op, 0, &y)
}

/// PAD and PADV2 by the pairs in input 1, with zeros or with input 2.
pub(super) fn pad(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let (before, after) = paddings(t, op)?;
    let x = t.read(op, 0)?;
    let pads: Vec<i64> = before.into_iter().chain(after).collect();
    let pads = t.int64s(op, "pads", &pads)?;
    let value = op.optional(2).map(|value| t.real(value)).transpose()?;
    let inputs: Vec<&str> = [&x, &pads].into_iter().chain(&value).map(String::as_str).collect();
    let y = t.emit(op, "Pad", &inputs, Vec::new())?;
    t.write(op, 0, &y)
}

/// What is added before and after along each axis.
fn paddings(t: &Translation<'_>, op: &Op<'_>) -> Result<(Vec<i64>, Vec<i64>), ConvertError> {
    let pairs = t.constants(op, 1)?;
    let rank = t.shape(op, 0)?.len();
    if pairs.len() != 2 * rank || pairs.iter().any(|p| !(0..=1 << 24).contains(p)) {
        return Err(op.error(format!("has the paddings {pairs:?} for {rank} axes")));
    }
    Ok((pairs.iter().step_by(2).copied().collect(), pairs.iter().skip(1).step_by(2).copied().collect()))
}

/// MIRROR_PAD. ONNX reflects without the border; the mirror that repeats it is put together.
pub(super) fn mirror_pad(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let (before, after) = paddings(t, op)?;
    let mut y = t.read(op, 0)?;
    match op.options::<MirrorPadOptions<'_>>()?.mode() {
        0 => {
            let pads: Vec<i64> = before.into_iter().chain(after).collect();
            let pads = t.int64s(op, "pads", &pads)?;
            y = t.emit(op, "Pad", &[&y, &pads], vec![string("mode", "reflect")])?;
        }
        1 => {
            for (axis, (before, after)) in (0..).zip(before.into_iter().zip(after)) {
                let size = along(op, t.shape(op, 0)?, axis)? as i64;
                if before > size || after > size {
                    return Err(op.error(format!("mirrors {before} and {after} of {size} elements")));
                }
                y = mirrored(t, op, &y, axis, before, after)?;
            }
        }
        other => return Err(op.error(format!("has the unknown mode {other}"))),
    }
    t.write(op, 0, &y)
}

fn mirrored(
    t: &mut Translation<'_>,
    op: &Op<'_>,
    x: &str,
    axis: i64,
    before: i64,
    after: i64,
) -> Result<String, ConvertError> {
    let mut parts = vec![x.to_string()];
    if before > 0 {
        let mut cut = Cut::default();
        cut.push(axis, before - 1, START, -1);
        parts.insert(0, cut.emit(t, op, x)?);
    }
    if after > 0 {
        let mut cut = Cut::default();
        cut.push(axis, END, -after - 1, -1);
        parts.push(cut.emit(t, op, x)?);
    }
    match parts.len() {
        1 => Ok(x.into()),
        _ => {
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            t.emit(op, "Concat", &parts, vec![int("axis", axis)])
        }
    }
}
