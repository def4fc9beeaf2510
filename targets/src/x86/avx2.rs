//! Sixteen lanes in vectors of 256 bits: two, of whose bytes VPDPBUSD makes all products, or four of int16, for VPMADDWD.

use core::arch::x86_64::*;

use crate::lanes::{BLOCK, GROUP, Sixteen, Vectors};

/// AVX2.
#[derive(Debug)]
pub(crate) struct Avx2;

impl Vectors for Avx2 {
    /// Widened to int16, four lanes in each.
    type Group = [__m256i; 4];
    /// Two sums of each of four lanes in each.
    type Sums = [__m256i; 4];
    type Rounding<'a> = Sixteen<'a>;
    const UNSIGNED: bool = false;
    const PAIRS: bool = false;

    #[inline(always)]
    unsafe fn group(at: *const i8) -> [__m256i; 4] {
        // SAFETY: the caller says that 64 bytes may be read.
        [0, 16, 32, 48].map(|i| unsafe { _mm256_cvtepi8_epi16(_mm_loadu_si128(at.add(i).cast())) })
    }

    #[inline(always)]
    unsafe fn four(at: *const i8) -> [__m256i; 4] {
        // SAFETY: the caller says that four bytes may be read.
        unsafe { [_mm256_cvtepi8_epi16(_mm_set1_epi32(at.cast::<i32>().read_unaligned())); 4] }
    }

    #[inline(always)]
    unsafe fn raised(group: [__m256i; 4]) -> [__m256i; 4] {
        group
    }

    #[inline(always)]
    unsafe fn zero() -> [__m256i; 4] {
        // SAFETY: the processor has AVX2, as the caller says.
        unsafe { [_mm256_setzero_si256(); 4] }
    }

    #[inline(always)]
    unsafe fn dot(mut sums: [__m256i; 4], a: [__m256i; 4], b: [__m256i; 4]) -> [__m256i; 4] {
        for ((sums, a), b) in sums.iter_mut().zip(a).zip(b) {
            // SAFETY: the processor has AVX2, as the caller says.
            *sums = unsafe { _mm256_add_epi32(*sums, _mm256_madd_epi16(a, b)) };
        }
        sums
    }

    #[inline(always)]
    unsafe fn sums(sums: [__m256i; 4]) -> [i32; BLOCK] {
        // SAFETY: as the caller says.
        unsafe { stored(joined(sums)) }
    }

    #[inline(always)]
    unsafe fn rounding(to: Sixteen<'_>) -> Sixteen<'_> {
        to
    }

    #[inline(always)]
    unsafe fn finish(sums: [__m256i; 4], to: &Sixteen<'_>) -> [i8; BLOCK] {
        // SAFETY: as the caller says.
        unsafe { finish(joined(sums), to) }
    }

    #[inline(always)]
    unsafe fn interleave(rows: [*const i8; 4], to: &mut [i8; GROUP]) {
        // SAFETY: the caller says that sixteen bytes of each row may be read.
        unsafe { super::sse41::interleave(rows, to) }
    }
}

/// AVX2 and AVX-VNNI.
#[derive(Debug)]
pub(crate) struct AvxVnni;

impl Vectors for AvxVnni {
    type Group = [__m256i; 2];
    type Sums = [__m256i; 2];
    type Rounding<'a> = Sixteen<'a>;
    const UNSIGNED: bool = true;
    const PAIRS: bool = false;

    #[inline(always)]
    unsafe fn group(at: *const i8) -> [__m256i; 2] {
        // SAFETY: the caller says that 64 bytes may be read.
        [0, 32].map(|i| unsafe { _mm256_loadu_si256(at.add(i).cast()) })
    }

    #[inline(always)]
    unsafe fn four(at: *const i8) -> [__m256i; 2] {
        // SAFETY: the caller says that four bytes may be read.
        unsafe { [_mm256_set1_epi32(at.cast::<i32>().read_unaligned()); 2] }
    }

    #[inline(always)]
    unsafe fn raised(group: [__m256i; 2]) -> [__m256i; 2] {
        // SAFETY: the processor has AVX2, as the caller says.
        group.map(|part| unsafe { _mm256_xor_si256(part, _mm256_set1_epi8(i8::MIN)) })
    }

