//! Pools, and what they reduce.

use super::conv::window_of;
use super::conv::{check_batch, plane, unplane};
use crate::encode::Writer;
use crate::encode::numbers::{Multipliers, multipliers};
use crate::error::ConvertError;
use crate::graph::{Op, PoolKind, ValueId, Window};
use crate::import::window::{self, Windowed};
use crate::import::{Lowering, OnnxNode};
use crate::quantize::Params;
use lacewing::format::Requant;
use lacewing::ops::{AveragePoolF32, AveragePoolI8, MaxPoolF32, MaxPoolI8};

/// The mean of what is there.
pub(super) const MEAN: PoolKind = PoolKind::Average { count_include_pad: false };

/// `AveragePool` and `MaxPool` over one or two spatial axes.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let x = to.value(node, 0)?;
    let shape = to.shape(x);
    let spatial = spatial(node, &shape)?;
    let kernel = node.sizes("kernel_shape", 1)?.ok_or_else(|| node.error("has no kernel_shape"))?;
    let mut windowed = window::read(node, spatial, &kernel)?;
    let mut x = plane(node, to, x)?;
    let kind = match node.op() {
        "MaxPool" => PoolKind::Max,
        _ if windowed.window.dilations != [1, 1] => return Err(node.error("dilated averages are not supported")),
        _ if node.flag("count_include_pad") && windowed.overhang => {
            x = pad_alone(node, to, x, &mut windowed)?;
            MEAN
        }
        _ => PoolKind::Average { count_include_pad: node.flag("count_include_pad") },
    };
    let line = shape.len() == 3;
    let op = Op::Pool { window: windowed.window, kind };
    let y = to.emit(node, if line { "plane" } else { "" }, op, &[x])?;
    Ok(vec![if line { unplane(node, to, y)? } else { y }])
}

fn spatial<'s>(node: &OnnxNode<'_>, shape: &'s [usize]) -> Result<&'s [usize], ConvertError> {
    check_batch(node, shape)?;
    match shape.len() {
        3 | 4 => Ok(&shape[2..]),
        _ => Err(node.error(format!("an input of shape {shape:?}; only 1-D and 2-D are supported"))),
    }
}

/// Declared padding counts in the divisor and the overhang of `ceil_mode` does not: the first becomes a `Pad`.
fn pad_alone(
    node: &OnnxNode<'_>,
    to: &mut Lowering,
    x: ValueId,
    windowed: &mut Windowed,
) -> Result<ValueId, ConvertError> {
    let pads = node.sizes("pads", 0)?.unwrap_or_default();
    let Window { pads: all, .. } = &mut windowed.window;
    let (after_rows, after_columns) = match pads[..] {
        [_, _, h, w] => (h, w),
        [_, w] => (0, w),
        _ => (0, 0),
    };
    let ends = (after_rows.min(all[2]), after_columns.min(all[3]));
    let declared = vec![(0, 0), (0, 0), (all[0], ends.0), (all[1], ends.1)];
    *all = [0, 0, all[2] - ends.0, all[3] - ends.1];
    to.emit(node, "pad", Op::Pad { pads: declared, value: 0.0 }, &[x])
}

/// `GlobalAveragePool` and `GlobalMaxPool`.
pub(crate) fn lower_global(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let x = to.value(node, 0)?;
    let line = to.shape(x).len() == 3;
    spatial(node, &to.shape(x))?;
    let x = plane(node, to, x)?;
    let kind = if node.op() == "GlobalMaxPool" { PoolKind::Max } else { MEAN };
    let y = whole(node, to, if line { "plane" } else { "" }, kind, x)?;
    Ok(vec![if line { unplane(node, to, y)? } else { y }])
}

/// A pool over the whole plane.
fn whole(
    node: &OnnxNode<'_>,
    to: &mut Lowering,
    part: &str,
    kind: PoolKind,
    x: ValueId,
) -> Result<ValueId, ConvertError> {
    let shape = to.shape(x);
    let window = Window { kernel: [shape[2], shape[3]], strides: [1; 2], dilations: [1; 2], pads: [0; 4] };
    to.emit(node, part, Op::Pool { window, kind }, &[x])
}

