//! Shares of samples, and what they say of the samples that were not seen.

use serde::Serialize;

/// A share of independent samples, with Wilson's interval, in which the share of all samples lies in 95 of 100 cases.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Share {
    /// Samples that are in it.
    pub count: usize,
    /// All samples.
    pub of: usize,
    /// The interval's ends, 0..1.
    pub low: f64,
    /// The interval's other end.
    pub high: f64,
}

/// 95 % of a normal distribution lie within so many standard deviations.
const Z: f64 = 1.959_963_984_540_054;

impl Share {
    /// `(p + z²/2n ± z·√(p(1 − p)/n + z²/4n²)) / (1 + z²/n)`; from 0 to 1 where nothing was seen.
    #[must_use]
    pub fn new(count: usize, of: usize) -> Share {
        if of == 0 {
            return Share { count, of, low: 0.0, high: 1.0 };
        }
        let n = of as f64;
        let (p, z2) = (count as f64 / n, Z * Z / n);
        let half = Z * (p * (1.0 - p) / n + z2 / (4.0 * n)).sqrt();
        let [low, high] = [-half, half].map(|half| ((p + z2 / 2.0 + half) / (1.0 + z2)).clamp(0.0, 1.0));
        Share { count, of, low, high }
    }

    /// `count / of`.
    pub(crate) fn share(self) -> f64 {
        self.count as f64 / self.of.max(1) as f64
    }

    /// The share of `of` samples that is nearest.
    pub(super) fn rounded(share: f64, of: usize) -> Share {
        Share::new((share * of as f64).round() as usize, of)
    }
}

/// How often the right class was found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Accuracy {
    /// By the original.
    pub float: Share,
    /// By the program.
    pub program: Share,
    /// By the original alone.
    pub lost: usize,
    /// By the program alone.
    pub gained: usize,
}

impl Accuracy {
    /// Of the classes that original and program gave to each sample; `None` without samples.
    pub(crate) fn new(classes: &[[Option<i64>; 2]], labels: &[i64]) -> Option<Accuracy> {
        let of = classes.len().min(labels.len());
        let right: Vec<[bool; 2]> =
            classes.iter().zip(labels).map(|(classes, label)| classes.map(|class| class == Some(*label))).collect();
        let count = |wanted: fn(&[bool; 2]) -> bool| right.iter().filter(|right| wanted(right)).count();
        (of > 0).then(|| Accuracy {
            float: Share::new(count(|right| right[0]), of),
            program: Share::new(count(|right| right[1]), of),
            lost: count(|right| right[0] && !right[1]),
            gained: count(|right| !right[0] && right[1]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_wilsons() {
        let share = Share::new(81, 263);
        assert!((share.low - 0.2553).abs() < 1e-4 && (share.high - 0.3662).abs() < 1e-4, "{share:?}");
        let all = Share::new(20, 20);
        assert!((all.low - 0.8389).abs() < 1e-4 && all.high == 1.0, "{all:?}");
        assert_eq!((Share::new(0, 0).low, Share::new(0, 0).high), (0.0, 1.0));
    }

    #[test]
    fn both_are_held_to_the_labels() {
        let classes = [[Some(1), Some(1)], [Some(2), Some(0)], [Some(0), Some(2)], [None, None]];
        let accuracy = Accuracy::new(&classes, &[1, 2, 2, 0]).unwrap();
        assert_eq!((accuracy.float.count, accuracy.program.count, accuracy.lost, accuracy.gained), (2, 2, 1, 1));
        assert_eq!(Accuracy::new(&[], &[]), None);
    }
}
