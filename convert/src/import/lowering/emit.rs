//! What the operators' `lower` functions read and write.

use std::sync::Arc;

use ndarray::ArrayD;
use tract_onnx::pb::tensor_proto::DataType;

use super::{Known, Lowering, MAX_ELEMENTS};
use crate::error::ConvertError;
use crate::graph::{Binary, BinaryFunction, Function, Grid, Kind, Node, Op, Value, ValueId, shape};
use crate::import::OnnxNode;
use crate::import::constants::Constant;

impl Lowering {
    /// The value of input `i`; a constant becomes a constant value.
    pub(crate) fn value(&mut self, node: &OnnxNode<'_>, i: usize) -> Result<ValueId, ConvertError> {
        self.value_named(node, node.required(i)?)
    }

    /// The value of a name.
    pub(crate) fn value_named(&mut self, node: &OnnxNode<'_>, name: &str) -> Result<ValueId, ConvertError> {
        match self.known.get(name) {
            Some(Known::Value(id)) => return Ok(*id),
            Some(Known::Constant(constant)) if !self.materialized.contains_key(name) => {
                let grid = constant.grid.as_ref().and_then(|grid| grid.first(0));
                let value = Value { kind: constant.kind(), grid, ..Value::constant(name, constant.finite(node)?) };
                let id = self.graph.add(value);
                self.materialized.insert(name.to_string(), id);
            }
            _ => {}
        }
        self.materialized.get(name).copied().ok_or_else(|| node.error(format!("`{name}` is not known")))
    }

    /// The value of input `i`, which may be infinite or NaN where it is constant: limits, masks, fillings.
    pub(crate) fn any_value(&mut self, node: &OnnxNode<'_>, i: usize) -> Result<ValueId, ConvertError> {
        match self.constant(node, i) {
            Some(constant) if !self.materialized.contains_key(&constant.name) => {
                let value = Value { kind: constant.kind(), ..Value::constant(&constant.name, constant.floats()?) };
                Ok(self.graph.add(value))
            }
            _ => self.value(node, i),
        }
    }

    /// Input `i`, if it is a constant.
    pub(crate) fn constant(&self, node: &OnnxNode<'_>, i: usize) -> Option<&Constant> {
        self.constant_named(node.input(i)?)
    }

    /// The elements of input `i`, which must be constant and finite.
    pub(crate) fn weights(&self, node: &OnnxNode<'_>, i: usize) -> Result<ArrayD<f32>, ConvertError> {
        let name = node.required(i)?;
        match self.constant(node, i) {
            Some(constant) => constant.finite(node),
            None => Err(node.error(format!("input {i}, `{name}`, must be a constant"))),
        }
    }

    /// The integers of input `i`, if the node has it; they must be constant.
    pub(crate) fn integers(&self, node: &OnnxNode<'_>, i: usize) -> Result<Option<Vec<i64>>, ConvertError> {
        match (node.input(i), self.constant(node, i)) {
            (None, _) => Ok(None),
            (Some(_), Some(constant)) => constant.integers().map(Some),
            (Some(name), None) => {
                Err(node.error(format!("input {i}, `{name}`, must be a constant; export with fixed shapes")))
            }
        }
    }

    /// The real numbers of input `i`, none if the node does not have it; they must be constant and may be infinite.
    pub(crate) fn floats(&self, node: &OnnxNode<'_>, i: usize) -> Result<Vec<f32>, ConvertError> {
        match (node.input(i), self.constant(node, i)) {
            (None, _) => Ok(Vec::new()),
            (Some(_), Some(constant)) => Ok(constant.floats()?.iter().copied().collect()),
            (Some(name), None) => Err(node.error(format!("input {i}, `{name}`, must be a constant"))),
        }
    }

    /// The one real number of input `i`, if the node has it; it may be infinite.
    pub(crate) fn scalar(&self, node: &OnnxNode<'_>, i: usize) -> Result<Option<f32>, ConvertError> {
        let Some(name) = node.input(i) else { return Ok(None) };
        let constant = self.constant(node, i).map(Constant::floats).transpose()?;
        match constant.as_ref().and_then(|c| c.as_slice()) {
            Some([x]) if !x.is_nan() => Ok(Some(*x)),
            _ => Err(node.error(format!("input {i}, `{name}`, must be one constant number"))),
        }
    }

