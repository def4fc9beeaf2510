//! Resizing, one axis after the other.

mod axis;

use std::sync::Arc;

use ndarray::{ArrayD, IxDyn};

use super::take::take;
use crate::encode::Writer;
use crate::error::ConvertError;
use crate::graph::{Binary, Op, Resampling, ValueId};
use crate::import::{Lowering, OnnxNode};
use crate::quantize::Width;
use axis::{Axis, Resize};
use lacewing::ops::{ResampleF32, ResampleI8, ResampleI16};

/// `Resize` and `Upsample`.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let x = to.value(node, 0)?;
    let shape = to.shape(x);
    let resize = Resize::read(node)?;
    let axes = axes(node, to, &shape)?;
    let result: Vec<usize> = axes.iter().map(|axis| axis.to).collect();
    to.check_size(node, &result)?;
    let mut order: Vec<usize> = (0..axes.len()).collect();
    order.sort_by(|a, b| axes[*a].scale.total_cmp(&axes[*b].scale));
    let (mut y, mut outside) = (x, Vec::new());
    for i in order {
        y = along(node, to, y, (i, &axes[i]), &resize)?;
        if resize.outside(&axes[i]).contains(&true) {
            outside.push((i, resize.outside(&axes[i])));
        }
    }
    if !outside.is_empty() {
        y = extrapolated(node, to, y, &outside)?;
    }
    Ok(vec![y])
}

/// One axis: its parts, weighted or not.
fn along(
    node: &OnnxNode<'_>,
    to: &mut Lowering,
    x: ValueId,
    (i, axis): (usize, &Axis),
    resize: &Resize<'_>,
) -> Result<ValueId, ConvertError> {
    let part = format!("axis_{i}");
    let table = resize.table(node, axis)?;
    match table.taps == 1 && table.weights.iter().all(|w| *w == 1.0) {
        true => take(node, to, &part, (x, i), table.first),
        false => to.emit(node, &part, Op::Resample { axis: i, table: Arc::new(table) }, &[x]),
    }
}

/// What lies outside the picture along any axis takes the value of the node.
fn extrapolated(
    node: &OnnxNode<'_>,
    to: &mut Lowering,
    y: ValueId,
    outside: &[(usize, Vec<bool>)],
) -> Result<ValueId, ConvertError> {
    let value = node.float("extrapolation_value", 0.0)?;
    let mut shape = vec![1; to.shape(y).len()];
    outside.iter().for_each(|(axis, outside)| shape[*axis] = outside.len());
    let masked = |inside: f32, beyond: f32| {
        ArrayD::from_shape_fn(IxDyn(&shape), |i| match outside.iter().any(|(axis, outside)| outside[i[*axis]]) {
            true => beyond,
            false => inside,
        })
    };
    let mask = to.add_constant(node, "inside", masked(1.0, 0.0))?;
    let addend = to.add_constant(node, "outside", masked(0.0, value))?;
    let cut = to.emit(node, "cut", Op::Binary(Binary::Mul), &[y, mask])?;
    to.emit(node, "", Op::Binary(Binary::Add), &[cut, addend])
}

/// Every axis of the shape, those that are not resized too.
fn axes(node: &OnnxNode<'_>, to: &Lowering, shape: &[usize]) -> Result<Vec<Axis>, ConvertError> {
    let listed: Vec<usize> = match node.ints("axes") {
        Some(axes) => axes.iter().map(|axis| node.axis(*axis, shape.len())).collect::<Result<_, _>>()?,
        None => (0..shape.len()).collect(),
    };
    let mut axes: Vec<Axis> = shape.iter().map(|n| Axis::whole(*n)).collect();
    let sizes = if node.op() == "Resize" { to.integers(node, 3)?.filter(|sizes| !sizes.is_empty()) } else { None };
    match sizes {
        Some(sizes) => by_sizes(node, &mut axes, &listed, &sizes)?,
        None => by_scales(node, &mut axes, &listed, &scales(node, to)?)?,
    }
    let roi = if node.op() == "Resize" && node.opset > 10 { to.floats(node, 1)? } else { Vec::new() };
    if node.string("coordinate_transformation_mode") == "tf_crop_and_resize" {
        if roi.len() != 2 * listed.len() {
            return Err(node.error(format!("needs a roi of {} numbers", 2 * listed.len())));
        }
        for (i, axis) in listed.iter().enumerate() {
            axes[*axis].roi = [f64::from(roi[i]), f64::from(roi[i + listed.len()])];
        }
    }
    Ok(axes)
}

