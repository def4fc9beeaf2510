//! Sixteen numbers in f32: in four vectors, in two with fused products, or in one.

use core::arch::x86_64::*;

use crate::lanes::{BLOCK, Reals};

/// Implements [`Reals`] over vectors of an instruction set.
macro_rules! reals {
    ($(#[doc = $doc:literal])* $name:ident: [$vector:ty; $count:literal], $load:ident, $splat:ident, $store:ident,
     |$sums:ident, $a:ident, $b:ident| $product:expr, $max:ident, $min:ident) => {
        $(#[doc = $doc])*
        #[derive(Debug)]
        pub(crate) struct $name;

        impl Reals for $name {
            type Sixteen = [$vector; $count];

            #[inline(always)]
            unsafe fn load(at: *const f32) -> Self::Sixteen {
                // SAFETY: the processor has the instruction set and sixteen numbers may be read, as the caller says.
                unsafe {
                    let mut sixteen = [$load(at); $count];
                    for (i, part) in sixteen.iter_mut().enumerate() {
                        *part = $load(at.add(i.wrapping_mul(BLOCK / $count)));
                    }
                    sixteen
                }
            }

            #[inline(always)]
            unsafe fn splat(x: f32) -> Self::Sixteen {
                // SAFETY: the processor has the instruction set, as the caller says.
                [unsafe { $splat(x) }; $count]
            }

            #[inline(always)]
            unsafe fn add_product(mut sums: Self::Sixteen, a: Self::Sixteen, b: Self::Sixteen) -> Self::Sixteen {
                for (($sums, $a), $b) in sums.iter_mut().zip(a).zip(b) {
                    // SAFETY: the processor has the instruction set, as the caller says.
                    *$sums = unsafe { $product };
                }
                sums
            }

            /// Where one number is none, or both are zeros, these instructions give the second one.
            #[inline(always)]
            unsafe fn clamped(mut sixteen: Self::Sixteen, [lo, hi]: [f32; 2]) -> Self::Sixteen {
                for part in &mut sixteen {
                    // SAFETY: the processor has the instruction set, as the caller says.
                    *part = unsafe { $min($splat(hi), $max($splat(lo), *part)) };
                }
                sixteen
            }

            #[inline(always)]
            unsafe fn numbers(sixteen: Self::Sixteen) -> [f32; BLOCK] {
                let mut numbers = [0.0; BLOCK];
                for (to, part) in numbers.as_chunks_mut::<{ BLOCK / $count }>().0.iter_mut().zip(sixteen) {
                    // SAFETY: the processor has the instruction set, as the caller says; a vector's numbers are stored in as many.
                    unsafe { $store(to.as_mut_ptr(), part) };
                }
                numbers
            }
        }
    };
}

reals! {
    /// SSE2, which is part of x86-64.
    Reals128: [__m128; 4], _mm_loadu_ps, _mm_set1_ps, _mm_storeu_ps, |sums, a, b| _mm_add_ps(*sums, _mm_mul_ps(a, b)),
    _mm_max_ps, _mm_min_ps
}
reals! {
    /// AVX and FMA.
    Reals256: [__m256; 2], _mm256_loadu_ps, _mm256_set1_ps, _mm256_storeu_ps, |sums, a, b| _mm256_fmadd_ps(a, b, *sums),
    _mm256_max_ps, _mm256_min_ps
}
reals! {
    /// AVX-512 F.
    Reals512: [__m512; 1], _mm512_loadu_ps, _mm512_set1_ps, _mm512_storeu_ps, |sums, a, b| _mm512_fmadd_ps(a, b, *sums),
    _mm512_max_ps, _mm512_min_ps
}
