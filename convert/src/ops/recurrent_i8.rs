//! The numbers of recurrent layers in int8: tables of their functions, multipliers of their gates.

use lacewing::format::Span;
use lacewing::ops::GatesI8;
use lacewing::ops::recurrent_i8::TABLE;

use crate::encode::Writer;
use crate::error::ConvertError;
use crate::graph::Function;
use crate::quantize::Weights;

/// What gates are in units of: 2⁻¹⁵.
const GATE: f64 = 1.0 / 32768.0;

/// A layer of which all numbers are known.
pub(super) struct Layer {
    /// Weights and what one step of a product stands for, without the scale of the row: of the sequence, of the state.
    weights: [Weights; 2],
    steps: [f64; 2],
    /// The largest real number, and the integer that stands for 0.
    reach: [f64; 2],
    zero: i32,
    bias: Vec<f64>,
    units: usize,
    clip: f64,
}

/// A function and the step of its argument: beyond `±2^15` of them it is constant, or the argument never is.
#[derive(Clone, Copy)]
pub(super) struct Curve {
    function: Function,
    clip: f64,
    /// The real number of one step.
    pub(super) step: f64,
}

impl Layer {
    /// The layer that is being written, if it runs in int8.
    pub(super) fn new(clip: f32, to: &Writer<'_>) -> Option<Layer> {
        let ((x, state), weights) = (to.integers()?, to.gates()?.clone());
        let (first, units) = (to.node().inputs.len() - 1, to.shape(to.node().outputs[0])[2]);
        let furthest = x.integers().into_inner();
        let furthest = (furthest.0 - i32::from(x.zero)).abs().max(furthest.1 - i32::from(x.zero));
        let steps = [x.scale, state.scale].map(f64::from);
        Some(Layer {
            weights,
            steps,
            reach: [steps[0] * f64::from(furthest), steps[1] * 32768.0],
            zero: x.zero.into(),
            bias: to.floats(first, 0).into_iter().map(f64::from).collect(),
            units,
            clip: clip.into(),
        })
    }

    /// The real number of one step of the state.
    pub(super) fn scale(&self) -> f64 {
        self.steps[1]
    }

    fn row(&self, part: usize, row: usize) -> (impl Iterator<Item = i8> + '_, f64) {
        let Weights { ints, scales, .. } = &self.weights[part];
        (ints.index_axis(ndarray::Axis(0), row).into_iter().copied(), scales[row])
    }

    /// What no sum of these gates exceeds.
    fn bound(&self, gates: std::ops::Range<usize>) -> f64 {
        let of = |row: usize, part: usize| {
            let (weights, scale) = self.row(part, row);
            scale * self.reach[part] * weights.map(|w| f64::from(w).abs()).sum::<f64>()
        };
        let bias = |row: usize| self.bias[row].abs() + self.apart(row).abs();
        let rows = gates.start * self.units..gates.end * self.units;
        rows.map(|row| of(row, 0) + of(row, 1) + bias(row)).fold(0.0, f64::max)
    }

    /// The bias of a row's state, where that is kept apart.
    fn apart(&self, row: usize) -> f64 {
        let rows = self.weights[0].scales.len();
        let at = row + self.units;
        self.bias.get(at).copied().filter(|_| self.bias.len() > rows && at >= rows).unwrap_or(0.0)
    }

    /// A function of these gates' sums.
    pub(super) fn curve(&self, function: Function, gates: std::ops::Range<usize>) -> Curve {
        Curve::new(function, self.clip, self.bound(gates))
    }

