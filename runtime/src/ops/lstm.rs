//! Long short-term memory: one direction of a whole sequence.
//!
//! With `s_g = W_g·x_t + R_g·h_{t−1} + b_g` clipped to ±clip, gates in the order `i, o, f, c`, and peepholes `p`:
//!
//! `i = φ₀(s_i + p_i⊙c_{t−1})`, `f = φ₀(s_f + p_f⊙c_{t−1})`, or `1 − i` where input and forget gate are coupled
//! `c_t = f⊙c_{t−1} + i⊙φ₁(s_c)` limited to ±bound, `o = φ₀(s_o + p_o⊙c_t)`, `h_t = o⊙φ₂(c_t)`
//!
//! The output holds `h` of every step, then the last `c`.
//!
//! int8, with states in int16 of one scale and the sums and tables of [`recurrent_i8`](super::recurrent_i8), whose tables hold the clip too:
//!
//! `c_t = sat16(⌊(2^17·f·c_{t−1} + candidate·i·φ₁(S_c) + 2^31) / 2^32⌋)`, `f = φ₀(S_f)` or `2^15 − i`
//! `h_t = sat16(⌊(result·o·φ₂(a) + 2^31) / 2^32⌋)` with `a = sat16(⌊(cell·c_t + 2^15) / 2^16⌋)`

use super::recurrent::{F32, Gates, I8, Sizes, Step, check_weights, each_step, line};
use super::recurrent_i8::{GatesI8, ONE, Table, rounded};
use super::{Function, clamp};
use crate::arena::{Constants, Memory};
use crate::error::{Fault, Flaw};
use crate::format::{Opcode, Record, Span, Tensor, decode};
use crate::kernels::Kernels;

/// LSTM in int8, with states in int16.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct LstmI8 {
    /// `x` in int8: `[1][t][b][i]`; the states before the first step, `h` and `c`, in int16: `[1][1][b][h]`.
    pub inputs: [Tensor; 3],
    /// int16 `[1][t + 1][b][h]`: `h` of each step, then `c` of the last.
    pub output: Tensor,
    /// Of `i, o, f, c`.
    pub gates: GatesI8,
    /// `φ₀, φ₁, φ₂`: 513 i16 each.
    pub tables: [Span; 3],
    /// From `i·φ₁` to the state, in units of 2⁻³²; not negative.
    pub candidate: i32,
    /// From the state to the argument of `φ₂`, in units of 2⁻¹⁶; not negative.
    pub cell: i32,
    /// From `o·φ₂` to the state, in units of 2⁻³²; not negative.
    pub result: i32,
    /// Whether the forget gate is one less the input gate.
    pub coupled: bool,
}

decode!(LstmI8 { inputs, output, gates, tables, candidate, cell, result, coupled });

/// LSTM in f32.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct LstmF32 {
    /// `x`: `[1][t][b][i]`; the states before the first step, `h` and `c`: `[1][1][b][h]`.
    pub inputs: [Tensor; 3],
    /// `[1][t + 1][b][h]`: `h` of each step, then `c` of the last.
    pub output: Tensor,
    /// `W`: `[4][h][i]`.
    pub weights: Span,
    /// `R`: `[4][h][h]`.
    pub recurrence: Span,
    /// `b`: `[4][h]`.
    pub bias: Span,
    /// `p`: `[3][h]` for `i, o, f`, or empty.
    pub peepholes: Span,
    /// `φ₀, φ₁, φ₂`.
    pub activations: [Function; 3],
    /// Limit on the sums; ∞ for none.
    pub clip: f32,
    /// Limit on the cells; ∞ for none.
    pub bound: f32,
    /// Whether the forget gate is one less the input gate.
    pub coupled: bool,
}

decode!(LstmF32 { inputs, output, weights, recurrence, bias, peepholes, activations, clip, bound, coupled });

impl Record for LstmI8 {
    const OPCODE: Opcode = Opcode::LstmI8;

    fn inputs(&self) -> &[Tensor] {
        &self.inputs
    }

    fn output(&self) -> &Tensor {
        &self.output
    }

    fn macs(&self) -> u64 {
        Sizes::macs(&self.inputs[0], &self.output, 4)
    }

    fn check(&self, constants: Constants<'_>) -> Result<(), Flaw> {
        self.gates.check(constants, self.sizes()?, [4, 4])?;
        self.tables.iter().try_for_each(|table| Table::check(constants, *table))?;
        match [self.candidate, self.cell, self.result].iter().all(|m| *m >= 0) {
            true => Ok(()),
            false => Err(Flaw::Parameter),
        }
    }

    fn step<K: Kernels>(&self, kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
        let constants = memory.constants;
        let (others, output) = memory.around(&self.output)?;
        let [x, h, c] = &self.inputs;
        self.run(kernels, constants, others.apart(x)?, [others.apart(h)?, others.apart(c)?], output)
    }
}

