//! The ONNX graph under construction, as the operators' functions see it.
//!
//! A tensor T of the file is the ONNX tensor of that name, holding its real values: where T is quantized, what computes it is
//! followed by QuantizeLinear, whose result is `T/quantized`, and DequantizeLinear. Inputs and outputs of the model keep the integers of the file
//! under its names, and then `T/real` holds the real values.

mod constants;
mod nodes;
mod results;

use std::collections::{HashMap, HashSet};

use tract_onnx::pb::GraphProto;
use tract_onnx::pb::tensor_proto::DataType;

use super::constant::{Quantization, integers};
use super::file::{File, Operator, Subgraph, Tensor, broken};
use super::ops;
use super::schema::Options;
use super::state::States;
use crate::error::ConvertError;

pub(super) use results::CHANNELS_FIRST;

/// Operators with more outputs are refused.
const MAX_OUTPUTS: usize = 1024;

/// The translation so far.
pub(super) struct Translation<'a> {
    /// The file, for subgraphs beside the model.
    pub(super) file: &'a File<'a>,
    pub(super) graph: &'a Subgraph<'a>,
    pub(super) onnx: GraphProto,
    /// What the model carries from run to run.
    pub(super) states: States,
    /// Each tensor's own name.
    names: Vec<String>,
    /// Names that are taken.
    taken: HashSet<String>,
    /// Tensors whose own name stands for something in ONNX.
    named: HashSet<usize>,
    /// Names of tensors' real values.
    real: HashMap<usize, String>,
    /// Names of tensors' integers.
    stored: HashMap<usize, String>,
    /// Tensors that are copies of constants, and of which.
    copies: HashMap<usize, usize>,
    outputs: HashSet<usize>,
    /// Bytes that may still be written.
    budget: usize,
}

/// An operator, and where its errors point.
pub(super) struct Op<'a> {
    /// The operator.
    pub(super) file: &'a Operator<'a>,
    /// Its position.
    pub(super) index: usize,
    /// The kind.
    pub(super) kind: String,
    /// The name of its first output.
    pub(super) name: String,
    /// Nodes that were there before it.
    start: usize,
}

impl<'a> Op<'a> {
    /// An error here. `reason` says what is wrong and what to do.
    pub(super) fn error(&self, reason: impl Into<String>) -> ConvertError {
        let node = format!("{} #{}", self.name, self.index);
        ConvertError::Node { op: self.kind.clone(), node, reason: reason.into() }
    }

    /// The tensor of input `i`, if it is there.
    pub(super) fn optional(&self, i: usize) -> Option<usize> {
        self.file.inputs.get(i).copied().flatten()
    }

    /// The tensor of input `i`.
    pub(super) fn input(&self, i: usize) -> Result<usize, ConvertError> {
        self.optional(i).ok_or_else(|| self.error(format!("input {i} is missing")))
    }

    /// The tensor of output `i`.
    pub(super) fn output(&self, i: usize) -> Result<usize, ConvertError> {
        self.file.outputs.get(i).copied().ok_or_else(|| self.error(format!("output {i} is missing")))
    }

    /// Its options.
    pub(super) fn options<O: Options<'a>>(&self) -> Result<O, ConvertError> {
        self.optional_options()?.ok_or_else(|| self.error(format!("has no {}", O::NAME)))
    }

    /// Its options, which old writers leave out where all are zero.
    pub(super) fn optional_options<O: Options<'a>>(&self) -> Result<Option<O>, ConvertError> {
        self.file.table.options_as().map_err(|e| self.error(format!("its options are broken: {e}")))
    }
}