    /// The grid of input `i` when its axis `axis` has become the first, if it is a constant with one.
    pub(crate) fn grid(&self, node: &OnnxNode<'_>, i: usize, axis: usize) -> Option<Arc<Grid>> {
        self.constant(node, i)?.grid.as_ref()?.first(axis)
    }

    /// Says which integers are behind a constant.
    pub(crate) fn set_grid(&mut self, id: ValueId, grid: Option<Arc<Grid>>) {
        self.graph.values[id.0].grid = grid;
    }

    /// The shape of an ONNX tensor, if it is known.
    pub(crate) fn shape_named(&self, name: &str) -> Option<&[usize]> {
        match self.known.get(name)? {
            Known::Value(id) => Some(self.graph.shape(*id)),
            Known::Constant(constant) => Some(constant.shape()),
        }
    }

    /// The element type of input `i`, if it is known.
    pub(crate) fn element(&self, node: &OnnxNode<'_>, i: usize) -> Option<DataType> {
        let name = node.input(i)?;
        self.constant_named(name).map_or(self.elements.get(name).copied(), Constant::element)
    }

    /// A value's shape.
    pub(crate) fn shape(&self, id: ValueId) -> Vec<usize> {
        self.graph.shape(id).to_vec()
    }

    /// Whether a value is known at conversion.
    pub(crate) fn is_constant(&self, id: ValueId) -> bool {
        self.graph.constant(id).is_some()
    }

    /// A value's kind.
    pub(crate) fn kind(&self, id: ValueId) -> Kind {
        self.graph.value(id).kind
    }

    /// Adds a constant that the node brings along, which may be infinite.
    pub(crate) fn any_constant(&mut self, node: &OnnxNode<'_>, part: &str, elements: ArrayD<f32>) -> ValueId {
        self.graph.add(Value::constant(&format!("{}.{part}", node.name()), elements))
    }

    /// Adds a constant that the node brings along.
    pub(crate) fn add_constant(
        &mut self,
        node: &OnnxNode<'_>,
        part: &str,
        elements: ArrayD<f32>,
    ) -> Result<ValueId, ConvertError> {
        if let Some(x) = elements.iter().find(|x| !x.is_finite()) {
            return Err(node.error(format!("its {part} comes to {x}; the weights must be finite")));
        }
        Ok(self.any_constant(node, part, elements))
    }

    /// Adds what `lower` adds, to run in f32 in an int8 program too.
    pub(crate) fn in_float<T>(&mut self, lower: impl FnOnce(&mut Self) -> T) -> T {
        let first = self.graph.nodes.len();
        let result = lower(self);
        self.graph.nodes[first..].iter_mut().for_each(|node| node.float = true);
        result
    }

    /// Adds an operation whose output shape follows from its inputs. `part` tells several from one node apart.
    pub(crate) fn emit(
        &mut self,
        node: &OnnxNode<'_>,
        part: &str,
        op: Op,
        inputs: &[ValueId],
    ) -> Result<ValueId, ConvertError> {
        let shapes: Vec<&[usize]> = inputs.iter().map(|id| self.graph.shape(*id)).collect();
        match shape::infer(&op, &shapes, self.graph.layout).map_err(|e| node.error(e))? {
            Some(shape) => self.emit_shaped(node, part, op, inputs, shape),
            None => Err(node.error("has no shape of its own")),
        }
    }

    /// Refuses a result that is empty or has more elements than any tensor may have.
    pub(crate) fn check_size(&self, node: &OnnxNode<'_>, shape: &[usize]) -> Result<(), ConvertError> {
        match shape.iter().try_fold(1, |n: usize, d| n.checked_mul(*d)) {
            Some(1..=MAX_ELEMENTS) => Ok(()),
            Some(0) => Err(node.error(format!("its result of shape {shape:?} is empty"))),
            _ => Err(node.error(format!("its result of shape {shape:?} has too many elements"))),
        }
    }

    /// Adds an operation with its output's shape.
    pub(crate) fn emit_shaped(
        &mut self,
        node: &OnnxNode<'_>,
        part: &str,
        op: Op,
        inputs: &[ValueId],
        shape: Vec<usize>,
    ) -> Result<ValueId, ConvertError> {
        self.check_size(node, &shape)?;
        let kind = self.kind_of(&op, inputs);
        let name = if part.is_empty() { node.name() } else { format!("{}.{part}", node.name()) };
        let output = self.graph.add(Value::activation(&name, &shape, kind));
        self.graph.nodes.push(Node::new(&name, op, inputs, output));
        Ok(output)
    }