impl LstmI8 {
    fn sizes(&self) -> Result<Sizes, Flaw> {
        let [x, states @ ..] = &self.inputs;
        Sizes::of(x, states, &self.output, 1, I8)
    }

    fn run<K: Kernels>(
        &self,
        kernels: &K,
        constants: Constants<'_>,
        x: &[i8],
        [h0, c0]: [&[i16]; 2],
        output: &mut [i16],
    ) -> Result<(), Fault> {
        let sizes = self.sizes().map_err(|_| Fault)?;
        let sums = self.gates.sums(constants, sizes)?;
        let [gate, candidate, result] = self.tables.map(|span| Table::new(constants, span));
        let (gate, candidate, result) = (gate?, candidate?, result?);
        let [to_cell, to_argument, to_state] = [self.candidate, self.cell, self.result].map(i64::from);
        each_step(sizes, x, h0, output, |Step { x, before, after, behind, first, sequence }| {
            if first {
                behind.iter_mut().zip(line(c0, sequence, sizes.units)?).for_each(|(c, c0)| *c = *c0);
            }
            for (unit, (h, c)) in after.iter_mut().zip(behind).enumerate() {
                let value =
                    |number: usize, table: &Table<'_>| table.eval(sums.sum(kernels, number, unit, (x, before))?);
                let input = value(0, &gate)?;
                let forget = if self.coupled { ONE.wrapping_sub(input) } else { value(2, &gate)? };
                let (kept, new) = (forget.wrapping_mul((*c).into()), input.wrapping_mul(value(3, &candidate)?));
                *c = rounded((kept << 17).wrapping_add(new.wrapping_mul(to_cell)), 32);
                let shown = result.eval(rounded(i64::from(*c).wrapping_mul(to_argument), 16))?;
                *h = rounded(value(1, &gate)?.wrapping_mul(shown).wrapping_mul(to_state), 32);
            }
            Ok(())
        })
    }
}

impl Record for LstmF32 {
    const OPCODE: Opcode = Opcode::LstmF32;

    fn inputs(&self) -> &[Tensor] {
        &self.inputs
    }

    fn output(&self) -> &Tensor {
        &self.output
    }

    fn macs(&self) -> u64 {
        Sizes::macs(&self.inputs[0], &self.output, 4)
    }

    fn check(&self, constants: Constants<'_>) -> Result<(), Flaw> {
        let sizes = self.sizes()?;
        check_weights(constants, [self.weights, self.recurrence, self.bias], sizes, [4, 4])?;
        match constants.get::<f32>(self.peepholes)?.len() {
            0 => Ok(()),
            len if Some(len) == sizes.units.checked_mul(3) => Ok(()),
            _ => Err(Flaw::Constant),
        }
    }

    fn step<K: Kernels>(&self, kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
        let constants = memory.constants;
        let ([x, h, c], output) = memory.operands(&self.inputs, &self.output)?;
        self.run(kernels, constants, [x.ok_or(Fault)?, h.ok_or(Fault)?, c.ok_or(Fault)?], output)
    }
}

impl LstmF32 {
    fn sizes(&self) -> Result<Sizes, Flaw> {
        let [x, states @ ..] = &self.inputs;
        Sizes::of(x, states, &self.output, 1, F32)
    }

    fn run<K: Kernels>(
        &self,
        kernels: &K,
        constants: Constants<'_>,
        [x, h0, c0]: [&[f32]; 3],
        output: &mut [f32],
    ) -> Result<(), Fault> {
        let sizes = self.sizes().map_err(|_| Fault)?;
        let gates = Gates::new(constants, [self.weights, self.recurrence, self.bias], sizes, self.clip)?;
        let peepholes = constants.get::<f32>(self.peepholes)?;
        each_step(sizes, x, h0, output, |step| {
            let Step { x, before, after, behind, first, sequence } = step;
            if first {
                behind.iter_mut().zip(line(c0, sequence, sizes.units)?).for_each(|(c, c0)| *c = *c0);
            }
            for (unit, (h, c)) in after.iter_mut().zip(behind).enumerate() {
                let sum = |gate: usize| gates.sum(kernels, gate, unit, [x, before]);
                let peep = |number: usize, c: f32| {
                    let at = number.wrapping_mul(sizes.units).wrapping_add(unit);
                    peepholes.get(at).map_or(0.0, |p| p * c)
                };
                let [gate, candidate, result] = self.activations;
                let open = |sum: f32| gate.eval(gates.clipped(sum));
                let input = open(sum(0)? + peep(0, *c));
                let forget = if self.coupled { 1.0 - input } else { open(sum(2)? + peep(2, *c)) };
                let cell = forget * *c + input * candidate.eval(gates.clipped(sum(3)?));
                *c = clamp(cell, -self.bound, self.bound);
                *h = open(sum(1)? + peep(1, *c)) * result.eval(*c);
            }
            Ok(())
        })
    }
}
