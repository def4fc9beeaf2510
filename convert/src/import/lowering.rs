//! The walk over the nodes: what is known so far, and the graph being built.

use std::collections::HashMap;
use std::sync::Arc;

use ndarray::ArrayD;
use tract_onnx::pb::tensor_proto::DataType;

use super::constants::{Constant, Folder, folds, initializers};
use super::control::is_control;
use super::inputs::each_declared;
use super::problems::Problems;
use super::{ImportOptions, OnnxNode, Source, types};
use crate::error::ConvertError;
use crate::graph::{Binary, BinaryFunction, Function, Graph, Grid, Kind, Node, Op, Original, Value, ValueId, shape};
use crate::ops;

/// Elements of the largest tensor that is accepted, constant or not.
pub(crate) const MAX_ELEMENTS: usize = 1 << 26;

/// Elements that constant nodes may compute in all.
const MAX_FOLDED: usize = 1 << 27;

/// What an ONNX tensor name stands for.
#[derive(Clone, Debug)]
pub(super) enum Known {
    Value(ValueId),
    Constant(Constant),
}

/// The graph under construction, as the operators' `lower` functions see it.
pub(crate) struct Lowering {
    graph: Graph,
    known: HashMap<String, Known>,
    /// Constants that became values, by ONNX name.
    materialized: HashMap<String, ValueId>,
    /// Element types by ONNX name, where they are known.
    elements: HashMap<String, DataType>,
    folded: usize,
    /// Nodes of bodies so far.
    pub(super) written_out: usize,
}

/// What became of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was computed.
    Constant,
    /// It is in the graph.
    Lowered,
    /// It cannot be converted, for this reason.
    Refused(String),
    /// It reads what a refused node writes.
    Unknown,
}

/// Lowers every live node of `source`.
pub(super) fn lower(source: &Source, options: &ImportOptions) -> Result<Graph, ConvertError> {
    let mut problems = Problems::default();
    let graph = walk(source, options, &mut problems, |_, _, _| ())?;
    problems.end()?;
    graph.check().map_err(|reason| ConvertError::Pass { pass: "import", reason })?;
    Ok(graph)
}

/// Lowers what can be lowered, and calls `see` for each live node in order. The graph is whole if there are no problems.
pub(super) fn walk<'s>(
    source: &'s Source,
    options: &ImportOptions,
    problems: &mut Problems,
    mut see: impl FnMut(&Lowering, &OnnxNode<'s>, Fate),
) -> Result<Graph, ConvertError> {
    let mut lowering = Lowering::new(source, options, problems)?;
    let folder = Folder::new(source);
    for &index in &source.order {
        let node = OnnxNode { pb: &source.graph().node[index], index, opset: source.opset };
        let fate = lowering.walk(&node, &folder, problems);
        see(&lowering, &node, fate);
        if lowering.folded > MAX_FOLDED {
            break;
        }
    }
    lowering.outputs(source, problems);
    Ok(lowering.graph)
}

impl Lowering {
    fn new(source: &Source, options: &ImportOptions, problems: &mut Problems) -> Result<Lowering, ConvertError> {
        let graph = Graph { name: source.graph().name.clone(), ..Graph::default() };
        let (known, materialized, elements) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut lowering = Lowering { graph, known, materialized, elements, folded: 0, written_out: 0 };
        for (name, constant) in initializers(source) {
            match constant {
                Ok(constant) => drop(lowering.known.insert(name.to_string(), Known::Constant(constant))),
                Err(error) => problems.note_tensor(name, error),
            }
        }
        for (name, input) in each_declared(source, options) {
            match input {
                Ok(input) => lowering.input(name, &input.shape, input.element)?,
                Err(error) => problems.note_tensor(name, error),
            }
        }
        Ok(lowering)
    }

    /// A node that reads what is unknown is told of only if its operator or its attributes are wrong whatever it reads.
    fn walk(&mut self, node: &OnnxNode<'_>, folder: &Folder<'_>, problems: &mut Problems) -> Fate {
        let before = self.graph.nodes.len();
        let checked = self.check(node, problems);
        let result = match problems.any_unknown(&node.pb.input) {
            true => checked.and_then(|()| self.check_operator(node)).map(|()| Fate::Unknown),
            false => checked.and_then(|()| self.step(node, folder)),
        };
        let fate = result.unwrap_or_else(|error| {
            let reason = error.to_string();
            problems.add(error);
            Fate::Refused(reason)
        });
        if !matches!(fate, Fate::Constant | Fate::Lowered) {
            self.graph.nodes.truncate(before);
            problems.hide(&node.pb.output);
        }
        fate
    }

