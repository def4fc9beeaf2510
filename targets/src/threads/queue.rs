//! Work of a layer that threads take parts of until none is left.

use core::ops::Range;
use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use lacewing::Fault;

use super::Threads;

/// A range of rows, vectors or outputs and what is to be written for them.
pub(super) type Part<'a, T> = (Range<u32>, &'a mut [T]);

/// What computes a part, with bytes to work in.
type Kernel<'k, T> = dyn Fn(Part<'_, T>, &mut [u8]) -> Result<(), Fault> + Sync + 'k;

/// The parts that are left.
struct Queue<'a, T> {
    rows: Range<u32>,
    output: &'a mut [T],
    /// Rows of a part, a multiple of what must stay together.
    step: u32,
    /// Numbers of a row.
    row_len: usize,
}

impl<'a, T> Queue<'a, T> {
    /// The next part.
    fn take(&mut self) -> Option<Part<'a, T>> {
        let Range { start, end } = self.rows;
        let count = end.saturating_sub(start).min(self.step);
        let (output, rest) =
            core::mem::take(&mut self.output).split_at_mut_checked((count as usize).checked_mul(self.row_len)?)?;
        let middle = start.wrapping_add(count);
        (self.rows, self.output) = (middle..end, rest);
        (count > 0).then_some((start..middle, output))
    }
}

/// Has `kernel` compute `rows` in parts, multiples of `together` but for the last, on all threads: each part with the bytes to work in of
/// the thread that has taken it. Threads without so many bytes stay away. `None`, and nothing done, if there are not enough rows or the threads
/// are busy.
pub(super) fn each_part<T: Send>(
    threads: &Threads,
    (rows, output): Part<'_, T>,
    together: u32,
    scratch: &mut [u8],
    kernel: &Kernel<'_, T>,
) -> Option<Result<(), Fault>> {
    let count = rows.end.saturating_sub(rows.start);
    let step = count.div_ceil(threads.count() as u32).checked_next_multiple_of(together)?;
    let row_len = output.len().checked_div(count as usize)?;
    let mut turn = if step < count { threads.take()? } else { return None };
    let len = scratch.len();
    let (queue, own, fault) =
        (Mutex::new(Queue { rows, output, step, row_len }), Mutex::new(scratch), AtomicBool::new(false));
    turn.run(&|thread| {
        let work = |scratch: &mut [u8]| {
            while let Some(part) = locked(&queue, Queue::take) {
                fault.fetch_or(kernel(part, scratch).is_err(), Ordering::Relaxed);
            }
        };
        match threads.scratch(thread) {
            None => locked(&own, |scratch| work(scratch)),
            Some(scratch) => locked(scratch, |scratch| scratch.get_mut(..len).map(work).unwrap_or_default()),
        }
    });
    Some(if fault.into_inner() { Err(Fault) } else { Ok(()) })
}

/// Calls `with` while nobody else has the contents of a mutex.
fn locked<T, R>(mutex: &Mutex<T>, with: impl FnOnce(&mut T) -> R) -> R {
    with(&mut mutex.lock().unwrap_or_else(PoisonError::into_inner))
}
