//! Integer weights with one scale for each output channel.

use ndarray::{ArrayD, Axis};

use super::{Params, Width};
use crate::error::ConvertError;
use crate::graph::{Graph, Grid, Node};

/// What one weight takes in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bits {
    /// A byte: −127..=127, in imported files −128 too.
    #[default]
    Eight,
    /// Half a byte: −8..=7; rounded to the nearest, −7..=7.
    Four,
}

impl Bits {
    /// The largest integer, and of weights that are rounded to the nearest the negative of the smallest.
    #[must_use]
    pub const fn largest(self) -> i8 {
        match self {
            Self::Eight => 127,
            Self::Four => 7,
        }
    }

    /// The least and the largest integer of weights that are fitted: one more of fifteen counts, of 255 it does not.
    #[must_use]
    pub const fn limits(self) -> (f64, f64) {
        match self {
            Self::Eight => (-127.0, 127.0),
            Self::Four => (-8.0, 7.0),
        }
    }
}

/// Integer weights of one node.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// `[out][..]` in the order of the graph's weights.
    pub ints: ArrayD<i8>,
    /// Real value of one step, for each output channel.
    pub scales: Vec<f64>,
    /// The integer that stands for 0, for each output channel; empty if it is 0 for all.
    pub zeros: Vec<i8>,
    /// What one takes in the file.
    pub bits: Bits,
    /// What must not be rounded anew, if channels were left out of a finished program.
    pub exact: Option<Exact>,
}

/// Numbers of a layer that lost channels, by which its results keep every bit.
#[derive(Clone, Debug, PartialEq)]
pub struct Exact {
    /// The bias in steps of the sum, for each output channel; f32 does not hold all of them.
    pub bias: Vec<i64>,
    /// The shift that the multipliers had with all channels.
    pub shift: Option<u8>,
}

/// No sum may be larger. Below it a multiplier's own rounding moves a result of int8 by less than 1/16 step; of int16 the encoder looks
/// itself.
pub(crate) fn largest_sum_of(width: Width) -> f64 {
    match width {
        Width::I8 => f64::powi(2.0, 28),
        Width::I16 => f64::powi(2.0, 40),
    }
}

impl Weights {
    /// The integer that stands for 0 in an output channel.
    pub(crate) fn zero(&self, channel: usize) -> i8 {
        self.zeros.get(channel).copied().unwrap_or(0)
    }

    /// The bias `real` of an output channel in steps of its sum; 0 for a channel without weights.
    pub(crate) fn bias_steps(&self, channel: usize, real: f32, input: Params) -> i64 {
        let step = f64::from(input.scale) * self.scales[channel];
        match &self.exact {
            Some(exact) => exact.bias[channel],
            None if step == 0.0 => 0,
            None => (f64::from(real) / step).round_ties_even() as i64,
        }
    }

