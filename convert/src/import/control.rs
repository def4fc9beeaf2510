//! Control flow whose course is known at conversion: the bodies are written out, their tensors prefixed, into the graph round them.

use std::collections::HashSet;

use tract_core::prelude::{Tensor, tensor0};
use tract_onnx::pb::{GraphProto, NodeProto};

use super::constants::{Constant, load};
use super::decode::MAX_NODES;
use super::fold::Folder;
use super::lowering::Known;
use super::{Lowering, OnnxNode};
use crate::error::ConvertError;
use crate::graph::{Op, ValueId};

/// Inputs that one concatenation joins.
const JOINED: usize = 8;

/// Whether a node has bodies that are written out.
pub(super) fn is_control(node: &OnnxNode<'_>) -> bool {
    matches!(node.op(), "If" | "Loop" | "Scan")
}

/// The names that the bodies of a node read from the graph round them.
pub(super) fn captured(node: &NodeProto) -> Vec<&str> {
    let mut names = Vec::new();
    for graph in node.attribute.iter().filter_map(|a| a.g.as_ref()) {
        let own = defined(graph);
        let read = graph.node.iter().flat_map(|n| n.input.iter().map(String::as_str).chain(captured(n)));
        let given = graph.output.iter().map(|o| o.name.as_str());
        names.extend(read.chain(given).filter(|name| !name.is_empty() && !own.contains(name)));
    }
    names
}

/// The names that a graph gives to its own tensors.
fn defined(graph: &GraphProto) -> HashSet<&str> {
    let inputs = graph.input.iter().map(|i| i.name.as_str());
    let initializers = graph.initializer.iter().map(|t| t.name.as_str());
    inputs.chain(initializers).chain(graph.node.iter().flat_map(|n| n.output.iter().map(String::as_str))).collect()
}

/// Puts a prefix to names in a node and in its bodies, where these do not give them to tensors of their own.
fn prefixed(node: &NodeProto, prefix: &str, names: &HashSet<&str>) -> NodeProto {
    let mut node = node.clone();
    let rename = |name: &mut String| {
        if names.contains(name.as_str()) && !name.is_empty() {
            name.insert_str(0, prefix);
        }
    };
    node.input.iter_mut().chain(&mut node.output).for_each(rename);
    for graph in node.attribute.iter_mut().filter_map(|a| a.g.as_mut()) {
        let body = graph.clone();
        let own = defined(&body);
        let rest: HashSet<&str> = names.difference(&own).copied().collect();
        graph.node = body.node.iter().map(|n| prefixed(n, prefix, &rest)).collect();
        let given = graph.output.iter_mut().filter(|o| rest.contains(o.name.as_str()));
        given.for_each(|o| o.name.insert_str(0, prefix));
    }
    node
}

impl Lowering {
    /// `If`, `Loop` and `Scan`.
    pub(super) fn control(&mut self, node: &OnnxNode<'_>, folder: &Folder<'_>) -> Result<(), ConvertError> {
        match node.op() {
            "If" => self.branch(node, folder),
            "Loop" => self.repeat(node, folder),
            _ => self.scan(node, folder),
        }
    }

    fn branch(&mut self, node: &OnnxNode<'_>, folder: &Folder<'_>) -> Result<(), ConvertError> {
        let name = node.required(0)?;
        let Some(condition) = self.constant(node, 0) else {
            let reason = format!(
                "its condition, the bool `{name}`, must be a constant; give an input that decides it with --constant, export one branch, or use Where"
            );
            return Err(node.error(reason));
        };
        let chosen = if condition.integers()?.contains(&1) { "then_branch" } else { "else_branch" };
        let body = self.body(node, chosen)?;
        let given = self.write_out(node, body, chosen, Vec::new(), folder)?;
        self.give(node, &given)
    }

