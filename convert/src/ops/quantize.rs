//! Between real numbers and integers: `QuantizeLinear`, `DequantizeLinear`, and the changes of type inside a program.
//!
//! In a float program both are functions, so that it keeps the roundings and the saturation of a quantized file. In an int8
//! program they say which integers stand for which reals, and nothing is left of them to run.

use std::sync::Arc;

use lacewing::ops::{DequantizeI8, DequantizeI16, QuantizeI8, QuantizeI16};
use ndarray::{ArrayD, Axis, IxDyn};
use tract_core::prelude::{DatumType, IntoTensor};
use tract_onnx::pb::tensor_proto::DataType;

use crate::encode::Writer;
use crate::error::ConvertError;
use crate::graph::{Binary, Function, Grid, Kind, Op, ValueId};
use crate::import::{AxisGrid, Constant, Lowering, OnnxNode};
use crate::quantize::{Params, Width};

/// `QuantizeLinear`: `y = saturate(round(x / scale) + zero)`.
pub(crate) fn lower_quantize(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let x = to.value(node, 0)?;
    let [lo, hi] = integers_of(node, to)?;
    let zero = to.constant(node, 2).map(Constant::integers).transpose()?.unwrap_or_else(|| vec![0]);
    match (&scales(node, to, 1)?[..], &zero[..]) {
        (&[scale], &[zero]) => {
            let function = Function::Quantize { scale, zero: zero as f32, lo, hi };
            Ok(vec![to.emit(node, "", Op::Unary(function), &[x])?])
        }
        _ => Err(node.error("quantizes an activation with a scale for each channel; one scale is supported")),
    }
}

/// `DequantizeLinear` of an activation: `y = (x - zero) * scale`.
pub(crate) fn lower_dequantize(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let x = to.value(node, 0)?;
    let scales = scales(node, to, 1)?;
    let zeros = match to.constant(node, 2) {
        Some(zeros) => zeros.floats()?,
        None if node.input(2).is_none() => ArrayD::zeros(IxDyn(&[1])),
        None => return Err(node.error("its zero point must be a constant")),
    };
    if let (&[scale], Some(&[zero])) = (&scales[..], zeros.as_slice()) {
        return Ok(vec![to.emit(node, "", Op::Unary(Function::Dequantize { scale, zero }), &[x])?]);
    }
    let (scales, zeros) = (along(node, to, x, scales)?, along(node, to, x, zeros.iter().copied().collect())?);
    let zeros = to.add_constant(node, "zeros", zeros.mapv(|zero| -zero))?;
    let centered = to.emit(node, "centered", Op::Binary(Binary::Add), &[x, zeros])?;
    let scales = to.add_constant(node, "scales", scales)?;
    Ok(vec![to.emit(node, "", Op::Binary(Binary::Mul), &[centered, scales])?])
}

/// Numbers along the node's axis of `x`, in a shape that broadcasts.
fn along(node: &OnnxNode<'_>, to: &Lowering, x: ValueId, numbers: Vec<f32>) -> Result<ArrayD<f32>, ConvertError> {
    if node.int("block_size", 0) != 0 {
        return Err(node.error("its scales are for blocks; one scale for each index along the axis is supported"));
    }
    let shape = to.shape(x);
    let axis = node.axis(node.int("axis", 1), shape.len())?;
    if numbers.len() != 1 && numbers.len() != shape[axis] {
        return Err(node.error(format!("has {} scales for axis {axis} of {shape:?}", numbers.len())));
    }
    let mut dims = vec![1; shape.len()];
    dims[axis] = numbers.len();
    ArrayD::from_shape_vec(IxDyn(&dims), numbers).map_err(|e| node.error(e.to_string()))
}

/// The scales of input `i`, which must be constant and positive.
fn scales(node: &OnnxNode<'_>, to: &Lowering, i: usize) -> Result<Vec<f32>, ConvertError> {
    let scales: Vec<f32> = to.weights(node, i)?.iter().copied().collect();
    match scales.iter().find(|scale| !scale.is_normal() || **scale < 0.0) {
        Some(scale) => Err(node.error(format!("its scale {scale} is not a positive number"))),
        None => Ok(scales),
    }
}

