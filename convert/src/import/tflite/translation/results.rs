//! What operators write, rounded as the file says, and what stands at the model's doors.

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{GraphProto, StringStringEntryProto};

use super::{Op, Translation};
use crate::error::ConvertError;
use crate::import::tflite::constant::Quantization;
use crate::import::tflite::file::broken;
use crate::import::tflite::onnx::{info, ints};
use crate::import::tflite::state::States;

/// From channels last to channels first, as weights and images need it.
pub(in crate::import::tflite) const CHANNELS_FIRST: [usize; 4] = [0, 3, 1, 2];
const CHANNELS_LAST: [usize; 4] = [0, 2, 3, 1];

impl Translation<'_> {
    /// Channels first, for the operators that ONNX has in that order only.
    pub(in crate::import::tflite) fn channels_first(
        &mut self,
        op: &Op<'_>,
        name: &str,
    ) -> Result<String, ConvertError> {
        self.emit(op, "Transpose", &[name], vec![ints("perm", &CHANNELS_FIRST)])
    }

    /// Output `slot` has channels first and becomes channels last. What follows with channels first again then meets the
    /// transposition directly, but for the model's outputs, whose integers have channels last.
    pub(in crate::import::tflite) fn write_channels_first(
        &mut self,
        op: &Op<'_>,
        slot: usize,
        name: &str,
    ) -> Result<(), ConvertError> {
        let output = op.output(slot)?;
        match self.quantization(output)?.filter(|_| !self.outputs.contains(&output)) {
            Some(quantization) => {
                let (stored, real) = (self.part(output, "quantized"), self.part(output, "channels_first"));
                let (_, real) = self.requantized(output, name, stored, real, &quantization)?;
                let last = self.channels_last(op, &real)?;
                self.bind(op, output, &last)
            }
            None => {
                let last = self.channels_last(op, name)?;
                self.write(op, slot, &last)
            }
        }
    }

    pub(super) fn channels_last(&mut self, op: &Op<'_>, name: &str) -> Result<String, ConvertError> {
        self.emit(op, "Transpose", &[name], vec![ints("perm", &CHANNELS_LAST)])
    }

    /// Output `slot` is this tensor, rounded as the file says.
    pub(in crate::import::tflite) fn write(
        &mut self,
        op: &Op<'_>,
        slot: usize,
        name: &str,
    ) -> Result<(), ConvertError> {
        let output = op.output(slot)?;
        let Some(quantization) = self.quantization(output)? else { return self.bind(op, output, name) };
        self.unwritten(output)?;
        let (stored, real) = (self.stored_name(output), self.real_name(output));
        let (stored, real) = self.requantized(output, name, stored, real, &quantization)?;
        self.stored.insert(output, stored);
        self.real.insert(output, real);
        Ok(())
    }

    /// The name of a quantized tensor's real values.
    pub(super) fn real_name(&mut self, i: usize) -> String {
        if self.outputs.contains(&i) { self.part(i, "real") } else { self.own(i) }
    }

    /// The name of a quantized tensor's integers.
    pub(super) fn stored_name(&mut self, i: usize) -> String {
        if self.outputs.contains(&i) { self.own(i) } else { self.part(i, "quantized") }
    }

    /// Rounds to the tensor's integers and back to a tensor named `real`; gives the names of both.
    pub(super) fn requantized(
        &mut self,
        i: usize,
        name: &str,
        stored: String,
        real: String,
        quantization: &Quantization,
    ) -> Result<(String, String), ConvertError> {
        if quantization.scales.len() != 1 {
            return Err(self.tensor_error(i, "is no constant and has several scales".into()));
        }
        let kind = self.data_type(i)?;
        let stored = self.linear("QuantizeLinear", stored, name, kind, quantization)?;
        let real = self.dequantize(real, &stored, kind, quantization)?;
        Ok((stored, real))
    }

    /// A tensor is what a node of this operator wrote, without rounding; the node's output takes its name.
    pub(in crate::import::tflite) fn bind(
        &mut self,
        op: &Op<'_>,
        output: usize,
        name: &str,
    ) -> Result<(), ConvertError> {
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

    pub(super) fn unwritten(&self, output: usize) -> Result<(), ConvertError> {
        match self.real.contains_key(&output) || self.tensor(output).data.is_some() {
            true => Err(broken(format!("tensor `{}` is written and is known before", self.names[output]))),
            false => Ok(()),
        }
    }

    /// Output 0 has the values of input 0 and is known by them.
    pub(in crate::import::tflite) fn copy(&mut self, op: &Op<'_>) -> Result<(), ConvertError> {
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
    pub(in crate::import::tflite) fn stored(&mut self, i: usize) -> Result<String, ConvertError> {
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
    pub(in crate::import::tflite) fn write_stored(&mut self, op: &Op<'_>, stored: &str) -> Result<(), ConvertError> {
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

    /// Real values rounded to the integers of tensor `i`.
    pub(in crate::import::tflite) fn rounded(&mut self, i: usize, name: &str) -> Result<String, ConvertError> {
        let Some(quantization) = self.quantization(i)? else { return Ok(name.into()) };
        let (stored, real) = (self.part(i, "quantized"), self.part(i, "real"));
        self.requantized(i, name, stored, real, &quantization).map(|(_, real)| real)
    }

    /// Declares an input of the model.
    pub(super) fn input(&mut self, i: usize) -> Result<(), ConvertError> {
        self.unwritten(i)?;
        if let Some(axis) = self.tensor(i).open_axis {
            let reason = format!("axis {axis} has no fixed size in the file; export with fixed shapes");
            return Err(ConvertError::Input { input: self.names[i].clone(), reason });
        }
        let name = self.own(i);
        self.declare(i, name.clone(), self.data_type(i)?);
        self.real.insert(i, name.clone());
        if let Some(quantization) = self.quantization(i)? {
            let real = self.part(i, "real");
            let real = self.dequantize(real, &name, self.data_type(i)?, &quantization)?;
            self.stored.insert(i, name);
            self.real.insert(i, real);
        }
        Ok(())
    }

    /// Declares an input of the model with the shape of tensor `i`.
    pub(in crate::import::tflite) fn declare(&mut self, i: usize, name: String, kind: DataType) {
        self.onnx.input.push(info(&name, kind, &self.tensor(i).shape));
    }

    /// The element type of a tensor's real values.
    pub(in crate::import::tflite) fn real_type(&self, i: usize) -> Result<DataType, ConvertError> {
        if self.quantization(i)?.is_some() { Ok(DataType::Float) } else { self.data_type(i) }
    }

    /// Declares the model's outputs and what it hands to its next run.
    pub(in crate::import::tflite) fn finish(
        mut self,
    ) -> Result<(GraphProto, Vec<StringStringEntryProto>), ConvertError> {
        for &output in &self.graph.outputs {
            let stored = self.stored(output)?;
            let given = self.onnx.input.iter().any(|input| input.name == stored);
            let name = if stored == self.names[output] && !given { stored } else { self.renamed(output, &stored)? };
            self.give(output, name, self.data_type(output)?);
        }
        let carried = States::finish(&mut self)?;
        Ok((self.onnx, carried))
    }

    /// A copy under the tensor's own name, or one near to it.
    pub(super) fn renamed(&mut self, i: usize, name: &str) -> Result<String, ConvertError> {
        let own = self.own(i);
        self.identity(name, own)
    }

    /// A copy under this name.
    pub(in crate::import::tflite) fn identity(&mut self, name: &str, copy: String) -> Result<String, ConvertError> {
        self.push("Identity", &[name], std::slice::from_ref(&copy), Vec::new())?;
        Ok(copy)
    }

    /// Declares an output of the model with the shape of tensor `i`.
    pub(in crate::import::tflite) fn give(&mut self, i: usize, name: String, kind: DataType) {
        self.onnx.output.push(info(&name, kind, &self.tensor(i).shape));
    }
}
