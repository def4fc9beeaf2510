//! Nodes all of whose inputs are constant: computed by tract, one node at a time.

mod direct;

use std::cell::Cell;
use std::sync::Arc;

use tract_core::internal::{IntoTensor, TVec, tvec};
use tract_core::model::SpecialOps;
use tract_core::plan::SimplePlan;
use tract_core::prelude::Tensor;
use tract_onnx::model::ParsingContext;
use tract_onnx::tract_hir::infer::{InferenceFact, InferenceModel, InferenceModelExt, InferenceOp};
use tract_onnx::tract_hir::prelude::{DatumType, InletId, OutletId, TValue, TractResult};

use super::constants::Constant;
use super::{MAX_ELEMENTS, OnnxNode, Source, quietly};
use crate::error::ConvertError;
use crate::graph::{Layout, Op};

/// Nodes that tract makes a model of to compute them, which takes it a third of a millisecond each where nothing is optimized.
const MAX_MODELED: usize = 1 << 11;

/// Bytes of a file for one more of them.
const BYTES_FOR_ONE: usize = 1 << 12;

/// Evaluates nodes whose inputs are all known.
pub(crate) struct Folder<'a> {
    source: &'a Source,
    onnx: tract_onnx::Onnx,
    /// Nodes so far that it took a model to compute.
    modeled: Cell<usize>,
}

