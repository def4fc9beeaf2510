//! Elements added up, or put, where they came from.

use ndarray::{ArrayD, IxDyn};

use super::scatter::scatter;
use super::take::{elements, positions};
use crate::error::ConvertError;
use crate::graph::{Op, Update, ValueId};
use crate::import::window::list;
use crate::import::{Lowering, OnnxNode};

/// `Col2Im` over any number of spatial axes.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let x = to.value(node, 0)?;
    let shape = to.shape(x);
    let (image, block) = (sizes(node, to, 1)?, sizes(node, to, 2)?);
    let rank = image.len();
    let strides = list(node, "strides", 1, vec![1; rank])?;
    let dilations = list(node, "dilations", 1, vec![1; rank])?;
    let pads = list(node, "pads", 0, vec![0; 2 * rank])?;
    let steps = (0..rank).map(|i| {
        let reach = dilations[i] * (block.get(i)?.checked_sub(1)?) + 1;
        Some((image[i] + pads[i] + pads[rank + i]).checked_sub(reach)? / strides[i] + 1)
    });
    let steps: Vec<usize> =
        steps.collect::<Option<_>>().ok_or_else(|| node.error("its blocks do not fit its image"))?;
    let taps: usize = block.iter().product();
    let (&[n, c, l], true) = (&shape[..], block.len() == rank && rank > 0) else {
        return Err(node.error(format!("does not fit columns of shape {shape:?}")));
    };
    if c % taps != 0 || steps.iter().product::<usize>() != l {
        return Err(node.error(format!("columns of shape {shape:?} are not those of its image")));
    }
    let result = [&[n, c / taps], &image[..]].concat();
    let (mut sources, mut places) = (Vec::new(), Vec::new());
    for (source, at) in positions(&[&[n * (c / taps)], &block[..], &steps[..]].concat()).enumerate() {
        let along = |i: usize| (at[1 + rank + i] * strides[i] + at[1 + i] * dilations[i]).checked_sub(pads[i]);
        let place =
            (0..rank).try_fold(at[0], |place, i| Some(place * image[i] + along(i).filter(|at| *at < image[i])?));
        if let Some(place) = place {
            sources.push(source);
            places.push(place);
        }
    }
    let count = sources.len();
    let updates = elements(node, to, x, sources, vec![count])?;
    let empty = empty(node, to, &result)?;
    Ok(vec![scatter(node, to, Update::Add, [empty, updates], (places, 1))?])
}

fn sizes(node: &OnnxNode<'_>, to: &Lowering, i: usize) -> Result<Vec<usize>, ConvertError> {
    let listed = to.integers(node, i)?.unwrap_or_default();
    let sizes: Option<Vec<usize>> =
        listed.iter().map(|s| usize::try_from(*s).ok().filter(|s| (1..=1 << 24).contains(s))).collect();
    sizes.ok_or_else(|| node.error(format!("sizes {listed:?} are not supported")))
}

fn empty(node: &OnnxNode<'_>, to: &mut Lowering, shape: &[usize]) -> Result<ValueId, ConvertError> {
    to.check_size(node, shape)?;
    to.add_constant(node, "empty", ArrayD::zeros(IxDyn(shape)))
}

/// `MaxUnpool`: elements at their indices in the image that the pool had, which its kernel gives; a larger image has zeros at the end.
pub(crate) fn lower_unpool(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let x = to.value(node, 0)?;
    let shape = to.shape(x);
    let kernel = node.sizes("kernel_shape", 1)?.ok_or_else(|| node.error("has no kernel_shape"))?;
    let rank = kernel.len();
    if shape.len() != rank + 2 {
        return Err(node.error(format!("a kernel {kernel:?} does not fit shape {shape:?}")));
    }
    let strides = list(node, "strides", 1, vec![1; rank])?;
    let pads = list(node, "pads", 0, vec![0; 2 * rank])?;
    let size = |i: usize| ((shape[2 + i] - 1) * strides[i] + kernel[i]).checked_sub(pads[i] + pads[rank + i]);
    let image: Option<Vec<usize>> = (0..rank).map(size).collect();
    let image = [&shape[..2], &image.ok_or_else(|| node.error("its pads leave nothing"))?].concat();
    let empty = empty(node, to, &image)?;
    let len: usize = image.iter().product();
    let x = match to.integers(node, 1) {
        Ok(indices) => {
            let indices = indices.unwrap_or_default();
            let places = indices.iter().map(|i| super::take::place(node, *i, len)).collect::<Result<_, _>>()?;
            scatter(node, to, Update::Set, [empty, x], (places, 1))?
        }
        Err(_) => by_indices(node, to, empty, x)?,
    };
    let wanted = to.integers(node, 2)?.unwrap_or_default();
    let after = image.iter().zip(&wanted).map(|(d, w)| usize::try_from(*w).ok()?.checked_sub(*d));
    let after: Option<Vec<usize>> = after.collect();
    match after {
        Some(after) if after.len() == image.len() => {
            let pads = after.into_iter().map(|after| (0, after)).collect();
            Ok(vec![to.emit(node, "shape", Op::Pad { pads, value: 0.0 }, &[x])?])
        }
        _ if wanted.is_empty() => Ok(vec![x]),
        _ => Err(node.error(format!("cannot give {image:?} the shape {wanted:?}"))),
    }
}

/// The same with indices that are computed.
fn by_indices(node: &OnnxNode<'_>, to: &mut Lowering, empty: ValueId, x: ValueId) -> Result<ValueId, ConvertError> {
    let indices = to.value(node, 1)?;
    let (shape, count) = (to.shape(empty), to.shape(x).iter().product::<usize>());
    let len = shape.iter().product();
    let empty = to.emit_shaped(node, "parts", Op::Reshape, &[empty], vec![len, 1])?;
    let x = to.emit_shaped(node, "updates", Op::Reshape, &[x], vec![count, 1])?;
    let indices = to.emit_shaped(node, "indices", Op::Reshape, &[indices], vec![count])?;
    let y = to.emit(node, "scatter", Op::Scatter { how: Update::Set, places: None }, &[empty, x, indices])?;
    to.emit_shaped(node, "", Op::Reshape, &[y], shape)
}
