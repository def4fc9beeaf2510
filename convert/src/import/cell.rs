//! A scan whose body is an LSTM's cell, as tf2onnx leaves TensorFlow's loops, becomes that LSTM: one record with states in int16, for what
//! would be a dozen in every trip.
//!
//! The cell is `c' = σ(f)·c + σ(i)·tanh(g)`, `h' = σ(o)·tanh(c')`, where each of i, o, f and g is any sum of products of x and h, or of
//! both joined, with constants, whole or a part of a split.

use std::collections::{HashMap, HashSet};

use ndarray::{Array2, ArrayD, Axis, Slice, concatenate, s};
use tract_core::prelude::Tensor;
use tract_onnx::pb::{GraphProto, NodeProto};

use super::constants::{Constant, load};
use super::control::{Sequence, captured};
use super::fold::Folder;
use super::lowering::{Known, MAX_ELEMENTS};
use super::{Lowering, OnnxNode};
use crate::error::ConvertError;
use crate::graph::{Op, ValueId};

/// Nodes on one way from a gate to its operands: no cell has more.
const DEPTH: usize = 8;

/// States of a scan that is looked at.
const STATES: usize = 8;

impl Lowering {
    /// The results of a scan that steps a cell, states before rows; `None` of any other.
    pub(super) fn scan_of_cells(
        &mut self,
        node: &OnnxNode<'_>,
        body: &GraphProto,
        states: &[Known],
        sequences: &[Sequence],
        folder: &Folder<'_>,
    ) -> Result<Option<Vec<Known>>, ConvertError> {
        let Some((cell, rest)) = self.cell_and_rest(node, body, states.len(), sequences) else { return Ok(None) };
        let [rows, h, c] = self.lstm(node, &cell, states, folder)?;
        let mut results = states.to_vec();
        let trips = if rest.output.is_empty() { 0 } else { sequences[0].length };
        for trip in 0..trips {
            let bound = results.iter().cloned().chain([Known::Value(sequences[0].value)]).collect();
            let given = self.write_out(node, &rest, &trip.to_string(), bound, folder)?;
            for (i, name) in others(&cell, states.len()).zip(&given) {
                results[i] = self.known_named(node, name)?;
            }
        }
        (results[cell.states[0]], results[cell.states[1]]) = (Known::Value(h), Known::Value(c));
        results.resize(body.output.len(), Known::Value(rows));
        Ok(Some(results))
    }

    fn cell_and_rest(
        &self,
        node: &OnnxNode<'_>,
        body: &GraphProto,
        count: usize,
        sequences: &[Sequence],
    ) -> Option<(Cell, GraphProto)> {
        let first = |attribute| node.ints(attribute).is_none_or(|list| list.iter().all(|i| *i == 0));
        let forward = matches!(sequences, [one] if one.axis == 0 && !one.reversed);
        if !forward || !first("scan_output_axes") || !first("scan_output_directions") || count > STATES {
            return None;
        }
        let cell = Walk::new(self, node, body, count).cell()?;
        let taken = [cell.states[0], cell.states[1], count].map(|i| body.input[i].name.as_str());
        let outputs: Vec<usize> = others(&cell, count).collect();
        rest(body, &outputs, &taken).map(|rest| (cell, rest))
    }

    /// Rows `[t][b][h]` and the last h and c, `[b][h]`.
    fn lstm(
        &mut self,
        node: &OnnxNode<'_>,
        cell: &Cell,
        states: &[Known],
        folder: &Folder<'_>,
    ) -> Result<[ValueId; 3], ConvertError> {
        let name = |part: &str| format!("{}.lstm/{part}", node.name());
        for (part, tensor) in ["W", "R", "B"].iter().zip(&cell.constants) {
            self.know(name(part), Known::Constant(Constant::new(part, tensor.clone())));
        }
        for (part, slot) in ["h", "c"].iter().zip(cell.states) {
            let raised = self.raised(node, &states[slot], &name(part))?;
            self.know(name(part), raised);
        }
        let x = node.required(states.len())?.to_string();
        let input =
            [vec![x], ["W", "R", "B"].map(name).to_vec(), vec![String::new()], ["h", "c"].map(name).to_vec()].concat();
        let output = ["rows", "last_h", "last_c"].map(name).to_vec();
        let pb = NodeProto { op_type: "LSTM".into(), name: node.name(), input, output, ..Default::default() };
        let lstm = OnnxNode { pb: &pb, index: node.index, opset: node.opset };
        self.inner_step(&lstm, folder)?;
        let mut results = [ValueId(0); 3];
        for (result, output) in results.iter_mut().zip(&pb.output) {
            *result = self.lowered(&lstm, output)?;
        }
        Ok(results)
    }

