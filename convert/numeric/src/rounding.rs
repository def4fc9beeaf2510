//! Integers for the weights of one output, near to reals in the sense of what they do to the output.
//!
//! With `H = E[x·xᵀ]` of the centered inputs, weights `w` and integers `q` of scale `s`, the output's mean squared error is
//! `(s·q − w)ᵀ·H·(s·q − w)`.

use crate::{Square, add, dot};

/// The quadratic form and its Cholesky factor, in an order in which the inputs of most weight are rounded first.
pub struct Form {
    h: Square,
    l: Square,
    order: Vec<usize>,
}

/// The least and the largest integer.
pub type Limits = (f64, f64);

/// Sweeps of single changes after a rounding, at most.
const SWEEPS: usize = 10;

impl Form {
    /// `None` if `h` is not positive definite.
    #[must_use]
    pub fn new(h: &Square) -> Option<Self> {
        let mut order: Vec<usize> = (0..h.len()).collect();
        order.sort_by(|a, b| h.diagonal(*a).total_cmp(&h.diagonal(*b)).then(b.cmp(a)));
        let h = h.reordered(&order);
        Some(Self { l: h.clone().cholesky()?, h, order })
    }

    /// The matrix, in the order of the form.
    pub(crate) fn matrix(&self) -> &Square {
        &self.h
    }

    /// `w` in the order of the form.
    pub(crate) fn ordered(&self, w: &[f64]) -> Vec<f64> {
        self.order.iter().map(|i| w[*i]).collect()
    }

    /// Integers from the form's order to their own.
    pub(crate) fn restored(&self, q: &[f64]) -> Vec<f64> {
        let mut restored = vec![0.0; q.len()];
        self.order.iter().zip(q).for_each(|(i, q)| restored[*i] = *q);
        restored
    }

    /// The error of `s·q` for `w`, both in the form's order.
    pub(crate) fn error(&self, w: &[f64], q: &[f64], scale: f64) -> f64 {
        let e: Vec<f64> = w.iter().zip(q).map(|(w, q)| scale * q - w).collect();
        // eᵀ·L·Lᵀ·e
        let mut product = vec![0.0; e.len()];
        e.iter().enumerate().for_each(|(i, e)| add(&mut product, *e, &self.l.row(i)[..=i]));
        dot(&product, &product)
    }

    /// Rounds one weight after another, each time moving the error to those that are left; then changes single integers while that helps.
    /// All scales are tried side by side, so that each row of the matrices is fetched once for all.
    ///
    /// Source: E. Frantar et al., "GPTQ: Accurate post-training quantization for generative pre-trained transformers", ICLR 2023, which is
    /// Babai's nearest plane on the Cholesky factor; the sweeps are coordinate descent.
    fn gptq(&self, w: &[f64], tries: &mut [Try], limits: Limits) {
        for i in (0..w.len()).rev() {
            for Try { scale, q, slope } in &mut *tries {
                let wanted = w[i] + slope[i] / self.l.diagonal(i);
                q[i] = (wanted / *scale).round_ties_even().clamp(limits.0, limits.1);
                add(&mut slope[..i], w[i] - *scale * q[i], &self.l.row(i)[..i]);
            }
        }
        let errors: Vec<Vec<f64>> = tries.iter().map(|tried| tried.error(w)).collect();
        tries.iter_mut().zip(self.h.times_each(&errors)).for_each(|(tried, slope)| tried.slope = slope);
        self.sweep(tries.iter_mut().collect(), limits);
    }

    /// Integers of a scale for `w`, both in the form's order, once single changes no longer help.
    pub(crate) fn swept(&self, w: &[f64], scale: f64, q: Vec<f64>, limits: Limits) -> Vec<f64> {
        let mut tried = Try { scale, q, slope: Vec::new() };
        tried.slope = self.h.times(&tried.error(w));
        self.sweep(vec![&mut tried], limits);
        tried.q
    }

    fn sweep(&self, mut tries: Vec<&mut Try>, limits: Limits) {
        for _ in 0..SWEEPS {
            let mut changed = vec![false; tries.len()];
            for i in 0..self.h.len() {
                for (tried, changed) in tries.iter_mut().zip(&mut changed) {
                    *changed |= tried.step(i, self.h.row(i), limits);
                }
            }
            let mut changed = changed.into_iter();
            tries.retain(|_| changed.next().unwrap_or(false));
        }
    }