    /// What can be said of a node by itself.
    fn check(&self, node: &OnnxNode<'_>, problems: &Problems) -> Result<(), ConvertError> {
        if !matches!(node.pb.domain.as_str(), "" | "ai.onnx" | ops::FEATURES) {
            let reason = format!("operators of the domain `{}` are not supported; export plain ONNX", node.pb.domain);
            return Err(node.error(reason));
        }
        node.check_attributes()?;
        let mut inputs = self.inputs_of(node);
        match inputs.find(|name| !self.known.contains_key(*name) && !problems.is_unknown(name)) {
            Some(missing) => Err(node.error(format!(
                "reads `{missing}`, which no node writes and no initializer holds; are weights missing?"
            ))),
            None => Ok(()),
        }
    }

    /// Refuses an operator that is neither computed nor lowered, whatever it reads.
    fn check_operator(&mut self, node: &OnnxNode<'_>) -> Result<(), ConvertError> {
        if matches!(node.op(), "Shape" | "Size") || is_control(node) || folds(node) {
            return Ok(());
        }
        let unsupported = ops::unsupported(node);
        match ops::lower(node, self) {
            Err(error) if error.to_string() == unsupported.to_string() => Err(unsupported),
            _ => Ok(()),
        }
    }

    fn input(&mut self, name: &str, shape: &[usize], element: DataType) -> Result<(), ConvertError> {
        let original = Some(Original::same(name, shape));
        let id = self.graph.add(Value { original, ..Value::activation(name, shape, kind(element)) });
        if self.known.insert(name.to_string(), Known::Value(id)).is_some() {
            return Err(ConvertError::BrokenGraph { reason: format!("input `{name}` is declared twice") });
        }
        self.elements.insert(name.to_string(), element);
        self.graph.inputs.push(id);
        Ok(())
    }

    /// Shape arithmetic and constants are computed, the rest is lowered.
    fn step(&mut self, node: &OnnxNode<'_>, folder: &Folder<'_>) -> Result<Fate, ConvertError> {
        if matches!(node.op(), "Shape" | "Size") {
            return self.shape_of(node).map(|()| Fate::Constant);
        }
        if is_control(node) {
            return self.control(node, folder).map(|()| Fate::Lowered);
        }
        let constants = self.inputs_of(node).map(|name| self.constant_named(name)).collect::<Option<Vec<_>>>();
        match constants {
            Some(inputs) if node.op() == "DequantizeLinear" => {
                let output = ops::quantize::fold(node, &inputs)?;
                self.know_all(node, vec![output]).map(|()| Fate::Constant)
            }
            Some(inputs) if folds(node) => match folder.fold(node, &inputs) {
                Ok(outputs) => self.know_all(node, outputs).map(|()| Fate::Constant),
                // What tract does not compute may still run in the program.
                Err(error) => self.lower_node(node).map(|()| Fate::Lowered).map_err(|_| error),
            },
            _ => self.lower_node(node).map(|()| Fate::Lowered),
        }
    }

