//! The loop of depthwise convolutions.

use core::arch::naked_asm;

use super::passes;
use crate::armv7em::tile::Run;

/// The arguments of `run_loop`, in the order of its frame.
#[repr(C)]
struct RunArguments {
    multipliers: *const [i32; 4],
    y: *mut i8,
    stride: usize,
    zero: i32,
    bias: *const [i32; 4],
    taps: *const [u32; 6],
    passes: usize,
    step_bytes: usize,
    row_end: *mut i8,
    skip: usize,
    end: *mut i8,
    row_bytes: usize,
    /// From the end of a row to the next row in the plane.
    down_bytes: usize,
    plane: *const u32,
}

/// See [`Run`]; it must fit.
#[inline(always)]
pub(in crate::armv7em) fn run(run: &mut Run<'_>) {
    let [passes, skip] = passes(run.taps.len(), 5, 52);
    let y = run.y.as_mut_ptr();
    let row_bytes = run.width.wrapping_mul(run.stride);
    let arguments = RunArguments {
        multipliers: run.multipliers,
        y,
        stride: run.stride,
        zero: run.zero,
        bias: run.bias,
        taps: run.taps.as_ptr(),
        passes,
        step_bytes: run.step.wrapping_mul(4),
        row_end: y.wrapping_add(row_bytes),
        skip,
        end: y.wrapping_add(row_bytes.wrapping_mul(run.rows)),
        row_bytes,
        down_bytes: run.down.wrapping_sub(run.width.wrapping_mul(run.step)).wrapping_mul(4),
        plane: run.plane.as_ptr(),
    };
    // SAFETY: `Run::fits` holds: there are taps and pixels, the farthest tap of the last pixel lies in the plane, the last pixel's four
    // outputs lie in `y`, and the ends of rows are met since the stride is not 0.
    unsafe { run_loop(&raw const arguments) }
}

/// Four channels of a pixel: r4 to r7 are the sums, r0 and r1 two taps' words of four channels, which PKHTB and PKHBT sort into pairs of
/// taps, r2, r3, r8 and r9 their weights, r10 and r11 point to pixel and taps, r12 counts passes. 13 instructions for 8 products.
#[unsafe(naked)]
unsafe extern "C" fn run_loop(arguments: *const RunArguments) {
    naked_asm!(
        arch!(),
        "push {{r4-r11, lr}}",
        "sub sp, #52",
        "ldm r0!, {{r1-r8}}",
        "stm sp, {{r1-r8}}",
        "ldm r0, {{r1-r5, r10}}",
        "adr.w r6, 3f",
        "add r2, r6",
        "orr r2, r2, #1",
        "add r6, sp, #32",
        "stm r6, {{r1-r5}}",
        "2:",
        "ldr r0, [sp, #16]",
        "ldm r0, {{r4-r7}}",
        "ldrd r11, r12, [sp, #20]",
        "ldr pc, [sp, #36]",
        "3:",
        ".rept 5",
        "ldm r11!, {{r0, r1, r2, r3, r8, r9}}",
        "ldr r0, [r10, r0]",
        "ldr r1, [r10, r1]",
        "pkhtb lr, r1, r0, asr #16",
        "pkhbt r0, r0, r1, lsl #16",
        "sxtb16 r1, r0",
        "sxtb16 r0, r0, ror #8",
        "smlad r4, r1, r2, r4",
        "smlad r5, r0, r3, r5",
        "sxtb16 r1, lr",
        "sxtb16 lr, lr, ror #8",
        "smlad r6, r1, r8, r6",
        "smlad r7, lr, r9, r7",
        ".endr",
        "subs r12, #1",
        "bne 3b",
        "ldm sp, {{r0-r3}}",
        "ldm r0, {{r8, r9, r11, r12}}",
        "smmlar r4, r4, r8, r3",
        "smmlar r5, r5, r9, r3",
        "smmlar r6, r6, r11, r3",
        "smmlar r7, r7, r12, r3",
        "ssat r4, #8, r4",
        "ssat r5, #8, r5",
        "ssat r6, #8, r6",
        "ssat r7, #8, r7",
        "bfi r4, r5, #8, #8",
        "bfi r6, r7, #8, #8",
        "pkhbt r4, r4, r6, lsl #16",
        "str r4, [r1]",
        "add r1, r2",
        "str r1, [sp, #4]",
        "ldrd r0, r2, [sp, #28]",
        "add r10, r0",
        "cmp r1, r2",
        "bne 2b",
        "ldrd r0, r3, [sp, #40]",
        "add r2, r3",
        "str r2, [sp, #32]",
        "ldr r3, [sp, #48]",
        "add r10, r3",
        "cmp r1, r0",
        "bne 2b",
        "add sp, #52",
        "pop {{r4-r11, pc}}",
    )
}
