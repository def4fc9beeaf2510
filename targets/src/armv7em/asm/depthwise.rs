//! The loops of depthwise convolutions.

use core::arch::{asm, naked_asm};

use super::{Saved, passes};
use crate::armv7em::tile::{Run, Taps, Words};

/// The arguments of `words_loop`, in the order in which it loads them.
#[repr(C)]
struct WordsArguments {
    from: *const i8,
    to: *mut u32,
    columns: usize,
    channels: usize,
    down: usize,
    pitch_bytes: usize,
    rows: usize,
}

/// See [`Words`]; called for [`Channels`](crate::armv7em::tile::Channels) that fit.
#[inline(always)]
pub(in crate::armv7em) fn words(words: &mut Words<'_>) {
    let arguments = WordsArguments {
        from: words.from.as_ptr(),
        to: words.to.as_mut_ptr(),
        columns: words.size[1],
        channels: words.channels,
        down: words.row_len,
        pitch_bytes: words.pitch.wrapping_mul(4),
        rows: words.size[0],
    };
    // SAFETY: `Channels::fits` holds: there are rows and columns, and the last pixel's word of any four channels lies in `from` and in `to`.
    unsafe { words_loop(&raw const arguments) }
}

/// A row goes one word first if they are odd, then two at a time, read at any address. r0 and r1 are the row, r8 and r9 where it goes on, r12 counts
/// pairs.
#[unsafe(naked)]
unsafe extern "C" fn words_loop(arguments: *const WordsArguments) {
    naked_asm!(
        "push {{r4-r9, lr}}",
        "ldm r0, {{r0-r6}}",
        "2:",
        "mov r8, r0",
        "mov r9, r1",
        "lsrs r12, r2, #1",
        "bcc 3f",
        "ldr r7, [r8]",
        "add r8, r3",
        "str r7, [r9], #4",
        "3:",
        "subs r12, #1",
        "blo 5f",
        "4:",
        "ldr r7, [r8]",
        "ldr lr, [r8, r3]",
        "add r8, r8, r3, lsl #1",
        "strd r7, lr, [r9], #8",
        "subs r12, #1",
        "bhs 4b",
        "5:",
        "add r0, r4",
        "add r1, r5",
        "subs r6, #1",
        "bne 2b",
        "pop {{r4-r9, pc}}",
    )
}

/// Widens the weights of four channels, `count` words `across` bytes apart, and writes them in pairs of taps; there is a tap, and half as many pairs,
/// rounded up.
#[inline(always)]
pub(in crate::armv7em) fn weigh(weights: &[i8], across: usize, count: usize, taps: &mut [Taps<6>]) {
    // SAFETY: the loop reads `count` words at any address, the last of which ends within `weights`, and writes the last four words of each of `taps`,
    // of which there are as many as it makes rounds.
    unsafe {
        asm!(
            arch!(),
            "2:",
            "ldr {a}, [{weights}]",
            "subs {left}, #2",
            "ite hs",
            "ldrhs {b}, [{weights}, {across}]",
            "movlo {b}, #0",
            "add {weights}, {weights}, {across}, lsl #1",
            "pkhtb {high}, {b}, {a}, asr #16",
            "pkhbt {a}, {a}, {b}, lsl #16",
            "sxtb16 {b}, {a}",
            "sxtb16 {a}, {a}, ror #8",
            "strd {b}, {a}, [{taps}, #8]",
            "sxtb16 {b}, {high}",
            "sxtb16 {high}, {high}, ror #8",
            "strd {b}, {high}, [{taps}, #16]",
            "add {taps}, #24",
            "cmp {taps}, {end}",
            "bne 2b",
            weights = inout(reg) weights.as_ptr() => _,
            across = in(reg) across,
            left = inout(reg) count => _,
            taps = inout(reg) taps.as_mut_ptr() => _,
            end = in(reg) taps.as_mut_ptr_range().end,
            a = out(reg) _,
            b = out(reg) _,
            high = out(reg) _,
            options(nostack),
        );
    }
}

/// The arguments of `run_loop`, which are its frame.
#[repr(C)]
struct RunArguments {
    multipliers: *const i32,
    y: *mut i8,
    stride: usize,
    zero: i32,
    bias: *const i32,
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
    saved: Saved,
}

/// See [`Run`]; called for [`Channels`](crate::armv7em::tile::Channels) that fit.
#[inline(always)]
pub(in crate::armv7em) fn run(run: &mut Run<'_, i8, 6>, zero: i32) {
    let [passes, skip] = passes(run.taps.len(), 5, 52);
    let y = run.y.as_mut_ptr();
    let ([rows, width], [down, step]) = (run.size, run.steps);
    let row_bytes = width.wrapping_mul(run.stride);
    let arguments = RunArguments {
        multipliers: run.multipliers.as_ptr(),
        y,
        stride: run.stride,
        zero,
        bias: run.bias.as_ptr(),
        taps: run.taps.as_ptr(),
        passes,
        step_bytes: step.wrapping_mul(4),
        row_end: y.wrapping_add(row_bytes),
        skip,
        end: y.wrapping_add(row_bytes.wrapping_mul(rows)),
        row_bytes,
        down_bytes: down.wrapping_sub(width.wrapping_mul(step)).wrapping_mul(4),
        plane: run.plane.as_ptr(),
        saved: Saved::uninit(),
    };
    // SAFETY: `Channels::fits` holds: there are taps and pixels, the farthest tap of the last pixel lies in the plane, the last pixel's outputs of
    // any four channels lie in `y`, and the ends of rows are met since the stride is not 0.
    unsafe { run_loop(arguments) }
}

/// Four channels of a pixel: r4 to r7 are the sums, r0 and r1 two taps' words of four channels, which PKHTB and PKHBT sort into pairs of
/// taps, r2, r3, r8 and r9 their weights, r10 and r11 point to pixel and taps, r12 counts passes. 13 instructions for 8 products.
#[unsafe(naked)]
unsafe extern "C" fn run_loop(arguments: RunArguments) {
    naked_asm!(
        arch!(),
        "push {{r0-r3}}",
        "add r12, sp, #56",
        "stm r12, {{r4-r11, lr}}",
        "ldr r0, [sp, #36]",
        "adr.w r6, 3f",
        "add r0, r6",
        "orr r0, r0, #1",
        "str r0, [sp, #36]",
        "ldr r10, [sp, #52]",
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
        "add r12, sp, #56",
        "ldm r12, {{r4-r11, lr}}",
        "add sp, #16",
        "bx lr",
    )
}