    pub(super) fn inputs_of<'n>(&self, node: &OnnxNode<'n>) -> impl Iterator<Item = &'n str> + use<'n> {
        node.pb.input.iter().map(String::as_str).filter(|name| !name.is_empty())
    }

    pub(super) fn constant_named(&self, name: &str) -> Option<&Constant> {
        match self.known.get(name) {
            Some(Known::Constant(constant)) => Some(constant),
            _ => None,
        }
    }

    fn know_all(&mut self, node: &OnnxNode<'_>, constants: Vec<Constant>) -> Result<(), ConvertError> {
        self.folded += constants.iter().map(|c| c.tensor.len()).sum::<usize>();
        if self.folded > MAX_FOLDED {
            return Err(node.error("the model computes too many constants; simplify it with onnxsim"));
        }
        self.known.extend(constants.into_iter().map(|c| (c.name.clone(), Known::Constant(c))));
        Ok(())
    }

    /// `Shape` and `Size` are constants, whatever they are of.
    fn shape_of(&mut self, node: &OnnxNode<'_>) -> Result<(), ConvertError> {
        let shape: Vec<i64> = match self.known.get(node.required(0)?) {
            Some(Known::Constant(c)) => c.shape().iter().map(|d| *d as i64).collect(),
            Some(Known::Value(id)) => self.graph.shape(*id).iter().map(|d| *d as i64).collect(),
            None => Vec::new(),
        };
        let rank = shape.len() as i64;
        let bound = |name, default| node.int(name, default).clamp(-rank, rank);
        let at = |i: i64| if i < 0 { (i + rank) as usize } else { i as usize };
        let (start, end) = (at(bound("start", 0)), at(bound("end", rank)));
        let name = node.pb.output.first().map_or("", String::as_str);
        let constant = match node.op() {
            "Size" => Constant::new(name, tract_core::prelude::tensor0(shape.iter().product::<i64>())),
            _ => Constant::of_integers(name, shape.get(start..end).unwrap_or(&[])),
        };
        self.know_all(node, vec![constant])
    }

    fn lower_node(&mut self, node: &OnnxNode<'_>) -> Result<(), ConvertError> {
        let results = ops::lower(node, self)?;
        if let Some(element) = types::result(node, |i| self.element(node, i)) {
            self.elements.extend(node.pb.output.iter().map(|name| (name.clone(), element)));
        }
        for (name, id) in node.pb.output.iter().zip(results).filter(|(name, _)| !name.is_empty()) {
            self.name(name, id);
            self.known.insert(name.clone(), Known::Value(id));
        }
        Ok(())
    }

    /// The value bears the name of the first ONNX tensor that it equals.
    fn name(&mut self, name: &str, id: ValueId) {
        let value = &mut self.graph.values[id.0];
        if value.original.is_none() && value.constant.is_none() {
            value.original = Some(Original::same(name, &value.shape));
            value.name = name.to_string();
        }
    }

    fn outputs(&mut self, source: &Source, problems: &mut Problems) {
        for output in &source.graph().output {
            if self.folded <= MAX_FOLDED && !problems.is_unknown(&output.name) {
                self.output(&output.name).unwrap_or_else(|error| problems.add(error));
            }
        }
    }

    /// An output of the graph is a value of its own, with the output's name.
    fn output(&mut self, name: &str) -> Result<(), ConvertError> {
        let mut id = match self.known.get(name) {
            Some(Known::Value(id)) => *id,
            Some(Known::Constant(constant)) => {
                let elements = constant.floats()?;
                self.graph.add(Value::constant(&format!("{name}.constant"), elements))
            }
            None => return Err(ConvertError::BrokenGraph { reason: format!("no node writes the output `{name}`") }),
        };
        let taken = self.graph.inputs.contains(&id) || self.graph.outputs.contains(&id);
        if taken || self.graph.value(id).constant.is_some() {
            id = self.copy(name, id);
        }
        self.graph.values[id.0].name = name.to_string();
        self.graph.outputs.push(id);
        Ok(())
    }

    fn copy(&mut self, name: &str, id: ValueId) -> ValueId {
        let source = self.graph.value(id);
        let original = Some(Original::same(name, &source.shape));
        let value = Value { original, ..Value::activation(name, &source.shape, source.kind) };
        let copy = self.graph.add(value);
        self.graph.nodes.push(Node::new(name, Op::Unary(Function::Identity), &[id], copy));
        copy
    }

    /// A node of a body.
    pub(super) fn inner_step(&mut self, node: &OnnxNode<'_>, folder: &Folder<'_>) -> Result<(), ConvertError> {
        self.check(node, &Problems::default())?;
        self.step(node, folder)?;
        match self.folded > MAX_FOLDED {
            true => Err(node.error("the model computes too many constants; simplify it with onnxsim")),
            false => Ok(()),
        }
    }

    /// What a name stands for.
    pub(super) fn known_named(&self, node: &OnnxNode<'_>, name: &str) -> Result<Known, ConvertError> {
        self.known.get(name).cloned().ok_or_else(|| node.error(format!("`{name}` is not known")))
    }

    /// Gives a name to something known.
    pub(super) fn know(&mut self, name: String, known: Known) {
        let known = match known {
            Known::Constant(constant) => Known::Constant(Constant { name: name.clone(), ..constant }),
            value => value,
        };
        self.known.insert(name, known);
    }

    /// The value of input `i`; a constant becomes a constant value.
    pub(crate) fn value(&mut self, node: &OnnxNode<'_>, i: usize) -> Result<ValueId, ConvertError> {
        self.value_named(node, node.required(i)?)
    }

    /// The value of a name.
    pub(super) fn value_named(&mut self, node: &OnnxNode<'_>, name: &str) -> Result<ValueId, ConvertError> {
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
    pub(super) fn shape_named(&self, name: &str) -> Option<&[usize]> {
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
        () => Kind::Integer,
    }
}

/// What tensors of an element type hold.
pub(crate) fn kind(element: DataType) -> Kind {
    match element {
        DataType::Float | DataType::Float16 | DataType::Bfloat16 | DataType::Double => Kind::F32,
        DataType::Int8 => Kind::I8,
        DataType::Uint8 => Kind::U8,
        _ => Kind::Integer,
    }
}
