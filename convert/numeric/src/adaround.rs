//! Integers by gradient descent on whether each weight is rounded down or up.

use crate::Form;

/// Steps of Adam.
const STEPS: i32 = 1000;
/// The part of them in which no weight is pushed to a side.
const FREE: f32 = 0.2;
/// Adam's step and the decay of its means.
const ADAM: (f32, f32, f32) = (0.03, 0.9, 0.999);
/// Of `h(v) = clamp(σ(v)·(ζ − γ) + γ, 0, 1)`: `γ` and `ζ − γ`.
const STRETCH: (f32, f32) = (-0.1, 1.2);
/// `λ` of `λ·Σ (1 − |2·h − 1|^β)`, and `β` at first and in the end.
const PUSH: (f32, f32, f32) = (0.01, 20.0, 2.0);

impl Form {
    /// Integers up to ±`largest` of a scale above 0: `⌊w / s⌋ + h(v)` with `v` of least error, by Adam; `h` is pushed to 0 or 1. Where
    /// the nearest are better, these. No random numbers are in it.
    ///
    /// Source: M. Nagel et al., "Up or down? Adaptive rounding for post-training quantization", ICML 2020. The layer's error is exact here, a
    /// quadratic form, where they take batches.
    #[must_use]
    pub fn adaround(&self, w: &[f64], scale: f64, largest: f64) -> Vec<f64> {
        let w = self.ordered(w);
        let floors = w.iter().map(|w| (w / scale).floor().clamp(-largest, largest - 1.0));
        let floors: Vec<f64> = floors.collect();
        let parts: Vec<f32> = w.iter().zip(&floors).map(|(w, floor)| (w / scale - floor) as f32).collect();
        let ups = self.descend(&parts);
        let q: Vec<f64> = floors.iter().zip(&ups).map(|(floor, h)| floor + f64::from(h.round())).collect();
        let nearest: Vec<f64> = w.iter().map(|w| (w / scale).round_ties_even().clamp(-largest, largest)).collect();
        let is_better = self.error(&w, &nearest, scale) < self.error(&w, &q, scale);
        self.restored(if is_better { &nearest } else { &q })
    }

    /// `h` of each weight, of which `parts` lie above the integer below.
    fn descend(&self, parts: &[f32]) -> Vec<f32> {
        let form = self.single();
        let mut choices: Vec<Choice> = parts.iter().map(|part| Choice::new(*part)).collect();
        let mut off = vec![0.0; parts.len()];
        for step in 1..=STEPS {
            off.iter_mut().zip(&choices).zip(parts).for_each(|((off, choice), part)| *off = choice.h().0 - part);
            let adam = Step::new(step);
            let rows = form.chunks_exact(parts.len().max(1));
            choices.iter_mut().zip(rows).for_each(|(choice, row)| choice.follow(2.0 * dot(row, &off), &adam));
        }
        choices.iter().map(|choice| choice.h().0).collect()
    }

    /// The form in f32, of a mean diagonal of 1.
    fn single(&self) -> Vec<f32> {
        let h = self.matrix();
        let mean = h.mean_diagonal();
        (0..h.len()).flat_map(|i| h.row(i).iter().map(move |x| (x / mean) as f32)).collect()
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

/// Down or up.
struct Choice {
    v: f32,
    /// Adam's means of the slope and of its square.
    means: (f32, f32),
}

impl Choice {
    fn new(part: f32) -> Self {
        let (low, width) = STRETCH;
        let sigma = (part.clamp(0.0, 1.0) - low) / width;
        Self { v: -libm::logf(1.0 / sigma - 1.0), means: (0.0, 0.0) }
    }

    /// `h(v)` and its derivative.
    fn h(&self) -> (f32, f32) {
        let (low, width) = STRETCH;
        let sigma = 1.0 / (1.0 + libm::expf(-self.v));
        let h = sigma * width + low;
        if (0.0..=1.0).contains(&h) { (h, width * sigma * (1.0 - sigma)) } else { (h.clamp(0.0, 1.0), 0.0) }
    }

    /// One step against the slope of the error by `h` and of the push.
    fn follow(&mut self, slope: f32, Step { unbiased, push: (lambda, beta) }: &Step) {
        let (rate, first, second) = ADAM;
        let (h, derivative) = self.h();
        let side = 2.0 * h - 1.0;
        // An even power would do without the sign.
        let push = -2.0 * lambda * beta * side.signum() * libm::powf(side.abs(), beta - 1.0);
        let slope = (slope + push) * derivative;
        self.means.0 = first * self.means.0 + (1.0 - first) * slope;
        self.means.1 = second * self.means.1 + (1.0 - second) * slope * slope;
        self.v -= rate * self.means.0 * unbiased.0 / ((self.means.1 * unbiased.1).sqrt() + 1e-8);
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
            let w = numbers(n, seed + 77);
            let q = Form::new(&h).unwrap().adaround(&w, scale, 7.0);
            let nearest: Vec<f64> = w.iter().map(|w| (w / scale).round_ties_even()).collect();
            let (found, nearest) = (error(&h, &w, &q, scale), error(&h, &w, &nearest, scale));
            assert!(found <= nearest && q.iter().zip(&w).all(|(q, w)| (q - w / scale).abs() <= 1.0), "{seed}");
            (sum, sum_nearest) = (sum + found, sum_nearest + nearest);
        }
        assert!(sum < 0.8 * sum_nearest, "{sum} {sum_nearest}");
    }

    #[test]
    fn integers_stay_within_their_bits() {
        let form = Form::new(&Square::zeros(3).damped(1.0)).unwrap();
        assert_eq!(form.adaround(&[-9.4, 9.4, 0.4], 1.0, 7.0), [-7.0, 7.0, 0.0]);
    }
}
