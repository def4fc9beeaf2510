//! Constant tensors, and nodes all of whose inputs are constant: computed by tract, one node at a time.

use std::collections::HashSet;
use std::sync::Arc;

use ndarray::ArrayD;
use tract_core::internal::{IntoTensor, TVec, tvec};
use tract_core::model::SpecialOps;
use tract_core::plan::SimplePlan;
use tract_core::prelude::Tensor;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::TensorProto;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::tract_hir::infer::{InferenceFact, InferenceModel, InferenceModelExt};
use tract_onnx::tract_hir::prelude::{DatumType, InletId, OutletId, TractResult};

use super::control::captured;
use super::{MAX_ELEMENTS, OnnxNode, Source, quietly};
use crate::error::ConvertError;
use crate::graph::{Grid, Kind, Layout, Op};

/// A tensor known at conversion.
#[derive(Clone, Debug)]
pub(crate) struct Constant {
    /// Its ONNX name.
    pub(crate) name: String,
    /// Its elements.
    pub(crate) tensor: Arc<Tensor>,
    /// The integers behind it, if `DequantizeLinear` made it.
    pub(crate) grid: Option<AxisGrid>,
}

/// A grid along an axis that is not the first yet.
#[derive(Clone, Debug)]
pub(crate) struct AxisGrid {
    /// The axis that scales and zero points count along, where there are several.
    pub(crate) axis: usize,
    /// Scales and zero points.
    pub(crate) grid: Arc<Grid>,
}

impl AxisGrid {
    /// The grid when the axis `axis` has become the first, if it is along that axis or for the whole tensor.
    pub(crate) fn first(&self, axis: usize) -> Option<Arc<Grid>> {
        (self.axis == axis || self.grid.scales.len() == 1).then(|| self.grid.clone())
    }

    /// The grid behind a node that moves the elements of a tensor with it, if the axis lives on.
    fn through(&self, node: &OnnxNode<'_>, from: &[usize], to: &[usize]) -> Option<AxisGrid> {
        let axis = match node.op() {
            _ if self.grid.scales.len() == 1 => 0,
            "Identity" => self.axis,
            "Transpose" => match node.ints("perm") {
                Some(perm) => perm.iter().position(|axis| *axis == self.axis as i64)?,
                None => from.len().checked_sub(1 + self.axis)?,
            },
            "Reshape" | "Squeeze" | "Unsqueeze" | "Flatten" => {
                let (before, n) = (from.get(..self.axis)?.iter().product::<usize>(), from.get(self.axis)?);
                (0..to.len()).find(|axis| to[..*axis].iter().product::<usize>() == before && to[*axis] == *n)?
            }
            _ => return None,
        };
        Some(AxisGrid { axis, grid: self.grid.clone() })
    }
}

impl Constant {
    /// A tensor without a grid.
    pub(crate) fn new(name: &str, tensor: Tensor) -> Constant {
        Constant { name: name.to_string(), tensor: Arc::new(tensor), grid: None }
    }

    /// A list of integers, such as shapes are computed from.
    pub(crate) fn of_integers(name: &str, elements: &[i64]) -> Constant {
        Constant::new(name, tract_core::prelude::tensor1(elements))
    }

    /// What its elements are.
    pub(crate) fn kind(&self) -> Kind {
        match self.tensor.datum_type() {
            DatumType::I8 => Kind::I8,
            DatumType::U8 => Kind::U8,
            DatumType::I16 => Kind::I16,
            other if other.is_float() => Kind::F32,
            _ => Kind::Integer,
        }
    }

    /// Its element type, if ONNX has it.
    pub(crate) fn element(&self) -> Option<DataType> {
        Some(match self.tensor.datum_type() {
            DatumType::Bool => DataType::Bool,
            DatumType::U8 => DataType::Uint8,
            DatumType::U16 => DataType::Uint16,
            DatumType::U32 => DataType::Uint32,
            DatumType::U64 => DataType::Uint64,
            DatumType::I8 => DataType::Int8,
            DatumType::I16 => DataType::Int16,
            DatumType::I32 => DataType::Int32,
            DatumType::I64 => DataType::Int64,
            DatumType::F16 => DataType::Float16,
            DatumType::F32 => DataType::Float,
            DatumType::F64 => DataType::Double,
            _ => return None,
        })
    }

    /// Its shape.
    pub(crate) fn shape(&self) -> &[usize] {
        self.tensor.shape()
    }

    /// Its elements as integers, whatever numeric type they have.
    pub(crate) fn integers(&self) -> Result<Vec<i64>, ConvertError> {
        let cast = self.tensor.cast_to::<i64>().map_err(|e| self.error(e.to_string()))?;
        let view = cast.to_plain_array_view::<i64>().map_err(|e| self.error(e.to_string()))?;
        Ok(view.iter().copied().collect())
    }