fn scales(node: &OnnxNode<'_>, to: &Lowering) -> Result<Vec<f32>, ConvertError> {
    match (node.op(), node.opset) {
        ("Upsample", ..=8) => Ok(node.floats("scales").unwrap_or_default().to_vec()),
        ("Upsample", _) | (_, ..=10) => to.floats(node, 1),
        _ => to.floats(node, 2),
    }
}

fn by_scales(node: &OnnxNode<'_>, axes: &mut [Axis], listed: &[usize], scales: &[f32]) -> Result<(), ConvertError> {
    if scales.len() != listed.len() || !scales.iter().all(|scale| scale.is_normal() && *scale > 0.0) {
        return Err(node.error(format!("scales {scales:?} do not fit {} axes", listed.len())));
    }
    for (axis, scale) in listed.iter().zip(scales) {
        let axis = &mut axes[*axis];
        axis.scale = f64::from(*scale);
        axis.to = (axis.from as f64 * axis.scale).floor() as usize;
    }
    Ok(())
}

fn by_sizes(node: &OnnxNode<'_>, axes: &mut [Axis], listed: &[usize], sizes: &[i64]) -> Result<(), ConvertError> {
    let wanted: Vec<usize> = sizes.iter().filter_map(|s| usize::try_from(*s).ok().filter(|s| *s > 0)).collect();
    if wanted.len() != listed.len() || sizes.len() != listed.len() {
        return Err(node.error(format!("sizes {sizes:?} do not fit {} axes", listed.len())));
    }
    let ratios = listed.iter().zip(&wanted).map(|(axis, size)| *size as f64 / axes[*axis].from as f64);
    let common = match node.string("keep_aspect_ratio_policy") {
        "" | "stretch" => None,
        "not_larger" => ratios.clone().reduce(f64::min),
        "not_smaller" => ratios.clone().reduce(f64::max),
        other => return Err(node.error(format!("keep_aspect_ratio_policy `{other}` does not exist"))),
    };
    let ratios: Vec<f64> = ratios.collect();
    for ((axis, size), ratio) in listed.iter().zip(wanted).zip(ratios) {
        let axis = &mut axes[*axis];
        axis.scale = common.unwrap_or(ratio);
        axis.to = common.map_or(size, |scale| (scale * axis.from as f64 + 0.5).floor() as usize);
    }
    Ok(())
}

/// Writes a resampling.
pub(crate) fn encode(axis: usize, table: &Resampling, to: &mut Writer<'_>) -> Result<(), ConvertError> {
    let shape = to.shape(to.node().inputs[0]);
    let (n, inner) = (shape[axis] as u32, shape[axis + 1..].iter().product::<usize>() as u32);
    let first: Vec<u32> = table.first.iter().map(|first| *first as u32).collect();
    let (input, output, first, taps) = (to.input(0), to.output(), to.constant(&first), table.taps as u32);
    match to.moved() {
        Some(width) => {
            let weights: Vec<i16> = table.weights.chunks(table.taps).flat_map(fixed).collect();
            let weights = to.constant(&weights);
            match width {
                Width::I8 => to.push(ResampleI8 { input, output, n, inner, first, taps, weights }),
                Width::I16 => to.push(ResampleI16 { input, output, n, inner, first, taps, weights }),
            }
        }
        None => {
            let weights = to.constant(&table.weights);
            to.push(ResampleF32 { input, output, n, inner, first, taps, weights })
        }
    }
}

/// Weights in units of 2^-14 that add up to 1: the largest takes what rounding left over.
fn fixed(weights: &[f32]) -> Vec<i16> {
    let mut fixed: Vec<i16> = weights.iter().map(|w| (w * 16384.0).round_ties_even() as i16).collect();
    let rest = (1 << 14) - fixed.iter().map(|w| i32::from(*w)).sum::<i32>();
    if let Some(largest) = fixed.iter_mut().max() {
        *largest = (i32::from(*largest) + rest).clamp(-32768, 32767) as i16;
    }
    fixed
}

#[cfg(test)]
mod tests {
    use super::fixed;

    #[test]
    fn fixed_weights_add_up_to_one() {
        for weights in [&[0.3f32, 0.3, 0.4][..], &[-0.09375, 0.59375, 0.59375, -0.09375], &[1.0 / 3.0; 3], &[1.0]] {
            let sum: i32 = fixed(weights).into_iter().map(i32::from).sum();
            assert_eq!(sum, 1 << 14, "{weights:?}");
        }
    }
}
