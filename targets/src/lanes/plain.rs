//! Sixteen lanes in plain Rust: for processors without one of the instruction sets, and what those are tested against.

use super::loops::Vectors;
use super::reals::Reals;
use super::tile::{BLOCK, GROUP, Sixteen};

/// No vectors.
#[derive(Debug)]
pub(super) struct Plain;

impl Vectors for Plain {
    type Group = [i8; GROUP];
    type Sums = [i32; BLOCK];
    type Rounding<'a> = Sixteen<'a>;
    const UNSIGNED: bool = false;
    const PAIRS: bool = false;

    #[inline(always)]
    unsafe fn group(at: *const i8) -> [i8; GROUP] {
        // SAFETY: the caller says that 64 bytes may be read; their alignment is 1.
        unsafe { at.cast::<[i8; GROUP]>().read() }
    }

    #[inline(always)]
    unsafe fn four(at: *const i8) -> [i8; GROUP] {
        // SAFETY: the caller says that four bytes may be read.
        let four = unsafe { at.cast::<[i8; 4]>().read() };
        let mut group = [0; GROUP];
        group.as_chunks_mut().0.iter_mut().for_each(|to| *to = four);
        group
    }

    #[inline(always)]
    unsafe fn raised(group: [i8; GROUP]) -> [i8; GROUP] {
        group
    }

    #[inline(always)]
    unsafe fn zero() -> [i32; BLOCK] {
        [0; BLOCK]
    }

    #[inline(always)]
    unsafe fn dot(mut sums: [i32; BLOCK], a: [i8; GROUP], b: [i8; GROUP]) -> [i32; BLOCK] {
        let (a, b) = (a.as_chunks::<4>().0, b.as_chunks::<4>().0);
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum = a.iter().zip(b).fold(*sum, |sum, (a, b)| sum.wrapping_add(i32::from(*a) * i32::from(*b)));
        }
        sums
    }

    #[inline(always)]
    unsafe fn sums(sums: [i32; BLOCK]) -> [i32; BLOCK] {
        sums
    }

    #[inline(always)]
    unsafe fn rounding(to: Sixteen<'_>) -> Sixteen<'_> {
        to
    }

    #[inline(always)]
    unsafe fn finish(sums: [i32; BLOCK], to: &Sixteen<'_>) -> [i8; BLOCK] {
        let mut results = [0; BLOCK];
        for (((y, sum), bias), multiplier) in results.iter_mut().zip(sums).zip(to.bias).zip(to.multipliers) {
            let product = i64::from(sum.wrapping_add(*bias)).wrapping_mul((*multiplier).into());
            let high = (product.wrapping_add(1 << 31) >> 32) as i32;
            let [lo, hi] = to.limits.map(i32::from);
            *y = high.wrapping_add(to.zero.into()).max(lo).min(hi) as i8;
        }
        results
    }

    #[inline(always)]
    unsafe fn later(mut group: [i8; GROUP]) -> [i8; GROUP] {
        group.as_chunks_mut::<4>().0.iter_mut().for_each(|[a, b, c, d]| [*a, *b, *c, *d] = [0, *a, *b, *c]);
        group
    }

    #[inline(always)]
    unsafe fn interleave(rows: [*const i8; 4], to: &mut [i8; GROUP]) {
        for (i, to) in to.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            // SAFETY: the caller says that sixteen numbers of each row may be read.
            *to = rows.map(|row| unsafe { row.add(i).read() });
        }
    }
}

impl Reals for Plain {
    type Sixteen = [f32; BLOCK];

    #[inline(always)]
    unsafe fn load(at: *const f32) -> [f32; BLOCK] {
        // SAFETY: the caller says that sixteen numbers may be read.
        unsafe { at.cast::<[f32; BLOCK]>().read() }
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> [f32; BLOCK] {
        [x; BLOCK]
    }

    #[inline(always)]
    unsafe fn add_product(mut sums: [f32; BLOCK], a: [f32; BLOCK], b: [f32; BLOCK]) -> [f32; BLOCK] {
        sums.iter_mut().zip(a).zip(b).for_each(|((sum, a), b)| *sum += a * b);
        sums
    }

    #[inline(always)]
    unsafe fn clamped(sixteen: [f32; BLOCK], [lo, hi]: [f32; 2]) -> [f32; BLOCK] {
        let clamped = |x: f32| if x > hi { hi } else { x };
        sixteen.map(|x| if x < lo { lo } else { clamped(x) })
    }

    #[inline(always)]
    unsafe fn numbers(sixteen: [f32; BLOCK]) -> [f32; BLOCK] {
        sixteen
    }
}
