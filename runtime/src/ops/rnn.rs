//! Plain recurrent layer: one direction of a whole sequence, `h_t = φ(W·x_t + R·h_{t−1} + b)` with the sum clipped to ±clip.
//!
//! The output holds `h` of every step.
//!
//! int8, with the state in int16: `h_t = φ(S)` by the sums and tables of [`recurrent_i8`](super::recurrent_i8).

use super::Function;
use super::recurrent::{F32, Gates, I8, Sizes, Step, check_weights, each_step};
use super::recurrent_i8::{GatesI8, Table};
use crate::arena::{Constants, Memory};
use crate::error::{Fault, Flaw};
use crate::format::{Opcode, Record, Span, Tensor, decode, plain};
use crate::kernels::Kernels;

/// Plain recurrent layer in int8, with the state in int16.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct RnnI8 {
    /// `x` in int8: `[1][t][b][i]`; the state before the first step, `h` in int16: `[1][1][b][h]`.
    pub inputs: [Tensor; 2],
    /// int16 `[1][t][b][h]`.
    pub output: Tensor,
    /// One gate.
    pub gates: GatesI8,
    /// `φ`: 513 i16, in units of the state.
    pub table: Span,
}

plain!(RnnI8 { inputs, output, gates, table });

/// Plain recurrent layer in f32.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct RnnF32 {
    /// `x`: `[1][t][b][i]`; the state before the first step, `h`: `[1][1][b][h]`.
    pub inputs: [Tensor; 2],
    /// `[1][t][b][h]`.
    pub output: Tensor,
    /// `W`: `[h][i]`.
    pub weights: Span,
    /// `R`: `[h][h]`.
    pub recurrence: Span,
    /// `b`: `[h]`.
    pub bias: Span,
    /// `φ`.
    pub activation: Function,
    /// Limit on the sums; ∞ for none.
    pub clip: f32,
}

decode!(RnnF32 { inputs, output, weights, recurrence, bias, activation, clip });

impl Record for RnnI8 {
    const OPCODE: Opcode = Opcode::RnnI8;

    fn inputs(&self) -> &[Tensor] {
        &self.inputs
    }

    fn output(&self) -> &Tensor {
        &self.output
    }

    fn macs(&self) -> u64 {
        Sizes::macs(&self.inputs[0], &self.output, 1)
    }

    fn check(&self, constants: Constants<'_>) -> Result<(), Flaw> {
        self.gates.check(constants, self.sizes()?, [1, 1])?;
        Table::check(constants, self.table)
    }

    fn step<K: Kernels>(&self, kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
        let constants = memory.constants;
        let (others, output) = memory.around::<i16>(&self.output)?;
        let [x, h] = &self.inputs;
        let sizes = self.sizes().map_err(|_| Fault)?;
        let (sums, table) = (self.gates.sums(constants, sizes)?, Table::new(constants, self.table)?);
        each_step(sizes, others.apart::<i8>(x)?, others.apart(h)?, output, |Step { x, before, after, .. }| {
            for (unit, y) in after.iter_mut().enumerate() {
                *y = table.eval(sums.sum(kernels, 0, unit, (x, before))?)? as i16;
            }
            Ok(())
        })
    }
}

impl RnnI8 {
    fn sizes(&self) -> Result<Sizes, Flaw> {
        let [x, states @ ..] = &self.inputs;
        Sizes::of(x, states, &self.output, 0, I8)
    }
}

impl Record for RnnF32 {
    const OPCODE: Opcode = Opcode::RnnF32;

    fn inputs(&self) -> &[Tensor] {
        &self.inputs
    }

    fn output(&self) -> &Tensor {
        &self.output
    }

    fn macs(&self) -> u64 {
        Sizes::macs(&self.inputs[0], &self.output, 1)
    }

    fn check(&self, constants: Constants<'_>) -> Result<(), Flaw> {
        check_weights(constants, [self.weights, self.recurrence, self.bias], self.sizes()?, [1, 1])
    }

    fn step<K: Kernels>(&self, kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
        let constants = memory.constants;
        let ([x, h], output) = memory.operands(&self.inputs, &self.output)?;
        let sizes = self.sizes().map_err(|_| Fault)?;
        let gates = Gates::new(constants, [self.weights, self.recurrence, self.bias], sizes, self.clip)?;
        each_step(sizes, x.ok_or(Fault)?, h.ok_or(Fault)?, output, |Step { x, before, after, .. }| {
            for (unit, y) in after.iter_mut().enumerate() {
                *y = self.activation.eval(gates.clipped(gates.sum(kernels, 0, unit, [x, before])?));
            }
            Ok(())
        })
    }
}

impl RnnF32 {
    fn sizes(&self) -> Result<Sizes, Flaw> {
        let [x, states @ ..] = &self.inputs;
        Sizes::of(x, states, &self.output, 0, F32)
    }
}