    /// Its elements as floats, which may be infinite or NaN.
    pub(crate) fn floats(&self) -> Result<ArrayD<f32>, ConvertError> {
        let cast = self.tensor.cast_to::<f32>().map_err(|e| self.error(e.to_string()))?;
        let view = cast.to_plain_array_view::<f32>().map_err(|e| self.error(e.to_string()))?;
        let elements = view.iter().copied().collect();
        ArrayD::from_shape_vec(view.shape().to_vec(), elements).map_err(|e| self.error(e.to_string()))
    }

    /// Its elements as floats, or which of them is not finite and where it is used.
    pub(crate) fn finite(&self, user: &OnnxNode<'_>) -> Result<ArrayD<f32>, ConvertError> {
        let floats = self.floats()?;
        match floats.iter().position(|x| !x.is_finite()) {
            None => Ok(floats),
            Some(i) => Err(self.error(format!(
                "element {i} is {}, and {} `{}` uses it; the weights must be finite",
                floats.as_slice().map_or(f32::NAN, |s| s[i]),
                user.op(),
                user.name()
            ))),
        }
    }

    fn error(&self, reason: String) -> ConvertError {
        ConvertError::Tensor { tensor: self.name.clone(), reason }
    }
}

/// The initializers of the graph that some live node reads, or that are outputs.
pub(crate) fn initializers(source: &Source) -> impl Iterator<Item = (&str, Result<Constant, ConvertError>)> {
    let graph = source.graph();
    let live = source.order.iter().map(|&n| &graph.node[n]);
    let read = live.flat_map(|node| node.input.iter().map(String::as_str).chain(captured(node)));
    let wanted: HashSet<&str> = read.chain(graph.output.iter().map(|o| o.name.as_str())).collect();
    let live = graph.initializer.iter().filter(move |t| wanted.contains(t.name.as_str()));
    live.map(|proto| (proto.name.as_str(), load(proto)))
}

pub(super) fn load(proto: &TensorProto) -> Result<Constant, ConvertError> {
    let error = |reason: String| ConvertError::Tensor { tensor: proto.name.clone(), reason };
    if !proto.external_data.is_empty() {
        return Err(error("its weights are in another file; save the model with its weights inside".into()));
    }
    let onnx = tract_onnx::onnx();
    match quietly(|| tract_onnx::tensor::load_tensor(&*onnx.provider, proto, None)) {
        Ok(Ok(tensor)) => Ok(Constant::new(&proto.name, tensor)),
        Ok(Err(e)) => Err(error(format!("{e:#}"))),
        Err(panic) => Err(error(panic)),
    }
}

/// Evaluates nodes whose inputs are all known.
pub(crate) struct Folder<'a> {
    source: &'a Source,
    onnx: tract_onnx::Onnx,
}

impl<'a> Folder<'a> {
    /// For the nodes of one model.
    pub(crate) fn new(source: &'a Source) -> Folder<'a> {
        Folder { source, onnx: tract_onnx::onnx() }
    }

    /// The outputs of `node` for these inputs.
    pub(crate) fn fold(&self, node: &OnnxNode<'_>, inputs: &[&Constant]) -> Result<Vec<Constant>, ConvertError> {
        let elements = bound(node, inputs)?;
        if elements > MAX_ELEMENTS as u64 {
            return Err(node.error(format!("would compute a constant of {elements} elements")));
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

    /// A model of this one node, run once.
    fn evaluate(&self, node: &OnnxNode<'_>, inputs: &[Arc<Tensor>]) -> TractResult<Vec<Tensor>> {
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
        let mut model = InferenceModel::default();
        let outputs = node.pb.output.iter().filter(|name| !name.is_empty()).count();
        let id = model.add_node("node", op, tvec![InferenceFact::default(); outputs])?;
        for (slot, tensor) in inputs.iter().enumerate() {
            let constant = model.add_const(format!("input_{slot}"), tensor.clone())?;
            model.add_edge(constant, InletId::new(id, slot))?;
        }
        let outlets: Vec<OutletId> = (0..outputs).map(|slot| OutletId::new(id, slot)).collect();
        model.select_output_outlets(&outlets)?;
        let plan = SimplePlan::new(model.into_typed()?)?;
        let results = plan.run(TVec::new())?;
        results.into_iter().map(|value| plain(value.into_tensor())).collect()
    }
}

/// tract's symbolic dimensions are plain integers here, since nothing is symbolic.
fn plain(tensor: Tensor) -> TractResult<Tensor> {
    match tensor.datum_type() {
        DatumType::TDim => Ok(tensor.cast_to::<i64>()?.into_owned()),
        _ => Ok(tensor),
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
        "Gather" | "GatherElements" | "MatMul" | "Gemm" | "Where" => Ok(products(inputs)),
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Mod" | "Min" | "Max" | "Sum" | "Mean" | "Equal" | "Less"
        | "Greater" | "LessOrEqual" | "GreaterOrEqual" | "And" | "Or" | "Xor" | "PRelu" | "BitShift" | "BitwiseAnd"
        | "BitwiseOr" | "BitwiseXor" => broadcast(node, inputs),
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
