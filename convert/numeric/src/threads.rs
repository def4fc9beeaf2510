//! Work on all threads of the machine.

use std::num::NonZero;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, available_parallelism};

/// Calls `work(number, band)` for every band of `len` numbers, on all threads of the machine. Who does which changes nothing.
pub fn bands<T: Send>(numbers: &mut [T], len: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    let threads = available_parallelism().map_or(1, NonZero::get);
    let bands = Mutex::new(numbers.chunks_mut(len.max(1)).enumerate());
    let next = || bands.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((number, band)) = next() {
                    work(number, band);
                }
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_band_is_worked_on_once() {
        let mut numbers = vec![0; 103];
        bands(&mut numbers, 10, |number, band| band.iter_mut().for_each(|x| *x += number + 1));
        assert!(numbers.iter().enumerate().all(|(i, x)| *x == i / 10 + 1));
    }
}
