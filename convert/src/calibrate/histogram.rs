//! How often which numbers were seen, in bounded memory, and the ranges that follow from it.

use lacewing::ops::quantize::{dequantize, quantize};
use lacewing_numeric::count;

use crate::quantize::{Params, Width};

/// What is left of the squared error where it is worth it to cut the range of an input.
const LEFT: f64 = 0.7;

/// Bins of one histogram.
const BINS: usize = 2048;

/// Counts of the numbers of one value in bins of equal width between its extremes.
///
/// Only counts are added up, so the order in which numbers come changes nothing.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    lo: f64,
    width: f64,
    counts: Vec<u64>,
}

/// The two ends of a range.
type Range = (f32, f32);

impl Histogram {
    /// Nothing seen yet between the extremes `lo` and `hi`.
    pub(super) fn new((lo, hi): Range) -> Self {
        let (lo, hi) = (f64::from(lo), f64::from(hi));
        Self { lo, width: (hi - lo) / BINS as f64, counts: vec![0; BINS] }
    }

    /// Counts numbers; those of a value that never changes all fall into the first bin.
    pub(super) fn see(&mut self, numbers: &[f32]) {
        count(numbers, self.lo, self.width, &mut self.counts);
    }

    /// Adds what another histogram of the same value has counted.
    pub(super) fn include(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(sum, more)| *sum += more);
    }

    fn end(&self) -> f64 {
        self.lo + self.width * BINS as f64
    }

    /// The middle of each bin that something fell into, and how much.
    fn bins(&self) -> impl Iterator<Item = (f64, u64)> {
        let middle = |bin: usize| self.lo + (bin as f64 + 0.5) * self.width;
        self.counts.iter().enumerate().filter(|(_, count)| **count > 0).map(move |(bin, count)| (middle(bin), *count))
    }

    /// The range outside which at most `100 − percent` of a hundred numbers lie, half of them on each side.
    pub(super) fn percentile(&self, percent: f64) -> Range {
        let total: u64 = self.counts.iter().sum();
        let outside = total as f64 * (1.0 - percent / 100.0) / 2.0;
        let skipped = |bins: &mut dyn Iterator<Item = &u64>| {
            let sums = bins.scan(0u64, |sum, count| {
                *sum += count;
                Some(*sum)
            });
            sums.take_while(|sum| *sum as f64 <= outside).count()
        };
        let (below, above) = (skipped(&mut self.counts.iter()), skipped(&mut self.counts.iter().rev()));
        let range = (self.lo + below as f64 * self.width, self.end() - above as f64 * self.width);
        (range.0.min(0.0) as f32, range.1.max(0.0) as f32)
    }

    /// The range whose int8 numbers have the least mean squared error, each end moved inwards in turn.
    pub(super) fn least_squares(&self) -> Range {
        let (mut a, mut b) = (1.0, 1.0);
        for _ in 0..2 {
            b = least(|b| self.squared_error(self.scaled(a, b)));
            a = least(|a| self.squared_error(self.scaled(a, b)));
        }
        self.scaled(a, b)
    }

    /// The same for what comes from outside: the extremes, unless the error is clearly less. What is still to come may lie beyond what was seen.
    pub(super) fn clearly_least_squares(&self) -> Range {
        let (cut, whole) = (self.least_squares(), self.scaled(1.0, 1.0));
        if self.squared_error(cut) < LEFT * self.squared_error(whole) { cut } else { whole }
    }

    /// The range whose int8 numbers lose least information: the least Kullback-Leibler divergence of what was seen, cut to the range, from
    /// its 256 levels. Zeros are left out.
    ///
    /// Source: S. Migacz, "8-bit inference with TensorRT", GTC 2017.
    pub(super) fn least_divergence(&self) -> Range {
        let ratio = least(|ratio| self.divergence(self.scaled(ratio, ratio)));
        self.scaled(ratio, ratio)
    }

    /// The extremes, each made smaller.
    fn scaled(&self, lo: f64, hi: f64) -> Range {
        ((self.lo.min(0.0) * lo) as f32, (self.end().max(0.0) * hi) as f32)
    }

    fn squared_error(&self, (lo, hi): Range) -> f64 {
        let params = Params::covering(lo, hi, Width::I8);
        let error = |x: f64| {
            let x = x as f32;
            f64::from(x - dequantize(quantize::<i8>(x, params.scale, params.zero), params.scale, params.zero))
        };
        self.bins().map(|(x, count)| error(x).powi(2) * count as f64).sum()
    }

    fn divergence(&self, (lo, hi): Range) -> f64 {
        let params = Params::covering(lo, hi, Width::I8);
        let level = |x: f64| (params.integer(x as f32) + 128) as usize;
        let inside = |x: f64| (f64::from(lo)..=f64::from(hi)).contains(&x);
        // Zeros, of which an activation may have many, are exact in every range.
        let other = |x: f64| x.abs() > self.width;
        let mut seen: Vec<(usize, u64)> =
            self.bins().filter(|(x, _)| inside(*x) && other(*x)).map(|(x, count)| (level(x), count)).collect();
        let (mut levels, mut used) = ([0u64; 256], [0u64; 256]);
        for (level, count) in &seen {
            levels[*level] += count;
            used[*level] += 1;
        }
        let kept = levels.iter().sum::<u64>();
        // What is cut off comes to lie at the ends, where the levels do not expect it.
        let beyond =
            |side: &dyn Fn(f64) -> bool| self.bins().filter(|(x, _)| side(*x)).map(|(_, count)| count).sum::<u64>();
        let cut = [beyond(&|x| x < lo.into()), beyond(&|x| x > hi.into())];
        let total = (kept + cut[0] + cut[1]) as f64;
        seen.first_mut().into_iter().for_each(|(_, count)| *count += cut[0]);
        seen.last_mut().into_iter().for_each(|(_, count)| *count += cut[1]);
        let expected = |level: usize| levels[level] as f64 / used[level] as f64 / kept as f64;
        let each = |(level, count): &(usize, u64)| {
            let p = *count as f64 / total;
            p * (p / expected(*level)).ln()
        };
        seen.iter().map(each).sum()
    }
}

