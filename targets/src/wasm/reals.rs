//! Sixteen numbers in f32, in four vectors.

use core::arch::wasm32::*;

use crate::lanes::{BLOCK, Reals};

/// Fixed-width SIMD.
#[derive(Debug)]
pub(crate) struct SimdReals;

impl Reals for SimdReals {
    type Sixteen = [v128; 4];

    #[inline(always)]
    unsafe fn load(at: *const f32) -> [v128; 4] {
        // SAFETY: the caller says that sixteen numbers may be read, and these loads need no alignment.
        [0, 4, 8, 12].map(|i| unsafe { v128_load(at.add(i).cast()) })
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> [v128; 4] {
        [f32x4_splat(x); 4]
    }

    #[inline(always)]
    unsafe fn add_product(mut sums: [v128; 4], a: [v128; 4], b: [v128; 4]) -> [v128; 4] {
        for ((sums, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sums = f32x4_add(*sums, f32x4_mul(a, b));
        }
        sums
    }

    #[inline(always)]
    unsafe fn clamped(mut sixteen: [v128; 4], [lo, hi]: [f32; 2]) -> [v128; 4] {
        for part in &mut sixteen {
            *part = f32x4_pmin(f32x4_pmax(*part, f32x4_splat(lo)), f32x4_splat(hi));
        }
        sixteen
    }

    #[inline(always)]
    unsafe fn numbers(sixteen: [v128; 4]) -> [f32; BLOCK] {
        let mut numbers = [0.0; BLOCK];
        for (to, part) in numbers.as_chunks_mut::<4>().0.iter_mut().zip(sixteen) {
            // SAFETY: each part has 16 bytes, and these stores need no alignment.
            unsafe { v128_store(to.as_mut_ptr().cast(), part) };
        }
        numbers
    }
}
