//! Pools, and what they reduce.

pub(super) mod lp;
pub(super) mod positions;

use super::conv::window_of;
use super::conv::{plane, unplane};
use crate::encode::Writer;
use crate::encode::numbers::{Multipliers, Numbers, zero};
use crate::error::ConvertError;
use crate::graph::{Op, PoolKind, ValueId, Window};
use crate::import::window::{self, Windowed, Windows};
use crate::import::{Lowering, OnnxNode};
use crate::quantize::{Params, Width};
use lacewing::format::{Op as Record, Requant, Span};
use lacewing::ops::AveragePoolF32;
use lacewing::ops::average_rows::AverageRows;
use lacewing::ops::pool::{AveragePool, MaxPool};

/// The mean of what is there.
pub(crate) const MEAN: PoolKind = PoolKind::Average { count_include_pad: false };

/// `AveragePool` and `MaxPool` over one to three spatial axes.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let x = to.value(node, 0)?;
    let kernel = node.sizes("kernel_shape", 1)?.ok_or_else(|| node.error("has no kernel_shape"))?;
    let windows = window::read(node, spatial(node, &to.shape(x))?, &kernel)?;
    let kind = match node.op() {
        "MaxPool" => PoolKind::Max,
        _ => PoolKind::Average { count_include_pad: node.flag("count_include_pad") },
    };
    let indices = node.pb.output.get(1).is_some_and(|name| !name.is_empty());
    let indices = if indices { Some(positions::lower(node, to, x, &windows)?) } else { None };
    let y = pooled(node, to, x, kind, windows)?;
    Ok([y].into_iter().chain(indices).collect())
}

fn spatial<'s>(node: &OnnxNode<'_>, shape: &'s [usize]) -> Result<&'s [usize], ConvertError> {
    match shape.len() {
        3..=5 => Ok(&shape[2..]),
        _ => Err(node.error(format!("an input of shape {shape:?}; only 1-D, 2-D and 3-D are supported"))),
    }
}

/// A pool over rows and columns; where there is a third axis, another pool over that follows.
pub(super) fn pooled(
    node: &OnnxNode<'_>,
    to: &mut Lowering,
    x: ValueId,
    kind: PoolKind,
    windows: Windows,
) -> Result<ValueId, ConvertError> {
    let shape = to.shape(x);
    let Windows { plane: windowed, depth } = windows;
    let (&[n, c, d, h, w], Some(depth)) = (&shape[..], depth) else {
        let (x, line) = (plane(node, to, x)?, shape.len() == 3);
        let y = stage(node, to, if line { "plane" } else { "" }, x, (kind, windowed))?;
        return if line { unplane(node, to, y) } else { Ok(y) };
    };
    let slices = to.emit_shaped(node, "slices", Op::Reshape, &[x], vec![n, c * d, h, w])?;
    let slices = stage(node, to, "plane", slices, (kind, windowed))?;
    let &[.., h, w] = &to.shape(slices)[..] else { return Err(node.error("has no plane")) };
    let columns = to.emit_shaped(node, "columns", Op::Reshape, &[slices], vec![n, c, d, h * w])?;
    let columns = stage(node, to, "depth", columns, (kind, depth))?;
    let d = to.shape(columns)[2];
    to.emit_shaped(node, "", Op::Reshape, &[columns], vec![n, c, d, h, w])
}

/// One pool. Declared padding that counts in the divisor beside an overhang of `ceil_mode` that does not is a `Pad`.
fn stage(
    node: &OnnxNode<'_>,
    to: &mut Lowering,
    part: &str,
    mut x: ValueId,
    (mut kind, windowed): (PoolKind, Windowed),
) -> Result<ValueId, ConvertError> {
    let Windowed { mut window, declared: [rows, columns], overhang } = windowed;
    if overhang && kind == (PoolKind::Average { count_include_pad: true }) {
        let all = &mut window.pads;
        let pads = vec![(0, 0), (0, 0), (all[0], rows), (all[1], columns)];
        *all = [0, 0, all[2] - rows, all[3] - columns];
        x = to.emit(node, &format!("{part}.pad"), Op::Pad { pads, value: 0.0 }, &[x])?;
        kind = MEAN;
    }
    to.emit(node, part, Op::Pool { window, kind }, &[x])
}