    #[inline(always)]
    unsafe fn zero() -> [__m256i; 2] {
        // SAFETY: the processor has AVX2, as the caller says.
        unsafe { [_mm256_setzero_si256(); 2] }
    }

    #[inline(always)]
    unsafe fn dot(mut sums: [__m256i; 2], a: [__m256i; 2], b: [__m256i; 2]) -> [__m256i; 2] {
        for ((sums, a), b) in sums.iter_mut().zip(a).zip(b) {
            // SAFETY: the processor has AVX-VNNI, as the caller says.
            *sums = unsafe { _mm256_dpbusd_avx_epi32(*sums, a, b) };
        }
        sums
    }

    #[inline(always)]
    unsafe fn sums(sums: [__m256i; 2]) -> [i32; BLOCK] {
        // SAFETY: as the caller says.
        unsafe { stored(sums) }
    }

    #[inline(always)]
    unsafe fn rounding(to: Sixteen<'_>) -> Sixteen<'_> {
        to
    }

    #[inline(always)]
    unsafe fn finish(sums: [__m256i; 2], to: &Sixteen<'_>) -> [i8; BLOCK] {
        // SAFETY: as the caller says.
        unsafe { finish(sums, to) }
    }

    #[inline(always)]
    unsafe fn interleave(rows: [*const i8; 4], to: &mut [i8; GROUP]) {
        // SAFETY: the caller says that sixteen bytes of each row may be read.
        unsafe { super::sse41::interleave(rows, to) }
    }
}

/// Both sums of each lane added: lanes 0 to 7 and 8 to 15.
#[inline(always)]
unsafe fn joined([a, b, c, d]: [__m256i; 4]) -> [__m256i; 2] {
    // SAFETY: the processor has AVX2, as the caller says. The sums of lanes 0, 1, 4, 5, 2, 3, 6, 7 come out, pairs of which change places.
    [(a, b), (c, d)].map(|(a, b)| unsafe { _mm256_permute4x64_epi64::<0xD8>(_mm256_hadd_epi32(a, b)) })
}

#[inline(always)]
unsafe fn stored(sums: [__m256i; 2]) -> [i32; BLOCK] {
    let mut numbers = [0; BLOCK];
    for (to, sums) in numbers.as_chunks_mut::<8>().0.iter_mut().zip(sums) {
        // SAFETY: each part has 32 bytes.
        unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), sums) };
    }
    numbers
}

#[inline(always)]
unsafe fn finish(sums: [__m256i; 2], to: &Sixteen<'_>) -> [i8; BLOCK] {
    let mut results = [0; BLOCK];
    let [bias, multipliers] = [to.bias, to.multipliers].map(|array| array.as_chunks::<8>().0);
    for (((sums, bias), m), y) in sums.into_iter().zip(bias).zip(multipliers).zip(results.as_chunks_mut::<8>().0) {
        // SAFETY: the arrays have 32 bytes each, the results 8; the processor has AVX2, as the caller says.
        unsafe {
            let [bias, m] = [bias, m].map(|eight| _mm256_loadu_si256(eight.as_ptr().cast()));
            let sums = _mm256_add_epi32(sums, bias);
            // Half of the last place, and above it the zero point.
            let offset = _mm256_set1_epi64x((1 << 31) + (i64::from(to.zero) << 32));
            let even = _mm256_add_epi64(_mm256_mul_epi32(sums, m), offset);
            let odd = _mm256_mul_epi32(_mm256_srli_epi64::<32>(sums), _mm256_srli_epi64::<32>(m));
            let odd = _mm256_add_epi64(odd, offset);
            let q = _mm256_blend_epi32::<0xAA>(_mm256_srli_epi64::<32>(even), odd);
            let [lo, hi] = to.limits.map(|limit| _mm256_set1_epi32(limit.into()));
            let q = _mm256_min_epi32(_mm256_max_epi32(q, lo), hi);
            let words = _mm_packs_epi32(_mm256_castsi256_si128(q), _mm256_extracti128_si256::<1>(q));
            _mm_storel_epi64(y.as_mut_ptr().cast(), _mm_packs_epi16(words, words));
        }
    }
    results
}