    /// A state `[b][h]` as `[1][b][h]`.
    fn raised(&mut self, node: &OnnxNode<'_>, state: &Known, name: &str) -> Result<Known, ConvertError> {
        match state {
            Known::Constant(constant) => {
                let mut tensor = Tensor::clone(&constant.tensor);
                tensor.insert_axis(0).map_err(|e| node.error(e.to_string()))?;
                Ok(Known::Constant(Constant::new(name, tensor)))
            }
            Known::Value(id) => {
                let shape = [&[1], &self.shape(*id)[..]].concat();
                self.emit_shaped(node, name, Op::Reshape, &[*id], shape).map(Known::Value)
            }
        }
    }

    /// A result of an LSTM without its axis of directions.
    fn lowered(&mut self, lstm: &OnnxNode<'_>, output: &str) -> Result<ValueId, ConvertError> {
        let value = self.value_named(lstm, output)?;
        let mut shape = self.shape(value);
        shape.remove(shape.len() - 3);
        self.emit_shaped(lstm, &format!("{output}.one"), Op::Reshape, &[value], shape)
    }
}

/// The constants of an LSTM in ONNX's order of gates: i, o, f, c.
struct Cell {
    /// Which state is h, and which is c.
    states: [usize; 2],
    /// `[1][4·h][x]`, `[1][4·h][h]` and `[1][8·h]`.
    constants: [Tensor; 3],
}

/// The states that are no cell's.
fn others(cell: &Cell, count: usize) -> impl Iterator<Item = usize> {
    let states = cell.states;
    (0..count).filter(move |i| !states.contains(i))
}

/// The names of a cell's operands, and how many elements x and h have.
struct Operands<'a> {
    x: &'a str,
    h: &'a str,
    sizes: [usize; 2],
}

/// `[x + h + 1][n]`: what x, h and 1 are multiplied by.
type Affine = Array2<f32>;

/// A walk through a body, from its outputs up.
struct Walk<'a> {
    lowering: &'a Lowering,
    node: &'a OnnxNode<'a>,
    body: &'a GraphProto,
    /// States, which come first among inputs and outputs.
    count: usize,
    producers: HashMap<&'a str, &'a NodeProto>,
}

impl<'a> Walk<'a> {
    fn new(lowering: &'a Lowering, node: &'a OnnxNode<'a>, body: &'a GraphProto, count: usize) -> Self {
        let producers = body.node.iter().flat_map(|node| node.output.iter().map(move |name| (name.as_str(), node)));
        Self { lowering, node, body, count, producers: producers.collect() }
    }

    /// The cell, if the body holds one.
    fn cell(&self) -> Option<Cell> {
        let next: Vec<&str> = self.body.output.iter().map(|output| self.source(&output.name)).collect();
        let pairs = (0..self.count).flat_map(|h| (0..self.count).map(move |c| [h, c]));
        pairs.filter(|[h, c]| h != c && next.len() >= self.count).find_map(|states| {
            let rows = next[self.count..].iter().all(|row| *row == next[states[0]]);
            let gates = self.gates(states.map(|slot| next[slot]), &self.body.input[states[1]].name)?;
            let operands = self.operands(states)?;
            let gates: Vec<Affine> = gates.iter().map(|name| self.gate(name, &operands)).collect::<Option<_>>()?;
            self.constants(&gates, operands.sizes).filter(|_| rows).map(|constants| Cell { states, constants })
        })
    }

    /// The operands of the functions of i, o, f and g.
    fn gates(&self, [h, next]: [&'a str; 2], c: &str) -> Option<[&'a str; 4]> {
        let sigmoid = |name| self.unary(name, "Sigmoid");
        let tanh = |name| self.unary(name, "Tanh");
        let shown = |name| (self.source(tanh(name)?) == next).then_some(());
        let kept = |name| (self.source(name) == c).then_some(());
        let old = |name| self.either(name, "Mul", sigmoid, kept);
        let new = |name| self.either(name, "Mul", sigmoid, tanh);
        let (o, ()) = self.either(h, "Mul", sigmoid, shown)?;
        let ((f, ()), (i, g)) = self.either(next, "Add", old, new)?;
        Some([i, o, f, g])
    }

    fn operands(&self, states: [usize; 2]) -> Option<Operands<'a>> {
        let shape = |slot: usize| self.lowering.shape_named(self.node.input(slot)?);
        let (&[_, batch, x], &[b, h]) = (shape(self.count)?, shape(states[0])?) else { return None };
        let small = (x + h + 1).checked_mul(4 * h).is_some_and(|elements| elements <= MAX_ELEMENTS);
        let fits = b == batch && shape(states[1])? == [b, h] && small;
        let name = |slot: usize| self.body.input[slot].name.as_str();
        fits.then(|| Operands { x: name(self.count), h: name(states[0]), sizes: [x, h] })
    }

