//! Gated recurrent unit: one direction of a whole sequence.
//!
//! Gates in the order `z, r, n`, sums clipped to ±clip:
//!
//! `z = φ₀(W_z·x + R_z·h + b_0)`, `r = φ₀(W_r·x + R_r·h + b_1)`
//! `n = φ₁(W_n·x + b_2 + R_n·(r⊙h) + b_3)`, or `φ₁(W_n·x + b_2 + r⊙(R_n·h + b_3))` where the reset comes last
//! `h_t = (1 − z)⊙n + z⊙h`
//!
//! The output holds `h` of every step; where the reset comes first, then room for `r⊙h`.

use serde::{Deserialize, Serialize};

use super::Function;
use super::recurrent::{Gates, Sizes, Step, check_weights, each_step};
use crate::arena::{Constants, Memory};
use crate::error::{Fault, Flaw};
use crate::format::{Opcode, Record, Span, Tensor};
use crate::kernels::Kernels;

/// GRU in f32.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GruF32 {
    /// `x`: `[1][t][b][i]`; the state before the first step, `h`: `[1][1][b][h]`.
    pub inputs: [Tensor; 2],
    /// `[1][t][b][h]`, or `[1][t + 1][b][h]` where the reset comes first.
    pub output: Tensor,
    /// `W`: `[3][h][i]`.
    pub weights: Span,
    /// `R`: `[3][h][h]`.
    pub recurrence: Span,
    /// `b`: `[4][h]`.
    pub bias: Span,
    /// `φ₀, φ₁`.
    pub activations: [Function; 2],
    /// Limit on the sums; ∞ for none.
    pub clip: f32,
    /// Whether the reset comes after the product with `R_n`.
    pub reset_last: bool,
}

impl Record for GruF32 {
    const OPCODE: Opcode = Opcode::GruF32;

    fn inputs(&self) -> &[Tensor] {
        &self.inputs
    }

    fn output(&self) -> &Tensor {
        &self.output
    }

    fn macs(&self) -> u64 {
        Sizes::macs(&self.inputs[0], &self.output, 3)
    }

    fn check(&self, constants: Constants<'_>) -> Result<(), Flaw> {
        check_weights(constants, [self.weights, self.recurrence, self.bias], self.sizes()?, [3, 4])
    }

    fn step<K: Kernels>(&self, kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
        let constants = memory.constants;
        let ([x, h], output) = memory.operands(&self.inputs, &self.output)?;
        self.run(kernels, constants, [x.ok_or(Fault)?, h.ok_or(Fault)?], output)
    }
}

impl GruF32 {
    fn sizes(&self) -> Result<Sizes, Flaw> {
        let [x, states @ ..] = &self.inputs;
        Sizes::of(x, states, &self.output, u32::from(!self.reset_last))
    }

    fn run<K: Kernels>(
        &self,
        kernels: &K,
        constants: Constants<'_>,
        [x, h0]: [&[f32]; 2],
        output: &mut [f32],
    ) -> Result<(), Fault> {
        let sizes = self.sizes().map_err(|_| Fault)?;
        let gates = Gates::new(constants, [self.weights, self.recurrence, self.bias], sizes, self.clip)?;
        each_step(sizes, x, h0, output, |Step { x, before, after, behind, .. }| {
            let [open, candidate] = self.activations;
            let gate =
                |gate: usize, unit: usize| Ok(open.eval(gates.clipped(gates.sum(kernels, gate, unit, [x, before])?)));
            for (unit, (reset, h)) in behind.iter_mut().zip(before).enumerate() {
                *reset = gate(1, unit)? * h;
            }
            for (unit, (y, h)) in after.iter_mut().zip(before).enumerate() {
                let recurrent = match self.reset_last {
                    true => gate(1, unit)? * (gates.of_state(kernels, 2, unit, before)? + gates.bias(3, unit)?),
                    false => gates.of_state(kernels, 2, unit, behind)? + gates.bias(3, unit)?,
                };
                let sum = gates.of_input(kernels, 2, unit, x)? + gates.bias(2, unit)? + recurrent;
                let z = gate(0, unit)?;
                *y = (1.0 - z) * candidate.eval(gates.clipped(sum)) + z * h;
            }
            Ok(())
        })
    }
}
