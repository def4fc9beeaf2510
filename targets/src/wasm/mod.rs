//! What the vectors of WebAssembly do with sixteen lanes: I32X4.DOT_I16X8_S makes products of int16 and adds two and two, so each lane has two
//! sums. The relaxed dot products of bytes are not exact, and not used.

mod reals;

use core::arch::wasm32::*;

pub(crate) use reals::SimdReals;

use crate::lanes::{BLOCK, GROUP, Sixteen, Vectors};

/// Fixed-width SIMD.
#[derive(Debug)]
pub(crate) struct Simd128;

impl Vectors for Simd128 {
    /// Widened to int16, two lanes in each.
    type Group = [v128; 8];
    /// Two sums of each of two lanes in each.
    type Sums = [v128; 8];
    type Rounding<'a> = Sixteen<'a>;
    const UNSIGNED: bool = false;
    const PAIRS: bool = false;

    #[inline(always)]
    unsafe fn group(at: *const i8) -> [v128; 8] {
        // SAFETY: the caller says that 64 bytes may be read.
        [0, 8, 16, 24, 32, 40, 48, 56].map(|i| unsafe { i16x8_load_extend_i8x8(at.add(i)) })
    }

    #[inline(always)]
    unsafe fn four(at: *const i8) -> [v128; 8] {
        // SAFETY: the caller says that four bytes may be read, and these loads need no alignment.
        [i16x8_extend_low_i8x16(unsafe { v128_load32_splat(at.cast()) }); 8]
    }

    #[inline(always)]
    unsafe fn raised(group: [v128; 8]) -> [v128; 8] {
        group
    }

    #[inline(always)]
    unsafe fn zero() -> [v128; 8] {
        [i32x4_splat(0); 8]
    }

    #[inline(always)]
    unsafe fn dot(mut sums: [v128; 8], a: [v128; 8], b: [v128; 8]) -> [v128; 8] {
        for ((sums, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sums = i32x4_add(*sums, i32x4_dot_i16x8(a, b));
        }
        sums
    }

    #[inline(always)]
    unsafe fn sums(sums: [v128; 8]) -> [i32; BLOCK] {
        let mut numbers = [0; BLOCK];
        for (to, pair) in numbers.as_chunks_mut::<4>().0.iter_mut().zip(sums.as_chunks().0) {
            // SAFETY: four numbers are stored in as many.
            unsafe { v128_store(to.as_mut_ptr().cast(), joined(*pair)) };
        }
        numbers
    }

    #[inline(always)]
    unsafe fn rounding(to: Sixteen<'_>) -> Sixteen<'_> {
        to
    }

    #[inline(always)]
    unsafe fn finish(sums: [v128; 8], to: &Sixteen<'_>) -> [i8; BLOCK] {
        let mut rounded = [i32x4_splat(0); 4];
        let [bias, multipliers] = [to.bias, to.multipliers].map(|array| array.as_chunks::<4>().0);
        // Half of the last place, and above it the zero point.
        let offset = i64x2_splat((1 << 31) + (i64::from(to.zero) << 32));
        for (((q, pair), bias), m) in rounded.iter_mut().zip(sums.as_chunks().0).zip(bias).zip(multipliers) {
            // SAFETY: the arrays have 16 bytes each.
            let [bias, m] = [bias, m].map(|four| unsafe { v128_load(four.as_ptr().cast()) });
            let sums = i32x4_add(joined(*pair), bias);
            let low = i64x2_add(i64x2_extmul_low_i32x4(sums, m), offset);
            let high = i64x2_add(i64x2_extmul_high_i32x4(sums, m), offset);
            *q = i32x4_shuffle::<1, 3, 5, 7>(low, high);
        }
        let [a, b, c, d] = rounded;
        let q = i8x16_narrow_i16x8(i16x8_narrow_i32x4(a, b), i16x8_narrow_i32x4(c, d));
        let [lo, hi] = to.limits.map(|limit| i8x16_splat(limit));
        let mut results = [0; BLOCK];
        // SAFETY: the results have 16 bytes.
        unsafe { v128_store(results.as_mut_ptr().cast(), i8x16_min(i8x16_max(q, lo), hi)) };
        results
    }

    #[inline(always)]
    unsafe fn later(group: [v128; 8]) -> [v128; 8] {
        group.map(|lanes| i64x2_shl(lanes, 16))
    }

    #[inline(always)]
    unsafe fn interleave(rows: [*const i8; 4], to: &mut [i8; GROUP]) {
        // SAFETY: the caller says that sixteen bytes of each row may be read.
        let [a, b, c, d] = rows.map(|row| unsafe { v128_load(row.cast()) });
        let ([ab_low, ab_high], [cd_low, cd_high]) = (zipped(a, b), zipped(c, d));
        let (low, high) = (zipped_pairs(ab_low, cd_low), zipped_pairs(ab_high, cd_high));
        for (to, part) in to.as_chunks_mut::<16>().0.iter_mut().zip(low.into_iter().chain(high)) {
            // SAFETY: each part has 16 bytes.
            unsafe { v128_store(to.as_mut_ptr().cast(), part) };
        }
    }
}

/// Both sums of each lane added, four lanes.
#[inline(always)]
fn joined([a, b]: [v128; 2]) -> v128 {
    i32x4_add(i32x4_shuffle::<0, 2, 4, 6>(a, b), i32x4_shuffle::<1, 3, 5, 7>(a, b))
}

/// The bytes of both side by side.
#[inline(always)]
fn zipped(a: v128, b: v128) -> [v128; 2] {
    [
        i8x16_shuffle::<0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23>(a, b),
        i8x16_shuffle::<8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31>(a, b),
    ]
}

/// The pairs of bytes of both side by side.
#[inline(always)]
fn zipped_pairs(a: v128, b: v128) -> [v128; 2] {
    [i16x8_shuffle::<0, 8, 1, 9, 2, 10, 3, 11>(a, b), i16x8_shuffle::<4, 12, 5, 13, 6, 14, 7, 15>(a, b)]
}
