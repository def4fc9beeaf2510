//! Constant tensors: those of the file, and what is computed from them.

use std::collections::HashSet;
use std::sync::Arc;

use ndarray::ArrayD;
use tract_core::prelude::Tensor;
use tract_onnx::data_resolver::MmapDataResolver;
use tract_onnx::pb::TensorProto;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::tract_hir::prelude::DatumType;

use super::control::captured;
use super::{OnnxNode, Source, quietly};
use crate::error::ConvertError;
use crate::graph::{Grid, Kind};

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
    pub(crate) fn through(&self, node: &OnnxNode<'_>, from: &[usize], to: &[usize]) -> Option<AxisGrid> {
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
        return Err(error("its weights are in another file, and bytes alone were given".into()));
    }
    match quietly(|| tract_onnx::tensor::load_tensor(&MmapDataResolver, proto, None)) {
        Ok(Ok(tensor)) => Ok(Constant::new(&proto.name, tensor)),
        Ok(Err(e)) => Err(error(format!("{e:#}"))),
        Err(panic) => Err(error(panic)),
    }
}
