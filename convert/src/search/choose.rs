//! Which of the programs that were tried is the answer.

use super::Point;

/// What a program may take, and how good it must be.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Budget {
    /// Bytes of the arena.
    pub ram: Option<usize>,
    /// Bytes of the file.
    pub flash: Option<usize>,
    /// Multiply-accumulates of one run.
    pub macs: Option<u64>,
    /// How good it must be.
    pub quality: Option<Quality>,
}

/// The least that a program must do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quality {
    /// This share of samples right, 0..1.
    Accuracy(f64),
    /// Right on fewer samples than the original by no more than this share of all, 0..1; without labels, of another class than the
    /// original on no more.
    Drop(f64),
}

impl Budget {
    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a program takes no more than it may.
    #[must_use]
    pub fn fits(&self, point: &Point) -> bool {
        self.ram.is_none_or(|most| point.arena_bytes <= most)
            && self.flash.is_none_or(|most| point.file_bytes <= most)
            && self.macs.is_none_or(|most| point.macs <= most)
    }

    /// Whether a program is as good as it must be.
    #[must_use]
    pub fn keeps(&self, point: &Point) -> bool {
        // Shares of samples are compared; what a sum of floats is beside them is no sample.
        self.lack(point) < 1e-9
    }

    /// The share of samples that a program is short of.
    fn lack(&self, point: &Point) -> f64 {
        match self.quality {
            None => 0.0,
            Some(Quality::Accuracy(least)) => (least - point.accuracy.unwrap_or(0.0)).max(0.0),
            Some(Quality::Drop(most)) => (point.drop - most).max(0.0),
        }
    }

    /// How far a program misses the budget: the largest excess as a part of what it may take, or what it is short of.
    fn miss(&self, point: &Point) -> f64 {
        let over = |takes: f64, most: Option<f64>| most.map_or(0.0, |most| (takes / most.max(1.0) - 1.0).max(0.0));
        let excesses = [
            over(point.arena_bytes as f64, self.ram.map(|ram| ram as f64)),
            over(point.file_bytes as f64, self.flash.map(|flash| flash as f64)),
            over(point.macs as f64, self.macs.map(|macs| macs as f64)),
            self.lack(point),
        ];
        excesses.into_iter().fold(0.0, f64::max)
    }
}

/// Whether `a` is nowhere worse than `b`.
fn covers(a: &Point, b: &Point) -> bool {
    a.file_bytes <= b.file_bytes && a.arena_bytes <= b.arena_bytes && a.macs <= b.macs && a.sqnr_db >= b.sqnr_db
}

/// The programs of which none is covered by another, from the smallest file on; of equal ones the first.
pub(super) fn pareto(points: Vec<Point>) -> Vec<Point> {
    let covered = |at: usize, point: &Point| {
        points.iter().enumerate().any(|(i, other)| i != at && covers(other, point) && (i < at || !covers(point, other)))
    };
    let keep: Vec<bool> = points.iter().enumerate().map(|(at, point)| !covered(at, point)).collect();
    let mut front: Vec<Point> =
        points.into_iter().zip(keep).filter_map(|(point, keep)| keep.then_some(point)).collect();
    front.sort_by(|a, b| a.file_bytes.cmp(&b.file_bytes).then(a.arena_bytes.cmp(&b.arena_bytes)));
    front
}

/// The programs within the budget: the smallest file first if the budget says how good it must be, otherwise the least noise.
pub(super) fn within(points: &[Point], budget: &Budget) -> Vec<usize> {
    let fits = |at: &usize| budget.fits(&points[*at]) && budget.keeps(&points[*at]);
    let mut within: Vec<usize> = (0..points.len()).filter(fits).collect();
    match budget.quality {
        Some(_) => within.sort_by_key(|at| (points[*at].file_bytes, points[*at].arena_bytes)),
        None => within.sort_by(|a, b| points[*b].sqnr_db.total_cmp(&points[*a].sqnr_db)),
    }
    within
}

/// The three that miss the budget least.
pub(super) fn nearest(points: &[Point], budget: &Budget) -> Vec<usize> {
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by(|a, b| budget.miss(&points[*a]).total_cmp(&budget.miss(&points[*b])));
    order.truncate(3);
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantize::Policy;

    fn point(file_bytes: usize, arena_bytes: usize, sqnr_db: f64, drop: f64) -> Point {
        let (policy, macs) = (Policy::default(), 100);
        let (agreement, accuracy) = (1.0 - drop, Some(0.9 - drop));
        Point { policy, prune: None, arena_bytes, file_bytes, macs, sqnr_db, agreement, accuracy, drop }
    }

    fn points() -> Vec<Point> {
        pareto(vec![
            point(100, 10, 40.0, 0.0),
            point(50, 10, 20.0, 0.02),
            point(100, 20, 50.0, 0.0),
            point(60, 10, 19.0, 0.0),
            point(100, 10, 40.0, 0.0),
        ])
    }

    #[test]
    fn what_is_covered_is_left_out() {
        let sizes: Vec<_> = points().iter().map(|point| (point.file_bytes, point.arena_bytes)).collect();
        assert_eq!(sizes, [(50, 10), (100, 10), (100, 20)]);
    }

    #[test]
    fn a_bound_on_quality_asks_for_the_smallest_file_and_none_for_the_least_noise() {
        let points = points();
        let chosen = |budget| within(&points, &budget).first().copied();
        let none = Budget::default();
        assert_eq!(chosen(none), Some(2));
        assert_eq!(chosen(Budget { ram: Some(10), ..none }), Some(1));
        assert_eq!(chosen(Budget { flash: Some(99), ..none }), Some(0));
        assert_eq!(chosen(Budget { quality: Some(Quality::Drop(0.02)), ..none }), Some(0));
        assert_eq!(chosen(Budget { quality: Some(Quality::Drop(0.01)), ..none }), Some(1));
        assert_eq!(chosen(Budget { quality: Some(Quality::Accuracy(0.89)), ..none }), Some(1));
        assert_eq!(chosen(Budget { macs: Some(99), ..none }), None);
    }

    #[test]
    fn the_nearest_miss_least() {
        let points = points();
        let budget = Budget { flash: Some(80), quality: Some(Quality::Drop(0.0)), ..Budget::default() };
        assert_eq!((within(&points, &budget), nearest(&points, &budget)), (vec![], vec![0, 1, 2]));
        let budget = Budget { ram: Some(9), flash: Some(99), ..Budget::default() };
        assert_eq!(nearest(&points, &budget)[..2], [0, 1]);
    }
}
