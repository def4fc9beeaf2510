//! Nodes and constants, as the ONNX graph takes them.

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, NodeProto};

use super::{Op, Translation};
use crate::error::ConvertError;
use crate::import::tflite::constant::Quantization;
use crate::import::tflite::file::broken;
use crate::import::tflite::onnx::{int, tensor};

impl Translation<'_> {
    /// DequantizeLinear to a tensor of this name.
    pub(super) fn dequantize(
        &mut self,
        name: String,
        stored: &str,
        kind: DataType,
        quantization: &Quantization,
    ) -> Result<String, ConvertError> {
        self.linear("DequantizeLinear", name, stored, kind, quantization)
    }

    /// Rounds real values to integers, and back.
    pub(in crate::import::tflite) fn through(
        &mut self,
        op: &Op<'_>,
        name: &str,
        kind: DataType,
        quantization: &Quantization,
    ) -> Result<String, ConvertError> {
        let [stored, real] = ["quantized", "real"].map(|part| self.free(&format!("{}/{part}", op.name)));
        let stored = self.linear("QuantizeLinear", stored, name, kind, quantization)?;
        self.dequantize(real, &stored, kind, quantization)
    }

    /// Constant int8 that stand for reals.
    pub(in crate::import::tflite) fn quantized_constant(
        &mut self,
        op: &Op<'_>,
        shape: &[usize],
        bytes: Vec<u8>,
        quantization: &Quantization,
    ) -> Result<String, ConvertError> {
        let stored = self.add_constant(op, "quantized", DataType::Int8, shape, bytes)?;
        let real = self.free(&format!("{}/real", op.name));
        self.dequantize(real, &stored, DataType::Int8, quantization)
    }

    /// QuantizeLinear or DequantizeLinear to a tensor of this name.
    pub(super) fn linear(
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
    pub(super) fn initializer(
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
    pub(in crate::import::tflite) fn add_constant(
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
    pub(in crate::import::tflite) fn int64s(
        &mut self,
        op: &Op<'_>,
        part: &str,
        numbers: &[i64],
    ) -> Result<String, ConvertError> {
        let bytes = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        self.add_constant(op, part, DataType::Int64, &[numbers.len()], bytes)
    }

    /// One real number.
    pub(in crate::import::tflite) fn float(
        &mut self,
        op: &Op<'_>,
        part: &str,
        number: f32,
    ) -> Result<String, ConvertError> {
        self.add_constant(op, part, DataType::Float, &[], number.to_le_bytes().to_vec())
    }

    /// Input `i` as the 64-bit integers that ONNX wants for shapes and axes.
    pub(in crate::import::tflite) fn read_int64s(&mut self, op: &Op<'_>, i: usize) -> Result<String, ConvertError> {
        if let Some(numbers) = self.integers(op, i)? {
            return self.int64s(op, "integers", &numbers);
        }
        let name = self.read(op, i)?;
        self.cast(op, &name, DataType::Int64)
    }

    /// A change of the element type.
    pub(in crate::import::tflite) fn cast(
        &mut self,
        op: &Op<'_>,
        name: &str,
        to: DataType,
    ) -> Result<String, ConvertError> {
        self.emit(op, "Cast", &[name], vec![int("to", to as i64)])
    }

    /// Indices, which ONNX counts in 64 bits, in the type of output `slot`.
    pub(in crate::import::tflite) fn cast_indices(
        &mut self,
        op: &Op<'_>,
        name: &str,
        slot: usize,
    ) -> Result<String, ConvertError> {
        match self.data_type(op.output(slot)?)? {
            DataType::Int64 => Ok(name.into()),
            kind => self.cast(op, name, kind),
        }
    }

    /// Adds a node of one output.
    pub(in crate::import::tflite) fn emit(
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
    pub(in crate::import::tflite) fn emit_many(
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

    /// Makes the node that was added last one of another domain, with an attribute more.
    pub(in crate::import::tflite) fn extend_last(&mut self, domain: &str, attribute: AttributeProto) {
        if let Some(node) = self.onnx.node.last_mut() {
            node.domain = domain.into();
            node.attribute.push(attribute);
        }
    }

    pub(super) fn push(
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

    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), ConvertError> {
        let left = self.budget.checked_sub(bytes);
        self.budget = left.ok_or_else(|| broken("it unfolds to many times its own size".into()))?;
        Ok(())
    }
}
