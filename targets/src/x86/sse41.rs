//! Sixteen lanes in eight vectors of 128 bits: PMADDWD makes products of int16 and adds two and two, so each lane has two sums.

use core::arch::x86_64::*;

use crate::lanes::{BLOCK, GROUP, Sixteen, Vectors};

/// SSE4.1.
#[derive(Debug)]
pub(crate) struct Sse41;

impl Vectors for Sse41 {
    /// Widened to int16, two lanes in each.
    type Group = [__m128i; 8];
    /// Two sums of each of two lanes in each.
    type Sums = [__m128i; 8];
    type Rounding<'a> = Sixteen<'a>;
    const UNSIGNED: bool = false;
    const PAIRS: bool = false;

    #[inline(always)]
    unsafe fn group(at: *const i8) -> [__m128i; 8] {
        // SAFETY: the caller says that 64 bytes may be read.
        [0, 8, 16, 24, 32, 40, 48, 56].map(|i| unsafe { _mm_cvtepi8_epi16(_mm_loadl_epi64(at.add(i).cast())) })
    }

    #[inline(always)]
    unsafe fn four(at: *const i8) -> [__m128i; 8] {
        // SAFETY: the caller says that four bytes may be read.
        unsafe { [_mm_cvtepi8_epi16(_mm_set1_epi32(at.cast::<i32>().read_unaligned())); 8] }
    }

    #[inline(always)]
    unsafe fn raised(group: [__m128i; 8]) -> [__m128i; 8] {
        group
    }

    #[inline(always)]
    unsafe fn zero() -> [__m128i; 8] {
        // SAFETY: SSE2 is part of x86-64.
        unsafe { [_mm_setzero_si128(); 8] }
    }

    #[inline(always)]
    unsafe fn dot(mut sums: [__m128i; 8], a: [__m128i; 8], b: [__m128i; 8]) -> [__m128i; 8] {
        for ((sums, a), b) in sums.iter_mut().zip(a).zip(b) {
            // SAFETY: SSE2 is part of x86-64.
            *sums = unsafe { _mm_add_epi32(*sums, _mm_madd_epi16(a, b)) };
        }
        sums
    }

    #[inline(always)]
    unsafe fn sums(sums: [__m128i; 8]) -> [i32; BLOCK] {
        let mut numbers = [0; BLOCK];
        let (pairs, to) = (sums.as_chunks::<2>().0, numbers.as_chunks_mut::<4>().0);
        for (to, [a, b]) in to.iter_mut().zip(pairs) {
            // SAFETY: the processor has SSSE3, as the caller says; four numbers are stored in as many.
            unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), _mm_hadd_epi32(*a, *b)) };
        }
        numbers
    }

    #[inline(always)]
    unsafe fn rounding(to: Sixteen<'_>) -> Sixteen<'_> {
        to
    }

    #[inline(always)]
    unsafe fn finish(sums: [__m128i; 8], to: &Sixteen<'_>) -> [i8; BLOCK] {
        let mut results = [0; BLOCK];
        let [bias, multipliers] = [to.bias, to.multipliers].map(|array| array.as_chunks::<4>().0);
        let parts = sums.as_chunks::<2>().0.iter().zip(bias).zip(multipliers);
        for ((([a, b], bias), m), y) in parts.zip(results.as_chunks_mut::<4>().0) {
            // SAFETY: the arrays have 16 bytes each; the processor has SSE4.1, as the caller says.
            let q = unsafe {
                let [bias, m] = [bias, m].map(|four| _mm_loadu_si128(four.as_ptr().cast()));
                let sums = _mm_add_epi32(_mm_hadd_epi32(*a, *b), bias);
                let offset = _mm_set1_epi64x((1 << 31) + (i64::from(to.zero) << 32));
                let even = _mm_add_epi64(_mm_mul_epi32(sums, m), offset);
                let odd = _mm_mul_epi32(_mm_srli_epi64::<32>(sums), _mm_srli_epi64::<32>(m));
                let odd = _mm_add_epi64(odd, offset);
                let q = _mm_blend_epi16::<0xCC>(_mm_srli_epi64::<32>(even), odd);
                let [lo, hi] = to.limits.map(|limit| _mm_set1_epi32(limit.into()));
                let q = _mm_min_epi32(_mm_max_epi32(q, lo), hi);
                let words = _mm_packs_epi32(q, q);
                _mm_cvtsi128_si32(_mm_packs_epi16(words, words))
            };
            *y = q.to_le_bytes().map(|byte| byte as i8);
        }
        results
    }

    #[inline(always)]
    unsafe fn interleave(rows: [*const i8; 4], to: &mut [i8; GROUP]) {
        // SAFETY: the caller says that sixteen bytes of each row may be read.
        unsafe { interleave::<0>(rows, to) }
    }

    #[inline(always)]
    unsafe fn later(group: [__m128i; 8]) -> [__m128i; 8] {
        // SAFETY: SSE2 is part of x86-64.
        group.map(|lanes| unsafe { _mm_slli_epi64::<16>(lanes) })
    }
}

/// See [`Vectors::interleave`], with `FLIP` the bits that are turned in each number; SSE2 is part of x86-64.
///
/// # Safety
/// Sixteen bytes of each row may be read.
#[inline(always)]
pub(super) unsafe fn interleave<const FLIP: i8>(rows: [*const i8; 4], to: &mut [i8; GROUP]) {
    // SAFETY: as the caller says; the four parts of `to` have 16 bytes each.
    unsafe {
        let [a, b, c, d] = rows.map(|row| _mm_xor_si128(_mm_loadu_si128(row.cast()), _mm_set1_epi8(FLIP)));
        let [ab, cd] = [(a, b), (c, d)].map(|(a, b)| [_mm_unpacklo_epi8(a, b), _mm_unpackhi_epi8(a, b)]);
        let lo = [_mm_unpacklo_epi16(ab[0], cd[0]), _mm_unpackhi_epi16(ab[0], cd[0])];
        let hi = [_mm_unpacklo_epi16(ab[1], cd[1]), _mm_unpackhi_epi16(ab[1], cd[1])];
        let parts = to.as_chunks_mut::<16>().0.iter_mut();
        parts.zip(lo.into_iter().chain(hi)).for_each(|(to, part)| _mm_storeu_si128(to.as_mut_ptr().cast(), part));
    }
}
