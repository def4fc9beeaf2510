//! What operators read: constants, and what was written before.

use tract_onnx::pb::tensor_proto::DataType;

use super::{Op, Translation};
use crate::error::ConvertError;
use crate::import::tflite::constant::{Quantization, elements, permuted, width};
use crate::import::tflite::file::broken;
use crate::import::tflite::onnx::ints;

impl Translation<'_> {
    /// The real values of input `i`.
    pub(in crate::import::tflite) fn read(&mut self, op: &Op<'_>, i: usize) -> Result<String, ConvertError> {
        self.real(op.input(i)?)
    }

    /// A tensor's real values: those of integers that stand for reals, other numbers as they are.
    pub(in crate::import::tflite) fn real(&mut self, i: usize) -> Result<String, ConvertError> {
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
    pub(in crate::import::tflite) fn read_in(
        &mut self,
        op: &Op<'_>,
        i: usize,
        perm: &[usize],
    ) -> Result<String, ConvertError> {
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
    pub(super) fn constant_in(&mut self, i: usize, perm: &[usize]) -> Result<String, ConvertError> {
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
    pub(in crate::import::tflite) fn bias(
        &mut self,
        op: &Op<'_>,
        i: usize,
        scales: &[f32],
    ) -> Result<String, ConvertError> {
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
}
