//! Fully connected layers.

use ndarray::{ArrayD, Ix1, Ix2, IxDyn};

use super::conv::{Pushed, Sums, sums};
use super::matmul;
use crate::encode::Writer;
use crate::encode::numbers::Numbers;
use crate::error::ConvertError;
use crate::graph::{Binary, Op, ValueId};
use crate::import::{Lowering, OnnxNode};
use crate::quantize::{Params, Width};
use lacewing::format::Layout;
use lacewing::ops::FullyConnectedF32;
use lacewing::ops::fully_connected::FullyConnected;

/// `Gemm`: `alpha * x' * w' + beta * c` with constant `w`.
pub(crate) fn lower_gemm(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    if to.constant(node, 1).is_none() {
        return matmul::gemm(node, to);
    }
    let mut x = to.value(node, 0)?;
    if node.flag("transA") {
        x = to.emit(node, "transpose", Op::Transpose { perm: vec![1, 0] }, &[x])?;
    }
    let alpha = node.float("alpha", 1.0)?;
    let w = to.weights(node, 1)?.into_dimensionality::<Ix2>();
    let w = w.map_err(|_| node.error("its weights must have two axes"))?;
    let rows = if node.flag("transB") { w } else { w.reversed_axes() };
    let n = rows.nrows();
    let grid = to.grid(node, 1, usize::from(!node.flag("transB"))).filter(|_| alpha == 1.0);
    let w = to.add_constant(node, "weights", standard(rows.mapv(|v| v * alpha)))?;
    to.set_grid(w, grid);
    let mut inputs = vec![x, w];
    if node.input(2).is_none() {
        return Ok(vec![to.emit(node, "", Op::FullyConnected, &inputs)?]);
    }
    match bias(node, to, n)? {
        Some(bias) => {
            inputs.push(bias);
            Ok(vec![to.emit(node, "", Op::FullyConnected, &inputs)?])
        }
        None => {
            let y = to.emit(node, "product", Op::FullyConnected, &inputs)?;
            let c = scaled_addend(node, to)?;
            Ok(vec![to.emit(node, "", Op::Binary(Binary::Add), &[y, c])?])
        }
    }
}

/// `beta * c` as a bias of `n` elements, if it is constant and the same for every row.
fn bias(node: &OnnxNode<'_>, to: &mut Lowering, n: usize) -> Result<Option<ValueId>, ConvertError> {
    let beta = node.float("beta", 1.0)?;
    if to.constant(node, 2).is_none() {
        return Ok(None);
    }
    let c = to.weights(node, 2)?.mapv(|v| v * beta);
    let elements: Vec<f32> = match (c.len(), c.shape().last()) {
        (1, _) => vec![c.iter().sum(); n],
        (len, Some(&last)) if len == n && last == n => c.iter().copied().collect(),
        _ => return Ok(None),
    };
    to.add_constant(node, "bias", ArrayD::from_shape_vec(IxDyn(&[n]), elements).unwrap_or_default()).map(Some)
}

fn scaled_addend(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<ValueId, ConvertError> {
    let c = to.value(node, 2)?;
    let beta = node.float("beta", 1.0)?;
    if beta == 1.0 {
        return Ok(c);
    }
    let factor = to.add_constant(node, "beta", ArrayD::from_elem(IxDyn(&[1]), beta))?;
    to.emit(node, "addend", Op::Binary(Binary::Mul), &[c, factor])
}

/// `MatMul`; of `x [.., k]` and constant weights `[k, n]` a fully connected layer.
pub(crate) fn lower_matmul(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    if to.constant(node, 1).is_none() {
        return matmul::lower(node, to);
    }
    let x = to.value(node, 0)?;
    let w = to.weights(node, 1)?;
    if w.ndim() == 1 {
        return vector(node, to, x, w);
    }
    let (lead, matrix) = w.shape().split_at(w.ndim().saturating_sub(2));
    if lead.iter().any(|d| *d != 1) || matrix.len() != 2 || lead.len() + 2 > to.shape(x).len().max(2) {
        return matmul::lower(node, to);
    }
    let (matrix, columns) = ([matrix[0], matrix[1]], lead.len() + 1);
    let w = w.into_shape_with_order(matrix).map_err(|e| node.error(e.to_string()))?;
    let (grid, rows) = (to.grid(node, 1, columns), to.add_constant(node, "weights", standard(w.reversed_axes()))?);
    to.set_grid(rows, grid);
    Ok(vec![to.emit(node, "", Op::FullyConnected, &[x, rows])?])
}

/// A weight vector is one output, whose axis NumPy drops.
fn vector(node: &OnnxNode<'_>, to: &mut Lowering, x: ValueId, w: ArrayD<f32>) -> Result<Vec<ValueId>, ConvertError> {
    let w = w.into_dimensionality::<Ix1>().map_err(|e| node.error(e.to_string()))?;
    let row = to.add_constant(node, "weights", w.insert_axis(ndarray::Axis(0)).into_dyn())?;
    let y = to.emit(node, "column", Op::FullyConnected, &[x, row])?;
    let mut shape = to.shape(y);
    shape.pop();
    Ok(vec![to.emit_shaped(node, "", Op::Reshape, &[y], shape)?])
}

fn standard(w: ndarray::Array2<f32>) -> ArrayD<f32> {
    w.as_standard_layout().into_owned().into_dyn()
}

/// Writes a fully connected layer.
pub(crate) fn encode(to: &mut Writer<'_>) -> Result<(), ConvertError> {
    match to.integers() {
        Some(params) if params.1.width == Width::I8 => encode_integers::<i8>(params, to),
        Some(params) => encode_integers::<i16>(params, to),
        None => encode_f32(to),
    }
}

fn encode_integers<T: Numbers + Pushed<FullyConnected<T>>>(
    (input, output): (Params, Params),
    to: &mut Writer<'_>,
) -> Result<(), ConvertError> {
    let Sums { weights, bits, zeros, bias, requant } = sums::<T>(input, output, to)?;
    let layout = to.layout(Layout::PLAIN, &requant);
    let record = FullyConnected {
        input: to.input(0),
        output: to.output(),
        weights: to.weights_constant(bits, &weights, (layout, 1)),
        layout,
        zeros,
        bias,
        requant,
        scratch: to.scratch(),
    };
    T::push(bits, record, to)
}

fn encode_f32(to: &mut Writer<'_>) -> Result<(), ConvertError> {
    let outputs = to.output().shape[3] as usize;
    let (lo, hi) = to.clamp();
    let layout = to.layout_f32(Layout::PLAIN);
    let record = FullyConnectedF32 {
        input: to.input(0),
        output: to.output(),
        weights: to.float_weights((layout, 1)),
        layout,
        bias: to.float_constant(2, outputs),
        lo,
        hi,
    };
    to.push(record)
}