/// `GlobalAveragePool` and `GlobalMaxPool`.
pub(crate) fn lower_global(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let x = to.value(node, 0)?;
    let kind = if node.op() == "GlobalMaxPool" { PoolKind::Max } else { MEAN };
    Ok(vec![global(node, to, x, kind)?])
}

/// A pool over all spatial axes, which stay as ones.
pub(super) fn global(
    node: &OnnxNode<'_>,
    to: &mut Lowering,
    x: ValueId,
    kind: PoolKind,
) -> Result<ValueId, ConvertError> {
    let shape = to.shape(x);
    let (&[n, c], rest) = shape
        .split_at_checked(2)
        .and_then(|(a, b)| Some((<&[usize; 2]>::try_from(a).ok()?, b)))
        .ok_or_else(|| node.error(format!("an input of shape {shape:?} has no channels")))?;
    if let [_, _] = rest {
        return whole(node, to, "", kind, x);
    }
    let image = to.emit_shaped(node, "image", Op::Reshape, &[x], vec![n, c, 1, rest.iter().product()])?;
    let y = whole(node, to, "plane", kind, image)?;
    to.emit_shaped(node, "", Op::Reshape, &[y], [vec![n, c], vec![1; rest.len()]].concat())
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
    let window = Window { kernel: [shape[2], shape[3]], ..Window::default() };
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
    match (kind, to.integers()) {
        (PoolKind::Max, Some((_, params))) if params.width == Width::I8 => {
            let limits = to.limits::<i8>(params);
            encode_max(window, limits, to)
        }
        (PoolKind::Max, Some((_, params))) => {
            let limits = to.limits::<i16>(params);
            encode_max(window, limits, to)
        }
        (PoolKind::Max, None) => encode_max(window, to.clamp(), to),
        (kind, Some(params)) if params.1.width == Width::I8 => encode_average::<i8>(window, kind, params, to),
        (kind, Some(params)) => encode_average::<i16>(window, kind, params, to),
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

fn encode_max<T>(window: &Window, (lo, hi): (T, T), to: &mut Writer<'_>) -> Result<(), ConvertError>
where
    Record: From<MaxPool<T>>,
{
    let record = MaxPool { input: to.input(0), output: to.output(), window: window_of(window), lo, hi };
    to.push(record)
}

fn encode_average<T: Numbers>(
    window: &Window,
    kind: PoolKind,
    (input, output): (Params, Params),
    to: &mut Writer<'_>,
) -> Result<(), ConvertError>
where
    Record: From<AveragePool<T>> + From<AverageRows<T>>,
{
    let divisor = |count: usize| if kind == PoolKind::Sum { 1.0 } else { count as f64 };
    let real = |count: usize| f64::from(input.scale) / (divisor(count) * f64::from(output.scale));
    let counted = matches!(kind, PoolKind::Sum | PoolKind::Average { count_include_pad: true });
    let whole = counted || always_whole(window, to.input(0).shape, to.output().shape);
    let first = if whole { taps(window) } else { 1 };
    let reals: Vec<f64> = (first..=taps(window)).map(real).collect();
    let bound = 2.0 * T::FARTHEST * taps(window) as f64;
    let Multipliers { m, shift } =
        T::multipliers(&reals, &[bound]).ok_or_else(|| to.error("its output range is too small for its input"))?;
    let (lo, hi) = to.limits(output);
    let requant = Requant { multipliers: to.constant(&m), shift, zero: zero(output), lo, hi };
    let record = AveragePool {
        input: to.input(0),
        output: to.output(),
        window: window_of(window),
        input_zero: zero(input),
        requant,
    };
    match to.sums() {
        Span::EMPTY => to.push(record),
        sums => to.push(AverageRows { pool: record, sums }),
    }
}

fn taps(window: &Window) -> usize {
    window.kernel.iter().product()
}

/// Whether every window lies inside the image.
fn always_whole(window: &Window, [_, h, w, _]: [u32; 4], [_, out_h, out_w, _]: [u32; 4]) -> bool {
    let [top, left, ..] = window.pads;
    let end = |out: u32, axis: usize| (out as usize - 1) * window.strides[axis] + window.reach(axis) + 1;
    top == 0 && left == 0 && end(out_h, 0) <= h as usize && end(out_w, 1) <= w as usize
}
