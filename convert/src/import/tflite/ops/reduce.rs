//! Operators along whole axes.

use tract_onnx::pb::tensor_proto::DataType;

use crate::error::ConvertError;
use crate::import::tflite::onnx::{float, int, ints, wide};
use crate::import::tflite::schema::{
    CumsumOptions, L2NormOptions, LocalResponseNormalizationOptions, OneHotOptions, ReducerOptions,
};
use crate::import::tflite::translation::{Op, Translation};

use super::activation::activate;

/// MEAN, SUM, REDUCE_MAX, …: over the axes in input 1.
pub(super) fn reduce(t: &mut Translation<'_>, op: &Op<'_>, onnx: &str) -> Result<(), ConvertError> {
    let x = t.read(op, 0)?;
    let y = reduced(t, op, onnx, &x)?;
    t.write(op, 0, &y)
}

fn reduced(t: &mut Translation<'_>, op: &Op<'_>, onnx: &str, x: &str) -> Result<String, ConvertError> {
    let keep = op.options::<ReducerOptions<'_>>()?.keep_dims();
    let axes = t.constants(op, 1)?;
    let axes = t.int64s(op, "axes", &axes)?;
    let attributes = vec![int("keepdims", keep.into()), int("noop_with_empty_axes", 1)];
    t.emit(op, onnx, &[x, &axes], attributes)
}

/// REDUCE_ANY and REDUCE_ALL: the largest and the smallest of truth values.
pub(super) fn reduce_truth(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let onnx = if op.kind == "REDUCE_ANY" { "ReduceMax" } else { "ReduceMin" };
    let x = t.read(op, 0)?;
    let x = t.cast(op, &x, DataType::Int32)?;
    let y = reduced(t, op, onnx, &x)?;
    let y = t.cast(op, &y, DataType::Bool)?;
    t.write(op, 0, &y)
}

/// ARG_MAX and ARG_MIN along the axis in input 1.
pub(super) fn arg(t: &mut Translation<'_>, op: &Op<'_>, onnx: &str) -> Result<(), ConvertError> {
    let axis = t.one(op, 1)?;
    let x = t.read(op, 0)?;
    let y = t.emit(op, onnx, &[&x], vec![int("axis", axis), int("keepdims", 0)])?;
    let y = t.cast_indices(op, &y, 0)?;
    t.write(op, 0, &y)
}

/// TOPK_V2 along the last axis: values and indices.
pub(super) fn top_k(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let count = t.one(op, 1)?;
    let x = t.read(op, 0)?;
    let count = t.int64s(op, "count", &[count])?;
    let found = t.emit_many(op, "TopK", &[&x, &count], vec![int("axis", -1)], 2)?;
    t.write(op, 0, &found[0])?;
    let indices = t.cast_indices(op, &found[1], 1)?;
    t.write(op, 1, &indices)
}

/// CUMSUM along the axis in input 1.
pub(super) fn cumsum(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let o: CumsumOptions<'_> = op.options()?;
    let axis = t.one(op, 1)?;
    let x = t.read(op, 0)?;
    let axis = t.add_constant(op, "axis", DataType::Int64, &[], axis.to_le_bytes().to_vec())?;
    let attributes = vec![int("exclusive", o.exclusive().into()), int("reverse", o.reverse().into())];
    let y = t.emit(op, "CumSum", &[&x, &axis], attributes)?;
    t.write(op, 0, &y)
}

