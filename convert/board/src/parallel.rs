//! Samples, or the files that hold them, on all threads of the machine.

use std::num::NonZero;
use std::sync::mpsc::sync_channel;
use std::thread::{self, available_parallelism};

/// A worker for each thread of the machine; one alone where a sample goes on from the one before it.
pub fn workers<W: Clone>(worker: W, in_order: bool) -> Vec<W> {
    let threads = if in_order { 1 } else { available_parallelism().map_or(1, NonZero::get) };
    vec![worker; threads]
}

/// Results that a worker may be ahead of `see`.
const AHEAD: usize = 16;

/// Calls `work` for every sample, each worker on a thread of its own, and `see` for each result, in the order of the samples.
///
/// # Errors
/// The first that `work` or `see` gives.
pub fn each<W: Send, S: Sync, T: Send, E: Send>(
    workers: &mut [W],
    samples: &[S],
    work: impl Fn(&mut W, &S) -> Result<T, E> + Sync,
    mut see: impl FnMut(T) -> Result<(), E>,
) -> Result<(), E> {
    let (work, turns) = (&work, workers.len().max(1));
    thread::scope(|scope| {
        let mut results = Vec::with_capacity(turns);
        for (turn, worker) in workers.iter_mut().enumerate() {
            let (done, theirs) = sync_channel(AHEAD);
            let mut mine = samples.iter().skip(turn).step_by(turns);
            // Nobody listens any more after an error.
            scope.spawn(move || mine.try_for_each(|sample| done.send(work(&mut *worker, sample))));
            results.push(theirs);
        }
        let in_order = results.iter().cycle().map_while(|theirs| theirs.recv().ok());
        in_order.take(samples.len()).try_for_each(|result| see(result?))
    })
}

#[cfg(test)]
mod tests {
    use ndarray::{ArrayD, IxDyn};

    use super::*;

    #[test]
    fn results_come_in_order_up_to_the_first_error() {
        let samples: Vec<Vec<ArrayD<f32>>> = (0..9).map(|i| vec![ArrayD::from_elem(IxDyn(&[]), i as f32)]).collect();
        let mut seen = Vec::new();
        let work =
            |(): &mut (), sample: &Vec<ArrayD<f32>>| if sample[0].sum() < 7.0 { Ok(sample[0].sum()) } else { Err("7") };
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