    /// Whether no sum of them with that bias is too large for the accumulator.
    #[must_use]
    pub fn fit(&self, bias: impl Iterator<Item = f32>, input: Params) -> bool {
        let limit = largest_sum_of(input.width);
        let channels = self.ints.axis_iter(Axis(0)).zip(&self.scales).zip(bias);
        let sum = |((channel, scale), bias): ((ndarray::ArrayViewD<'_, i8>, &f64), f32)| {
            largest_sum(channel.iter().copied(), 0, (bias.into(), *scale), input)
        };
        channels.map(sum).all(|sum| sum < limit)
    }
}

/// Rounds each output channel's weights to the integers of `bits`, and coarser where sum or bias would be too large for the accumulator.
/// The integers of a quantized file stay, and are refused where they are too large.
pub(super) fn nearest(graph: &Graph, node: &Node, input: Params, bits: Bits) -> Result<Weights, ConvertError> {
    let floats = graph.constant(node.inputs[1]).expect("weights are constants after import");
    let grid = graph.value(node.inputs[1]).grid.as_deref();
    let bias = node.inputs.get(2).and_then(|bias| graph.constant(*bias));
    let zeros = grid.map_or_else(Vec::new, |grid| zeros(floats, grid));
    // The integers of a quantized file stay as they are; int4 weights meet int8 activations alone.
    let bits = if grid.is_some() || input.width == Width::I16 { Bits::Eight } else { bits };
    let limit = largest_sum_of(input.width);
    let mut ints = ArrayD::zeros(floats.raw_dim());
    let mut scales = Vec::with_capacity(floats.shape()[0]);
    for (o, (channel, mut to)) in floats.axis_iter(Axis(0)).zip(ints.axis_iter_mut(Axis(0))).enumerate() {
        let bias = bias.map_or(0.0, |bias| f64::from(bias[o]));
        let largest = channel.iter().fold(0f64, |most, w| most.max(f64::from(w.abs())));
        let given = grid.map(|grid| f64::from(grid.scale(o)));
        let mut scale = given.filter(|_| largest > 0.0).unwrap_or(largest / f64::from(bits.largest()));
        let zero = zeros.get(o).copied().unwrap_or(0);
        loop {
            to.zip_mut_with(&channel, |q, w| {
                *q = round_weight(*w, scale, zero, if given.is_some() { -128 } else { -bits.largest() })
            });
            let sum = largest_sum(to.iter().copied(), zero, (bias, scale), input);
            if scale == 0.0 || sum < limit {
                break;
            }
            if given.is_some() {
                return Err(too_large(node, o, sum, limit));
            }
            scale *= 1.01 * sum / limit;
        }
        scales.push(scale);
    }
    Ok(Weights { ints, scales, zeros, bits, exact: None })
}

/// The zero points of a quantized file's weights, one for each output channel; none if all weights less their zero points are
/// within int8 and can stand for themselves.
fn zeros(floats: &ArrayD<f32>, grid: &Grid) -> Vec<i8> {
    let channels = || floats.axis_iter(Axis(0)).enumerate();
    let fits = |w: f32, scale: f32| (-128.0..=127.0).contains(&(w / scale).round_ties_even());
    if channels().all(|(o, channel)| channel.iter().all(|w| fits(*w, grid.scale(o)))) {
        return Vec::new();
    }
    channels().map(|(o, _)| grid.zero(o).clamp(-128, 127) as i8).collect()
}

fn too_large(node: &Node, channel: usize, sum: f64, limit: f64) -> ConvertError {
    let reason = format!(
        "channel {channel} of its integer weights and bias sums up to {sum:.3e}, beyond {limit:.3e}, where a result may be wrong \
         by 1/16 step; quantize the float model instead"
    );
    ConvertError::Node { op: crate::encode::name(&node.op).into(), node: node.name.clone(), reason }
}

/// The integer next to `w / scale + zero`, between `least` and 127.
pub(super) fn round_weight(w: f32, scale: f64, zero: i8, least: i8) -> i8 {
    let steps = if scale == 0.0 { 0.0 } else { (f64::from(w) / scale).round_ties_even() };
    (steps + f64::from(zero)).clamp(f64::from(least), 127.0) as i8
}

/// `|b| + 128·Σ|w − zero|`, in int16 `2^15`, with the bias in steps of the sum, the input's zero point folded in.
fn largest_sum(weights: impl Iterator<Item = i8> + Clone, zero: i8, (bias, scale): (f64, f64), input: Params) -> f64 {
    let step = f64::from(input.scale) * scale;
    let folded = if step == 0.0 { 0.0 } else { bias / step };
    let centered = weights.map(|w| i64::from(w) - i64::from(zero));
    let (sum, absolute) = (centered.clone().sum::<i64>(), centered.map(i64::abs).sum::<i64>());
    let farthest = -f64::from(*input.integers().start());
    (folded - f64::from(input.zero) * sum as f64).abs() + farthest * absolute as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_bounded() {
        let weights = [1i8, -2, 3];
        assert_eq!(
            largest_sum(weights.iter().copied(), 0, (10.0, 1.0), Params::int8(0.5, -4)),
            (20.0f64 + 8.0) + 128.0 * 6.0
        );
        assert_eq!(
            largest_sum(weights.iter().copied(), -2, (10.0, 1.0), Params::int8(0.5, -4)),
            (20.0f64 + 32.0) + 128.0 * 8.0
        );
    }
}