    /// Writes weights, biases and multipliers, with the steps of each gate's argument.
    pub(super) fn write(&self, steps: &[f64], to: &mut Writer<'_>) -> Result<GatesI8, ConvertError> {
        let bias = self.biases();
        let rows = self.weights[0].scales.len();
        let real =
            |part: usize, row: usize| self.steps[part] * self.weights[part].scales[row] / steps[row / self.units];
        let reals: Vec<f64> = (0..2 * rows).map(|i| real(i / rows, i % rows)).collect();
        let fits = |shift: &u8| reals.iter().all(|real| fixed(*real, *shift).is_some());
        let shift = (1..=40).rev().find(fits).ok_or_else(|| to.error("its weights are too large for its clip"))?;
        let multipliers: Vec<i32> = reals.iter().filter_map(|real| fixed(*real, shift)).collect();
        let [weights, recurrence] =
            self.weights.each_ref().map(|weights| weights.ints.iter().copied().collect::<Vec<i8>>());
        Ok(GatesI8 {
            weights: to.constant(&weights),
            recurrence: to.constant(&recurrence),
            bias: to.constant(&bias),
            multipliers: to.constant(&multipliers),
            shift,
        })
    }

    /// Biases in steps of their sums, the zero point of the sequence folded in.
    fn biases(&self) -> Vec<i32> {
        let rows = self.weights[0].scales.len();
        let rounded = |bias: f64, step: f64| if bias == 0.0 { 0 } else { (bias / step).round_ties_even() as i32 };
        let of_input = |row: usize| {
            let (weights, scale) = self.row(0, row);
            let sum: i32 = weights.map(i32::from).sum();
            rounded(self.bias[row], self.steps[0] * scale) - self.zero * sum
        };
        let of_state = |at: usize| {
            let row = at - self.units;
            rounded(self.bias[at], self.steps[1] * self.weights[1].scales[row])
        };
        (0..rows).map(of_input).chain((rows..self.bias.len()).map(of_state)).collect()
    }
}

impl Curve {
    /// A function of what does not exceed `bound`.
    pub(super) fn new(function: Function, clip: f64, bound: f64) -> Curve {
        let reach = saturation(function).min(clip).min(bound);
        let reach = if reach > 0.0 { reach } else { 1.0 };
        Curve { function, clip, step: reach / 32768.0 }
    }

    /// The table's entries as real numbers.
    fn reals(self) -> impl Iterator<Item = f64> {
        let argument = move |j: i32| (f64::from(128 * (j - 256)) * self.step).max(-self.clip).min(self.clip);
        (0..TABLE as i32).map(move |j| f64::from(self.function.eval(argument(j) as f32)))
    }

    /// A unit in which all results are int16.
    pub(super) fn unit(self) -> f64 {
        let largest = self.reals().fold(0f64, |largest, y| largest.max(y.abs()));
        if largest > 0.0 { largest / 32767.0 } else { GATE }
    }

    /// Writes the table in these units.
    pub(super) fn table(self, unit: f64, to: &mut Writer<'_>) -> Span {
        let table: Vec<i16> = self.reals().map(|y| (y / unit).round_ties_even() as i16).collect();
        to.constant(&table)
    }

    /// Writes the table of a gate.
    pub(super) fn gate(self, to: &mut Writer<'_>) -> Span {
        self.table(GATE, to)
    }
}

/// `real · 2^shift` as a multiplier, if it is one.
fn fixed(real: f64, shift: u8) -> Option<i32> {
    let m = (real * f64::powi(2.0, shift.into())).round_ties_even();
    (0.0..f64::from(i32::MAX)).contains(&m).then_some(m as i32)
}

/// A multiplier of the record, for people who read the error.
pub(super) fn multiplier(real: f64, shift: u8, to: &Writer<'_>) -> Result<i32, ConvertError> {
    let reason = format!(
        "its states are {real:.3e} times too small or too large for int16; scale the model or its calibration data"
    );
    fixed(real, shift).ok_or_else(|| to.error(reason))
}

/// From where on a function is constant, to the precision of int16.
fn saturation(function: Function) -> f64 {
    match function {
        Function::Sigmoid => 11.0,
        Function::Tanh => 5.5,
        Function::ScaledTanh { beta, .. } => 5.5 / f64::from(beta.abs()),
        Function::HardSigmoid { alpha, beta } => {
            let (alpha, beta) = (f64::from(alpha), f64::from(beta));
            (beta / alpha).abs().max(((1.0 - beta) / alpha).abs())
        }
        _ => f64::INFINITY,
    }
}
