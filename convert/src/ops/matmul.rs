//! Products of matrices that are both computed.

use super::binary::joined;
use super::compose::{Compose, Made};
use crate::encode::Writer;
use crate::encode::numbers::{Multipliers, Numbers, zero};
use crate::error::ConvertError;
use crate::graph::ValueId;
use crate::import::{Lowering, OnnxNode};
use crate::quantize::{Params, Width, largest_sum_of};
use lacewing::format::{Op as Record, Tensor};
use lacewing::ops::MatMulF32;
use lacewing::ops::matmul::MatMul;

/// `MatMul` of two tensors as NumPy does it: a vector is a row on the left and a column on the right.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let mut on = Compose::new(node, to);
    let (a, b) = (on.input(0)?, on.input(1)?);
    Ok(vec![product(&mut on, a, b)?])
}

/// The product of two values of any rank but 0.
pub(super) fn product(on: &mut Compose<'_, '_>, a: ValueId, b: ValueId) -> Made {
    let (row, column) = (on.shape(a).len() == 1, on.shape(b).len() == 1);
    let (mut a, mut b) = (a, b);
    if row {
        let k = on.shape(a)[0];
        a = on.reshape(a, vec![1, k])?;
    }
    if column {
        let k = on.shape(b)[0];
        b = on.reshape(b, vec![k, 1])?;
    }
    let y = on.matmul(a, b, false)?;
    let mut shape = on.shape(y);
    if column {
        shape.pop();
    }
    if row {
        shape.remove(shape.len() - if column { 1 } else { 2 });
    }
    on.reshape(y, shape)
}

/// `Gemm` with computed weights.
pub(super) fn gemm(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let (alpha, beta) = (node.float("alpha", 1.0)?, node.float("beta", 1.0)?);
    let mut on = Compose::new(node, to);
    let (mut a, b) = (on.input(0)?, on.input(1)?);
    if on.shape(a).len() != 2 || on.shape(b).len() != 2 {
        return Err(node.error(format!("multiplies shapes {:?} and {:?}, no matrices", on.shape(a), on.shape(b))));
    }
    if node.flag("transA") {
        a = on.transpose(a, vec![1, 0])?;
    }
    let y = on.matmul(a, b, node.flag("transB"))?;
    let y = on.scaled(y, alpha)?;
    let Some(c) = on.optional(2)? else { return Ok(vec![y]) };
    let c = on.scaled(c, beta)?;
    Ok(vec![on.add(y, c)?])
}

/// Writes a product of matrices.
pub(crate) fn encode(transposed: bool, to: &mut Writer<'_>) -> Result<(), ConvertError> {
    let (inputs, output) = operands(to)?;
    let (lo, hi) = to.clamp();
    let node = to.node();
    let params = [node.inputs[0], node.inputs[1], node.outputs[0]].map(|value| to.params(value));
    let [Some(a), Some(b), Some(y)] = params else {
        return to.push(MatMulF32 { inputs, output, transposed, lo, hi });
    };
    match y.width {
        Width::I8 => encode_integers::<i8>((inputs, output, transposed), [a, b, y], to),
        Width::I16 => encode_integers::<i16>((inputs, output, transposed), [a, b, y], to),
    }
}

fn encode_integers<T: Numbers>(
    (inputs, output, transposed): ([Tensor; 2], Tensor, bool),
    [a, b, y]: [Params; 3],
    to: &mut Writer<'_>,
) -> Result<(), ConvertError>
where
    Record: From<MatMul<T>>,
{
    let farthest = |params: Params| T::FARTHEST + f64::from(params.zero).abs();
    let depth = f64::from(inputs[0].shape[3]);
    let bound = depth * farthest(a) * farthest(b);
    if bound >= largest_sum_of(y.width) {
        return Err(to.error(format!("sums {depth} products, too many for integers; keep it in f32 or split the sum")));
    }
    let real = f64::from(a.scale) * f64::from(b.scale) / f64::from(y.scale);
    let Multipliers { m, shift } =
        T::multipliers(&[real], &[bound]).ok_or_else(|| to.error("its output range is too small for its operands"))?;
    let (lo, hi) = to.limits(y);
    let zeros = [zero(a), zero(b)];
    to.push(MatMul { inputs, output, transposed, zeros, multiplier: m[0], shift, zero: zero(y), lo, hi })
}

/// Operands and result with their batches in two dimensions.
fn operands(to: &mut Writer<'_>) -> Result<([Tensor; 2], Tensor), ConvertError> {
    let mut tensors = [to.input(0), to.input(1), to.output()];
    let node = to.node();
    let shapes = [node.inputs[0], node.inputs[1], node.outputs[0]].map(|value| to.shape(value).to_vec());
    let split = |shape: &[usize]| (shape[..shape.len() - 2].to_vec(), [shape[shape.len() - 2], shape[shape.len() - 1]]);
    let [(a, _), (b, _), (y, _)] = shapes.each_ref().map(|shape| split(shape));
    let Some((batches, result)) = joined(&[&a, &b], &y, 2) else {
        return Err(to.error("its batches broadcast along more than two dimensions; reshape the operands"));
    };
    for ((tensor, shape), batch) in tensors.iter_mut().zip(&shapes).zip(batches.iter().chain([&result])) {
        let [.., n, m] = *batch;
        let (_, [rows, columns]) = split(shape);
        tensor.shape = [n, m, rows as u32, columns as u32];
    }
    let [a, b, y] = tensors;
    Ok(([a, b], y))
}