    /// The scale and the integers of least error, among the scale that makes the largest weight the largest integer times each of `ratios`;
    /// for weights of 0 the scale is 0.
    #[must_use]
    pub fn rounded(&self, w: &[f64], limits: Limits, ratios: impl Iterator<Item = f64>) -> (f64, Vec<f64>) {
        let w = self.ordered(w);
        let full = w.iter().fold(0f64, |most, w| most.max(w.abs())) / limits.1;
        if full == 0.0 {
            return (0.0, w);
        }
        let mut tries: Vec<Try> = ratios.map(|ratio| Try::new(full * ratio, w.len())).collect();
        self.gptq(&w, &mut tries, limits);
        let tried = tries.into_iter().map(|tried| (dot(&tried.error(&w), &tried.slope), tried));
        let best = tried.reduce(|best, next| if next.0 < best.0 { next } else { best });
        best.map_or((0.0, vec![0.0; w.len()]), |(_, Try { scale, q, .. })| (scale, self.restored(&q)))
    }
}

/// Integers of one scale, in the form's order.
struct Try {
    scale: f64,
    q: Vec<f64>,
    /// Half of what the error gains with each real; while weights are rounded, what is moved to those that are left.
    slope: Vec<f64>,
}

impl Try {
    fn new(scale: f64, len: usize) -> Self {
        Self { scale, q: vec![0.0; len], slope: vec![0.0; len] }
    }

    fn error(&self, w: &[f64]) -> Vec<f64> {
        w.iter().zip(&self.q).map(|(w, q)| self.scale * q - w).collect()
    }

    /// Changes integer `i` if the error is less then, and says so; `h` is its row.
    fn step(&mut self, i: usize, h: &[f64], limits: Limits) -> bool {
        let best = self.q[i] - self.slope[i] / (h[i] * self.scale);
        let best = best.round_ties_even().clamp(limits.0, limits.1);
        // A step that gains nothing measurable may be taken back for ever.
        let step = (best - self.q[i]) * self.scale;
        let gains = step != 0.0 && -step * (2.0 * self.slope[i] + step * h[i]) > 1e-9 * h[i] * self.scale * self.scale;
        if gains {
            add(&mut self.slope, step, h);
            self.q[i] = best;
        }
        gains
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `H` of inputs that are alike.
    fn alike(n: usize) -> Square {
        let mut h = Square::zeros(n);
        (0..n).for_each(|i| h.row_mut(i).fill(0.9));
        h.damped(0.1)
    }

    fn error(h: &Square, w: &[f64], q: &[f64], scale: f64) -> f64 {
        let e: Vec<f64> = w.iter().zip(q).map(|(w, q)| scale * q - w).collect();
        dot(&h.times(&e), &e)
    }

    #[test]
    fn no_other_integers_nearby_are_better() {
        let w: Vec<f64> = (0..6).map(|i| f64::from(i * 37 % 11) / 11.0 - 0.4).collect();
        let h = alike(6);
        let (scale, q) = Form::new(&h).unwrap().rounded(&w, (-7.0, 7.0), [1.0].into_iter());
        let found = error(&h, &w, &q, scale);
        let nearest: Vec<f64> = w.iter().map(|w| (w / scale).round_ties_even()).collect();
        assert!(found < 0.7 * error(&h, &w, &nearest, scale));
        for i in 0..6 {
            for step in [-1.0, 1.0] {
                let mut other = q.clone();
                other[i] += step;
                assert!(other[i].abs() > 7.0 || error(&h, &w, &other, scale) >= found - 1e-12);
            }
        }
    }

    #[test]
    fn one_large_weight_of_little_use_is_cut() {
        let mut h = Square::zeros(8).damped(1.0);
        h.row_mut(7)[7] = 1e-4;
        let w = [0.1, -0.07, 0.05, 0.12, -0.11, 0.06, 0.03, 1.0];
        let ratios = || (0..18).map(|step| 1.0 - f64::from(step) * 0.05);
        let (scale, q) = Form::new(&h).unwrap().rounded(&w, (-7.0, 7.0), ratios());
        assert!(scale < 0.5 / 7.0 && q[7] == 7.0, "{scale} {q:?}");
    }

    #[test]
    fn weights_of_zero_have_no_scale() {
        assert_eq!(
            Form::new(&alike(3)).unwrap().rounded(&[0.0; 3], (-7.0, 7.0), [1.0].into_iter()),
            (0.0, vec![0.0; 3])
        );
        assert!(Form::new(&Square::zeros(3)).is_none());
    }
}
