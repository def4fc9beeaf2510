//! What the channels of a stream are multiplied by: of some candidates the one with the least estimated noise.
//!
//! A stream is written into members `m` of scale `s_m` and read by layers of weights `W`, whose largest in output `o` is `r_o` and has
//! `n` steps to 0. Rounding is noise of a twelfth of a squared step, so that with factors `a` the readers compute
//!
//! `Σ_m s_m² / 12 · Σ_oc W_oc² / a_c²  +  Σ_o (r_o / n)² / 12 · Σ_c a_c² · E[x_c²]`
//!
//! too much, the left for activations and the right for weights. Both `s_m` and `r_o` follow from `a`. A depthwise convolution has a scale
//! for each channel's weights: they lose nothing, and there is no right sum.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use ndarray::{ArrayViewD, Axis};

use super::seen::Seen;
use super::streams::{is_depthwise, is_layer, limit};
use crate::channels::count;
use crate::graph::{Graph, Node, ValueId};
use crate::quantize::{Bits, Policy, Precision};

/// The least part of the largest that counts.
const LEAST: f64 = 1.0 / 16.0;

/// Tenths of `α` that are tried. What is rounded by fitting loses less than the estimate says, so that more would be too much.
const TENTHS: RangeInclusive<u32> = 0..=MOST;
/// Where int4 reads, the only one.
const MOST: u32 = 7;

/// Other samples may exceed the largest number of `n` samples by this part of it, divided by `√n`.
const MARGIN: f64 = 2.0;

/// What is known of a stream.
pub(super) struct Stream {
    members: Vec<Member>,
    readers: Vec<Reader>,
    channels: usize,
    /// What a limit has to spare above the largest number of the samples.
    margin: f64,
}

/// A value whose channels are multiplied.
struct Member {
    seen: Seen,
    /// Where its activation ends.
    limit: Option<f64>,
    is_wide: bool,
}

/// A layer that reads a stream.
struct Reader {
    /// `Σ_o W_oc²` of each channel.
    gains: Vec<f64>,
    /// The largest weight of each output that reads a channel; of no output for a depthwise convolution.
    peaks: Vec<Vec<f64>>,
    /// The largest weight that reads each channel, as a part of the largest of all.
    shares: Vec<f64>,
    /// `E[x_c²]` of each channel, times the taps of the kernel.
    powers: Vec<f64>,
    /// `n`.
    steps: f64,
}

impl Stream {
    /// Of `seen` on so many samples.
    pub(super) fn new(
        graph: &Graph,
        members: &HashSet<ValueId>,
        (seen, samples): (&[Seen], usize),
        policy: &Policy,
    ) -> Self {
        let member = |node: &Node| Member::new(node, &seen[node.outputs[0].0], policy);
        let reader = |node: &Node| Reader::new(graph, node, &seen[node.inputs[0].0], policy);
        let written = graph.nodes.iter().filter(|node| members.contains(&node.outputs[0]));
        let read = graph.nodes.iter().filter(|node| members.contains(&node.inputs[0]) && is_layer(graph, node));
        Self {
            members: written.map(member).collect(),
            readers: read.map(reader).collect(),
            channels: members.iter().map(|id| count(graph, *id)).max().unwrap_or(0),
            margin: 1.0 + MARGIN / (samples as f64).sqrt(),
        }
    }

    /// `a` of each channel.
    pub(super) fn factors(&self) -> Vec<f64> {
        let tenths = if self.readers.iter().any(|reader| reader.steps < 127.0) { MOST..=MOST } else { TENTHS };
        let all = |of: &dyn Fn(usize) -> f64| parts(&(0..self.channels).map(of).collect::<Vec<f64>>());
        let shares = (all(&|channel| self.most(channel)), all(&|channel| self.peak(channel)));
        let candidates = tenths.map(|tenths| self.candidate(f64::from(tenths) / 10.0, &shares));
        let judged = candidates.map(|a| (self.noise(&a), a));
        let best = judged.reduce(|best, next| if next.0 < best.0 { next } else { best });
        best.map(|(_, a)| a).unwrap_or_default()
    }

