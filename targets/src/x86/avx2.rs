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
        unsafe { [widened(at), widened(at.add(16)), widened(at.add(32)), widened(at.add(48))] }
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
    unsafe fn dot([s, t, u, v]: [__m256i; 4], a: [__m256i; 4], b: [__m256i; 4]) -> [__m256i; 4] {
        let ([a, c, e, g], [b, d, f, h]) = (a, b);
        // SAFETY: the processor has AVX2, as the caller says.
        unsafe { [added(s, a, b), added(t, c, d), added(u, e, f), added(v, g, h)] }
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
        unsafe { super::sse41::interleave::<0>(rows, to) }
    }

    #[inline(always)]
    unsafe fn later([a, b, c, d]: [__m256i; 4]) -> [__m256i; 4] {
        // SAFETY: the processor has AVX2, as the caller says.
        unsafe {
            let [a, b] = [_mm256_slli_epi64::<16>(a), _mm256_slli_epi64::<16>(b)];
            [a, b, _mm256_slli_epi64::<16>(c), _mm256_slli_epi64::<16>(d)]
        }
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
    const TOGETHER: bool = true;

    #[inline(always)]
    unsafe fn group(at: *const i8) -> [__m256i; 2] {
        // SAFETY: the caller says that 64 bytes may be read.
        unsafe { [_mm256_loadu_si256(at.cast()), _mm256_loadu_si256(at.add(32).cast())] }
    }

    #[inline(always)]
    unsafe fn four(at: *const i8) -> [__m256i; 2] {
        // SAFETY: the caller says that four bytes may be read.
        unsafe { [_mm256_set1_epi32(at.cast::<i32>().read_unaligned()); 2] }
    }

    #[inline(always)]
    unsafe fn raised([a, b]: [__m256i; 2]) -> [__m256i; 2] {
        // SAFETY: the processor has AVX2, as the caller says.
        unsafe {
            let flip = _mm256_set1_epi8(i8::MIN);
            [_mm256_xor_si256(a, flip), _mm256_xor_si256(b, flip)]
        }
    }

    #[inline(always)]
    unsafe fn zero() -> [__m256i; 2] {
        // SAFETY: the processor has AVX2, as the caller says.
        unsafe { [_mm256_setzero_si256(); 2] }
    }

    #[inline(always)]
    unsafe fn dot([s, t]: [__m256i; 2], [a, c]: [__m256i; 2], [b, d]: [__m256i; 2]) -> [__m256i; 2] {
        // SAFETY: the processor has AVX-VNNI, as the caller says.
        unsafe { [_mm256_dpbusd_avx_epi32(s, a, b), _mm256_dpbusd_avx_epi32(t, c, d)] }
    }

    #[inline(always)]
    unsafe fn less([s, t]: [__m256i; 2], [a, b]: [__m256i; 2]) -> [__m256i; 2] {
        // SAFETY: the processor has AVX2, as the caller says.
        unsafe { [_mm256_sub_epi32(s, a), _mm256_sub_epi32(t, b)] }
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
        unsafe { super::sse41::interleave::<{ i8::MIN }>(rows, to) }
    }

    #[inline(always)]
    unsafe fn later([a, b]: [__m256i; 2]) -> [__m256i; 2] {
        // SAFETY: the processor has AVX2, as the caller says.
        unsafe { [_mm256_slli_epi32::<8>(a), _mm256_slli_epi32::<8>(b)] }
    }
}

/// Sixteen bytes as int16.
#[inline(always)]
unsafe fn widened(at: *const i8) -> __m256i {
    // SAFETY: the caller says that they may be read, and that the processor has AVX2.
    unsafe { _mm256_cvtepi8_epi16(_mm_loadu_si128(at.cast())) }
}

/// Sums with two products more each.
#[inline(always)]
unsafe fn added(sums: __m256i, a: __m256i, b: __m256i) -> __m256i {
    // SAFETY: the processor has AVX2, as the caller says.
    unsafe { _mm256_add_epi32(sums, _mm256_madd_epi16(a, b)) }
}

/// Both sums of each lane added: lanes 0 to 7 and 8 to 15.
#[inline(always)]
unsafe fn joined([a, b, c, d]: [__m256i; 4]) -> [__m256i; 2] {
    // SAFETY: the processor has AVX2, as the caller says. The sums of lanes 0, 1, 4, 5, 2, 3, 6, 7 come out, pairs of which change places.
    unsafe {
        let (ab, cd) = (_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
        [_mm256_permute4x64_epi64::<0xD8>(ab), _mm256_permute4x64_epi64::<0xD8>(cd)]
    }
}

#[inline(always)]
unsafe fn stored([a, b]: [__m256i; 2]) -> [i32; BLOCK] {
    let mut numbers = [0; BLOCK];
    // SAFETY: the array has 64 bytes.
    unsafe {
        _mm256_storeu_si256(numbers.as_mut_ptr().cast(), a);
        _mm256_storeu_si256(numbers.as_mut_ptr().add(8).cast(), b);
    }
    numbers
}

#[inline(always)]
unsafe fn finish([a, b]: [__m256i; 2], to: &Sixteen<'_>) -> [i8; BLOCK] {
    let mut results = [0; BLOCK];
    let (bias, multipliers) = (to.bias.as_ptr(), to.multipliers.as_ptr());
    // SAFETY: the arrays have 64 bytes each, the results 16; the processor has AVX2, as the caller says.
    unsafe {
        let (a, b) = (scaled(a, bias, multipliers, to.zero), scaled(b, bias.add(8), multipliers.add(8), to.zero));
        // Packing leaves fours of each in each part of 128 bits.
        let words = _mm256_permute4x64_epi64::<0xD8>(_mm256_packs_epi32(a, b));
        let q = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
        let [lo, hi] = to.limits;
        let q = _mm_min_epi8(_mm_max_epi8(q, _mm_set1_epi8(lo)), _mm_set1_epi8(hi));
        _mm_storeu_si128(results.as_mut_ptr().cast(), q);
    }
    results
}

/// `zero + ((sum + bias)·m + 2^31 >> 32)`, not limited.
#[inline(always)]
unsafe fn scaled(sums: __m256i, bias: *const i32, multipliers: *const i32, zero: i8) -> __m256i {
    // SAFETY: the caller says that eight numbers may be read of each, and that the processor has AVX2.
    unsafe {
        let m = _mm256_loadu_si256(multipliers.cast());
        let sums = _mm256_add_epi32(sums, _mm256_loadu_si256(bias.cast()));
        // Half of the last place, and above it the zero point.
        let offset = _mm256_set1_epi64x((1 << 31) + (i64::from(zero) << 32));
        let even = _mm256_add_epi64(_mm256_mul_epi32(sums, m), offset);
        let odd = _mm256_mul_epi32(_mm256_srli_epi64::<32>(sums), _mm256_srli_epi64::<32>(m));
        _mm256_blend_epi32::<0xAA>(_mm256_srli_epi64::<32>(even), _mm256_add_epi64(odd, offset))
    }
}
