//! Samples on all threads of the machine.

use std::num::NonZero;
use std::thread::{self, available_parallelism};

use crate::Sample;

/// A worker for each thread of the machine; one alone where a sample goes on from the one before it.
pub fn workers<W: Clone>(worker: W, in_order: bool) -> Vec<W> {
    let threads = if in_order { 1 } else { available_parallelism().map_or(1, NonZero::get) };
    vec![worker; threads]
}

/// Calls `work` for every sample, each worker on a thread of its own, and `see` for each result, in the order of the samples.
///
/// # Errors
/// The first that `work` or `see` gives.
pub fn each<W: Send, T: Send, E: Send>(
    workers: &mut [W],
    samples: &[Sample],
    work: impl Fn(&mut W, &Sample) -> Result<T, E> + Sync,
    mut see: impl FnMut(T) -> Result<(), E>,
) -> Result<(), E> {
    for chunk in samples.chunks(workers.len().max(1)) {
        let results = thread::scope(|scope| {
            let work = &work;
            let start = |(worker, sample)| scope.spawn(move || work(worker, sample));
            let running: Vec<_> = workers.iter_mut().zip(chunk).map(start).collect();
            running.into_iter().map(|thread| thread.join().expect("the workers do not panic")).collect::<Vec<_>>()
        });
        results.into_iter().try_for_each(|result| see(result?))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ndarray::{ArrayD, IxDyn};

    use super::*;

    #[test]
    fn results_come_in_order_up_to_the_first_error() {
        let samples: Vec<Sample> = (0..9).map(|i| vec![ArrayD::from_elem(IxDyn(&[]), i as f32)]).collect();
        let mut seen = Vec::new();
        let work = |(): &mut (), sample: &Sample| if sample[0].sum() < 7.0 { Ok(sample[0].sum()) } else { Err("7") };
        let end = each(&mut [(); 4], &samples, work, |i| {
            seen.push(i);
            Ok(())
        });
        assert_eq!((end, &seen[..]), (Err("7"), &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0][..]));
    }

    #[test]
    fn a_stream_has_one_worker() {
        assert_eq!(workers((), true).len(), 1);
        assert!(!workers((), false).is_empty());
    }
}