impl<'a> Translation<'a> {
    /// An empty graph. It may grow to a multiple of the file's `bytes`.
    pub(super) fn new(file: &'a File<'a>, bytes: usize) -> Result<Translation<'a>, ConvertError> {
        let graph = &file.subgraphs[0];
        let outputs: HashSet<usize> = graph.outputs.iter().copied().collect();
        if outputs.len() < graph.outputs.len() {
            return Err(broken("a tensor is two of its outputs".into()));
        }
        let name = if graph.name.is_empty() { "model" } else { graph.name }.to_string();
        let mut new = Translation {
            file,
            graph,
            onnx: GraphProto { name, ..GraphProto::default() },
            states: States::default(),
            names: Vec::new(),
            taken: HashSet::new(),
            named: HashSet::new(),
            real: HashMap::new(),
            stored: HashMap::new(),
            copies: HashMap::new(),
            outputs,
            budget: bytes.saturating_mul(8).saturating_add(1 << 24),
        };
        for (i, tensor) in graph.tensors.iter().enumerate() {
            let name = if tensor.name.is_empty() { format!("tensor_{i}") } else { tensor.name.to_string() };
            let name = new.free(&name);
            new.names.push(name);
        }
        graph.inputs.iter().try_for_each(|input| new.input(*input))?;
        Ok(new)
    }

    /// Operator `index` of the model.
    pub(super) fn op(&self, index: usize) -> Result<Op<'a>, ConvertError> {
        let file = &self.graph.operators[index];
        let name = file.outputs.first().map_or_else(String::new, |output| self.names[*output].clone());
        let op = Op { file, index, kind: ops::name(file), name, start: self.onnx.node.len() };
        match file.outputs.len() {
            0..=MAX_OUTPUTS => Ok(op),
            many => Err(op.error(format!("has {many} outputs"))),
        }
    }

    /// A name that is free, this one if it can be.
    pub(super) fn free(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_string();
        let mut count = 1;
        while !self.taken.insert(name.clone()) {
            // Thousands of tensors may have one name.
            count += self.taken.len() * usize::from(count > 8) + 1;
            name = format!("{wanted}_{count}");
        }
        name
    }

    /// The tensor's own name the first time, then others.
    fn own(&mut self, i: usize) -> String {
        let name = self.names[i].clone();
        if self.named.insert(i) { name } else { self.free(&name) }
    }

    /// A free name for a part of tensor `i`.
    fn part(&mut self, i: usize, part: &str) -> String {
        let name = format!("{}/{part}", self.names[i]);
        self.free(&name)
    }

    /// Tensor `i` of the file.
    pub(super) fn tensor(&self, i: usize) -> &'a Tensor<'a> {
        &self.graph.tensors[i]
    }

    /// Its name in ONNX.
    pub(super) fn name(&self, i: usize) -> &str {
        &self.names[i]
    }

    /// The shape of input `i`.
    pub(super) fn shape(&self, op: &Op<'_>, i: usize) -> Result<&'a [usize], ConvertError> {
        Ok(&self.tensor(op.input(i)?).shape)
    }

    /// The shape of output `i`.
    pub(super) fn output_shape(&self, op: &Op<'_>, i: usize) -> Result<&'a [usize], ConvertError> {
        Ok(&self.tensor(op.output(i)?).shape)
    }

    /// The four sizes of input `i`.
    pub(super) fn image(&self, op: &Op<'_>, i: usize) -> Result<[usize; 4], ConvertError> {
        four(op, self.shape(op, i)?)
    }

    /// How a tensor's integers stand for reals.
    pub(super) fn quantization(&self, i: usize) -> Result<Option<Quantization>, ConvertError> {
        Quantization::of(self.tensor(i)).map_err(|reason| self.tensor_error(i, reason))
    }

    /// The element type that a tensor has in ONNX.
    pub(super) fn data_type(&self, i: usize) -> Result<DataType, ConvertError> {
        let element = self.tensor(i).element;
        let found = self.tensor(i).data_type();
        found.ok_or_else(|| self.tensor_error(i, format!("has the element type {element}, which is not supported")))
    }

    pub(super) fn tensor_error(&self, i: usize, reason: String) -> ConvertError {
        ConvertError::Tensor { tensor: self.names[i].clone(), reason }
    }

    /// The constant that a tensor is, or is a copy of.
    pub(super) fn constant(&self, i: usize) -> Option<usize> {
        let source = self.copies.get(&i).copied().unwrap_or(i);
        let tensor = self.tensor(source);
        let empty = || tensor.elements() == Some(0) && !self.real.contains_key(&source);
        (tensor.data.is_some() || empty()).then_some(source)
    }

    /// The integers of input `i`, if it is a constant.
    pub(super) fn integers(&self, op: &Op<'_>, i: usize) -> Result<Option<Vec<i64>>, ConvertError> {
        let constant = self.constant(op.input(i)?);
        constant.map(|c| integers(self.tensor(c)).map_err(|reason| self.tensor_error(c, reason))).transpose()
    }

    /// The integers of input `i`, which must be a constant.
    pub(super) fn constants(&self, op: &Op<'_>, i: usize) -> Result<Vec<i64>, ConvertError> {
        let name = self.name(op.input(i)?);
        self.integers(op, i)?.ok_or_else(|| op.error(format!("input {i}, `{name}`, must be a constant")))
    }

    /// The one integer of input `i`, which must be a constant.
    pub(super) fn one(&self, op: &Op<'_>, i: usize) -> Result<i64, ConvertError> {
        match self.constants(op, i)?[..] {
            [one] => Ok(one),
            ref many => Err(op.error(format!("input {i} must be one number, and is {many:?}"))),
        }
    }
}

/// Four sizes.
pub(super) fn four(op: &Op<'_>, shape: &[usize]) -> Result<[usize; 4], ConvertError> {
    shape.try_into().map_err(|_| op.error(format!("has a tensor of shape {shape:?} where four axes are needed")))
}