/// ONE_HOT: indices, their range, and what stands for hit and miss. An index out of range, negative ones too, hits nothing, which
/// ONNX's operator of this name does otherwise.
pub(super) fn one_hot(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let axis = i64::from(op.options::<OneHotOptions<'_>>()?.axis());
    let depth = t.one(op, 1)?;
    let rank = t.shape(op, 0)?.len() as i64 + 1;
    let place = if axis < 0 { axis + rank } else { axis };
    if !(0..rank).contains(&place) || !(1..=1 << 16).contains(&depth) {
        return Err(op.error(format!("has the depth {depth} along axis {axis}")));
    }
    let mut shape = vec![1; rank as usize];
    shape[place as usize] = depth as usize;
    let indices = t.read(op, 0)?;
    let indices = t.cast(op, &indices, DataType::Int64)?;
    let indices = super::shape::unsqueeze(t, op, &indices, place)?;
    let numbers = (0..depth).flat_map(i64::to_le_bytes).collect();
    let numbers = t.add_constant(op, "numbers", DataType::Int64, &shape, numbers)?;
    let hit = t.emit(op, "Equal", &[&indices, &numbers], Vec::new())?;
    let (on, off) = (t.read(op, 2)?, t.read(op, 3)?);
    let y = t.emit(op, "Where", &[&hit, &on, &off], Vec::new())?;
    t.write(op, 0, &y)
}

/// L2_NORMALIZATION: `x / max(√Σx², 10⁻⁶)` over the last axis.
pub(super) fn l2_normalization(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let activation = op.optional_options::<L2NormOptions<'_>>()?.map_or(0, |o| o.activation());
    let x = t.read(op, 0)?;
    let axes = t.int64s(op, "axes", &[-1])?;
    let squares = t.emit(op, "Mul", &[&x, &x], Vec::new())?;
    let sum = t.emit(op, "ReduceSum", &[&squares, &axes], vec![int("keepdims", 1)])?;
    let norm = t.emit(op, "Sqrt", &[&sum], Vec::new())?;
    let least = t.float(op, "least", 1e-6)?;
    let norm = t.emit(op, "Max", &[&norm, &least], Vec::new())?;
    let y = t.emit(op, "Div", &[&x, &norm], Vec::new())?;
    let y = activate(t, op, activation, y)?;
    t.write(op, 0, &y)
}

/// LOCAL_RESPONSE_NORMALIZATION. ONNX divides `alpha` by the number of channels in the window.
pub(super) fn local_response_normalization(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let o: LocalResponseNormalizationOptions<'_> = op.options()?;
    let size = 2 * i64::from(o.radius()) + 1;
    let x = t.read(op, 0)?;
    let x = t.channels_first(op, &x)?;
    let attributes = vec![
        int("size", size),
        float("bias", o.bias()),
        float("alpha", o.alpha() * size as f32),
        float("beta", o.beta()),
    ];
    let y = t.emit(op, "LRN", &[&x], attributes)?;
    t.write_channels_first(op, 0, &y)
}

/// SPACE_TO_BATCH_ND: blocks and paddings of the axes after the batch. Each place in a block becomes a batch.
pub(super) fn space_to_batch(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let (blocks, pads) = (t.constants(op, 1)?, t.constants(op, 2)?);
    let shape: Vec<i64> = wide(t.shape(op, 0)?);
    let spatial = blocks.len();
    check_blocks(op, &blocks, &pads, shape.len())?;
    let rest = vec![0; shape.len() - 1 - spatial];
    let side = |skip: usize| pads.iter().skip(skip).step_by(2).copied();
    let all: Vec<i64> =
        [0].into_iter().chain(side(0)).chain(rest.clone()).chain([0]).chain(side(1)).chain(rest).collect();
    let mut y = t.read(op, 0)?;
    let all = t.int64s(op, "pads", &all)?;
    y = t.emit(op, "Pad", &[&y, &all], Vec::new())?;
    let mut apart = vec![shape[0]];
    let mut joined = vec![shape[0] * blocks.iter().product::<i64>()];
    for i in 0..spatial {
        let size = shape[i + 1] + pads[2 * i] + pads[2 * i + 1];
        if size % blocks[i] != 0 {
            return Err(op.error(format!("cannot cut {size} into blocks of {}", blocks[i])));
        }
        apart.extend([size / blocks[i], blocks[i]]);
        joined.push(size / blocks[i]);
    }
    apart.extend(&shape[spatial + 1..]);
    joined.extend(&shape[spatial + 1..]);
    let within = (0..spatial).map(|i| 2 * i + 2);
    let perm = within.chain([0]).chain((0..spatial).map(|i| 2 * i + 1)).chain(2 * spatial + 1..apart.len());
    let perm: Vec<usize> = perm.collect();
    y = moved(t, op, &y, &apart, &perm, &joined)?;
    t.write(op, 0, &y)
}

/// BATCH_TO_SPACE_ND: blocks and crops of the axes after the batch; the reverse.
pub(super) fn batch_to_space(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let (blocks, crops) = (t.constants(op, 1)?, t.constants(op, 2)?);
    let shape: Vec<i64> = wide(t.shape(op, 0)?);
    let spatial = blocks.len();
    check_blocks(op, &blocks, &crops, shape.len())?;
    let all: i64 = blocks.iter().product();
    if shape[0] % all != 0 {
        return Err(op.error(format!("cannot put a batch of {} into blocks of {all}", shape[0])));
    }
    let apart: Vec<i64> = blocks.iter().copied().chain([shape[0] / all]).chain(shape[1..].iter().copied()).collect();
    let perm = [spatial].into_iter().chain((0..spatial).flat_map(|i| [spatial + 1 + i, i]));
    let perm: Vec<usize> = perm.chain(2 * spatial + 1..apart.len()).collect();
    let mut joined = vec![shape[0] / all];
    joined.extend(shape[1..].iter().zip(blocks.iter().chain(std::iter::repeat(&1))).map(|(size, block)| size * block));
    let y = t.read(op, 0)?;
    let y = moved(t, op, &y, &apart, &perm, &joined)?;
    let bounds = (0..spatial).map(|i| (crops[2 * i], joined[i + 1] - crops[2 * i + 1]));
    let (starts, ends): (Vec<i64>, Vec<i64>) = bounds.unzip();
    let axes: Vec<i64> = (1..=spatial as i64).collect();
    let (starts, ends) = (t.int64s(op, "starts", &starts)?, t.int64s(op, "ends", &ends)?);
    let axes = t.int64s(op, "axes", &axes)?;
    let y = t.emit(op, "Slice", &[&y, &starts, &ends, &axes], Vec::new())?;
    t.write(op, 0, &y)
}

fn check_blocks(op: &Op<'_>, blocks: &[i64], pads: &[i64], rank: usize) -> Result<(), ConvertError> {
    let small = |n: &i64| (0..=1 << 16).contains(n);
    let good = blocks.iter().all(|b| *b > 0 && small(b)) && pads.iter().all(small);
    if good && (1..=2).contains(&blocks.len()) && pads.len() == 2 * blocks.len() && rank > blocks.len() {
        return Ok(());
    }
    Err(op.error(format!("has the blocks {blocks:?} and the pads {pads:?} for {rank} axes")))
}

/// Reshaped, transposed and reshaped again.
fn moved(
    t: &mut Translation<'_>,
    op: &Op<'_>,
    x: &str,
    apart: &[i64],
    perm: &[usize],
    joined: &[i64],
) -> Result<String, ConvertError> {
    let (apart, joined) = (t.int64s(op, "apart", apart)?, t.int64s(op, "joined", joined)?);
    let x = t.emit(op, "Reshape", &[x, &apart], Vec::new())?;
    let x = t.emit(op, "Transpose", &[&x], vec![ints("perm", perm)])?;
    t.emit(op, "Reshape", &[&x, &joined], Vec::new())
}
