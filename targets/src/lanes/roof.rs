//! What a processor can do at most, for benchmarks: a layer's products beside these say how much of it is used.
//!
//! Williams, Waterman and Patterson, "Roofline: an insightful visual performance model for multicore architectures", 2009.

use core::hint::black_box;

use super::loops::Vectors;
use super::tile::GROUP;

/// Products of groups that are in registers, into `P` sums that do not wait for each other; how many there were.
///
/// # Safety
/// The processor has the instruction set.
#[inline(always)]
pub(super) unsafe fn products<L: Vectors, const P: usize>(rounds: usize) -> u64 {
    let numbers = black_box([1; GROUP]);
    // SAFETY: the processor has the instruction set, as the caller says; the array has 64 bytes.
    unsafe {
        let (group, mut sums) = (L::group(numbers.as_ptr()), [L::zero(); P]);
        for _ in 0..rounds {
            for sums in &mut sums {
                *sums = L::dot(*sums, group, group);
            }
        }
        for sums in sums {
            black_box(L::sums(sums));
        }
    }
    (rounds as u64).wrapping_mul(P as u64).wrapping_mul(GROUP as u64)
}

/// Loads all whole groups of `bytes`, each into a product, as layers do.
///
/// # Safety
/// The processor has the instruction set.
#[inline(always)]
pub(super) unsafe fn reads<L: Vectors, const P: usize>(bytes: &[i8]) {
    let numbers = black_box([1; GROUP]);
    // SAFETY: the processor has the instruction set, as the caller says; each array has 64 bytes.
    unsafe {
        let (group, mut sums) = (L::group(numbers.as_ptr()), [L::zero(); P]);
        for part in bytes.as_chunks::<GROUP>().0.as_chunks::<P>().0 {
            for (sums, part) in sums.iter_mut().zip(part) {
                *sums = L::dot(*sums, group, L::group(part.as_ptr()));
            }
        }
        for sums in sums {
            black_box(L::sums(sums));
        }
    }
}