/// The range of the integers that the node writes: of its zero point's type, else of its attribute's, else bytes.
fn integers_of(node: &OnnxNode<'_>, to: &Lowering) -> Result<[f32; 2], ConvertError> {
    if let Some(zero) = to.constant(node, 2) {
        return match zero.tensor.datum_type() {
            DatumType::U8 => Ok([0.0, 255.0]),
            DatumType::I8 => Ok([-128.0, 127.0]),
            DatumType::U16 => Ok([0.0, 65535.0]),
            DatumType::I16 => Ok([-32768.0, 32767.0]),
            other => Err(node.error(format!("quantizes to {other:?}; int8, uint8, int16 and uint16 are supported"))),
        };
    }
    match DataType::try_from(node.int("output_dtype", 0) as i32) {
        Ok(DataType::Undefined | DataType::Uint8) => Ok([0.0, 255.0]),
        Ok(DataType::Int8) => Ok([-128.0, 127.0]),
        Ok(DataType::Uint16) => Ok([0.0, 65535.0]),
        Ok(DataType::Int16) => Ok([-32768.0, 32767.0]),
        other => Err(node.error(format!("quantizes to {other:?}; int8, uint8, int16 and uint16 are supported"))),
    }
}

/// `DequantizeLinear` of a constant, which keeps its integers in mind.
pub(crate) fn fold(node: &OnnxNode<'_>, inputs: &[&Constant]) -> Result<Constant, ConvertError> {
    let (Some(x), Some(scale)) = (inputs.first(), inputs.get(1)) else {
        return Err(node.error("takes a tensor and its scale"));
    };
    let unsigned = x.kind() == Kind::U8;
    let bits = 8 * x.tensor.datum_type().size_of() as u8;
    let (x, scales) = (x.floats()?, scale.finite(node)?);
    let zeros = inputs.get(2).map(|zero| zero.integers()).transpose()?.unwrap_or_default();
    let scales: Vec<f32> = scales.iter().copied().collect();
    let zero = |i: usize| zeros.get(i).or(zeros.first()).map_or(0, |zero| *zero as i32);
    let zeros: Vec<i32> = (0..scales.len()).map(zero).collect();
    let axis = if scales.len() == 1 { 0 } else { node.axis(node.int("axis", 1), x.ndim())? };
    let y = dequantized(x, axis, &scales, &zeros).ok_or_else(|| {
        node.error(format!("has {} scales, which do not fit axis {axis} of its tensor", scales.len()))
    })?;
    let name = node.pb.output.first().map_or("", String::as_str);
    let zeros = zeros.into_iter().map(|zero| zero.wrapping_sub(if unsigned { 128 } else { 0 })).collect();
    let grid = Some(AxisGrid { axis, grid: Arc::new(Grid { scales, zeros, bits }) });
    Ok(Constant { grid, ..Constant::new(name, y.into_tensor()) })
}

fn dequantized(mut x: ArrayD<f32>, axis: usize, scales: &[f32], zeros: &[i32]) -> Option<ArrayD<f32>> {
    if let (&[scale], &[zero]) = (scales, zeros) {
        x.mapv_inplace(|q| (q - zero as f32) * scale);
        return Some(x);
    }
    if x.shape().get(axis) != Some(&scales.len()) {
        return None;
    }
    for ((mut part, scale), zero) in x.axis_iter_mut(Axis(axis)).zip(scales).zip(zeros) {
        part.mapv_inplace(|q| (q - *zero as f32) * scale);
    }
    Some(x)
}

/// Writes the change to integers; nothing but a copy in a float program.
pub(crate) fn encode_quantize(to: &mut Writer<'_>) -> Result<(), ConvertError> {
    let (input, output) = (to.input(0), to.output());
    match to.params(to.node().outputs[0]) {
        Some(Params { scale, zero, width: Width::I8 }) => to.push(QuantizeI8 { input, output, scale, zero }),
        Some(Params { scale, .. }) => to.push(QuantizeI16 { input, output, scale, zero: 0 }),
        None => super::unary::encode(Function::Identity, to),
    }
}

/// Writes the change to f32; nothing but a copy in a float program.
pub(crate) fn encode_dequantize(to: &mut Writer<'_>) -> Result<(), ConvertError> {
    let (input, output) = (to.input(0), to.output());
    match to.params(to.node().inputs[0]) {
        Some(Params { scale, zero, width: Width::I8 }) => to.push(DequantizeI8 { input, output, scale, zero }),
        Some(Params { scale, .. }) => to.push(DequantizeI16 { input, output, scale, zero: 0 }),
        None => super::unary::encode(Function::Identity, to),
    }
}
