//! Sixteen lanes in one vector of 512 bits: VPDPBUSD makes all products of a group and adds them to the sums.

use core::arch::x86_64::*;

use crate::lanes::{BLOCK, GROUP, Sixteen, Vectors};

/// AVX-512 F, BW, VL and VNNI.
#[derive(Debug)]
pub(crate) struct Avx512;

impl Vectors for Avx512 {
    type Group = __m512i;
    type Sums = __m512i;
    type Rounding<'a> = Rounding;
    const UNSIGNED: bool = true;
    const PAIRS: bool = false;
    const TOGETHER: bool = true;

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
    unsafe fn less(sums: __m512i, others: __m512i) -> __m512i {
        // SAFETY: the processor has AVX-512, as the caller says.
        unsafe { _mm512_sub_epi32(sums, others) }
    }

    #[inline(always)]
    unsafe fn sums(sums: __m512i) -> [i32; BLOCK] {
        let mut numbers = [0; BLOCK];
        // SAFETY: the array has 64 bytes.
        unsafe { _mm512_storeu_si512(numbers.as_mut_ptr().cast(), sums) };
        numbers
    }

    #[inline(always)]
    unsafe fn start(to: &Sixteen<'_>) -> __m512i {
        // SAFETY: the array has 64 bytes.
        unsafe { _mm512_loadu_si512(to.bias.as_ptr().cast()) }
    }

    #[inline(always)]
    unsafe fn rounding(to: Sixteen<'_>) -> Rounding {
        // SAFETY: the array has 64 bytes; the processor has AVX-512, as the caller says.
        unsafe {
            let even = _mm512_loadu_si512(to.multipliers.as_ptr().cast());
            Rounding {
                multipliers: [even, _mm512_srli_epi64::<32>(even)],
                offset: _mm512_set1_epi64((1 << 31) + (i64::from(to.zero) << 32)),
                limits: to.limits.map(|limit| _mm512_set1_epi8(limit)),
            }
        }
    }

    #[inline(always)]
    unsafe fn finish(sums: __m512i, to: &Rounding) -> [i8; BLOCK] {
        let mut results = [0; BLOCK];
        // SAFETY: the results have 16 bytes; the processor has AVX-512, as the caller says.
        unsafe {
            let [lo, hi] = to.limits.map(|limit| _mm512_castsi512_si128(limit));
            let q = _mm_min_epi8(_mm_max_epi8(_mm512_cvtsepi32_epi8(scaled(sums, to)), lo), hi);
            _mm_storeu_si128(results.as_mut_ptr().cast(), q);
        }
        results
    }