/// The ratio from 1 down to 0.3 with the least cost; the larger of equals.
fn least(cost: impl Fn(f64) -> f64) -> f64 {
    let ratios = (0..=70).map(|step| 1.0 - f64::from(step) / 100.0);
    ratios
        .map(|ratio| (ratio, cost(ratio)))
        .reduce(|best, next| if next.1 < best.1 { next } else { best })
        .map_or(1.0, |best| best.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(numbers: &[f32]) -> Histogram {
        let range = numbers.iter().fold((0f32, 0f32), |(lo, hi), x| (lo.min(*x), hi.max(*x)));
        let mut histogram = Histogram::new(range);
        histogram.see(numbers);
        histogram
    }

    /// A bell between -3 and 3, and one number far out.
    fn bell_and_outlier(outlier: f32) -> Vec<f32> {
        let bell = |i: i32| (0..12).map(|k| ((i * (2 * k + 3) % 997) as f32 / 996.0) - 0.5).sum::<f32>() * 0.5;
        (0..20000).map(bell).chain([outlier]).collect()
    }

    #[test]
    fn percentiles_leave_out_that_share() {
        let histogram = seen(&(0..=10000).map(|i| i as f32 / 100.0 - 50.0).collect::<Vec<_>>());
        let (lo, hi) = histogram.percentile(99.0);
        assert!((lo + 49.5).abs() < 0.1 && (hi - 49.5).abs() < 0.1, "{lo} {hi}");
        assert_eq!(histogram.percentile(100.0), (-50.0, 50.0));
    }

    #[test]
    fn one_outlier_does_not_rule() {
        let histogram = seen(&bell_and_outlier(12.0));
        assert!(histogram.percentile(99.99).1 < 4.0);
        assert!(histogram.least_divergence().1 < 12.0);
        let whole = histogram.squared_error((histogram.lo as f32, 12.0));
        assert!(histogram.squared_error(histogram.least_squares()) <= whole);
    }

    #[test]
    fn inputs_keep_their_extremes_for_a_small_gain() {
        let histogram = seen(&bell_and_outlier(12.0));
        let whole = histogram.scaled(1.0, 1.0);
        assert_ne!(histogram.least_squares(), whole);
        assert_eq!(histogram.clearly_least_squares(), whole);
    }

    #[test]
    fn even_numbers_keep_their_range() {
        let histogram = seen(&(0..=1000).map(|i| i as f32 / 1000.0).collect::<Vec<_>>());
        assert!(histogram.least_squares().1 > 0.97);
    }

    #[test]
    fn what_never_changes_has_a_range() {
        for numbers in [&[0.0; 3][..], &[2.5; 3], &[-1.0; 3]] {
            let histogram = seen(numbers);
            for (lo, hi) in [histogram.percentile(99.9), histogram.least_squares(), histogram.least_divergence()] {
                assert!(lo.is_finite() && hi.is_finite() && lo <= 0.0 && hi >= 0.0, "{lo} {hi}");
            }
        }
    }

    #[test]
    fn order_and_threads_change_nothing() {
        let numbers = bell_and_outlier(7.0);
        let whole = seen(&numbers);
        let mut parts = Histogram::new((whole.lo as f32, whole.end() as f32));
        for part in numbers.rchunks(999) {
            let mut other = Histogram::new((whole.lo as f32, whole.end() as f32));
            other.see(part);
            parts.include(&other);
        }
        assert_eq!(parts.counts, whole.counts);
    }
}
