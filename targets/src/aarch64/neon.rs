//! NEON as every AArch64 has it: products of 16 bits.

use core::arch::aarch64::*;
use core::arch::asm;

use super::{Four, Rounding};
use crate::lanes::{BLOCK, GROUP, Run, Sixteen, Vectors, fours};

/// NEON.
#[derive(Debug)]
pub(crate) struct Neon;

/// Two sums of each of two lanes in each.
pub(crate) type Sums = [int32x4_t; 8];

impl Vectors for Neon {
    four_registers!();
    type Sums = Sums;
    type Rounding<'a> = (Four<int32x4_t>, Rounding);
    const PAIRS: bool = true;

    #[inline(always)]
    unsafe fn zero() -> Sums {
        // SAFETY: NEON is part of AArch64.
        unsafe { [vdupq_n_s32(0); 8] }
    }

    #[inline(always)]
    unsafe fn dot(mut sums: Sums, a: Four<int8x16_t>, b: Four<int8x16_t>) -> Sums {
        for (([lo, hi], a), b) in sums.as_chunks_mut::<2>().0.iter_mut().zip(a).zip(b) {
            // SAFETY: NEON is part of AArch64.
            unsafe {
                *lo = vpadalq_s16(*lo, vmull_s8(vget_low_s8(a), vget_low_s8(b)));
                *hi = vpadalq_s16(*hi, high(a, b));
            }
        }
        sums
    }

    #[inline(always)]
    unsafe fn sums(sums: Sums) -> [i32; BLOCK] {
        super::stored(joined(sums))
    }

    #[inline(always)]
    unsafe fn rounding(to: Sixteen<'_>) -> (Four<int32x4_t>, Rounding) {
        (super::numbers(to.bias), Rounding::new(to))
    }

    #[inline(always)]
    unsafe fn finish(sums: Sums, (bias, to): &(Four<int32x4_t>, Rounding)) -> [i8; BLOCK] {
        let mut sums = joined(sums);
        for (sums, bias) in sums.iter_mut().zip(bias) {
            // SAFETY: NEON is part of AArch64.
            *sums = unsafe { vaddq_s32(*sums, *bias) };
        }
        to.finish(sums)
    }

    #[inline(always)]
    unsafe fn run<const P: usize, const V: usize>(sums: &mut [[Sums; V]; P], mut run: Run, pairs: bool) {
        // SAFETY: as the caller says; two groups are left wherever eight bytes are.
        unsafe {
            while pairs && run.len >= 8 {
                for v in 0..V {
                    let weights = run.weights.add(v.wrapping_mul(run.steps[1]));
                    let weights = [super::group(weights), super::group(weights.add(run.steps[0]))];
                    for (p, sums) in sums.iter_mut().enumerate() {
                        let x = run.x.add(p.wrapping_mul(run.step));
                        pair(&mut sums[v], [super::four(x), super::four(x.add(4))], weights);
                    }
                }
                run = super::after(run, 2);
            }
            fours::<Self, P, V>(sums, run);
        }
    }
}

/// The products of the high halves: SMULL2. Told so, the compiler would take the halves of weights that it keeps apart, and run out of registers.
#[inline(always)]
fn high(a: int8x16_t, b: int8x16_t) -> int16x8_t {
    let products;
    // SAFETY: NEON is part of AArch64; the instruction reads and writes the registers that are named.
    unsafe {
        asm!("smull2 {products:v}.8h, {a:v}.16b, {b:v}.16b", products = lateout(vreg) products, a = in(vreg) a, b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags));
    }
    products
}

/// Adds the products of two groups, of which one has no −128.
#[inline(always)]
fn pair(sums: &mut Sums, x: [int8x16_t; 2], [first, second]: [Four<int8x16_t>; 2]) {
    for (([lo, hi], a), b) in sums.as_chunks_mut::<2>().0.iter_mut().zip(first).zip(second) {
        // SAFETY: NEON is part of AArch64.
        unsafe {
            let products = vmull_s8(vget_low_s8(a), vget_low_s8(x[0]));
            *lo = vpadalq_s16(*lo, vmlal_s8(products, vget_low_s8(b), vget_low_s8(x[1])));
            *hi = vpadalq_s16(*hi, vmlal_high_s8(vmull_high_s8(a, x[0]), b, x[1]));
        }
    }
}

/// Both sums of each lane added, four lanes in each.
#[inline(always)]
fn joined(sums: Sums) -> Four<int32x4_t> {
    let [a, b, c, d, e, f, g, h] = sums;
    // SAFETY: NEON is part of AArch64.
    unsafe { [vpaddq_s32(a, b), vpaddq_s32(c, d), vpaddq_s32(e, f), vpaddq_s32(g, h)] }
}
