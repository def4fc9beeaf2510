//! Integers by gradient descent on whether each weight is rounded down or up.

use crate::functions::{log2, power, sigmoid};
use crate::{Form, Limits};

/// Steps of Adam.
const STEPS: i32 = 600;
/// The part of them in which no weight is pushed to a side.
const FREE: f32 = 0.2;
/// Adam's step and the decay of its means.
const ADAM: (f32, f32, f32) = (0.03, 0.9, 0.999);
/// Of `h(v) = clamp(σ(v)·(ζ − γ) + γ, 0, 1)`: `γ` and `ζ − γ`.
const STRETCH: (f32, f32) = (-0.1, 1.2);
/// `λ` of `λ·Σ (1 − |2·h − 1|^β)`, and `β` at first and in the end.
const PUSH: (f32, f32, f32) = (0.01, 20.0, 2.0);

impl Form {
    /// Integers for the weights of some outputs, each with a scale above 0: `⌊w / s⌋ + h(v)` with `v` of least error, by Adam;
    /// `h` is pushed to 0 or 1. Then single integers are changed while that helps. Where the nearest are better, these. No random numbers are in it.
    ///
    /// Source: M. Nagel et al., "Up or down? Adaptive rounding for post-training quantization", ICML 2020. The layer's error is exact here, a
    /// quadratic form, where they take batches.
    #[must_use]
    pub fn adaround(&self, outputs: &[(&[f64], f64)], limits: Limits) -> Vec<Vec<f64>> {
        let outputs: Vec<Output> =
            outputs.iter().map(|(w, scale)| Output::new(self.ordered(w), *scale, limits)).collect();
        let ups = self.descend(&outputs);
        outputs.iter().zip(ups).map(|(output, ups)| self.restored(&output.better(self, &ups, limits))).collect()
    }

    /// `h` of each weight of each output.
    fn descend(&self, outputs: &[Output]) -> Vec<Vec<f32>> {
        let form = self.single();
        let mut choices: Vec<Choices> = outputs.iter().map(|output| Choices::new(&output.parts)).collect();
        for step in 1..=STEPS {
            let adam = Step::new(step);
            choices.iter_mut().zip(outputs).for_each(|(choices, output)| choices.look(&output.parts));
            // A row of the form is fetched once for all outputs.
            for (i, row) in form.chunks_exact(self.matrix().len().max(1)).enumerate() {
                choices.iter_mut().for_each(|choices| choices.feel(i, row));
            }
            choices.iter_mut().for_each(|choices| choices.follow(&adam));
        }
        choices.into_iter().zip(outputs).map(|(choices, output)| choices.end(&output.parts)).collect()
    }

    /// The form in f32, of a mean diagonal of 1.
    fn single(&self) -> Vec<f32> {
        let h = self.matrix();
        let mean = h.mean_diagonal();
        (0..h.len()).flat_map(|i| h.row(i).iter().map(move |x| (x / mean) as f32)).collect()
    }
}

/// The weights of one output, in the form's order.
struct Output {
    w: Vec<f64>,
    scale: f64,
    /// `⌊w / s⌋`, and the part of `w / s` above it.
    floors: Vec<f64>,
    parts: Vec<f32>,
}

impl Output {
    fn new(w: Vec<f64>, scale: f64, limits: Limits) -> Self {
        let floors: Vec<f64> = w.iter().map(|w| (w / scale).floor().clamp(limits.0, limits.1 - 1.0)).collect();
        let parts = w.iter().zip(&floors).map(|(w, floor)| (w / scale - floor) as f32).collect();
        Self { w, scale, floors, parts }
    }

    /// What was found, or the nearest.
    fn better(&self, form: &Form, ups: &[f32], limits: Limits) -> Vec<f64> {
        let Self { w, scale, floors, .. } = self;
        let found: Vec<f64> = floors.iter().zip(ups).map(|(floor, h)| floor + f64::from(h.round())).collect();
        let found = form.swept(w, *scale, found, limits);
        let nearest: Vec<f64> = w.iter().map(|w| (w / scale).round_ties_even().clamp(limits.0, limits.1)).collect();
        let is_better = form.error(w, &nearest, *scale) < form.error(w, &found, *scale);
        if is_better { nearest } else { found }
    }
}

/// What depends on how many steps were made.
struct Step {
    /// What corrects the means for their start at 0.
    unbiased: (f32, f32),
    /// `λ` and `β`.
    push: (f32, f32),
}

impl Step {
    fn new(step: i32) -> Self {
        let (_, first, second) = ADAM;
        let (lambda, from, to) = PUSH;
        let done = (step as f32 / STEPS as f32 - FREE) / (1.0 - FREE);
        let beta = to + (from - to) * 0.5 * (1.0 + libm::cosf(done.max(0.0) * std::f32::consts::PI));
        let unbiased = |decay: f32| 1.0 / (1.0 - libm::powf(decay, step as f32));
        let lambda = if done > 0.0 { lambda } else { 0.0 };
        Self { unbiased: (unbiased(first), unbiased(second)), push: (lambda, beta) }
    }
}

/// Down or up, for each weight of an output.
struct Choices {
    v: Vec<f32>,
    /// `h(v)`, its derivative, and how far it is from the part of the weight.
    h: Vec<f32>,
    derivative: Vec<f32>,
    off: Vec<f32>,
    /// The slope of the error by `h`.
    slope: Vec<f32>,
    /// Adam's means of the slope and of its square.
    means: [Vec<f32>; 2],
}

