//! What the channels of values hold on the samples.

use lacewing_numeric::channels;

use crate::Sample;
use crate::channels::count;
use crate::error::ConvertError;
use crate::graph::{Graph, ValueId};
use crate::parallel;
use crate::reference::FloatProgram;

/// The channels of one value.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// The least number of each, 0 included.
    pub(super) lo: Vec<f32>,
    /// The largest of each, 0 included.
    pub(super) hi: Vec<f32>,
    /// The sum of squares of each.
    squares: Vec<f64>,
    /// How many numbers a channel had.
    count: usize,
}

impl Seen {
    fn nothing(count: usize) -> Self {
        Self { lo: vec![0.0; count], hi: vec![0.0; count], squares: vec![0.0; count], count: 0 }
    }

    /// Of one number between each `lo` and `hi`.
    #[cfg(test)]
    pub(super) fn between(lo: Vec<f32>, hi: Vec<f32>) -> Self {
        Self { squares: vec![0.0; lo.len()], count: 1, lo, hi }
    }

    fn see(&mut self, numbers: &[f32]) {
        channels(numbers, (&mut self.lo, &mut self.hi), &mut self.squares);
        self.count += numbers.len() / self.lo.len().max(1);
    }

    fn include(&mut self, other: &Self) {
        self.lo.iter_mut().zip(&other.lo).for_each(|(lo, other)| *lo = lo.min(*other));
        self.hi.iter_mut().zip(&other.hi).for_each(|(hi, other)| *hi = hi.max(*other));
        self.squares.iter_mut().zip(&other.squares).for_each(|(sum, more)| *sum += more);
        self.count += other.count;
    }

    /// The largest magnitude of a channel.
    pub(super) fn most(&self, channel: usize) -> f64 {
        self.hi[channel].max(-self.lo[channel]).into()
    }

    /// The mean square of a channel.
    pub(super) fn power(&self, channel: usize) -> f64 {
        self.squares[channel] / self.count.max(1) as f64
    }
}

/// The channels of each value of a graph; sums are in the order of the samples.
pub(super) fn seen(graph: &Graph, samples: &[&Sample]) -> Result<Vec<Seen>, ConvertError> {
    let nothing: Vec<Seen> = (0..graph.values.len()).map(|id| Seen::nothing(count(graph, ValueId(id)))).collect();
    let mut all = nothing.clone();
    let mut workers = parallel::workers(FloatProgram::new(graph)?, false);
    let work = |program: &mut FloatProgram, sample: &&Sample| {
        let mut one = nothing.clone();
        program.run(graph, sample, |value, numbers| one[value.0].see(&numbers)).map(|()| one)
    };
    parallel::each(&mut workers, samples, work, |one| {
        all.iter_mut().zip(&one).for_each(|(all, one)| all.include(one));
        Ok(())
    })?;
    Ok(all)
}
