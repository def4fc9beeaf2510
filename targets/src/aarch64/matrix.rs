//! Products of matrices: SMMLA, of which the compiler has no stable intrinsic.
//!
//! It multiplies eight numbers of each of two pixels with eight weights of each of two outputs and adds the four results to one register of
//! sums. Two groups that follow each other have four and four of those weights, which ZIP puts side by side: the file's order is the one of
//! all levels. While products are added, a register has the sums of two pixels and two outputs; before and after it has those of one pixel.
//!
//! A tile is six pixels by sixteen outputs: 24 registers of sums, three of numbers, four of weights and one that ZIP needs. The instructions
//! stay in the order that is written here, since the compiler's own wants more registers than there are.
//!
//! A pixel that is alone is left to SDOT, and so are runs that are no multiple of 8, which never come here.

use core::arch::aarch64::*;
use core::arch::asm;

use super::{Dot, Four, Rounding};
use crate::lanes::{BLOCK, GROUP, Run, Sixteen, Vectors};

/// NEON with dot products and products of matrices.
#[derive(Debug)]
pub(crate) struct Matrix;

impl Vectors for Matrix {
    four_registers!();
    one_sum_for_each_lane!();

    #[inline(always)]
    unsafe fn dot(sums: Four<int32x4_t>, a: Four<int8x16_t>, b: Four<int8x16_t>) -> Four<int32x4_t> {
        // SAFETY: the processor has dot products, as the caller says.
        unsafe { Dot::dot(sums, a, b) }
    }

    #[inline(always)]
    unsafe fn turn<const P: usize, const V: usize>(sums: &mut [[Four<int32x4_t>; V]; P]) {
        if !P.is_multiple_of(2) {
            return;
        }
        for [even, odd] in sums.as_chunks_mut::<2>().0 {
            for (a, b) in even.as_flattened_mut().iter_mut().zip(odd.as_flattened_mut()) {
                (*a, *b) = turned(*a, *b);
            }
        }
    }

    #[inline(always)]
    unsafe fn run<const P: usize, const V: usize>(sums: &mut [[Four<int32x4_t>; V]; P], mut run: Run, pairs: bool) {
        // SAFETY: as the caller says; two groups are left wherever eight bytes are.
        unsafe {
            if !P.is_multiple_of(2) {
                return Dot::run::<P, V>(sums, run, pairs);
            }
            while run.len >= 8 {
                let (mut at, mut x) = (run.x, [vdupq_n_s8(0); P]);
                x.iter_mut().take(P / 2).for_each(|x| *x = two_pixels(&mut at, run.step));
                for v in 0..V {
                    let first = run.weights.add(v.wrapping_mul(run.steps[1]));
                    let groups = [first, first.add(run.steps[0])];
                    half::<0, P, V>(sums, v, &x, groups);
                    half::<1, P, V>(sums, v, &x, groups);
                }
                run = super::after(run, 2);
            }
        }
    }
}

/// The lower halves of both, and the upper ones.
#[inline(always)]
fn turned(a: int32x4_t, b: int32x4_t) -> (int32x4_t, int32x4_t) {
    // SAFETY: NEON is part of AArch64.
    unsafe {
        let [a, b] = [a, b].map(|sums| vreinterpretq_s64_s32(sums));
        (vreinterpretq_s32_s64(vzip1q_s64(a, b)), vreinterpretq_s32_s64(vzip2q_s64(a, b)))
    }
}

/// Eight numbers of the pixel at `at`, and of the next one.
///
/// # Safety
/// They may be read.
#[inline(always)]
unsafe fn two_pixels(at: &mut *const i8, step: usize) -> int8x16_t {
    let two;
    // SAFETY: as the caller says; the instructions write the registers that are named.
    unsafe {
        asm!("ld1 {{{two:v}.d}}[0], [{at}], {step}", "ld1 {{{two:v}.d}}[1], [{at}], {step}",
            two = out(vreg) two, at = inout(reg) *at, step = in(reg) step, options(readonly, nostack, preserves_flags));
    }
    two
}

/// The products of eight numbers of each pixel with half `H` of the outputs of block `v`.
///
/// # Safety
/// The processor has products of matrices, and both groups are there.
#[inline(always)]
unsafe fn half<const H: usize, const P: usize, const V: usize>(
    sums: &mut [[Four<int32x4_t>; V]; P],
    v: usize,
    x: &[int8x16_t; P],
    groups: [*const i8; 2],
) {
    // SAFETY: as the caller says.
    unsafe {
        let weights = weights::<H>(groups);
        for (i, [low, high]) in weights.iter().enumerate() {
            for ([even, odd], x) in sums.as_chunks_mut::<2>().0.iter_mut().zip(x) {
                multiply(&mut even[v][2 * H + i], *x, *low);
                multiply(&mut odd[v][2 * H + i], *x, *high);
            }
        }
    }
}

/// Eight weights of each of eight outputs, half `H` of a block's, those of two in each.
///
/// # Safety
/// Both groups may be read.
#[inline(always)]
unsafe fn weights<const H: usize>([first, second]: [*const i8; 2]) -> [[int8x16_t; 2]; 2] {
    let (a, b, c, d);
    // SAFETY: as the caller says; the instructions write the registers that are named.
    unsafe {
        asm!("ldp {a:q}, {e:q}, [{first}, {at}]", "ldp {b:q}, {d:q}, [{second}, {at}]",
            "zip1 {c:v}.4s, {a:v}.4s, {b:v}.4s", "zip2 {b:v}.4s, {a:v}.4s, {b:v}.4s",
            "zip1 {a:v}.4s, {e:v}.4s, {d:v}.4s", "zip2 {d:v}.4s, {e:v}.4s, {d:v}.4s",
            a = out(vreg) a, b = out(vreg) b, c = out(vreg) c, d = out(vreg) d, e = out(vreg) _,
            first = in(reg) first, second = in(reg) second, at = const 32 * H,
            options(readonly, nostack, preserves_flags));
    }
    [[c, b], [a, d]]
}

/// `sums[2·i + j] += Σ_k x[8·i + k]·w[8·j + k]`.
///
/// # Safety
/// The processor has products of matrices.
#[inline(always)]
unsafe fn multiply(sums: &mut int32x4_t, x: int8x16_t, w: int8x16_t) {
    // SAFETY: the processor has them, as the caller says; the instruction reads and writes the registers that are named.
    unsafe {
        asm!("smmla {sums:v}.4s, {x:v}.16b, {w:v}.16b", sums = inout(vreg) *sums, x = in(vreg) x, w = in(vreg) w,
            options(nomem, nostack, preserves_flags));
    }
}