    /// `w^α / x^(1−α)`, within the limits.
    fn candidate(&self, alpha: f64, (x, w): &(Vec<f64>, Vec<f64>)) -> Vec<f64> {
        let raw = x.iter().zip(w).map(|(x, w)| libm::pow(*w, alpha) / libm::pow(*x, 1.0 - alpha));
        raw.enumerate().map(|(channel, a)| self.limited(channel, a)).collect()
    }

    /// The largest magnitude of a channel.
    fn most(&self, channel: usize) -> f64 {
        most(self.members.iter().map(|member| member.seen.most(channel)))
    }

    /// The largest weight that reads a channel, as a part of the largest of its layer.
    fn peak(&self, channel: usize) -> f64 {
        most(self.readers.iter().map(|reader| reader.shares[channel]))
    }

    /// `a`, at least 1 and at most what brings the largest number to the limit, wherever an activation has one.
    fn limited(&self, channel: usize, a: f64) -> f64 {
        let room = |member: &Member| member.room(self.margin * member.seen.most(channel));
        let room = self.members.iter().filter_map(room).reduce(f64::min);
        room.map_or(a, |room| a.clamp(1.0, room))
    }

    fn noise(&self, a: &[f64]) -> f64 {
        let rounding = self.members.iter().map(|member| member.scale(a).powi(2)).sum();
        self.readers.iter().map(|reader| reader.noise(a, rounding)).sum()
    }
}

impl Member {
    fn new(node: &Node, seen: &Seen, policy: &Policy) -> Self {
        let is_wide = policy.of(&node.name) == Precision::Int16;
        Self { seen: seen.clone(), limit: limit(node).map(f64::from), is_wide }
    }

    /// How often a number fits below the limit, if there is one.
    fn room(&self, number: f64) -> Option<f64> {
        self.limit.map(|limit| limit / number.clamp(limit * LEAST, limit))
    }

    /// `s_m`.
    fn scale(&self, a: &[f64]) -> f64 {
        let ends = self.seen.lo.iter().zip(&self.seen.hi).zip(a);
        let scaled = ends.map(|((lo, hi), a)| (f64::from(*lo) * a, f64::from(*hi) * a));
        let (lo, hi) = scaled.fold((0.0, 0.0), |all: (f64, f64), one| (all.0.min(one.0), all.1.max(one.1)));
        if self.is_wide { hi.max(-lo) / 32767.0 } else { (hi - lo) / 255.0 }
    }
}

impl Reader {
    fn new(graph: &Graph, node: &Node, seen: &Seen, policy: &Policy) -> Self {
        let weights = graph.constant(node.inputs[1]).expect("a layer's weights are constants");
        let is_depthwise = is_depthwise(graph, node);
        let channels = Axis(if is_depthwise { 0 } else { weights.ndim() - 1 });
        let gains: Vec<f64> = weights.axis_iter(channels).map(squares).collect();
        let row = |row: ArrayViewD<f32>| row.axis_iter(Axis(row.ndim() - 1)).map(largest).collect();
        let peaks: Vec<Vec<f64>> = weights.axis_iter(Axis(0)).filter(|_| !is_depthwise).map(row).collect();
        let taps = weights.len() / (weights.shape()[0] * gains.len()).max(1);
        let powers: Vec<f64> = (0..gains.len()).map(|channel| taps as f64 * seen.power(channel)).collect();
        let steps = match policy.bits(&node.name) {
            Bits::Eight => 127.0,
            Bits::Four => 7.5,
        };
        Self { gains, shares: shares(&peaks, powers.len()), peaks, powers, steps }
    }

    /// The noise of what it computes, `rounding` being `Σ_m s_m²`.
    fn noise(&self, a: &[f64], rounding: f64) -> f64 {
        let gain: f64 = self.gains.iter().zip(a).map(|(gain, a)| gain / (a * a)).sum();
        let power: f64 = self.powers.iter().zip(a).map(|(power, a)| power * a * a).sum();
        let step = |row: &Vec<f64>| most(row.iter().zip(a).map(|(w, a)| w / a)) / self.steps;
        let steps: f64 = self.peaks.iter().map(|row| step(row).powi(2)).sum();
        (rounding * gain + steps * power) / 12.0
    }
}

