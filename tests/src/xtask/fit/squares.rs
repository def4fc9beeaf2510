//! Least squares with coefficients that are not negative.

use std::collections::BTreeMap;

use lacewing_targets::cost::TERMS;

/// A record that was counted.
pub(super) struct Sample {
    /// The model that it is of; nothing for a random one.
    pub(super) model: String,
    pub(super) kind: String,
    pub(super) terms: [f64; TERMS],
    /// Its instructions.
    pub(super) count: f64,
}

/// Coefficients by kind.
type Kinds = BTreeMap<String, [f64; TERMS]>;

impl Sample {
    fn predicted(&self, kinds: &Kinds) -> f64 {
        kinds.get(&self.kind).map_or(0.0, |coefficients| dot(coefficients, &self.terms))
    }

    /// `|fit − count| / count`.
    pub(super) fn error(&self, kinds: &Kinds) -> f64 {
        (self.predicted(kinds) - self.count).abs() / self.count
    }
}

/// The coefficients of each kind that occurs in the samples wanted: the least `Σ (fit − count)² / count`, none negative.
///
/// Divided by the count alone, small records would decide; undivided, large ones.
pub(super) fn fit(samples: &[Sample], wanted: impl Fn(&Sample) -> bool) -> Kinds {
    let mut kinds = BTreeMap::<&String, Vec<&Sample>>::new();
    for sample in samples.iter().filter(|sample| wanted(sample)) {
        kinds.entry(&sample.kind).or_default().push(sample);
    }
    kinds.into_iter().map(|(kind, samples)| (kind.clone(), coefficients(&samples))).collect()
}

/// Enough for coefficients that stand still in all digits that are written.
const ROUNDS: usize = 20_000;

/// One coefficient after the other is set to its best for the others, round after round.
fn coefficients(samples: &[&Sample]) -> [f64; TERMS] {
    let mut products = [[0.0; TERMS]; TERMS];
    let mut wanted = [0.0; TERMS];
    for sample in samples {
        for i in 0..TERMS {
            wanted[i] += sample.terms[i];
            (0..TERMS).for_each(|j| products[i][j] += sample.terms[i] * sample.terms[j] / sample.count);
        }
    }
    let mut found = [0.0; TERMS];
    for at in (0..ROUNDS * TERMS).map(|round| round % TERMS) {
        let others = dot(&products[at], &found) - products[at][at] * found[at];
        found[at] = ((wanted[at] - others) / products[at][at]).max(0.0);
    }
    found
}

/// For each model, `(fit − count) / count` of the whole, by a fit on all others.
pub(super) fn left_out(samples: &[Sample], models: &[&str]) -> Vec<(String, f64)> {
    let error = |model: &str| {
        let kinds = fit(samples, |sample| sample.model != model);
        let own = || samples.iter().filter(|sample| sample.model == model);
        let known = || own().filter(|sample| kinds.contains_key(&sample.kind));
        let count: f64 = known().map(|sample| sample.count).sum();
        known().map(|sample| sample.predicted(&kinds)).sum::<f64>() / count - 1.0
    };
    let errors = models.iter().map(|model| ((*model).to_owned(), error(model)));
    errors.filter(|(_, error)| error.is_finite()).collect()
}

/// The middle one.
pub(super) fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}

fn dot(a: &[f64; TERMS], b: &[f64; TERMS]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<Sample> {
        let sample = |i: u32| {
            let terms = [i * i + 1, i % 5, i % 3, i % 7, i * i % 11, 1 + i % 2, 1].map(f64::from);
            let count = 2.0 * terms[0] + 7.0 * terms[1] + 30.0;
            Sample { model: format!("{}", i % 4), kind: "k".into(), terms, count }
        };
        (0..40).map(sample).collect()
    }

    #[test]
    fn what_is_linear_is_found() {
        let samples = samples();
        let kinds = fit(&samples, |_| true);
        assert!(samples.iter().all(|sample| sample.error(&kinds) < 1e-4), "{kinds:?}");
        assert!(left_out(&samples, &["0", "3"]).iter().all(|(_, error)| error.abs() < 1e-4));
    }

    #[test]
    fn no_coefficient_is_negative() {
        let mut samples = samples();
        samples.iter_mut().for_each(|sample| sample.count -= 6.0 * sample.terms[1]);
        samples.iter_mut().for_each(|sample| sample.count = (sample.count - 2.0 * sample.terms[2]).max(1.0));
        let kinds = fit(&samples, |_| true);
        assert!(kinds["k"].iter().all(|coefficient| *coefficient >= 0.0));
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 9.0].into_iter()), 3.0);
    }
}
