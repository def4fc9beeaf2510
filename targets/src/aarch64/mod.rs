//! What the vectors of AArch64 do with sixteen lanes.
//!
//! SMMLA makes 32 products, of two pixels and two outputs, and adds them to four sums. SDOT makes four in each of four lanes. Without both SMULL makes eight products of 16 bits, and SADALP adds
//! two and two of them to the sums. Between both SMLAL adds a second product of eight others, where no weight is −128: 2·127·128 is less than 2^15.

/// What all levels have in common: a group of signed numbers in four registers.
macro_rules! four_registers {
    () => {
        type Group = Four<int8x16_t>;
        const UNSIGNED: bool = false;

        #[inline(always)]
        unsafe fn group(at: *const i8) -> Four<int8x16_t> {
            // SAFETY: the caller says that 64 bytes may be read.
            unsafe { super::group(at) }
        }

        #[inline(always)]
        unsafe fn four(at: *const i8) -> Four<int8x16_t> {
            // SAFETY: the caller says that four bytes may be read.
            [unsafe { super::four(at) }; 4]
        }

        #[inline(always)]
        unsafe fn raised(group: Four<int8x16_t>) -> Four<int8x16_t> {
            group
        }

        #[inline(always)]
        unsafe fn interleave(rows: [*const i8; 4], to: &mut [i8; GROUP]) {
            // SAFETY: the caller says that sixteen bytes of each row may be read.
            unsafe { super::interleave(rows, to) }
        }

        #[inline(always)]
        unsafe fn later(group: Four<int8x16_t>) -> Four<int8x16_t> {
            // SAFETY: NEON is part of AArch64.
            group.map(|lanes| unsafe { vreinterpretq_s8_u32(vshlq_n_u32::<8>(vreinterpretq_u32_s8(lanes))) })
        }
    };
}

/// What levels have in common whose four registers of sums have one for each lane.
macro_rules! one_sum_for_each_lane {
    () => {
        type Sums = Four<int32x4_t>;
        type Rounding<'a> = Rounding;
        const PAIRS: bool = false;
        const TOGETHER: bool = true;

        #[inline(always)]
        unsafe fn zero() -> Four<int32x4_t> {
            // SAFETY: NEON is part of AArch64.
            unsafe { [vdupq_n_s32(0); 4] }
        }

        #[inline(always)]
        unsafe fn start(to: &Sixteen<'_>) -> Four<int32x4_t> {
            super::numbers(to.bias)
        }

        #[inline(always)]
        unsafe fn sums(sums: Four<int32x4_t>) -> [i32; BLOCK] {
            super::stored(sums)
        }

        #[inline(always)]
        unsafe fn rounding(to: Sixteen<'_>) -> Rounding {
            Rounding::new(to)
        }

        #[inline(always)]
        unsafe fn finish(sums: Four<int32x4_t>, to: &Rounding) -> [i8; BLOCK] {
            to.finish(sums)
        }
    };
}

mod dot;
mod matrix;
mod neon;
mod reals;

use core::arch::aarch64::*;
use core::arch::asm;

pub(crate) use dot::Dot;
pub(crate) use matrix::Matrix;
pub(crate) use neon::Neon;
pub(crate) use reals::NeonReals;

use crate::lanes::{BLOCK, GROUP, Run, Sixteen};

/// Four lanes in each: the bytes of a group, or the sums.
pub(crate) type Four<T> = [T; 4];

/// See [`Vectors::group`](crate::lanes::Vectors::group).
///
/// # Safety
/// 64 bytes may be read.
#[inline(always)]
unsafe fn group(at: *const i8) -> Four<int8x16_t> {
    // SAFETY: as the caller says.
    unsafe { [vld1q_s8(at), vld1q_s8(at.add(16)), vld1q_s8(at.add(32)), vld1q_s8(at.add(48))] }
}