    /// A loop runs as often as its constant trip count says, or until its condition becomes a constant false.
    fn repeat(&mut self, node: &OnnxNode<'_>, folder: &Folder<'_>) -> Result<(), ConvertError> {
        let body = self.body(node, "body")?;
        let trips = match (node.input(0), self.integers(node, 0)?) {
            (None, _) => usize::MAX,
            (Some(_), Some(trips)) if trips.len() == 1 => usize::try_from(trips[0]).unwrap_or(0),
            _ => return Err(node.error("its trip count must be one constant number")),
        };
        let mut goes_on = self.integers(node, 1)?.is_none_or(|go| go.contains(&1));
        let guarded = node.input(1).is_some();
        let count = body.input.len().saturating_sub(2);
        let mut states: Vec<Known> = (0..count).map(|i| self.known_input(node, i + 2)).collect::<Result<_, _>>()?;
        let mut rows: Vec<Vec<ValueId>> = vec![Vec::new(); body.output.len().saturating_sub(1 + count)];
        let mut trip = 0;
        while trip < trips && goes_on {
            let first = [scalar(trip as i64), truth(true)];
            let bound = first.into_iter().chain(states.iter().cloned()).collect();
            let given = self.write_out(node, body, &trip.to_string(), bound, folder)?;
            states = given[1..=count].iter().map(|name| self.known_named(node, name)).collect::<Result<_, _>>()?;
            for (rows, name) in rows.iter_mut().zip(&given[1 + count..]) {
                rows.push(self.row(node, name, 0)?);
            }
            goes_on = !guarded || self.still_true(node, &given[0])?;
            trip += 1;
        }
        let mut results = states;
        for rows in rows {
            results.push(Known::Value(self.joined(node, rows, 0)?));
        }
        self.give_known(node, results)
    }

    fn still_true(&self, node: &OnnxNode<'_>, name: &str) -> Result<bool, ConvertError> {
        match self.known_named(node, name)? {
            Known::Constant(constant) => Ok(constant.integers()?.contains(&1)),
            Known::Value(_) => Err(node.error("its condition depends on data; a known trip count is needed")),
        }
    }

    /// A scan runs over the slices of its sequences along an axis of each.
    fn scan(&mut self, node: &OnnxNode<'_>, folder: &Folder<'_>) -> Result<(), ConvertError> {
        if node.opset < 9 {
            return Err(node.error("has the form of opset 8; export with opset 9 or later"));
        }
        let body = self.body(node, "body")?;
        let sequences = usize::try_from(node.int("num_scan_inputs", 0)).unwrap_or(0);
        let total = node.pb.input.len();
        let count = total.checked_sub(sequences).filter(|_| sequences > 0 && body.input.len() == total);
        let count = count.ok_or_else(|| node.error("its body does not take its inputs"))?;
        let mut states: Vec<Known> = (0..count).map(|i| self.known_input(node, i)).collect::<Result<_, _>>()?;
        let inputs: Vec<Sequence> =
            (0..sequences).map(|i| self.sequence(node, count + i, i)).collect::<Result<_, _>>()?;
        let length = inputs[0].length;
        if inputs.iter().any(|input| input.length != length) {
            return Err(node.error("its sequences differ in length"));
        }
        if let Some(results) = self.scan_of_cells(node, body, &states, &inputs, folder)? {
            return self.give_known(node, results);
        }
        let mut rows: Vec<Vec<ValueId>> = vec![Vec::new(); body.output.len().saturating_sub(count)];
        for trip in 0..length {
            let mut bound = states.clone();
            for input in &inputs {
                bound.push(Known::Value(self.element_of(node, input, trip)?));
            }
            let given = self.write_out(node, body, &trip.to_string(), bound, folder)?;
            states = given[..count].iter().map(|name| self.known_named(node, name)).collect::<Result<_, _>>()?;
            for (i, (rows, name)) in rows.iter_mut().zip(&given[count..]).enumerate() {
                rows.push(self.row(node, name, listed(node, "scan_output_axes", i))?);
            }
        }
        let mut results = states;
        for (i, mut rows) in rows.into_iter().enumerate() {
            if listed(node, "scan_output_directions", i) == 1 {
                rows.reverse();
            }
            results.push(Known::Value(self.joined(node, rows, listed(node, "scan_output_axes", i))?));
        }
        self.give_known(node, results)
    }

    /// Scan input number `i`, which is input `slot`.
    fn sequence(&mut self, node: &OnnxNode<'_>, slot: usize, i: usize) -> Result<Sequence, ConvertError> {
        let value = self.value(node, slot)?;
        let shape = self.shape(value);
        let axis = node.axis(listed(node, "scan_input_axes", i), shape.len())?;
        Ok(Sequence { value, axis, length: shape[axis], reversed: listed(node, "scan_input_directions", i) == 1 })
    }

    /// The element of a sequence for one trip, without the axis.
    fn element_of(&mut self, node: &OnnxNode<'_>, from: &Sequence, trip: usize) -> Result<ValueId, ConvertError> {
        let mut shape = self.shape(from.value);
        let (mut starts, steps) = (vec![0; shape.len()], vec![1; shape.len()]);
        starts[from.axis] = if from.reversed { from.length - 1 - trip } else { trip };
        shape[from.axis] = 1;
        let part = format!("slice_{}_{trip}", from.value.0);
        let slice = self.emit_shaped(node, &part, Op::Slice { starts, steps }, &[from.value], shape.clone())?;
        shape.remove(from.axis);
        self.emit_shaped(node, &format!("{part}.element"), Op::Reshape, &[slice], shape)
    }