    fn constants(&self, gates: &[Affine], [x, h]: [usize; 2]) -> Option<[Tensor; 3]> {
        let views: Vec<_> = gates.iter().map(|gate| gate.view()).collect();
        let all = concatenate(Axis(1), &views).ok()?.reversed_axes();
        let mut bias = Array2::zeros((1, 8 * h));
        bias.slice_mut(s![0, ..4 * h]).assign(&all.column(x + h));
        let part = |from, to| all.slice(s![.., from..to]).insert_axis(Axis(0)).as_standard_layout().into_owned();
        Some([part(0, x).into(), part(x, x + h).into(), bias.into()])
    }

    /// What a name is once copies are left out.
    fn source(&self, mut name: &'a str) -> &'a str {
        for _ in 0..DEPTH {
            match self.producers.get(name) {
                Some(node) if node.op_type == "Identity" && node.input.len() == 1 => name = &node.input[0],
                _ => break,
            }
        }
        name
    }

    fn producer(&self, name: &'a str) -> Option<OnnxNode<'a>> {
        let pb = self.producers.get(self.source(name))?;
        Some(OnnxNode { pb, index: 0, opset: self.node.opset })
    }

    /// The operand of the function that makes `name`.
    fn unary(&self, name: &'a str, op: &str) -> Option<&'a str> {
        self.producer(name).filter(|node| node.op() == op)?.input(0)
    }

    /// What two readings say of the operands of a node, in either order.
    fn either<A, B>(
        &self,
        name: &'a str,
        op: &str,
        a: impl Fn(&'a str) -> Option<A>,
        b: impl Fn(&'a str) -> Option<B>,
    ) -> Option<(A, B)> {
        let node = self.producer(name).filter(|node| node.op() == op)?;
        let (one, other) = (node.input(0)?, node.input(1)?);
        a(one).zip(b(other)).or_else(|| a(other).zip(b(one)))
    }

    /// The sum before a gate's function, one column for each unit.
    fn gate(&self, name: &'a str, operands: &Operands<'a>) -> Option<Affine> {
        self.affine(name, operands, DEPTH).filter(|affine| affine.ncols() == operands.sizes[1])
    }

    fn affine(&self, name: &'a str, operands: &Operands<'a>, depth: usize) -> Option<Affine> {
        let depth = depth.checked_sub(1)?;
        if let Some(constant) = self.constant(name) {
            return bias(constant, operands.sizes);
        }
        let node = self.producer(name)?;
        let term = |i| self.affine(node.input(i)?, operands, depth);
        match node.op() {
            "Add" => sum(term(0)?, term(1)?),
            "MatMul" => self.product(&node, operands),
            "Gemm" if node.input(2).is_some() => sum(self.product(&node, operands)?, term(2)?),
            "Gemm" => self.product(&node, operands),
            "Split" => self.part(&node, self.source(name), term(0)?),
            _ => None,
        }
    }

    /// A constant of the body or of the graph round it, without integers of its own behind it.
    fn constant(&self, name: &'a str) -> Option<ArrayD<f32>> {
        let name = self.source(name);
        if let Some(own) = self.body.initializer.iter().find(|tensor| tensor.name == name) {
            return load(own).ok()?.floats().ok();
        }
        let own = self.producers.contains_key(name) || self.body.input.iter().any(|input| input.name == name);
        let outer = self.lowering.constant_named(name).filter(|known| !own && known.grid.is_none());
        outer?.floats().ok()
    }

    fn product(&self, node: &OnnxNode<'a>, operands: &Operands<'a>) -> Option<Affine> {
        let plain =
            node.float("alpha", 1.0).ok()? == 1.0 && node.float("beta", 1.0).ok()? == 1.0 && !node.flag("transA");
        let weights: Array2<f32> = self.constant(node.input(1)?)?.into_dimensionality().ok().filter(|_| plain)?;
        let weights = if node.flag("transB") { weights.reversed_axes() } else { weights };
        let ([x, h], mut row) = (operands.sizes, 0);
        if weights.ncols() > 4 * h {
            return None;
        }
        let mut affine = Affine::zeros((x + h + 1, weights.ncols()));
        for operand in self.joined(node.input(0)?)? {
            let to = if operand == operands.x { 0..x } else { x..x + h };
            let known = operand == operands.x || operand == operands.h;
            if !known || row + to.len() > weights.nrows() {
                return None;
            }
            let mut part = affine.slice_axis_mut(Axis(0), Slice::from(to.clone()));
            part += &weights.slice(s![row..row + to.len(), ..]);
            row += to.len();
        }
        (row == weights.nrows()).then_some(affine)
    }

    /// The operands that a concatenation joins, or one.
    fn joined(&self, name: &'a str) -> Option<Vec<&'a str>> {
        match self.producer(name) {
            Some(node) if node.op() == "Concat" && is_last(&node) => {
                Some(node.pb.input.iter().map(|name| self.source(name)).collect())
            }
            Some(_) => None,
            None => Some(vec![self.source(name)]),
        }
    }

    /// The columns that are output `name` of a split into equal parts.
    fn part(&self, node: &OnnxNode<'a>, name: &str, of: Affine) -> Option<Affine> {
        let equal = match node.input(1).map(|sizes| self.constant(sizes)) {
            Some(sizes) => alike(sizes?.iter()),
            None => alike(node.ints("split").unwrap_or_default().iter()),
        };
        let (parts, at) = (node.pb.output.len(), node.pb.output.iter().position(|output| output == name)?);
        let units = of.ncols() / parts;
        let fits = equal && is_last(node) && units * parts == of.ncols();
        fits.then(|| of.slice(s![.., at * units..(at + 1) * units]).to_owned())
    }
}

fn alike<T: PartialEq>(mut sizes: impl Iterator<Item = T>) -> bool {
    let first = sizes.next();
    sizes.all(|size| first.as_ref() == Some(&size))
}

/// Whether a node works along the last axis of `[b][n]`.
fn is_last(node: &OnnxNode<'_>) -> bool {
    matches!(node.int("axis", 0), 1 | -1)
}

/// A constant that is added, whatever x and h.
fn bias(constant: ArrayD<f32>, [x, h]: [usize; 2]) -> Option<Affine> {
    let n = constant.len();
    if n == 0 || n > 4 * h || constant.shape().last().is_some_and(|last| *last != n) {
        return None;
    }
    let mut affine = Affine::zeros((x + h + 1, n));
    affine.row_mut(x + h).iter_mut().zip(&constant).for_each(|(to, from)| *to = *from);
    Some(affine)
}

/// One may be a single column for all of the other.
fn sum(a: Affine, b: Affine) -> Option<Affine> {
    let fit = a.ncols() == b.ncols() || a.ncols() == 1 || b.ncols() == 1;
    fit.then(|| if a.ncols() < b.ncols() { b + a } else { a + b })
}

/// What is left of a body for these outputs of it, if that reads none of the inputs `taken`.
fn rest(body: &GraphProto, outputs: &[usize], taken: &[&str]) -> Option<GraphProto> {
    let mut wanted: HashSet<&str> = outputs.iter().map(|i| body.output[*i].name.as_str()).collect();
    let mut node = Vec::new();
    for one in body.node.iter().rev() {
        if one.output.iter().any(|name| wanted.contains(name.as_str())) {
            wanted.extend(one.input.iter().map(String::as_str).chain(captured(one)));
            node.insert(0, one.clone());
        }
    }
    let output = outputs.iter().map(|i| body.output[*i].clone()).collect();
    let initializer = body.initializer.iter().filter(|tensor| wanted.contains(tensor.name.as_str())).cloned().collect();
    let free = taken.iter().all(|name| !wanted.contains(name));
    free.then(|| GraphProto { node, output, initializer, input: body.input.clone(), ..Default::default() })
}

#[cfg(test)]
mod tests {
    use super::super::ImportOptions;

    /// What the case of this name in `tests/onnx_ops` becomes.
    fn operations(name: &str) -> Vec<&'static str> {
        let path = format!("{}/../tests/onnx_ops/{name}.onnx", env!("CARGO_MANIFEST_DIR"));
        let graph = super::super::onnx(&std::fs::read(path).unwrap(), &ImportOptions::default()).unwrap();
        graph.nodes.iter().map(|node| crate::encode::name(&node.op)).collect()
    }

    #[test]
    fn a_scan_of_a_cell_becomes_one_lstm() {
        for name in ["tensorflow", "state_first", "pytorch", "gates_crossed", "own_constants"] {
            let operations = operations(&format!("scan_lstm_{name}"));
            assert_eq!(operations.iter().filter(|op| **op == "Lstm").count(), 1, "{name}: {operations:?}");
        }
    }

    #[test]
    fn what_only_looks_like_one_is_written_out() {
        for name in ["scan_lstm_reversed", "scan_softsign_cell", "scan_lstm_late"] {
            assert!(!operations(name).contains(&"Lstm"), "{name}");
        }
    }
}
