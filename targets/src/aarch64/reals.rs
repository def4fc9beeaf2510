//! Sixteen numbers in f32, in four vectors.

use core::arch::aarch64::*;

use super::Four;
use crate::lanes::{BLOCK, Reals};

/// NEON.
#[derive(Debug)]
pub(crate) struct NeonReals;

impl Reals for NeonReals {
    type Sixteen = Four<float32x4_t>;

    #[inline(always)]
    unsafe fn load(at: *const f32) -> Self::Sixteen {
        // SAFETY: the caller says that sixteen numbers may be read.
        unsafe { [vld1q_f32(at), vld1q_f32(at.add(4)), vld1q_f32(at.add(8)), vld1q_f32(at.add(12))] }
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::Sixteen {
        // SAFETY: NEON is part of AArch64.
        [unsafe { vdupq_n_f32(x) }; 4]
    }

    #[inline(always)]
    unsafe fn add_product(mut sums: Self::Sixteen, a: Self::Sixteen, b: Self::Sixteen) -> Self::Sixteen {
        for ((sums, a), b) in sums.iter_mut().zip(a).zip(b) {
            // SAFETY: NEON is part of AArch64.
            *sums = unsafe { vfmaq_f32(*sums, a, b) };
        }
        sums
    }

    #[inline(always)]
    unsafe fn clamped(mut sixteen: Self::Sixteen, [lo, hi]: [f32; 2]) -> Self::Sixteen {
        for part in &mut sixteen {
            // SAFETY: NEON is part of AArch64.
            unsafe {
                let ([lo, hi], x) = ([vdupq_n_f32(lo), vdupq_n_f32(hi)], *part);
                *part = vbslq_f32(vcltq_f32(x, lo), lo, vbslq_f32(vcgtq_f32(x, hi), hi, x));
            }
        }
        sixteen
    }

    #[inline(always)]
    unsafe fn numbers(sixteen: Self::Sixteen) -> [f32; BLOCK] {
        let mut numbers = [0.0; BLOCK];
        for (to, part) in numbers.as_chunks_mut::<4>().0.iter_mut().zip(sixteen) {
            // SAFETY: each part has 16 bytes.
            unsafe { vst1q_f32(to.as_mut_ptr(), part) };
        }
        numbers
    }
}