    /// What a body gives in one trip, with an axis of 1 more.
    fn row(&mut self, node: &OnnxNode<'_>, name: &str, axis: i64) -> Result<ValueId, ConvertError> {
        let value = self.value_named(node, name)?;
        let mut shape = self.shape(value);
        let axis = node.axis(axis, shape.len() + 1)?;
        shape.insert(axis, 1);
        self.emit_shaped(node, &format!("{name}.row"), Op::Reshape, &[value], shape)
    }

    fn joined(&mut self, node: &OnnxNode<'_>, mut rows: Vec<ValueId>, axis: i64) -> Result<ValueId, ConvertError> {
        let first = *rows.first().ok_or_else(|| node.error("never runs, so that its result is empty"))?;
        let axis = node.axis(axis, self.shape(first).len())?;
        while rows.len() > 1 {
            let mut joined = Vec::new();
            for group in rows.chunks(JOINED) {
                let part = format!("rows_{}_{}", group[0].0, group.len());
                joined.push(match group {
                    [one] => *one,
                    group => self.emit(node, &part, Op::Concat { axis }, group)?,
                });
            }
            rows = joined;
        }
        Ok(rows[0])
    }

    fn body<'n>(&self, node: &OnnxNode<'n>, name: &str) -> Result<&'n GraphProto, ConvertError> {
        node.graph(name).ok_or_else(|| node.error(format!("attribute `{name}` holds no graph")))
    }

    /// Writes a body out with its inputs bound; the names of its outputs.
    pub(super) fn write_out(
        &mut self,
        node: &OnnxNode<'_>,
        body: &GraphProto,
        part: &str,
        bound: Vec<Known>,
        folder: &Folder<'_>,
    ) -> Result<Vec<String>, ConvertError> {
        self.written_out += (body.node.len() + body.initializer.len()).max(1);
        if self.written_out > MAX_NODES {
            return Err(node.error(format!("its bodies come to more than {MAX_NODES} nodes; export fewer trips")));
        }
        if bound.len() != body.input.len() {
            return Err(node.error(format!("its body takes {} inputs, not {}", body.input.len(), bound.len())));
        }
        let (prefix, names) = (format!("{}.{part}/", node.name()), defined(body));
        for tensor in &body.initializer {
            self.know(format!("{prefix}{}", tensor.name), Known::Constant(load(tensor)?));
        }
        for (input, known) in body.input.iter().zip(bound) {
            self.know(format!("{prefix}{}", input.name), known);
        }
        for (index, inner) in body.node.iter().enumerate() {
            let mut pb = prefixed(inner, &prefix, &names);
            pb.name = format!("{prefix}{}", OnnxNode { pb: inner, index, opset: node.opset }.name());
            self.inner_step(&OnnxNode { pb: &pb, index, opset: node.opset }, folder)?;
        }
        let outer =
            |name: &String| if names.contains(name.as_str()) { format!("{prefix}{name}") } else { name.clone() };
        Ok(body.output.iter().map(|output| outer(&output.name)).collect())
    }

    fn known_input(&self, node: &OnnxNode<'_>, i: usize) -> Result<Known, ConvertError> {
        self.known_named(node, node.required(i)?)
    }

    fn give(&mut self, node: &OnnxNode<'_>, names: &[String]) -> Result<(), ConvertError> {
        let known = names.iter().map(|name| self.known_named(node, name)).collect::<Result<_, _>>()?;
        self.give_known(node, known)
    }

    fn give_known(&mut self, node: &OnnxNode<'_>, results: Vec<Known>) -> Result<(), ConvertError> {
        for (name, known) in node.pb.output.iter().zip(results).filter(|(name, _)| !name.is_empty()) {
            self.know(name.clone(), known);
        }
        Ok(())
    }
}

/// A scan's input.
pub(super) struct Sequence {
    pub(super) value: ValueId,
    pub(super) axis: usize,
    pub(super) length: usize,
    pub(super) reversed: bool,
}

fn listed(node: &OnnxNode<'_>, attribute: &str, i: usize) -> i64 {
    node.ints(attribute).and_then(|list| list.get(i)).copied().unwrap_or(0)
}

fn scalar(x: i64) -> Known {
    Known::Constant(Constant::new("trip", tensor0(x)))
}

fn truth(x: bool) -> Known {
    let tensor: Tensor = tensor0(x);
    Known::Constant(Constant::new("condition", tensor))
}