/// The largest weight of each channel, as a part of the largest of all.
fn shares(peaks: &[Vec<f64>], channels: usize) -> Vec<f64> {
    let whole = most(peaks.iter().flatten().copied()).max(f64::MIN_POSITIVE);
    (0..channels).map(|channel| most(peaks.iter().map(|row| row[channel])) / whole).collect()
}

fn squares(weights: ArrayViewD<f32>) -> f64 {
    weights.iter().map(|w| f64::from(*w).powi(2)).sum()
}

fn largest(weights: ArrayViewD<f32>) -> f64 {
    most(weights.iter().map(|w| f64::from(w.abs())))
}

/// The largest of magnitudes.
fn most(magnitudes: impl Iterator<Item = f64>) -> f64 {
    magnitudes.fold(0.0, f64::max)
}

/// Magnitudes as parts of the largest.
fn parts(magnitudes: &[f64]) -> Vec<f64> {
    let whole = most(magnitudes.iter().copied());
    let part = |x: &f64| if whole > 0.0 { (x / whole).max(LEAST) } else { 1.0 };
    magnitudes.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(most: &[f32], limit: Option<f64>) -> Member {
        let seen = Seen::between(vec![0.0; most.len()], most.to_vec());
        Member { seen, limit, is_wide: false }
    }

    fn stream(members: Vec<Member>, readers: Vec<Reader>) -> Stream {
        let channels = members[0].seen.hi.len();
        Stream { members, readers, channels, margin: 1.25 }
    }

    fn reader(peaks: &[[f64; 2]], steps: f64) -> Reader {
        let gains = (0..2).map(|c| peaks.iter().map(|row| row[c] * row[c]).sum()).collect();
        let peaks: Vec<_> = peaks.iter().map(|row| row.to_vec()).collect();
        Reader { gains, shares: shares(&peaks, 2), peaks, powers: vec![1.0, 0.01], steps }
    }

    #[test]
    fn activations_are_alike_where_weights_have_scales_of_their_own() {
        let (gains, shares) = (vec![1.0, 9.0], vec![0.0; 2]);
        let depthwise = Reader { gains, peaks: vec![], shares, powers: vec![1.0; 2], steps: 127.0 };
        assert_eq!(stream(vec![member(&[4.0, 0.5], None)], vec![depthwise]).factors(), [1.0, 8.0]);
    }

    #[test]
    fn the_fewer_steps_weights_have_the_more_they_count() {
        let factors = |steps| {
            let factors =
                stream(vec![member(&[4.0, 0.5], None)], vec![reader(&[[0.1, 2.0], [0.1, 1.0]], steps)]).factors();
            factors[1] / factors[0]
        };
        assert!(factors(7.5) > factors(127.0), "{} {}", factors(7.5), factors(127.0));
    }

    #[test]
    fn a_limit_leaves_room_for_a_margin() {
        let stream = |most: &[f32]| stream(vec![member(most, Some(5.0)), member(&[9.0; 4], None)], vec![]);
        let of = stream(&[5.0, 4.5, 2.0, 0.1]);
        assert_eq!([0, 1, 2, 3].map(|channel| of.limited(channel, 99.0)), [1.0, 1.0, 2.0, 16.0]);
        assert_eq!([0.5, 1.5].map(|a| of.limited(2, a)), [1.0, 1.5]);
    }

    #[test]
    fn noise_is_a_twelfth_of_squared_steps() {
        let stream = stream(vec![member(&[2.55, 0.0], None)], vec![reader(&[[0.0, 0.0], [3.0, 4.0]], 2.0)]);
        let near = |a: [f64; 2], wanted: f64| assert!((stream.noise(&a) - wanted / 12.0).abs() < 1e-6, "{a:?}");
        near([1.0, 1.0], 1e-4 * 25.0 + 4.0 * 1.01);
        near([2.0, 2.0], 1e-4 * 25.0 + 4.0 * 1.01);
        near([1.0, 2.0], 1e-4 * 13.0 + 2.25 * 1.04);
    }
}
