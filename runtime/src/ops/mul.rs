//! Products, with broadcasting.
//!
//! int8: `y = requantize((a − za)·(b − zb))` with one multiplier. f32: `y = clamp(a·b, lo, hi)`.

use serde::{Deserialize, Serialize};

use super::add::record_f32;
use super::{broadcast, clamp};
use crate::arena::{Constants, Memory, Operand};
use crate::error::{Fault, Flaw};
use crate::format::{DType, Opcode, Record, Tensor};
use crate::kernels::Kernels;
use crate::requant::Rounding;

/// Product in int8.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MulI8 {
    /// `a` and `b`; each dimension is 1 or the output's.
    pub inputs: [Tensor; 2],
    /// `y`; may be the bytes of an operand of the same shape.
    pub output: Tensor,
    /// `za` and `zb`.
    pub zeros: [i8; 2],
    /// `m` of the requantization.
    pub multiplier: i32,
    /// Its left shift, 0..=30.
    pub shift: u8,
    /// The output's zero point.
    pub zero: i8,
    /// Smallest result.
    pub lo: i8,
    /// Largest result.
    pub hi: i8,
}

impl Record for MulI8 {
    const OPCODE: Opcode = Opcode::MulI8;

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
        if self.shift > 30 {
            return Err(Flaw::Parameter);
        }
        broadcast::check(&self.inputs, &self.output, DType::I8)
    }

    fn step<K: Kernels>(&self, kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
        let [a, b] = &self.inputs;
        let (a, b, output) = memory.binary(a, b, &self.output)?;
        kernels.mul_i8(self, a, b, output)
    }
}

record_f32!(
    /// Product in f32.
    MulF32, *
);

/// The portable kernel in int8.
///
/// # Errors
/// [`Fault`] if the record was not checked or the slices do not fit it.
pub fn run_i8(op: &MulI8, a: Operand<'_, i8>, b: Operand<'_, i8>, output: &mut [i8]) -> Result<(), Fault> {
    let MulI8 { zeros: [za, zb], multiplier, shift, zero, lo, hi, .. } = *op;
    let rounding = Rounding { multiplier, shift, zero, lo, hi };
    broadcast::run(&op.inputs, op.output.shape, [a, b], output, |a, b| {
        let centered = |q: i8, zero: i8| i32::from(q) - i32::from(zero);
        rounding.apply(centered(a, za).wrapping_mul(centered(b, zb)))
    })
}
