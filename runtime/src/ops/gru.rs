//! Gated recurrent unit: one direction of a whole sequence.
//!
//! Gates in the order `z, r, n`, sums clipped to ±clip:
//!
//! `z = φ₀(W_z·x + R_z·h + b_0)`, `r = φ₀(W_r·x + R_r·h + b_1)`
//! `n = φ₁(W_n·x + b_2 + R_n·(r⊙h) + b_3)`, or `φ₁(W_n·x + b_2 + r⊙(R_n·h + b_3))` where the reset comes last
//! `h_t = (1 − z)⊙n + z⊙h`
//!
//! The output holds `h` of every step; where the reset comes first, then room for `r⊙h`.
//!
//! int8, with the state in int16 and the sums and tables of [`recurrent_i8`](super::recurrent_i8), whose tables hold the clip too:
//!
//! `S_n` of the state `sat16(⌊(r·h + 2^14) / 2^15⌋)`, or with `r·⌊(B_n + b_3)·n / 2^15⌋` for `B·n` where the reset comes last
//! `h_t = sat16(⌊(candidate·(2^15 − z)·φ₁(S_n) + 2^17·z·h + 2^31) / 2^32⌋)`

use super::Function;
use super::recurrent::{F32, Gates, I8, Sizes, Step, check_weights, each_step};
use super::recurrent_i8::{GatesI8, ONE, Table, rounded};
use crate::arena::{Constants, Memory};
use crate::error::{Fault, Flaw};
use crate::format::{Opcode, Record, Span, Tensor, decode};
use crate::kernels::Kernels;

/// GRU in int8, with the state in int16.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct GruI8 {
    /// `x` in int8: `[1][t][b][i]`; the state before the first step, `h` in int16: `[1][1][b][h]`.
    pub inputs: [Tensor; 2],
    /// int16 `[1][t][b][h]`, or `[1][t + 1][b][h]` where the reset comes first.
    pub output: Tensor,
    /// Of `z, r, n`, and with the biases `b_3` of the candidate's state.
    pub gates: GatesI8,
    /// `φ₀, φ₁`: 513 i16 each.
    pub tables: [Span; 2],
    /// From `(2^15 − z)·φ₁` to the state, in units of 2⁻³²; not negative.
    pub candidate: i32,
    /// Whether the reset comes after the product with `R_n`.
    pub reset_last: bool,
}

decode!(GruI8 { inputs, output, gates, tables, candidate, reset_last });

/// GRU in f32.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
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

decode!(GruF32 { inputs, output, weights, recurrence, bias, activations, clip, reset_last });

impl Record for GruI8 {
    const OPCODE: Opcode = Opcode::GruI8;

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
        self.gates.check(constants, self.sizes()?, [3, 4])?;
        self.tables.iter().try_for_each(|table| Table::check(constants, *table))?;
        if self.candidate >= 0 { Ok(()) } else { Err(Flaw::Parameter) }
    }

    fn step<K: Kernels>(&self, kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
        let constants = memory.constants;
        let (others, output) = memory.around(&self.output)?;
        let [x, h] = &self.inputs;
        self.run(kernels, constants, others.apart(x)?, others.apart(h)?, output)
    }
}

impl GruI8 {
    fn sizes(&self) -> Result<Sizes, Flaw> {
        let [x, states @ ..] = &self.inputs;
        Sizes::of(x, states, &self.output, u32::from(!self.reset_last), I8)
    }

    fn run<K: Kernels>(
        &self,
        kernels: &K,
        constants: Constants<'_>,
        x: &[i8],
        h0: &[i16],
        output: &mut [i16],
    ) -> Result<(), Fault> {
        let sizes = self.sizes().map_err(|_| Fault)?;
        let sums = self.gates.sums(constants, sizes)?;
        let [open, candidate] = self.tables.map(|span| Table::new(constants, span));
        let (open, candidate) = (open?, candidate?);
        each_step(sizes, x, h0, output, |Step { x, before, after, behind, .. }| {
            let gate = |gate: usize, unit: usize| open.eval(sums.sum(kernels, gate, unit, (x, before))?);
            for (unit, (reset, h)) in behind.iter_mut().zip(before).enumerate() {
                *reset = rounded(gate(1, unit)?.wrapping_mul((*h).into()), 15);
            }
            for (unit, (y, h)) in after.iter_mut().zip(before).enumerate() {
                let state = if self.reset_last { before } else { &*behind };
                let mut recurrent = sums.of_state(kernels, 2, unit, state, sums.bias(3, unit)?)?;
                if self.reset_last {
                    recurrent = gate(1, unit)?.wrapping_mul(recurrent >> 15);
                }
                let sum = sums.of_input(kernels, 2, unit, x)?.wrapping_add(recurrent);
                let (z, new) = (gate(0, unit)?, candidate.eval(sums.argument(sum))?);
                let new = ONE.wrapping_sub(z).wrapping_mul(new).wrapping_mul(self.candidate.into());
                *y = rounded(new.wrapping_add(z.wrapping_mul((*h).into()) << 17), 32);
            }
            Ok(())
        })
    }
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
        Sizes::of(x, states, &self.output, u32::from(!self.reset_last), F32)
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