/// See [`Vectors::four`](crate::lanes::Vectors::four). The compiler is not told that all parts are alike: it would no longer find the
/// instructions for high halves.
///
/// # Safety
/// Four bytes may be read.
#[inline(always)]
unsafe fn four(at: *const i8) -> int8x16_t {
    let four;
    // SAFETY: as the caller says; the instruction writes the register that is named.
    unsafe {
        asm!("ld1r {{{four:v}.4s}}, [{at}]", four = lateout(vreg) four, at = in(reg) at,
            options(pure, readonly, nostack, preserves_flags));
    }
    four
}

/// Sixteen numbers, one for each lane.
#[inline(always)]
fn numbers(from: &[i32; BLOCK]) -> Four<int32x4_t> {
    let at = from.as_ptr();
    // SAFETY: the array has 64 bytes.
    unsafe { [vld1q_s32(at), vld1q_s32(at.add(4)), vld1q_s32(at.add(8)), vld1q_s32(at.add(12))] }
}

/// What follows the first `groups` groups.
///
/// # Safety
/// There are so many.
#[inline(always)]
unsafe fn after(run: Run, groups: usize) -> Run {
    let bytes = groups.wrapping_mul(4);
    // SAFETY: as the caller says.
    let (x, weights) = unsafe { (run.x.add(bytes), run.weights.add(groups.wrapping_mul(run.steps[0]))) };
    Run { x, weights, len: run.len.wrapping_sub(bytes), ..run }
}

/// See [`Vectors::sums`](crate::lanes::Vectors::sums).
#[inline(always)]
fn stored(sums: Four<int32x4_t>) -> [i32; BLOCK] {
    let mut numbers = [0; BLOCK];
    for (to, sums) in numbers.as_chunks_mut::<4>().0.iter_mut().zip(sums) {
        // SAFETY: each part has 16 bytes.
        unsafe { vst1q_s32(to.as_mut_ptr(), sums) };
    }
    numbers
}

/// What brings sums with their biases to int8, in registers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rounding {
    /// Half of the multipliers.
    halves: Four<int32x4_t>,
    zero: int16x8_t,
    limits: [int8x16_t; 2],
}

impl Rounding {
    #[inline(always)]
    fn new(to: Sixteen<'_>) -> Self {
        let [a, b, c, d] = numbers(to.multipliers);
        // SAFETY: NEON is part of AArch64.
        unsafe {
            let halves = [vshrq_n_s32::<1>(a), vshrq_n_s32::<1>(b), vshrq_n_s32::<1>(c), vshrq_n_s32::<1>(d)];
            let limits = [vdupq_n_s8(to.limits[0]), vdupq_n_s8(to.limits[1])];
            Self { halves, zero: vdupq_n_s16(to.zero.into()), limits }
        }
    }

    /// See [`Vectors::finish`](crate::lanes::Vectors::finish). SQRDMULH gives `(2·a·b + 2^31) >> 32`, so that `b = m / 2`: multipliers are even.
    #[inline(always)]
    fn finish(&self, mut sums: Four<int32x4_t>) -> [i8; BLOCK] {
        for (sums, half) in sums.iter_mut().zip(self.halves) {
            // SAFETY: NEON is part of AArch64.
            *sums = unsafe { vqrdmulhq_s32(*sums, half) };
        }
        let ([a, b, c, d], mut results) = (sums, [0; BLOCK]);
        // SAFETY: NEON is part of AArch64; the results have 16 bytes.
        unsafe {
            let low = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(a), b), self.zero);
            let high = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(c), d), self.zero);
            let q = vqmovn_high_s16(vqmovn_s16(low), high);
            let [lo, hi] = self.limits;
            vst1q_s8(results.as_mut_ptr(), vminq_s8(vmaxq_s8(q, lo), hi));
        }
        results
    }
}

/// See [`Vectors::interleave`](crate::lanes::Vectors::interleave).
///
/// # Safety
/// Sixteen bytes of each row may be read.
#[inline(always)]
unsafe fn interleave(rows: [*const i8; 4], to: &mut [i8; GROUP]) {
    // SAFETY: as the caller says; `to` has 64 bytes.
    unsafe {
        let [a, b, c, d] = rows;
        vst4q_s8(to.as_mut_ptr(), int8x16x4_t(vld1q_s8(a), vld1q_s8(b), vld1q_s8(c), vld1q_s8(d)));
    }
}
