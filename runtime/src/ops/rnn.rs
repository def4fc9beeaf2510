//! Plain recurrent layer: one direction of a whole sequence, `h_t = φ(W·x_t + R·h_{t−1} + b)` with the sum clipped to ±clip.
//!
//! The output holds `h` of every step.

use serde::{Deserialize, Serialize};

use super::Function;
use super::recurrent::{Gates, Sizes, Step, check_weights, each_step};
use crate::arena::{Constants, Memory};
use crate::error::{Fault, Flaw};
use crate::format::{Opcode, Record, Span, Tensor};
use crate::kernels::Kernels;

/// Plain recurrent layer in f32.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
        Sizes::of(x, states, &self.output, 0)
    }
}
