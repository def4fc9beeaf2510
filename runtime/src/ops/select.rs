//! A choice between two tensors, with broadcasting: `y = c ≠ 0 ? a : b`.

use super::broadcast;
use crate::arena::{Constants, Memory};
use crate::error::{Fault, Flaw};
use crate::format::{DType, Opcode, Record, Tensor, plain};
use crate::kernels::Kernels;

/// Choice in f32.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct SelectF32 {
    /// `c`, `a` and `b`; each dimension is 1 or the output's.
    pub inputs: [Tensor; 3],
    /// `y`; may be the bytes of an operand of the same shape.
    pub output: Tensor,
}

plain!(SelectF32 { inputs, output });

impl Record for SelectF32 {
    const OPCODE: Opcode = Opcode::SelectF32;

    fn inputs(&self) -> &[Tensor] {
        &self.inputs
    }

    fn output(&self) -> &Tensor {
        &self.output
    }

    fn in_place(&self, _input: usize) -> bool {
        true
    }

    fn check(&self, _constants: Constants<'_>) -> Result<(), Flaw> {
        broadcast::check(&self.inputs, &self.output, DType::F32)
    }

    fn step<K: Kernels>(&self, _kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
        let (operands, output) = memory.operands::<f32, 3>(&self.inputs, &self.output)?;
        broadcast::run_three(&self.inputs, self.output.shape, operands, output, |c, a, b| if c != 0.0 { a } else { b })
    }
}
