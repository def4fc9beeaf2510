//! Recurrent layers in integers.

use lacewing::format::{Span, Tensor};
use lacewing::ops::{GatesI8, GruI8, LstmI8, RnnI8};

use super::position::dims;
use super::requant::wrap;
use super::values::{Answer, Constants, Values};

/// `sat16(⌊sum / 2^shift + 1/2⌋)`.
fn rounded(sum: i128, shift: u32) -> i128 {
    let half = 1i128 << (shift - 1);
    (sum + half).div_euclid(1 << shift).clamp(-32768, 32767)
}

/// Weights and sizes of a layer, and its input.
struct Layer<'a> {
    x: &'a [i8],
    sizes: [usize; 4],
    w: Vec<i8>,
    r: Vec<i8>,
    b: Vec<i32>,
    multipliers: Vec<i32>,
    shift: u32,
}

impl<'a> Layer<'a> {
    fn new(tensors: &[Tensor], gates: &GatesI8, constants: Constants<'_>, x: &'a [i8]) -> Self {
        let [_, steps, batch, inputs] = dims(&tensors[0]);
        let [.., units] = dims(&tensors[1]);
        Self {
            x,
            sizes: [steps, batch, inputs, units],
            w: constants.i8(gates.weights),
            r: constants.i8(gates.recurrence),
            b: constants.i32(gates.bias),
            multipliers: constants.i32(gates.multipliers),
            shift: gates.shift.into(),
        }
    }

    /// `A·m`.
    fn input(&self, gate: usize, unit: usize, [t, b]: [usize; 2]) -> i128 {
        let [_, batch, inputs, units] = self.sizes;
        let row = gate * units + unit;
        let terms = (0..inputs)
            .map(|k| i128::from(self.x[(t * batch + b) * inputs + k]) * i128::from(self.w[row * inputs + k]));
        wrap(terms.sum::<i128>() + i128::from(self.b[row])) * i128::from(self.multipliers[row])
    }

    /// `(B + bias)·n`.
    fn state(&self, gate: usize, unit: usize, h: &[i128], bias: i32) -> i128 {
        let row = gate * h.len() + unit;
        let terms = (0..h.len()).map(|k| h[k] * i128::from(self.r[row * h.len() + k]));
        wrap(terms.sum::<i128>() + i128::from(bias)) * i128::from(self.multipliers[self.multipliers.len() / 2 + row])
    }

    fn sum(&self, gate: usize, unit: usize, at: [usize; 2], h: &[i128]) -> i128 {
        rounded(self.input(gate, unit, at) + self.state(gate, unit, h, 0), self.shift)
    }

    /// The rows of every step, from `step(t and b, h)`.
    fn rows(&self, h0: &[i16], mut step: impl FnMut([usize; 2], &[i128]) -> Vec<i128>) -> Vec<i128> {
        let [steps, batch, _, units] = self.sizes;
        let mut rows = vec![0; steps * batch * units];
        for b in 0..batch {
            let mut h: Vec<i128> = h0[b * units..][..units].iter().map(|h| i128::from(*h)).collect();
            for t in 0..steps {
                h = step([t, b], &h);
                rows[(t * batch + b) * units..][..units].copy_from_slice(&h);
            }
        }
        rows
    }
}

/// The function of a table, `q` between two of its entries.
fn function(constants: Constants<'_>, span: Span) -> impl Fn(i128) -> i128 {
    let table = constants.i16(span);
    move |q| {
        let (j, k) = ((q + 32768) / 128, (q + 32768) % 128);
        let entry = |j: i128| i128::from(table[usize::try_from(j).expect("an entry")]);
        (entry(j) * (128 - k) + entry(j + 1) * k + 64).div_euclid(128)
    }
}

fn exact(rows: Vec<i128>) -> Answer {
    Values::I16(rows.into_iter().map(|h| i16::try_from(h).expect("saturated")).collect()).into()
}

pub(super) fn rnn(op: &RnnI8, constants: Constants<'_>, inputs: &[Values]) -> Answer {
    let layer = Layer::new(&op.inputs, &op.gates, constants, inputs[0].i8());
    let f = function(constants, op.table);
    exact(layer.rows(inputs[1].i16(), |at, h| (0..h.len()).map(|unit| f(layer.sum(0, unit, at, h))).collect()))
}

pub(super) fn lstm(op: &LstmI8, constants: Constants<'_>, inputs: &[Values]) -> Answer {
    let layer = Layer::new(&op.inputs, &op.gates, constants, inputs[0].i8());
    let [f, g, r] = op.tables.map(|span| function(constants, span));
    let [candidate, cell, result] = [op.candidate, op.cell, op.result].map(i128::from);
    let mut cells: Vec<i128> = inputs[2].i16().iter().map(|c| i128::from(*c)).collect();
    let mut rows = layer.rows(inputs[1].i16(), |at, h| {
        let unit = |unit: usize| {
            let sum = |gate: usize| layer.sum(gate, unit, at, h);
            let c = &mut cells[at[1] * h.len() + unit];
            let input = f(sum(0));
            let forget = if op.coupled { 32768 - input } else { f(sum(2)) };
            *c = rounded(forget * *c * (1 << 17) + input * g(sum(3)) * candidate, 32);
            rounded(f(sum(1)) * r(rounded(*c * cell, 16)) * result, 32)
        };
        (0..h.len()).map(unit).collect()
    });
    rows.extend(&cells);
    exact(rows)
}

pub(super) fn gru(op: &GruI8, constants: Constants<'_>, inputs: &[Values]) -> Answer {
    let layer = Layer::new(&op.inputs, &op.gates, constants, inputs[0].i8());
    let [f, g] = op.tables.map(|span| function(constants, span));
    let mut last: Vec<i128> = Vec::new();
    let mut rows = layer.rows(inputs[1].i16(), |at, h| {
        let gate = |gate: usize, unit: usize| f(layer.sum(gate, unit, at, h));
        let reset: Vec<i128> = (0..h.len()).map(|unit| rounded(gate(1, unit) * h[unit], 15)).collect();
        let candidate = |unit: usize| {
            let bias = layer.b[3 * h.len() + unit];
            let state = match op.reset_last {
                true => gate(1, unit) * layer.state(2, unit, h, bias).div_euclid(1 << 15),
                false => layer.state(2, unit, &reset, bias),
            };
            g(rounded(layer.input(2, unit, at) + state, layer.shift))
        };
        let mixed = |unit: usize| {
            let z = gate(0, unit);
            rounded((32768 - z) * candidate(unit) * i128::from(op.candidate) + z * h[unit] * (1 << 17), 32)
        };
        let row = (0..h.len()).map(mixed).collect();
        if at[0] + 1 == layer.sizes[0] {
            last.extend(&reset);
        }
        row
    });
    if !op.reset_last {
        rows.extend(last);
    }
    exact(rows)
}
