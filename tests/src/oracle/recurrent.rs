//! Recurrent layers and running sums.

use lacewing::format::{Span, Tensor};
use lacewing::ops::{CumulativeF32, Function, GruF32, LstmF32, RnnF32};

use super::function::eval;
use super::position::dims;
use super::values::{Answer, Constants, Near, Values};

pub(super) fn cumulative(op: &CumulativeF32, x: &[f32]) -> Answer {
    let (n, inner) = (op.n as usize, op.inner as usize);
    let term = |x: &f32| f64::from(*x);
    let near = |at: usize| {
        let (block, k, i) = (at / (n * inner), at / inner % n, at % inner);
        let taken = |other: &usize| match (op.reverse, op.exclusive) {
            (false, false) => *other <= k,
            (false, true) => *other < k,
            (true, false) => *other >= k,
            (true, true) => *other > k,
        };
        let terms: Vec<f64> = (0..n).filter(taken).map(|other| term(&x[(block * n + other) * inner + i])).collect();
        match op.product {
            true => {
                let value: f64 = terms.iter().product();
                Near { value, slack: value.abs() * 1e-5 + 1e-30 }
            }
            false => Near { value: terms.iter().sum(), slack: terms.iter().map(|x| x.abs()).sum::<f64>() * 1e-5 },
        }
    };
    Answer::Near((0..x.len()).map(near).collect())
}

/// Weights and sizes of a layer, and its input.
struct Layer<'a> {
    x: &'a [f32],
    sizes: [usize; 4],
    w: Vec<f32>,
    r: Vec<f32>,
    b: Vec<f32>,
    clip: f64,
}

impl<'a> Layer<'a> {
    fn new(tensors: &[Tensor], spans: [Span; 3], clip: f32, constants: Constants<'_>, x: &'a [f32]) -> Self {
        let [_, steps, batch, inputs] = dims(&tensors[0]);
        let [.., units] = dims(&tensors[1]);
        let [w, r, b] = spans.map(|span| constants.f32(span));
        Self { x, sizes: [steps, batch, inputs, units], w, r, b, clip: clip.into() }
    }

    fn input(&self, gate: usize, unit: usize, [t, b]: [usize; 2]) -> f64 {
        let [_, batch, inputs, units] = self.sizes;
        let x = &self.x[(t * batch + b) * inputs..][..inputs];
        let w = &self.w[(gate * units + unit) * inputs..][..inputs];
        x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum()
    }

    fn state(&self, gate: usize, unit: usize, h: &[f64]) -> f64 {
        let r = &self.r[(gate * h.len() + unit) * h.len()..][..h.len()];
        h.iter().zip(r).map(|(h, r)| h * f64::from(*r)).sum()
    }

    fn bias(&self, number: usize, unit: usize) -> f64 {
        self.b[number * self.sizes[3] + unit].into()
    }

    fn clipped(&self, sum: f64) -> f64 {
        sum.clamp(-self.clip, self.clip)
    }

    /// The rows of every step, from `step(t and b, h, the rest of the state)`.
    fn rows(&self, h0: &[f32], mut step: impl FnMut([usize; 2], &[f64]) -> Vec<f64>) -> Vec<f64> {
        let [steps, batch, _, units] = self.sizes;
        let mut rows = vec![0.0; steps * batch * units];
        for b in 0..batch {
            let mut h: Vec<f64> = h0[b * units..][..units].iter().map(|h| f64::from(*h)).collect();
            for t in 0..steps {
                h = step([t, b], &h);
                rows[(t * batch + b) * units..][..units].copy_from_slice(&h);
            }
        }
        rows
    }
}

/// Errors of a step pass on to the next: the slack is that of the whole sequence.
fn near(values: Vec<f64>) -> Answer {
    Answer::Near(values.into_iter().map(|value| Near { value, slack: 1e-4 + value.abs() * 1e-4 }).collect())
}

pub(super) fn rnn(op: &RnnF32, constants: Constants<'_>, inputs: &[Values]) -> Answer {
    let layer = Layer::new(&op.inputs, [op.weights, op.recurrence, op.bias], op.clip, constants, inputs[0].f32());
    near(layer.rows(inputs[1].f32(), |at, h| {
        let sum = |unit: usize| layer.input(0, unit, at) + layer.state(0, unit, h) + layer.bias(0, unit);
        (0..h.len()).map(|unit| eval(op.activation, layer.clipped(sum(unit)))).collect()
    }))
}

pub(super) fn lstm(op: &LstmF32, constants: Constants<'_>, inputs: &[Values]) -> Answer {
    let layer = Layer::new(&op.inputs, [op.weights, op.recurrence, op.bias], op.clip, constants, inputs[0].f32());
    let [f, g, r]: [Function; 3] = op.activations;
    let peepholes = constants.f32(op.peepholes);
    let mut cells: Vec<f64> = inputs[2].f32().iter().map(|c| f64::from(*c)).collect();
    let mut rows = layer.rows(inputs[1].f32(), |at, h| {
        let sum = |gate: usize, unit: usize, c: f64| {
            let peep = [Some(0), Some(1), Some(2), None][gate].and_then(|row| peepholes.get(row * h.len() + unit));
            let sum = layer.input(gate, unit, at) + layer.state(gate, unit, h) + layer.bias(gate, unit);
            layer.clipped(sum + peep.map_or(0.0, |p| f64::from(*p) * c))
        };
        let unit = |unit: usize| {
            let cell = &mut cells[at[1] * h.len() + unit];
            let input = eval(f, sum(0, unit, *cell));
            let forget = if op.coupled { 1.0 - input } else { eval(f, sum(2, unit, *cell)) };
            let bound = f64::from(op.bound);
            *cell = (forget * *cell + input * eval(g, sum(3, unit, 0.0))).clamp(-bound, bound);
            eval(f, sum(1, unit, *cell)) * eval(r, *cell)
        };
        (0..h.len()).map(unit).collect()
    });
    rows.extend(&cells);
    near(rows)
}

pub(super) fn gru(op: &GruF32, constants: Constants<'_>, inputs: &[Values]) -> Answer {
    let layer = Layer::new(&op.inputs, [op.weights, op.recurrence, op.bias], op.clip, constants, inputs[0].f32());
    let [f, g]: [Function; 2] = op.activations;
    let mut last: Vec<f64> = Vec::new();
    let mut rows = layer.rows(inputs[1].f32(), |at, h| {
        let gate = |gate: usize, unit: usize| {
            let sum = layer.input(gate, unit, at) + layer.state(gate, unit, h) + layer.bias(gate, unit);
            eval(f, layer.clipped(sum))
        };
        let reset: Vec<f64> = (0..h.len()).map(|unit| gate(1, unit) * h[unit]).collect();
        let candidate = |unit: usize| {
            let state = match op.reset_last {
                true => gate(1, unit) * (layer.state(2, unit, h) + layer.bias(3, unit)),
                false => layer.state(2, unit, &reset) + layer.bias(3, unit),
            };
            eval(g, layer.clipped(layer.input(2, unit, at) + layer.bias(2, unit) + state))
        };
        let row = (0..h.len()).map(|unit| (1.0 - gate(0, unit)) * candidate(unit) + gate(0, unit) * h[unit]).collect();
        if at[0] + 1 == layer.sizes[0] {
            last.extend(&reset);
        }
        row
    });
    if !op.reset_last {
        rows.extend(last);
    }
    near(rows)
}
