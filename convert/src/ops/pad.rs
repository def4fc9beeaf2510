//! Constant padding.

use super::take::take;
use crate::encode::Writer;
use crate::error::ConvertError;
use crate::graph::{Op, ValueId};
use crate::import::{Lowering, OnnxNode};
use crate::quantize::Width;
use lacewing::ops::{PadF32, PadI8, PadI16};

/// `Pad` in its attribute form (up to version 10) and its input form, in every mode. Negative pads cut off.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let mut x = to.value(node, 0)?;
    let shape = to.shape(x);
    let pads = pads(node, to, shape.len())?;
    let value = match node.opset {
        ..=10 => node.float("value", 0.0)?,
        _ => to.scalar(node, 2)?.unwrap_or(0.0),
    };
    if pads.iter().any(|(before, after)| *before < 0 || *after < 0) {
        x = cut(node, to, x, &pads)?;
    }
    let size = |p: i64| usize::try_from(p.max(0)).unwrap_or(0);
    let pads: Vec<(usize, usize)> = pads.iter().map(|(before, after)| (size(*before), size(*after))).collect();
    Ok(vec![match node.string("mode") {
        "" | "constant" => to.emit(node, "", Op::Pad { pads, value }, &[x])?,
        mode => continued(node, to, x, &pads, mode)?,
    }])
}

/// Padding with elements of the tensor, one axis after the other.
fn continued(
    node: &OnnxNode<'_>,
    to: &mut Lowering,
    mut x: ValueId,
    pads: &[(usize, usize)],
    mode: &str,
) -> Result<ValueId, ConvertError> {
    for (axis, (before, after)) in pads.iter().enumerate() {
        let n = to.shape(x)[axis] as i64;
        let source = |i: i64| match mode {
            "edge" => Some(i.clamp(0, n - 1)),
            "reflect" => Some(n - 1 - (i.rem_euclid((2 * n - 2).max(1)) - (n - 1)).abs()),
            "wrap" => Some(i.rem_euclid(n)),
            _ => None,
        };
        let indices = (-(*before as i64)..n + *after as i64).map(|i| source(i).and_then(|i| usize::try_from(i).ok()));
        let indices: Option<Vec<usize>> = indices.collect();
        let indices = indices.ok_or_else(|| node.error(format!("mode `{mode}` does not exist")))?;
        x = take(node, to, &format!("axis_{axis}"), (x, axis), indices)?;
    }
    Ok(x)
}

/// `(before, after)` of each axis.
fn pads(node: &OnnxNode<'_>, to: &Lowering, rank: usize) -> Result<Vec<(i64, i64)>, ConvertError> {
    let listed = match node.opset {
        ..=10 => node.ints("pads").or(node.ints("paddings")).map(<[i64]>::to_vec),
        _ => to.integers(node, 1)?,
    };
    let listed = listed.ok_or_else(|| node.error("has no pads"))?;
    let axes = match to.integers(node, 3)? {
        Some(axes) => axes.iter().map(|a| node.axis(*a, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).collect(),
    };
    if listed.len() != 2 * axes.len() || listed.iter().any(|p| p.unsigned_abs() > 1 << 24) {
        return Err(node.error(format!("pads {listed:?} do not fit {} axes", axes.len())));
    }
    let mut pads = vec![(0, 0); rank];
    for (i, axis) in axes.iter().enumerate() {
        pads[*axis] = (listed[i], listed[i + axes.len()]);
    }
    Ok(pads)
}

fn cut(node: &OnnxNode<'_>, to: &mut Lowering, x: ValueId, pads: &[(i64, i64)]) -> Result<ValueId, ConvertError> {
    let shape = to.shape(x);
    let less = |p: i64| usize::try_from(-p.min(0)).unwrap_or(0);
    let starts: Vec<usize> = pads.iter().map(|(before, _)| less(*before)).collect();
    let rest = shape.iter().zip(pads).map(|(d, (before, after))| d.checked_sub(less(*before) + less(*after)));
    let rest: Option<Vec<usize>> = rest.collect();
    let rest = rest.ok_or_else(|| node.error(format!("cuts more than there is of shape {shape:?}")))?;
    let steps = vec![1; shape.len()];
    to.emit_shaped(node, "cut", Op::Slice { starts, steps }, &[x], rest)
}

/// Writes a padding.
pub(crate) fn encode(pads: &[(usize, usize)], value: f32, to: &mut Writer<'_>) -> Result<(), ConvertError> {
    let (front, back) = pads.split_at(pads.len().saturating_sub(4));
    if front.iter().any(|pad| *pad != (0, 0)) || (!front.is_empty() && back.first() != Some(&(0, 0))) {
        return Err(to.error("padding is supported along the last three of more than four dimensions"));
    }
    let mut before = [0; 4];
    for (to, (from, _)) in before[4 - back.len()..].iter_mut().zip(back) {
        *to = *from as u32;
    }
    let (input, output) = (to.input(0), to.output());
    match to.integers() {
        Some((_, params)) if params.width == Width::I16 => {
            to.push(PadI16 { input, output, before, value: params.quantize(value) })
        }
        Some((_, params)) => to.push(PadI8 { input, output, before, value: params.quantize(value) }),
        None => to.push(PadF32 { input, output, before, value }),
    }
}