    #[inline(always)]
    unsafe fn finish_all<const V: usize>(sums: &[__m512i; V], to: &[Rounding; V], results: &mut [i8]) {
        // SAFETY: the processor has AVX-512, as the caller says.
        unsafe {
            match (&sums[..], &to[..]) {
                ([a], [e]) => store::<BLOCK>(packed([*a; 4], [e; 4]), results),
                ([a, b], [e, f]) => store::<{ 2 * BLOCK }>(packed([*a, *b, *a, *b], [e, f, e, f]), results),
                _ => {
                    let fours = sums.as_chunks().0.iter().zip(to.as_chunks().0);
                    for (([a, b, c, d], [e, f, g, h]), results) in fours.zip(results.chunks_mut(4 * BLOCK)) {
                        store::<{ 4 * BLOCK }>(packed([*a, *b, *c, *d], [e, f, g, h]), results);
                    }
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn interleave(rows: [*const i8; 4], to: &mut [i8; GROUP]) {
        // SAFETY: the caller says that sixteen bytes of each row may be read; `to` has 64.
        unsafe { super::sse41::interleave::<{ i8::MIN }>(rows, to) }
    }

    #[inline(always)]
    unsafe fn later(group: __m512i) -> __m512i {
        // SAFETY: the processor has AVX-512, as the caller says.
        unsafe { _mm512_slli_epi32::<8>(group) }
    }

    #[inline(always)]
    unsafe fn interleave_four(rows: [*const i8; 4], to: &mut [[i8; GROUP]; 4]) {
        // SAFETY: the caller says that 64 bytes of each row may be read; each part of `to` has 64. The processor has AVX-512.
        unsafe {
            // Numbers 4·j to 4·j + 3 of each sixteen go to part j of 128 bits, within which bytes and words are then unpacked.
            let order = transposed();
            let mut parts = [_mm512_setzero_si512(); 4];
            for (part, row) in parts.iter_mut().zip(rows) {
                *part = Self::raised(_mm512_permutexvar_epi32(order, _mm512_loadu_si512(row.cast())));
            }
            let [a, b, c, d] = parts;
            let (ab, cd) = (_mm512_unpacklo_epi8(a, b), _mm512_unpacklo_epi8(c, d));
            let lo = [_mm512_unpacklo_epi16(ab, cd), _mm512_unpackhi_epi16(ab, cd)];
            let (ab, cd) = (_mm512_unpackhi_epi8(a, b), _mm512_unpackhi_epi8(c, d));
            let hi = [_mm512_unpacklo_epi16(ab, cd), _mm512_unpackhi_epi16(ab, cd)];
            for (to, group) in to.iter_mut().zip(lo.into_iter().chain(hi)) {
                _mm512_storeu_si512(to.as_mut_ptr().cast(), group);
            }
        }
    }
}

/// What brings sums to int8, in registers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rounding {
    /// Multipliers as they are, and those of odd lanes in the place of even ones.
    multipliers: [__m512i; 2],
    /// In 64 bits, half of the last place, and above it the zero point.
    offset: __m512i,
    /// Smallest and largest result.
    limits: [__m512i; 2],
}

/// `zero + (sum·m + 2^31 >> 32)`, not limited.
#[inline(always)]
unsafe fn scaled(sums: __m512i, to: &Rounding) -> __m512i {
    let [m, odd] = to.multipliers;
    // SAFETY: the processor has AVX-512, as the caller says.
    unsafe {
        let even = _mm512_add_epi64(_mm512_mul_epi32(sums, m), to.offset);
        let odd = _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64::<32>(sums), odd), to.offset);
        _mm512_mask_shuffle_epi32::<0b11_11_01_01>(odd, 0x5555, even)
    }
}

/// The results of four blocks.
#[inline(always)]
unsafe fn packed([a, b, c, d]: [__m512i; 4], [e, f, g, h]: [&Rounding; 4]) -> __m512i {
    // SAFETY: the processor has AVX-512, as the caller says.
    unsafe {
        let ab = _mm512_packs_epi32(scaled(a, e), scaled(b, f));
        let cd = _mm512_packs_epi32(scaled(c, g), scaled(d, h));
        // Packing leaves fours of each block in each part of 128 bits.
        let q = _mm512_permutexvar_epi32(transposed(), _mm512_packs_epi16(ab, cd));
        let [lo, hi] = e.limits;
        _mm512_min_epi8(_mm512_max_epi8(q, lo), hi)
    }
}

/// Writes the first `N` results, or as many as there is room for.
#[inline(always)]
unsafe fn store<const N: usize>(q: __m512i, results: &mut [i8]) {
    let (whole, at) = (results.len() >= N, results.as_mut_ptr());
    // SAFETY: only bytes are written that the results have; the processor has AVX-512, as the caller says.
    unsafe {
        match N {
            16 if whole => _mm_storeu_si128(at.cast(), _mm512_castsi512_si128(q)),
            32 if whole => _mm256_storeu_si256(at.cast(), _mm512_castsi512_si256(q)),
            64 if whole => _mm512_storeu_si512(at.cast(), q),
            _ => _mm512_mask_storeu_epi8(at, (1u64 << results.len().min(63)) - 1, q),
        }
    }
}

/// Where sixteen numbers come from that are a matrix of four by four, transposed.
#[inline(always)]
unsafe fn transposed() -> __m512i {
    // SAFETY: the processor has AVX-512, as the caller says.
    unsafe { _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15) }
}
