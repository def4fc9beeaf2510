//! The walk over the nodes: what is known so far, and the graph being built.

mod emit;

use std::collections::HashMap;

use tract_onnx::pb::tensor_proto::DataType;

use super::budget::Budget;
use super::constants::{Constant, initializers};
use super::control::is_control;
use super::decode::is_standard;
use super::fold::{Folder, folds};
use super::inputs::each_declared;
use super::problems::Problems;
use super::{ImportOptions, OnnxNode, Source, types};
use crate::error::ConvertError;
use crate::graph::{Function, Graph, Node, Op, Original, Value, ValueId};
use crate::ops;

pub(crate) use emit::kind;

/// Elements of the largest tensor that is accepted, constant or not.
pub(crate) const MAX_ELEMENTS: usize = 1 << 26;

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
    budget: Budget,
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
        if lowering.budget.is_spent() || folder.is_spent() {
            return Ok(lowering.graph);
        }
    }
    lowering.outputs(source, problems);
    Ok(lowering.graph)
}

impl Lowering {
    fn new(source: &Source, options: &ImportOptions, problems: &mut Problems) -> Result<Lowering, ConvertError> {
        let graph = Graph { name: source.graph().name.clone(), ..Graph::default() };
        let (known, materialized, elements) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut lowering =
            Lowering { graph, known, materialized, elements, budget: Budget::new(source), written_out: 0 };
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
        let bounded = node.pb.domain == ops::BOUNDED && node.op() == "LSTM";
        if !is_standard(&node.pb.domain) && node.pb.domain != ops::FEATURES && !bounded {
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
            Some(inputs) if ops::reshape::reshapes(node.op()) => {
                let output = self.reshaped(node, inputs.first().ok_or_else(|| node.error("input 0 is missing"))?)?;
                self.know_all(node, vec![output]).map(|()| Fate::Constant)
            }
            Some(inputs) if folds(node) => match folder.fold(node, &inputs, self.budget.left(node)) {
                Ok(outputs) => self.know_all(node, outputs).map(|()| Fate::Constant),
                Err(error) if folder.is_spent() => Err(error),
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
        constants.iter().try_for_each(|constant| self.budget.spend(node, constant))?;
        self.known.extend(constants.into_iter().map(|c| (c.name.clone(), Known::Constant(c))));
        Ok(())
    }

    /// The same elements in another shape.
    fn reshaped(&self, node: &OnnxNode<'_>, x: &Constant) -> Result<Constant, ConvertError> {
        let shape = ops::reshape::target(node, self, x.shape())?;
        let grid = x.grid.as_ref().and_then(|grid| grid.through(node, x.shape(), &shape));
        let tensor = (*x.tensor).clone().into_shape(&shape).map_err(|e| node.error(format!("{e:#}")))?;
        Ok(Constant { grid, ..Constant::new(node.output(0), tensor) })
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
        let name = node.output(0);
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
            if !problems.is_unknown(&output.name) {
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
                if elements.is_empty() {
                    let reason = format!("the output `{name}` of shape {:?} is empty; leave it out", elements.shape());
                    return Err(ConvertError::BrokenGraph { reason });
                }
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
        self.step(node, folder).map(|_| ())
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
}