impl<'a> Folder<'a> {
    /// For the nodes of one model.
    pub(crate) fn new(source: &'a Source) -> Folder<'a> {
        Folder { source, onnx: tract_onnx::onnx(), modeled: Cell::new(0) }
    }

    /// Whether nodes were refused because there are too many.
    pub(crate) fn is_spent(&self) -> bool {
        self.modeled.get() > MAX_MODELED + self.source.bytes / BYTES_FOR_ONE
    }

    /// The outputs of `node` for these inputs, if `left` bytes can hold them.
    pub(crate) fn fold(
        &self,
        node: &OnnxNode<'_>,
        inputs: &[&Constant],
        left: usize,
    ) -> Result<Vec<Constant>, ConvertError> {
        let elements = bound(node, inputs)?;
        let largest = inputs.iter().map(|constant| constant.tensor.len()).max().unwrap_or(0);
        let most = MAX_ELEMENTS.max(largest).min(left / width(node, inputs));
        if elements > most as u64 {
            return Err(node.error(format!(
                "would compute a constant of {elements} elements, more than the {most} that a file of its size may; fold it into the file with onnxsim"
            )));
        }
        let tensors: Vec<Arc<Tensor>> = inputs.iter().map(|c| c.tensor.clone()).collect();
        let results = match quietly(|| self.evaluate(node, &tensors)) {
            Ok(results) => results.map_err(|e| node.error(format!("{e:#}")))?,
            Err(panic) => return Err(node.error(panic)),
        };
        let grid = |to: &[usize]| inputs.first()?.grid.as_ref()?.through(node, inputs.first()?.shape(), to);
        let named = node.pb.output.iter().filter(|name| !name.is_empty()).zip(results);
        Ok(named.map(|(name, tensor)| Constant { grid: grid(tensor.shape()), ..Constant::new(name, tensor) }).collect())
    }

    /// The outputs of the operator for these inputs, by a model only where it takes one.
    fn evaluate(&self, node: &OnnxNode<'_>, inputs: &[Arc<Tensor>]) -> TractResult<Vec<Tensor>> {
        if let Some(result) = direct::moved(node, inputs)? {
            return Ok(vec![result]);
        }
        let context = ParsingContext {
            onnx_operator_set_version: node.opset,
            framework: &self.onnx,
            model: &self.source.model,
            parent_graphs: vec![self.source.graph()],
            model_dir: None,
            template: InferenceModel::default(),
        };
        let Some(builder) = self.onnx.op_register.0.get(node.op()) else {
            return Err(tract_core::internal::format_err!("tract does not know this operator"));
        };
        let (op, _) = builder(&context, node.pb)?;
        let tensors: Vec<&Tensor> = inputs.iter().map(|tensor| &**tensor).collect();
        if let Some(result) = direct::evaluate(&*op, &tensors)? {
            return Ok(vec![result]);
        }
        self.modeled.set(self.modeled.get() + 1);
        if self.is_spent() {
            return Err(tract_core::internal::format_err!(
                "the model computes too many constants; simplify it with onnxsim"
            ));
        }
        let values = inputs.iter().cloned().map(TValue::from_const).collect();
        let results = match op.eval_out_of_plan(values) {
            Ok(Some(results)) => results,
            _ => modeled(node, op, inputs)?,
        };
        results.into_iter().map(|value| plain(value.into_tensor())).collect()
    }
}

/// What a model of this one node gives.
fn modeled(node: &OnnxNode<'_>, op: Box<dyn InferenceOp>, inputs: &[Arc<Tensor>]) -> TractResult<TVec<TValue>> {
    let mut model = InferenceModel::default();
    let outputs = node.pb.output.iter().filter(|name| !name.is_empty()).count();
    let id = model.add_node("node", op, tvec![InferenceFact::default(); outputs])?;
    for (slot, tensor) in inputs.iter().enumerate() {
        let constant = model.add_const(format!("input_{slot}"), tensor.clone())?;
        model.add_edge(constant, InletId::new(id, slot))?;
    }
    let outlets: Vec<OutletId> = (0..outputs).map(|slot| OutletId::new(id, slot)).collect();
    model.select_output_outlets(&outlets)?;
    SimplePlan::new(model.into_typed()?)?.run(TVec::new())
}

/// tract's symbolic dimensions are plain integers here, since nothing is symbolic.
fn plain(tensor: Tensor) -> TractResult<Tensor> {
    match tensor.datum_type() {
        DatumType::TDim => Ok(tensor.cast_to::<i64>()?.into_owned()),
        _ => Ok(tensor),
    }
}

/// Bytes of an element, as far as the inputs say.
fn width(node: &OnnxNode<'_>, inputs: &[&Constant]) -> usize {
    match (node.op(), inputs.first()) {
        ("ConstantOfShape", _) | (_, None) => size_of::<f32>(),
        (_, Some(input)) => input.tensor.datum_type().size_of(),
    }
}

/// A bound on the work and on the elements of each output, or a refusal for operators that are not expected
/// between constants.
fn bound(node: &OnnxNode<'_>, inputs: &[&Constant]) -> Result<u64, ConvertError> {
    let all: u64 = inputs.iter().map(|c| c.tensor.len() as u64).sum();
    let wide = |elements: Option<u64>| elements.unwrap_or(u64::MAX);
    match node.op() {
        "ConstantOfShape" => Ok(wide(product(&integers(node, inputs, 0)?))),
        "Expand" | "Tile" => Ok(all.saturating_mul(wide(product(&integers(node, inputs, 1)?)))),
        "Range" => range(node, inputs),
        "Gather" => gathered(node, inputs),
        "GatherElements" | "MatMul" | "Gemm" => Ok(products(inputs)),
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Mod" | "Min" | "Max" | "Sum" | "Mean" | "Equal" | "Less"
        | "Greater" | "LessOrEqual" | "GreaterOrEqual" | "And" | "Or" | "Xor" | "PRelu" | "BitShift" | "BitwiseAnd"
        | "BitwiseOr" | "BitwiseXor" | "Where" => broadcast(node, inputs),
        "Transpose" => permutation(node, inputs).map(|()| all),
        "Constant" | "Identity" | "Cast" | "CastLike" | "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" | "Slice"
        | "Split" | "Concat" | "Size" | "Neg" | "Abs" | "Exp" | "Log" | "Sqrt" | "Reciprocal" | "Floor" | "Ceil"
        | "Round" | "Sign" | "Relu" | "Clip" | "Sigmoid" | "Tanh" | "Erf" | "Sin" | "Cos" | "Not" | "ReduceSum"
        | "ReduceMean" | "ReduceProd" | "ReduceMax" | "ReduceMin" | "ReduceL1" | "ReduceL2" | "ReduceSumSquare"
        | "ReduceLogSum" | "ReduceLogSumExp" | "ArgMax" | "ArgMin" | "CumSum" | "Trilu" | "IsNaN" | "IsInf" | "Tan"
        | "Asin" | "Acos" | "Atan" | "Sinh" | "Cosh" | "Asinh" | "Acosh" | "Atanh" | "BitwiseNot" => Ok(all),
        _ => Err(unexpected(node)),
    }
}

fn unexpected(node: &OnnxNode<'_>) -> ConvertError {
    node.error(format!("{} of constants is not supported; simplify the model with onnxsim", node.op()))
}

/// Whether the operator is computed where its inputs are constant.
pub(super) fn folds(node: &OnnxNode<'_>) -> bool {
    !bound(node, &[]).is_err_and(|error| error.to_string() == unexpected(node).to_string())
}

fn integers(node: &OnnxNode<'_>, inputs: &[&Constant], i: usize) -> Result<Vec<i64>, ConvertError> {
    inputs.get(i).ok_or_else(|| node.error(format!("input {i} is missing")))?.integers()
}

fn product(dims: &[i64]) -> Option<u64> {
    dims.iter().try_fold(1u64, |n, d| n.checked_mul(u64::try_from(*d).ok()?))
}

fn products(inputs: &[&Constant]) -> u64 {
    inputs.iter().fold(1, |n, c| n.saturating_mul((c.tensor.len() as u64).max(1)))
}

fn gathered(node: &OnnxNode<'_>, inputs: &[&Constant]) -> Result<u64, ConvertError> {
    let [data, indices] = inputs else { return Ok(products(inputs)) };
    let axis = node.axis(node.int("axis", 0), data.shape().len())?;
    let slice = data.tensor.len() / data.shape()[axis].max(1);
    Ok((indices.tensor.len() as u64).saturating_mul(slice as u64))
}

fn broadcast(node: &OnnxNode<'_>, inputs: &[&Constant]) -> Result<u64, ConvertError> {
    let mut shape = Vec::new();
    for input in inputs {
        shape = crate::graph::shape::broadcast(&shape, input.shape()).map_err(|e| node.error(e))?;
    }
    Ok(shape.iter().fold(1, |n, d| n.saturating_mul(*d as u64)))
}

/// Checks the axes of a transposition: with others tract does not end.
fn permutation(node: &OnnxNode<'_>, inputs: &[&Constant]) -> Result<(), ConvertError> {
    let Some((perm, input)) = node.ints("perm").zip(inputs.first()) else { return Ok(()) };
    let perm = perm.iter().map(|axis| usize::try_from(*axis).unwrap_or(usize::MAX)).collect();
    let shape = crate::graph::shape::infer(&Op::Transpose { perm }, &[input.shape()], Layout::Nchw);
    shape.map(|_| ()).map_err(|e| node.error(e))
}

fn range(node: &OnnxNode<'_>, inputs: &[&Constant]) -> Result<u64, ConvertError> {
    let mut bounds = [0.0; 3];
    for (i, bound) in bounds.iter_mut().enumerate() {
        let input = inputs.get(i).ok_or_else(|| node.error(format!("input {i} is missing")))?.floats()?;
        *bound = f64::from(*input.first().ok_or_else(|| node.error("has an empty bound"))?);
    }
    match (bounds[1] - bounds[0]) / bounds[2] {
        steps if steps.is_finite() => Ok(steps.max(0.0).ceil() as u64),
        _ => Err(node.error(format!("cannot count from {} to {} by {}", bounds[0], bounds[1], bounds[2]))),
    }
}
