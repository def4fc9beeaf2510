//! The ONNX graph under construction, as the operators' functions see it.
//!
//! A tensor T of the file is the ONNX tensor of that name, holding its real values: where T is quantized, what computes it is
//! followed by QuantizeLinear, whose result is `T/quantized`, and DequantizeLinear. Inputs and outputs of the model keep the integers of the file
//! under its names, and then `T/real` holds the real values.

use std::collections::{HashMap, HashSet};

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto, StringStringEntryProto};

use super::constant::{Quantization, elements, integers, permuted, width};
use super::file::{File, Operator, Subgraph, Tensor, broken};
use super::onnx::{info, int, ints, tensor};
use super::ops;
use super::schema::Options;
use super::state::States;
use crate::error::ConvertError;

/// From channels last to channels first, as weights and images need it.
pub(super) const CHANNELS_FIRST: [usize; 4] = [0, 3, 1, 2];
const CHANNELS_LAST: [usize; 4] = [0, 2, 3, 1];

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

    /// The real values of input `i`.
    pub(super) fn read(&mut self, op: &Op<'_>, i: usize) -> Result<String, ConvertError> {
        self.real(op.input(i)?)
    }

    /// A tensor's real values: those of integers that stand for reals, other numbers as they are.
    pub(super) fn real(&mut self, i: usize) -> Result<String, ConvertError> {
        if let Some(name) = self.real.get(&i) {
            return Ok(name.clone());
        }
        let Some(source) = self.constant(i) else {
            return Err(broken(format!("tensor `{}` is read and nothing before has written it", self.names[i])));
        };
        let order: Vec<usize> = (0..self.tensor(source).shape.len()).collect();
        let name = self.constant_in(source, &order)?;
        self.real.insert(i, name.clone());
        Ok(name)
    }

    /// Input `i` with its axes in another order: a constant is stored in it.
    pub(super) fn read_in(&mut self, op: &Op<'_>, i: usize, perm: &[usize]) -> Result<String, ConvertError> {
        let input = op.input(i)?;
        if self.tensor(input).shape.len() != perm.len() {
            return Err(op.error(format!("input {i} must have {} axes", perm.len())));
        }
        match self.constant(input) {
            Some(source) => self.constant_in(source, perm),
            None => {
                let name = self.real(input)?;
                self.emit(op, "Transpose", &[&name], vec![ints("perm", perm)])
            }
        }
    }

    /// A constant's real values with its axes in another order.
    fn constant_in(&mut self, i: usize, perm: &[usize]) -> Result<String, ConvertError> {
        let source = self.tensor(i);
        if source.external {
            return Err(
                self.tensor_error(i, "its weights are in another file; save the model with its weights inside".into())
            );
        }
        let (kind, mut bytes) = elements(source).map_err(|reason| self.tensor_error(i, reason))?;
        if !perm.is_sorted() {
            bytes = permuted(&bytes, width(kind), &source.shape, perm);
        }
        let shape: Vec<usize> = perm.iter().map(|axis| source.shape[*axis]).collect();
        let own = self.own(i);
        let Some(mut quantization) = self.quantization(i)? else {
            return self.initializer(own, kind, &shape, bytes);
        };
        quantization.axis = perm.iter().position(|axis| *axis == quantization.axis).unwrap_or(0);
        let stored = self.part(i, "quantized");
        let stored = self.initializer(stored, kind, &shape, bytes)?;
        self.dequantize(own, &stored, kind, &quantization)
    }

    /// A bias of 32-bit integers in steps of `scales`, along its only axis.
    pub(super) fn bias(&mut self, op: &Op<'_>, i: usize, scales: &[f32]) -> Result<String, ConvertError> {
        let input = op.input(i)?;
        let Some(source) = self.constant(input).filter(|c| matches!(self.tensor(*c).element, 2 | 4)) else {
            return self.real(input);
        };
        let numbers = self.constants(op, i)?;
        if scales.len() != 1 && scales.len() != numbers.len() {
            return Err(op.error(format!("its bias has {} numbers for {} channels", numbers.len(), scales.len())));
        }
        let shape = &self.tensor(source).shape;
        let own = self.own(source);
        let narrow: Option<Vec<i32>> = numbers.iter().map(|n| i32::try_from(*n).ok()).collect();
        let Some(narrow) = narrow else {
            // ONNX dequantizes at most 32 bits.
            let scaled = numbers.iter().zip(scales.iter().cycle()).map(|(n, s)| (*n as f64 * f64::from(*s)) as f32);
            return self.initializer(own, DataType::Float, shape, scaled.flat_map(f32::to_le_bytes).collect());
        };
        let bytes = narrow.into_iter().flat_map(i32::to_le_bytes).collect();
        let stored = self.part(source, "quantized");
        let stored = self.initializer(stored, DataType::Int32, shape, bytes)?;
        let quantization = Quantization { scales: scales.to_vec(), zeros: Vec::new(), axis: 0 };
        self.dequantize(own, &stored, DataType::Int32, &quantization)
    }

    /// DequantizeLinear to a tensor of this name.
    fn dequantize(
        &mut self,
        name: String,
        stored: &str,
        kind: DataType,
        quantization: &Quantization,
    ) -> Result<String, ConvertError> {
        self.linear("DequantizeLinear", name, stored, kind, quantization)
    }

    /// QuantizeLinear or DequantizeLinear to a tensor of this name.
    fn linear(
        &mut self,
        op_type: &str,
        name: String,
        input: &str,
        kind: DataType,
        quantization: &Quantization,
    ) -> Result<String, ConvertError> {
        let Quantization { scales, zeros, axis } = quantization;
        let several: &[usize] = if scales.len() == 1 { &[] } else { &[scales.len()] };
        let bytes = scales.iter().flat_map(|scale| scale.to_le_bytes()).collect();
        let scale = self.free(&format!("{name}/scale"));
        let scale = self.initializer(scale, DataType::Float, several, bytes)?;
        let mut inputs = vec![input, &scale];
        // Integers of 32 bits have no zero point.
        let mut zero = None;
        if !zeros.is_empty() {
            let name = self.free(&format!("{name}/zero_point"));
            zero = Some(self.initializer(name, kind, several, quantization.zero_bytes(kind))?);
        }
        inputs.extend(zero.as_deref());
        let attributes = if several.is_empty() { Vec::new() } else { vec![int("axis", *axis as i64)] };
        self.push(op_type, &inputs, std::slice::from_ref(&name), attributes)?;
        Ok(name)
    }

    /// Adds a constant under a free name.
    fn initializer(
        &mut self,
        name: String,
        kind: DataType,
        shape: &[usize],
        bytes: Vec<u8>,
    ) -> Result<String, ConvertError> {
        self.spend(name.len() + bytes.len() + 128)?;
        self.onnx.initializer.push(tensor(&name, kind, shape, bytes));
        Ok(name)
    }

    /// Adds a constant that an operator brings along.
    pub(super) fn add_constant(
        &mut self,
        op: &Op<'_>,
        part: &str,
        kind: DataType,
        shape: &[usize],
        bytes: Vec<u8>,
    ) -> Result<String, ConvertError> {
        let name = self.free(&format!("{}/{part}", op.name));
        self.initializer(name, kind, shape, bytes)
    }

    /// A list of integers, as shapes and axes are given in ONNX.
    pub(super) fn int64s(&mut self, op: &Op<'_>, part: &str, numbers: &[i64]) -> Result<String, ConvertError> {
        let bytes = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        self.add_constant(op, part, DataType::Int64, &[numbers.len()], bytes)
    }

    /// One real number.
    pub(super) fn float(&mut self, op: &Op<'_>, part: &str, number: f32) -> Result<String, ConvertError> {
        self.add_constant(op, part, DataType::Float, &[], number.to_le_bytes().to_vec())
    }

    /// Input `i` as the 64-bit integers that ONNX wants for shapes and axes.
    pub(super) fn read_int64s(&mut self, op: &Op<'_>, i: usize) -> Result<String, ConvertError> {
        if let Some(numbers) = self.integers(op, i)? {
            return self.int64s(op, "integers", &numbers);
        }
        let name = self.read(op, i)?;
        self.cast(op, &name, DataType::Int64)
    }

    /// A change of the element type.
    pub(super) fn cast(&mut self, op: &Op<'_>, name: &str, to: DataType) -> Result<String, ConvertError> {
        self.emit(op, "Cast", &[name], vec![int("to", to as i64)])
    }

    /// Indices, which ONNX counts in 64 bits, in the type of output `slot`.
    pub(super) fn cast_indices(&mut self, op: &Op<'_>, name: &str, slot: usize) -> Result<String, ConvertError> {
        match self.data_type(op.output(slot)?)? {
            DataType::Int64 => Ok(name.into()),
            kind => self.cast(op, name, kind),
        }
    }

    /// Adds a node of one output.
    pub(super) fn emit(
        &mut self,
        op: &Op<'_>,
        op_type: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) -> Result<String, ConvertError> {
        let output = self.free(&format!("{}/{op_type}", op.name));
        self.push(op_type, inputs, std::slice::from_ref(&output), attributes)?;
        Ok(output)
    }

    /// Adds a node of several outputs.
    pub(super) fn emit_many(
        &mut self,
        op: &Op<'_>,
        op_type: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
        count: usize,
    ) -> Result<Vec<String>, ConvertError> {
        let outputs: Vec<String> = (0..count).map(|_| self.free(&format!("{}/{op_type}", op.name))).collect();
        self.push(op_type, inputs, &outputs, attributes)?;
        Ok(outputs)
    }

    fn push(
        &mut self,
        op_type: &str,
        inputs: &[&str],
        outputs: &[String],
        attribute: Vec<AttributeProto>,
    ) -> Result<(), ConvertError> {
        let names: usize = inputs.iter().map(|i| i.len() + 32).chain(outputs.iter().map(|o| o.len() + 32)).sum();
        self.spend(256 + names + attribute.iter().map(|a| 128 + 8 * a.ints.len()).sum::<usize>())?;
        self.onnx.node.push(NodeProto {
            name: outputs.first().cloned().unwrap_or_default(),
            op_type: op_type.into(),
            input: inputs.iter().map(|i| (*i).to_string()).collect(),
            output: outputs.to_vec(),
            attribute,
            ..NodeProto::default()
        });
        Ok(())
    }

    fn spend(&mut self, bytes: usize) -> Result<(), ConvertError> {
        let left = self.budget.checked_sub(bytes);
        self.budget = left.ok_or_else(|| broken("it unfolds to many times its own size".into()))?;
        Ok(())
    }

    /// Channels first, for the operators that ONNX has in that order only.
    pub(super) fn channels_first(&mut self, op: &Op<'_>, name: &str) -> Result<String, ConvertError> {
        self.emit(op, "Transpose", &[name], vec![ints("perm", &CHANNELS_FIRST)])
    }

    /// Output `slot` has channels first and becomes channels last. What follows with channels first again then meets the
    /// transposition directly, but for the model's outputs, whose integers have channels last.
    pub(super) fn write_channels_first(&mut self, op: &Op<'_>, slot: usize, name: &str) -> Result<(), ConvertError> {
        let output = op.output(slot)?;
        match self.quantization(output)?.filter(|_| !self.outputs.contains(&output)) {
            Some(quantization) => {
                let real = self.part(output, "channels_first");
                let (_, real) = self.requantized(output, name, real, &quantization)?;
                let last = self.channels_last(op, &real)?;
                self.bind(op, output, &last)
            }
            None => {
                let last = self.channels_last(op, name)?;
                self.write(op, slot, &last)
            }
        }
    }

    fn channels_last(&mut self, op: &Op<'_>, name: &str) -> Result<String, ConvertError> {
        self.emit(op, "Transpose", &[name], vec![ints("perm", &CHANNELS_LAST)])
    }

    /// Output `slot` is this tensor, rounded as the file says.
    pub(super) fn write(&mut self, op: &Op<'_>, slot: usize, name: &str) -> Result<(), ConvertError> {
        let output = op.output(slot)?;
        let Some(quantization) = self.quantization(output)? else { return self.bind(op, output, name) };
        self.unwritten(output)?;
        let real = self.real_name(output);
        let (stored, real) = self.requantized(output, name, real, &quantization)?;
        self.stored.insert(output, stored);
        self.real.insert(output, real);
        Ok(())
    }

    /// The name of a quantized tensor's real values.
    fn real_name(&mut self, i: usize) -> String {
        if self.outputs.contains(&i) { self.part(i, "real") } else { self.own(i) }
    }

    /// The name of a quantized tensor's integers.
    fn stored_name(&mut self, i: usize) -> String {
        if self.outputs.contains(&i) { self.own(i) } else { self.part(i, "quantized") }
    }

    /// Rounds to the tensor's integers and back to a tensor named `real`; gives the names of both.
    fn requantized(
        &mut self,
        i: usize,
        name: &str,
        real: String,
        quantization: &Quantization,
    ) -> Result<(String, String), ConvertError> {
        if quantization.scales.len() != 1 {
            return Err(self.tensor_error(i, "is no constant and has several scales".into()));
        }
        let kind = self.data_type(i)?;
        let stored = self.stored_name(i);
        let stored = self.linear("QuantizeLinear", stored, name, kind, quantization)?;
        let real = self.dequantize(real, &stored, kind, quantization)?;
        Ok((stored, real))
    }

    /// A tensor is what a node of this operator wrote, without rounding; the node's output takes its name.
    pub(super) fn bind(&mut self, op: &Op<'_>, output: usize, name: &str) -> Result<(), ConvertError> {
        self.unwritten(output)?;
        let own = self.own(output);
        let nodes = &mut self.onnx.node[op.start..];
        let writes = nodes.iter().rposition(|node| node.output.iter().any(|o| o == name));
        let real = if writes.is_some() { own.clone() } else { name.to_string() };
        for node in writes.map(|first| &mut nodes[first..]).into_iter().flatten() {
            node.output.iter_mut().chain(&mut node.input).filter(|o| *o == name).for_each(|o| o.clone_from(&own));
            if node.name == name {
                node.name.clone_from(&own);
            }
        }
        self.real.insert(output, real);
        Ok(())
    }

    fn unwritten(&self, output: usize) -> Result<(), ConvertError> {
        match self.real.contains_key(&output) || self.tensor(output).data.is_some() {
            true => Err(broken(format!("tensor `{}` is written and is known before", self.names[output]))),
            false => Ok(()),
        }
    }

    /// Output 0 has the values of input 0 and is known by them.
    pub(super) fn copy(&mut self, op: &Op<'_>) -> Result<(), ConvertError> {
        let (input, output) = (op.input(0)?, op.output(0)?);
        self.unwritten(output)?;
        if let Some(constant) = self.constant(input) {
            self.copies.insert(output, constant);
        }
        let name = self.real(input)?;
        self.real.insert(output, name);
        Ok(())
    }

    /// The integers of a quantized tensor; another is stored as it is.
    pub(super) fn stored(&mut self, i: usize) -> Result<String, ConvertError> {
        let real = self.real(i)?;
        let Some(quantization) = self.quantization(i)? else { return Ok(real) };
        if let Some(stored) = self.stored.get(&i) {
            return Ok(stored.clone());
        }
        let kind = self.data_type(i)?;
        let stored = self.stored_name(i);
        let stored = self.linear("QuantizeLinear", stored, &real, kind, &quantization)?;
        self.stored.insert(i, stored.clone());
        Ok(stored)
    }

    /// Output 0 holds these integers.
    pub(super) fn write_stored(&mut self, op: &Op<'_>, stored: &str) -> Result<(), ConvertError> {
        let output = op.output(0)?;
        let Some(quantization) = self.quantization(output)? else { return self.bind(op, output, stored) };
        self.unwritten(output)?;
        let kind = self.data_type(output)?;
        let real = self.real_name(output);
        let real = self.dequantize(real, stored, kind, &quantization)?;
        self.stored.insert(output, stored.into());
        self.real.insert(output, real);
        Ok(())
    }

    /// The real values that integers of tensor `i` stand for.
    pub(super) fn real_of_stored(&mut self, i: usize, stored: &str) -> Result<String, ConvertError> {
        let Some(quantization) = self.quantization(i)? else { return Ok(stored.into()) };
        let real = self.part(i, "real");
        self.dequantize(real, stored, self.data_type(i)?, &quantization)
    }

    /// Rounds to the integers of tensor `i`; gives the names of those and of their real values.
    pub(super) fn rounded(&mut self, i: usize, name: &str) -> Result<(String, String), ConvertError> {
        let Some(quantization) = self.quantization(i)? else { return Ok((name.into(), name.into())) };
        let real = self.part(i, "real");
        self.requantized(i, name, real, &quantization)
    }

    /// Declares an input of the model.
    fn input(&mut self, i: usize) -> Result<(), ConvertError> {
        self.unwritten(i)?;
        if let Some(axis) = self.tensor(i).open_axis {
            let reason = format!("axis {axis} has no fixed size in the file; export with fixed shapes");
            return Err(ConvertError::Input { input: self.names[i].clone(), reason });
        }
        let name = self.own(i);
        self.declare(i, name.clone())?;
        self.real.insert(i, name.clone());
        if let Some(quantization) = self.quantization(i)? {
            let real = self.part(i, "real");
            let real = self.dequantize(real, &name, self.data_type(i)?, &quantization)?;
            self.stored.insert(i, name);
            self.real.insert(i, real);
        }
        Ok(())
    }

    /// Declares an input of the model with the type and the shape of tensor `i`.
    pub(super) fn declare(&mut self, i: usize, name: String) -> Result<(), ConvertError> {
        self.onnx.input.push(info(&name, self.data_type(i)?, &self.tensor(i).shape));
        Ok(())
    }

    /// Declares the model's outputs and what it hands to its next run.
    pub(super) fn finish(mut self) -> Result<(GraphProto, Vec<StringStringEntryProto>), ConvertError> {
        for &output in &self.graph.outputs {
            let stored = self.stored(output)?;
            let given = self.onnx.input.iter().any(|input| input.name == stored);
            let name = if stored == self.names[output] && !given { stored } else { self.renamed(output, &stored)? };
            self.give(output, name)?;
        }
        let carried = States::finish(&mut self)?;
        Ok((self.onnx, carried))
    }

    /// A copy under the tensor's own name, or one near to it.
    fn renamed(&mut self, i: usize, name: &str) -> Result<String, ConvertError> {
        let own = self.own(i);
        self.identity(name, own)
    }

    /// A copy under this name.
    pub(super) fn identity(&mut self, name: &str, copy: String) -> Result<String, ConvertError> {
        self.push("Identity", &[name], std::slice::from_ref(&copy), Vec::new())?;
        Ok(copy)
    }

    /// Declares an output of the model with the type and the shape of tensor `i`.
    pub(super) fn give(&mut self, i: usize, name: String) -> Result<(), ConvertError> {
        self.onnx.output.push(info(&name, self.data_type(i)?, &self.tensor(i).shape));
        Ok(())
    }
}

/// Four sizes.
pub(super) fn four(op: &Op<'_>, shape: &[usize]) -> Result<[usize; 4], ConvertError> {
    shape.try_into().map_err(|_| op.error(format!("has a tensor of shape {shape:?} where four axes are needed")))
}