impl Choices {
    fn new(parts: &[f32]) -> Self {
        let (low, width) = STRETCH;
        let start = |part: &f32| {
            let sigma = (part.clamp(0.0, 1.0) - low) / width;
            -std::f32::consts::LN_2 * log2(1.0 / sigma - 1.0)
        };
        let zeros = || vec![0.0; parts.len()];
        let v = parts.iter().map(start).collect();
        Self { v, h: zeros(), derivative: zeros(), off: zeros(), slope: zeros(), means: [zeros(), zeros()] }
    }

    /// Finds `h`, its derivative and the distance.
    fn look(&mut self, parts: &[f32]) {
        let (low, width) = STRETCH;
        let found = self.h.iter_mut().zip(&mut self.derivative).zip(&mut self.off);
        for (((h, derivative), off), (v, part)) in found.zip(self.v.iter().zip(parts)) {
            let sigma = sigmoid(*v);
            let wide = sigma * width + low;
            *h = wide.clamp(0.0, 1.0);
            *derivative = if *h == wide { width * sigma * (1.0 - sigma) } else { 0.0 };
            *off = *h - part;
        }
    }

    /// Finds the slope of weight `i` from its row of the form, if it can move.
    fn feel(&mut self, i: usize, row: &[f32]) {
        if self.derivative[i] != 0.0 {
            self.slope[i] = 2.0 * dot(row, &self.off);
        }
    }

    /// One step of all weights against the slope of the error and of the push.
    fn follow(&mut self, Step { unbiased, push: (lambda, beta) }: &Step) {
        let (rate, first, second) = ADAM;
        let [means, squares] = &mut self.means;
        let slopes = self.h.iter().zip(&self.derivative).zip(&self.slope);
        for (((v, mean), square), ((h, derivative), slope)) in self.v.iter_mut().zip(means).zip(squares).zip(slopes) {
            let side = 2.0 * h - 1.0;
            // An even power would do without the sign.
            let push = -2.0 * lambda * beta * side.signum() * power(side.abs(), beta - 1.0);
            let slope = (slope + push) * derivative;
            *mean = first * *mean + (1.0 - first) * slope;
            *square = second * *square + (1.0 - second) * slope * slope;
            *v -= rate * *mean * unbiased.0 / ((*square * unbiased.1).sqrt() + 1e-8);
        }
    }

    /// `h` in the end.
    fn end(mut self, parts: &[f32]) -> Vec<f32> {
        self.look(parts);
        self.h
    }
}

/// `Σ a[i]·b[i]` in sixteen interleaved sums.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    let mut sums = [0.0; 16];
    for (a, b) in a.iter().zip(b) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().fold(rest, |sum, part| sum + part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Square, products};

    /// Numbers that look random, of the interval -1..1.
    fn numbers(count: usize, seed: u64) -> Vec<f64> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / f64::from(1u32 << 30) - 1.0
        };
        (0..count).map(|_| next()).collect()
    }

    fn error(h: &Square, w: &[f64], q: &[f64], scale: f64) -> f64 {
        let e: Vec<f64> = w.iter().zip(q).map(|(w, q)| scale * q - w).collect();
        crate::dot(&h.times(&e), &e)
    }

    #[test]
    fn random_forms_lose_less_than_to_the_nearest() {
        let (mut sum, mut sum_nearest) = (0.0, 0.0);
        for seed in 0..20 {
            let (n, scale) = (4 + seed as usize * 2, 0.2);
            let inputs: Vec<f64> =
                numbers(3 * n * n, seed + 1).chunks(n).flat_map(|row| row.iter().map(|x| x + row[0])).collect();
            let h = products(&inputs, &inputs, n).damped(0.01);
            let (w, other) = (numbers(n, seed + 77), numbers(n, seed + 78));
            let form = Form::new(&h).unwrap();
            let both = form.adaround(&[(&w, scale), (&other, scale)], (-7.0, 7.0));
            assert_eq!(both[1], form.adaround(&[(&other, scale)], (-7.0, 7.0))[0], "each output is by itself");
            let q = &both[0];
            let nearest: Vec<f64> = w.iter().map(|w| (w / scale).round_ties_even()).collect();
            let (found, nearest) = (error(&h, &w, q, scale), error(&h, &w, &nearest, scale));
            assert!(found <= nearest, "{seed}");
            for (i, step) in (0..n).flat_map(|i| [(i, -1.0), (i, 1.0)]) {
                let mut other = q.clone();
                other[i] += step;
                assert!(error(&h, &w, &other, scale) > found - 1e-9, "{seed}: one other integer is better");
            }
            (sum, sum_nearest) = (sum + found, sum_nearest + nearest);
        }
        assert!(sum < 0.8 * sum_nearest, "{sum} {sum_nearest}");
    }

    #[test]
    fn integers_stay_within_their_bits() {
        let form = Form::new(&Square::zeros(3).damped(1.0)).unwrap();
        assert_eq!(form.adaround(&[(&[-9.4, 9.4, 0.4], 1.0)], (-7.0, 7.0)), [[-7.0, 7.0, 0.0]]);
    }
}
