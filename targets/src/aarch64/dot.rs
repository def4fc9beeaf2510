//! Dot products: SDOT, of which the compiler has no stable intrinsic.

use core::arch::aarch64::*;
use core::arch::asm;

use super::{Four, Rounding};
use crate::lanes::{BLOCK, GROUP, Run, Sixteen, Vectors, fours};

/// NEON with dot products.
#[derive(Debug)]
pub(crate) struct Dot;

impl Vectors for Dot {
    four_registers!();
    one_sum_for_each_lane!();

    #[inline(always)]
    unsafe fn dot(mut sums: Four<int32x4_t>, a: Four<int8x16_t>, b: Four<int8x16_t>) -> Four<int32x4_t> {
        for ((sums, a), b) in sums.iter_mut().zip(a).zip(b) {
            // SAFETY: the processor has dot products, as the caller says; the instruction reads and writes the registers that are named.
            unsafe {
                asm!("sdot {sums:v}.4s, {a:v}.16b, {b:v}.16b", sums = inout(vreg) *sums, a = in(vreg) a, b = in(vreg) b,
                    options(pure, nomem, nostack, preserves_flags));
            }
        }
        sums
    }

    #[inline(always)]
    unsafe fn run<const P: usize, const V: usize>(sums: &mut [[Four<int32x4_t>; V]; P], mut run: Run, _pairs: bool) {
        // SAFETY: as the caller says; four groups are left wherever sixteen bytes are.
        unsafe {
            while run.len >= 16 {
                let x: [int8x16_t; P] = core::array::from_fn(|p| vld1q_s8(run.x.add(p.wrapping_mul(run.step))));
                lane::<0, P, V>(sums, &x, &run);
                lane::<1, P, V>(sums, &x, &run);
                lane::<2, P, V>(sums, &x, &run);
                lane::<3, P, V>(sums, &x, &run);
                run = super::after(run, 4);
            }
            fours::<Self, P, V>(sums, run);
        }
    }
}

/// The products of bytes `4·I` to `4·I + 3` of each pixel with their groups.
///
/// # Safety
/// The processor has dot products, and the groups are there.
#[inline(always)]
unsafe fn lane<const I: usize, const P: usize, const V: usize>(
    sums: &mut [[Four<int32x4_t>; V]; P],
    x: &[int8x16_t; P],
    run: &Run,
) {
    let [group_step, block_step] = run.steps;
    let at = |v: usize| I.wrapping_mul(group_step).wrapping_add(v.wrapping_mul(block_step));
    // SAFETY: as the caller says.
    let weights: [_; V] = core::array::from_fn(|v| unsafe { super::group(run.weights.add(at(v))) });
    for (sums, x) in sums.iter_mut().zip(x) {
        for (sums, w) in sums.as_flattened_mut().iter_mut().zip(weights.as_flattened()) {
            // SAFETY: the processor has dot products, as the caller says; the instruction reads and writes the registers that are named.
            unsafe {
                asm!("sdot {sums:v}.4s, {w:v}.16b, {x:v}.4b[{i}]", sums = inout(vreg) *sums, w = in(vreg) *w, x = in(vreg) *x,
                    i = const I, options(pure, nomem, nostack, preserves_flags));
            }
        }
    }
}