/// `x` reduced along `axes`, which stay as ones: they are moved to the end, where they are a plane.
pub(super) fn reduced(
    node: &OnnxNode<'_>,
    to: &mut Lowering,
    part: &str,
    kind: PoolKind,
    (x, axes): (ValueId, &[usize]),
) -> Result<ValueId, ConvertError> {
    let named = |of: &str| if part.is_empty() { of.to_string() } else { format!("{part}.{of}") };
    let mut shape = to.shape(x);
    let kept: Vec<usize> = (0..shape.len()).filter(|a| !axes.contains(a)).collect();
    let size = |axes: &[usize]| axes.iter().map(|a| shape[*a]).product::<usize>();
    let plane = vec![1, size(&kept), size(axes), 1];
    let perm = [&kept[..], axes].concat();
    let image = perm.len() == 4 && axes.len() == 2 && shape[kept[0]] == 1;
    let mut moved = x;
    if !perm.is_sorted() {
        moved = to.emit(node, &named("transpose"), Op::Transpose { perm }, &[x])?;
    }
    if !image {
        moved = to.emit_shaped(node, &named("plane"), Op::Reshape, &[moved], plane)?;
    }
    let y = whole(node, to, &named("pool"), kind, moved)?;
    axes.iter().for_each(|a| shape[*a] = 1);
    to.emit_shaped(node, part, Op::Reshape, &[y], shape)
}

/// Writes a pool.
pub(crate) fn encode(window: &Window, kind: PoolKind, to: &mut Writer<'_>) -> Result<(), ConvertError> {
    match (kind, to.int8()) {
        (PoolKind::Max, Some((_, params))) => {
            let (lo, hi) = to.clamp_i8(params);
            let record = MaxPoolI8 { input: to.input(0), output: to.output(), window: window_of(window), lo, hi };
            to.push(record)
        }
        (PoolKind::Max, None) => {
            let (lo, hi) = to.clamp();
            let record = MaxPoolF32 { input: to.input(0), output: to.output(), window: window_of(window), lo, hi };
            to.push(record)
        }
        (kind, Some(params)) => encode_average_i8(window, kind, params, to),
        (kind, None) => {
            let (lo, hi) = to.clamp();
            let divisor = match kind {
                PoolKind::Sum => 1,
                PoolKind::Average { count_include_pad: true } => taps(window) as u32,
                _ => 0,
            };
            let record =
                AveragePoolF32 { input: to.input(0), output: to.output(), window: window_of(window), divisor, lo, hi };
            to.push(record)
        }
    }
}

fn encode_average_i8(
    window: &Window,
    kind: PoolKind,
    (input, output): (Params, Params),
    to: &mut Writer<'_>,
) -> Result<(), ConvertError> {
    let divisor = |count: usize| if kind == PoolKind::Sum { 1.0 } else { count as f64 };
    let real = |count: usize| f64::from(input.scale) / (divisor(count) * f64::from(output.scale));
    let counted = matches!(kind, PoolKind::Sum | PoolKind::Average { count_include_pad: true });
    let whole = counted || always_whole(window, to.input(0).shape, to.output().shape);
    let first = if whole { taps(window) } else { 1 };
    let reals: Vec<f64> = (first..=taps(window)).map(real).collect();
    let Multipliers { m, shift } =
        multipliers(&reals).ok_or_else(|| to.error("its output range is too small for its input in int8"))?;
    let (lo, hi) = to.clamp_i8(output);
    let requant = Requant { multipliers: to.constant(&m), shift, zero: output.zero, lo, hi };
    let record = AveragePoolI8 {
        input: to.input(0),
        output: to.output(),
        window: window_of(window),
        input_zero: input.zero,
        requant,
    };
    to.push(record)
}

fn taps(window: &Window) -> usize {
    window.kernel.iter().product()
}

/// Whether every window lies inside the image.
fn always_whole(window: &Window, [_, h, w, _]: [u32; 4], [_, out_h, out_w, _]: [u32; 4]) -> bool {
    let [top, left, ..] = window.pads;
    let end = |out: u32, axis: usize| (out as usize - 1) * window.strides[axis] + window.kernel[axis];
    top == 0 && left == 0 && end(out_h, 0) <= h as usize && end(out_w, 1) <= w as usize
}
