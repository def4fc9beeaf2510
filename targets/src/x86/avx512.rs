//! Sixteen lanes in one vector of 512 bits: VPDPBUSD makes all products of a group and adds them to the sums.

use core::arch::x86_64::*;

use crate::lanes::{BLOCK, GROUP, Sixteen, Vectors};

/// AVX-512 F, BW, VL and VNNI.
#[derive(Debug)]
pub(crate) struct Avx512;

impl Vectors for Avx512 {
    type Group = __m512i;
    type Sums = __m512i;
    type Rounding<'a> = Sixteen<'a>;
    const UNSIGNED: bool = true;
    const PAIRS: bool = false;

    #[inline(always)]
    unsafe fn group(at: *const i8) -> __m512i {
        // SAFETY: the caller says that 64 bytes may be read.
        unsafe { _mm512_loadu_si512(at.cast()) }
    }

    #[inline(always)]
    unsafe fn four(at: *const i8) -> __m512i {
        // SAFETY: the caller says that four bytes may be read.
        unsafe { _mm512_set1_epi32(at.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    unsafe fn raised(group: __m512i) -> __m512i {
        // SAFETY: the processor has AVX-512, as the caller says.
        unsafe { _mm512_xor_si512(group, _mm512_set1_epi8(i8::MIN)) }
    }

    #[inline(always)]
    unsafe fn zero() -> __m512i {
        // SAFETY: the processor has AVX-512, as the caller says.
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    unsafe fn dot(sums: __m512i, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: the processor has VNNI, as the caller says.
        unsafe { _mm512_dpbusd_epi32(sums, a, b) }
    }

    #[inline(always)]
    unsafe fn sums(sums: __m512i) -> [i32; BLOCK] {
        let mut numbers = [0; BLOCK];
        // SAFETY: the array has 64 bytes.
        unsafe { _mm512_storeu_si512(numbers.as_mut_ptr().cast(), sums) };
        numbers
    }

    #[inline(always)]
    unsafe fn rounding(to: Sixteen<'_>) -> Sixteen<'_> {
        to
    }

    #[inline(always)]
    unsafe fn finish(sums: __m512i, to: &Sixteen<'_>) -> [i8; BLOCK] {
        let mut results = [0; BLOCK];
        // SAFETY: the arrays have 64 bytes each, the results 16; the processor has AVX-512, as the caller says.
        unsafe {
            let [bias, m] = [to.bias, to.multipliers].map(|array| _mm512_loadu_si512(array.as_ptr().cast()));
            let sums = _mm512_add_epi32(sums, bias);
            // Half of the last place, and above it the zero point.
            let offset = _mm512_set1_epi64((1 << 31) + (i64::from(to.zero) << 32));
            let even = _mm512_add_epi64(_mm512_mul_epi32(sums, m), offset);
            let odd = _mm512_mul_epi32(_mm512_srli_epi64::<32>(sums), _mm512_srli_epi64::<32>(m));
            let odd = _mm512_add_epi64(odd, offset);
            let q = _mm512_mask_blend_epi32(0xAAAA, _mm512_srli_epi64::<32>(even), odd);
            let [lo, hi] = to.limits.map(|limit| _mm_set1_epi8(limit));
            let q = _mm_min_epi8(_mm_max_epi8(_mm512_cvtsepi32_epi8(q), lo), hi);
            _mm_storeu_si128(results.as_mut_ptr().cast(), q);
        }
        results
    }

    #[inline(always)]
    unsafe fn interleave(rows: [*const i8; 4], to: &mut [i8; GROUP]) {
        // SAFETY: the caller says that sixteen bytes of each row may be read; `to` has 64.
        unsafe { super::sse41::interleave(rows, to) }
    }
}
