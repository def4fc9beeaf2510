//! Element by element: what is computed from tensors alone, without a model round the operator.
//!
//! A model takes tract a hundred times as long as the arithmetic on a few numbers, and files may hold thousands of such nodes.

use std::sync::Arc;

use tract_core::downcast_rs::Downcast;
use tract_core::internal::{EvalOp, IntoTensor};
use tract_core::ops::array::Gather;
use tract_core::ops::binary::TypedBinOp;
use tract_core::ops::element_wise as typed;
use tract_core::prelude::{DatumType, Tensor};
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::tract_hir::infer::InferenceOp;
use tract_onnx::tract_hir::ops::binary::InferenceBinOp;
use tract_onnx::tract_hir::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_hir::ops::expandable::Expansion;
use tract_onnx::tract_hir::prelude::TractResult;

use crate::import::OnnxNode;
use crate::import::constants::load;
use crate::transposed::transposed;

/// The result of an operator of one or two operands, element by element; `None` for all others.
pub(super) fn evaluate(op: &dyn InferenceOp, inputs: &[&Tensor]) -> TractResult<Option<Tensor>> {
    let Some(op) = Downcast::as_any(op).downcast_ref::<Box<dyn Expansion>>() else { return Ok(None) };
    let op = Downcast::as_any(&**op);
    match (inputs, op.downcast_ref::<ElementWiseOp>(), op.downcast_ref::<InferenceBinOp>()) {
        ([x], Some(op), _) => {
            let x = x.cast_to_dt(op.0.operating_datum_type(x.datum_type()))?.into_owned();
            result(&typed::ElementWiseOp(op.0.clone(), None), [x])
        }
        ([a, b], _, Some(op)) => {
            let kind = op.0.operating_datum_type(a.datum_type(), b.datum_type())?;
            let rank = a.rank().max(b.rank());
            result(&TypedBinOp(op.0.clone(), None), [widened(a, kind, rank)?, widened(b, kind, rank)?])
        }
        _ => Ok(None),
    }
}

/// The result of an operator that needs nothing of tract but its tensors; `None` for all others.
pub(super) fn moved(node: &OnnxNode<'_>, inputs: &[Arc<Tensor>]) -> TractResult<Option<Tensor>> {
    match (node.op(), inputs) {
        ("Constant", []) => constant(node),
        ("Transpose", [x]) => transpose(node, x),
        ("Cast", [x]) => cast(node, x),
        ("Gather", [x, indices]) => gather(node, x, indices),
        ("Concat", [x, ..]) => Ok(Some(Tensor::stack_tensors(axis(node, x)?, inputs)?)),
        _ => Ok(None),
    }
}

/// The tensor of a `Constant`, where it has one.
fn constant(node: &OnnxNode<'_>) -> TractResult<Option<Tensor>> {
    let value = node.pb.attribute.iter().find(|attribute| attribute.name == "value");
    let Some(tensor) = value.and_then(|value| value.t.as_ref()) else { return Ok(None) };
    let constant = load(tensor).map_err(|error| tract_core::internal::format_err!("{error}"))?;
    Ok(Some(Tensor::clone(&constant.tensor)))
}

fn axis(node: &OnnxNode<'_>, x: &Tensor) -> TractResult<usize> {
    Ok(node.axis(node.int("axis", 0), x.rank())?)
}

fn gather(node: &OnnxNode<'_>, x: &Tensor, indices: &Tensor) -> TractResult<Option<Tensor>> {
    let indices = indices.cast_to::<i64>()?.into_owned();
    result(&Gather::new(axis(node, x)?), [x.clone(), indices])
}

/// The result of `Transpose` of floats. tract's iterators take a microsecond for an element where nothing is optimized.
fn transpose(node: &OnnxNode<'_>, x: &Tensor) -> TractResult<Option<Tensor>> {
    let perm = match node.ints("perm") {
        Some(perm) => perm.iter().map(|axis| *axis as usize).collect(),
        None => (0..x.rank()).rev().collect::<Vec<_>>(),
    };
    match x.datum_type() {
        DatumType::F32 => Ok(Some(transposed(x.to_plain_array_view::<f32>()?, &perm).into_tensor())),
        _ => Ok(None),
    }
}

/// The result of `Cast` from numbers to numbers.
fn cast(node: &OnnxNode<'_>, x: &Tensor) -> TractResult<Option<Tensor>> {
    let to = i32::try_from(node.int("to", 0)).ok().and_then(|to| DataType::try_from(to).ok());
    let to = to.and_then(|to| DatumType::try_from(to).ok()).filter(|to| *to != DatumType::String);
    match to.filter(|_| x.datum_type() != DatumType::String) {
        Some(to) => Ok(Some(x.cast_to_dt(to)?.into_owned())),
        None => Ok(None),
    }
}

/// The tensor in another element type, with axes of 1 in front.
fn widened(tensor: &Tensor, kind: DatumType, rank: usize) -> TractResult<Tensor> {
    let mut shape = vec![1; rank - tensor.rank()];
    shape.extend(tensor.shape());
    tensor.cast_to_dt(kind)?.into_owned().into_shape(&shape)
}

fn result<const N: usize>(op: &dyn EvalOp, inputs: [Tensor; N]) -> TractResult<Option<Tensor>> {
    let inputs = inputs.into_iter().map(Into::into).collect();
    Ok(op.eval_out_of_plan(inputs)?.and_then(|mut results| results.pop()).map(IntoTensor::into_tensor))
}
