//! A tensor with some of its parts changed.

use std::sync::Arc;

use super::gather::{along_axis, in_depth, indices};
use super::strided_copy::strides;
use super::take::{offset, place as place_in, positions};
use crate::encode::Writer;
use crate::error::ConvertError;
use crate::graph::{Op, Update, ValueId};
use crate::import::{Lowering, OnnxNode};
use lacewing::format::{DType, Place, Tensor};
use lacewing::ops::ScatterF32;

/// `ScatterElements`, its older name `Scatter`, and `ScatterND`.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let (x, updates) = (to.value(node, 0)?, to.value(node, 2)?);
    let shape = to.shape(x);
    let (of, numbers) = indices(node, to, 1)?;
    let (places, inner) = match node.op() {
        "ScatterND" => {
            let found = of.split_last().filter(|(depth, _)| **depth <= shape.len());
            let (depth, rows) =
                found.ok_or_else(|| node.error(format!("indices {of:?} do not fit shape {shape:?}")))?;
            let (indexed, part) = shape.split_at(*depth);
            (in_depth(node, indexed, 0, (rows, &numbers))?, part.iter().product())
        }
        _ => {
            let axis = node.axis(node.int("axis", 0), shape.len())?;
            (along_axis(node, &shape, axis, (&of, &numbers))?, 1)
        }
    };
    let how = how(node)?;
    Ok(vec![scatter(node, to, how, [x, updates], (places, inner))?])
}

/// `TensorScatter`: updates from a position of each of the batch on, round the end if it is circular.
pub(crate) fn lower_cache(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let (x, updates) = (to.value(node, 0)?, to.value(node, 1)?);
    let (shape, of) = (to.shape(x), to.shape(updates));
    let axis = node.axis(node.int("axis", -2), shape.len())?;
    let first = to.integers(node, 2)?.unwrap_or_else(|| vec![0; shape[0]]);
    let fits = of.len() == shape.len() && axis > 0 && (0..of.len()).all(|a| a == axis || of[a] == shape[a]);
    if !fits || first.len() != shape[0] {
        return Err(node.error(format!("updates {of:?} do not fit shape {shape:?}")));
    }
    let circular = node.string("mode") == "circular";
    let steps = strides(&shape);
    let places = positions(&of).map(|mut at| {
        let place = first[at[0]].saturating_add_unsigned(at[axis] as u64);
        at[axis] = place_in(node, if circular { place.rem_euclid(shape[axis] as i64) } else { place }, shape[axis])?;
        Ok(offset(&at, &steps))
    });
    let places = places.collect::<Result<Vec<usize>, ConvertError>>()?;
    Ok(vec![scatter(node, to, Update::Set, [x, updates], (places, 1))?])
}

fn how(node: &OnnxNode<'_>) -> Result<Update, ConvertError> {
    match node.string("reduction") {
        "" | "none" => Ok(Update::Set),
        "add" => Ok(Update::Add),
        "mul" => Ok(Update::Mul),
        "min" => Ok(Update::Min),
        "max" => Ok(Update::Max),
        other => Err(node.error(format!("reduction `{other}` does not exist"))),
    }
}

/// `x` with its parts of `inner` elements in `places` changed by `updates`.
pub(super) fn scatter(
    node: &OnnxNode<'_>,
    to: &mut Lowering,
    how: Update,
    [x, updates]: [ValueId; 2],
    (places, inner): (Vec<usize>, usize),
) -> Result<ValueId, ConvertError> {
    let shape = to.shape(x);
    let (len, updated) = (shape.iter().product::<usize>(), to.shape(updates).iter().product::<usize>());
    if updated != places.len() * inner {
        return Err(node.error(format!("{updated} updates do not fit {} places", places.len())));
    }
    let x = to.emit_shaped(node, "parts", Op::Reshape, &[x], vec![len / inner, inner])?;
    let updates = to.emit_shaped(node, "updates", Op::Reshape, &[updates], vec![places.len(), inner])?;
    let y = to.emit(node, "scatter", Op::Scatter { how, places: Some(places.into()) }, &[x, updates])?;
    to.emit_shaped(node, "", Op::Reshape, &[y], shape)
}

/// Writes a scatter.
pub(crate) fn encode(how: Update, places: Option<&Arc<[usize]>>, to: &mut Writer<'_>) -> Result<(), ConvertError> {
    if to.integers().is_some() {
        return Err(to.error("has no int8 form; convert with --precision f32"));
    }
    let inner = to.shape(to.node().inputs[0])[1..].iter().product::<usize>() as u32;
    let indices = match places {
        Some(places) => {
            let places: Vec<i32> = places.iter().map(|place| *place as i32).collect();
            let span = to.constant(&places);
            Tensor::new(Place::Constant, DType::I32, span.offset, [1, 1, 1, places.len() as u32])
        }
        None => to.input(2),
    };
    let record = ScatterF32 { inputs: [to.input(0), indices, to.input(1)], output: to.output(), inner, how };
    to.push(record)
}