    /// What the result holds: what the operands that are computed hold. Who computes with an index takes it as an integer.
    fn kind_of(&mut self, op: &Op, mut inputs: &[ValueId]) -> Kind {
        match op {
            Op::ArgMax { .. } => return Kind::Index,
            Op::TopK { .. } => return Kind::Integer,
            Op::Gather { .. } => {
                inputs.iter().for_each(|id| self.as_integer(*id));
                return self.kind(inputs[0]);
            }
            Op::Scatter { .. } => {
                inputs.iter().for_each(|id| self.as_integer(*id));
                inputs = &inputs[..2];
            }
            Op::Unary(Function::Quantize { lo, hi, .. }) => return integers_in(*lo, *hi),
            Op::Unary(Function::Dequantize { .. }) => return Kind::F32,
            Op::Unary(Function::Not | Function::IsNan | Function::IsInf { .. }) => return Kind::Integer,
            Op::Binary(Binary::Function(f)) if is_comparison(*f) => {
                inputs.iter().for_each(|id| self.as_integer(*id));
                return Kind::Integer;
            }
            Op::Select => {
                inputs.iter().for_each(|id| self.as_integer(*id));
                return self.common_kind(&inputs[1..]);
            }
            Op::Reshape => {}
            _ => inputs.iter().for_each(|id| self.as_integer(*id)),
        }
        self.common_kind(inputs)
    }

    fn common_kind(&self, inputs: &[ValueId]) -> Kind {
        let constants = inputs.iter().all(|id| self.graph.constant(*id).is_some());
        let computed = inputs.iter().filter(|id| constants || self.graph.constant(**id).is_none());
        let mut kinds = computed.map(|id| self.kind(*id));
        let first = kinds.next().unwrap_or(Kind::F32);
        kinds.fold(first, |kind, other| match (kind, other) {
            _ if kind == other => kind,
            (Kind::F32, _) | (_, Kind::F32) => Kind::F32,
            _ => Kind::Integer,
        })
    }

    /// Makes an index, and what it was reshaped from, an integer that can be computed with.
    fn as_integer(&mut self, mut id: ValueId) {
        while self.kind(id) == Kind::Index {
            self.graph.values[id.0].kind = Kind::Integer;
            let writer = self.graph.nodes.iter().find(|node| node.outputs[0] == id && node.op == Op::Reshape);
            let Some(writer) = writer else { break };
            id = writer.inputs[0];
        }
    }

    /// `x` seen as another kind of number, whose values are the same.
    pub(crate) fn cast(
        &mut self,
        node: &OnnxNode<'_>,
        part: &str,
        x: ValueId,
        kind: Kind,
    ) -> Result<ValueId, ConvertError> {
        if self.kind(x) == kind || (self.kind(x), kind) == (Kind::Index, Kind::Integer) {
            return Ok(x);
        }
        let y = self.emit(node, part, Op::Unary(Function::Identity), &[x])?;
        self.graph.values[y.0].kind = kind;
        Ok(y)
    }
}

/// Whether a function gives truth values.
fn is_comparison(f: BinaryFunction) -> bool {
    use BinaryFunction::{Equal, Less, LessOrEqual, NotEqual};
    matches!(f, Equal | NotEqual | Less | LessOrEqual)
}

/// The narrowest kind that holds the integers from `lo` to `hi`.
fn integers_in(lo: f32, hi: f32) -> Kind {
    match () {
        () if lo >= -128.0 && hi <= 127.0 => Kind::I8,
        () if lo >= 0.0 && hi <= 255.0 => Kind::U8,
        () if lo >= -32768.0 && hi <= 32767.0 => Kind::I16,
        () => Kind::Integer,
    }
}

/// What tensors of an element type hold.
pub(crate) fn kind(element: DataType) -> Kind {
    match element {
        DataType::Float | DataType::Float16 | DataType::Bfloat16 | DataType::Double => Kind::F32,
        DataType::Int8 => Kind::I8,
        DataType::Uint8 => Kind::U8,
        DataType::Int16 => Kind::I16,
        _ => Kind::Integer,
    }
}
