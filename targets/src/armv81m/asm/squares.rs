//! The loops over tiles of 2 × 2, in int16 and with int4 weights.

use core::arch::naked_asm;

use crate::squares::{Nibbles, WideSquare};

/// The arguments of `wide_loop`, in the order of its frame.
#[repr(C)]
struct WideArguments {
    multipliers: *const i32,
    first: *mut i16,
    second: *mut i16,
    bias: *const i64,
    end: *mut i16,
    x: [*const i16; 2],
    depth: usize,
    multiplier_bytes: usize,
    /// What is added to a product's upper word, and its shift; limits.
    upper: [u32; 2],
    limits: [u32; 2],
    weights: *const i8,
}

/// See [`WideSquare`]; it must fit.
#[inline(always)]
pub(in crate::armv81m) fn wide_square(square: &mut WideSquare<'_>) {
    let first = square.y.as_mut_ptr();
    let arguments = WideArguments {
        multipliers: square.rounding.multipliers.as_ptr(),
        first,
        second: first.wrapping_add(square.second),
        bias: square.bias.as_ptr(),
        end: first.wrapping_add(square.outputs),
        x: square.x.map(<[i16]>::as_ptr),
        depth: square.x[0].len(),
        multiplier_bytes: square.rounding.step(square.outputs, 2).wrapping_mul(4),
        upper: square.wide.upper(),
        limits: square.wide.limits(),
        weights: square.weights.as_ptr(),
    };
    // SAFETY: `WideSquare::fits` holds: there are activations, as many of both pixels, the outputs are even and at least two, weights and biases are
    // there for all of them, multipliers for all or for the tile that step 0 repeats, and room for all outputs from `first` and from `second`
    // on. Loads of a last group leave out what is beyond a pixel's activations; its weights are there.
    unsafe { wide_loop(&raw const arguments) }
}

/// The output in `$high` of the sum in `$low` and `$high`: half of the divisor's upper word is in r12, its shift in r7; lr is lost.
macro_rules! wide {
    ($low:literal, $high:literal, $multiplier:literal) => {
        concat!(
            "umull ",
            $low,
            ", lr, ",
            $low,
            ", ",
            $multiplier,
            "\n",
            "mla ",
            $high,
            ", ",
            $high,
            ", ",
            $multiplier,
            ", lr\n",
            "add ",
            $high,
            ", r12\n",
            "asr ",
            $high,
            ", r7\n",
            "ssat ",
            $high,
            ", #16, ",
            $high,
            "\n",
        )
    };
}

/// Two outputs in a word between the limits in r0 and r2, each twice in a word; r3 is lost.
macro_rules! limit {
    ($word:literal) => {
        concat!(
            "ssub16 r3, ",
            $word,
            ", r0\n",
            "sel ",
            $word,
            ", ",
            $word,
            ", r0\n",
            "ssub16 r3, r2, ",
            $word,
            "\n",
            "sel ",
            $word,
            ", ",
            $word,
            ", r2\n",
        )
    };
}

/// A tile of 2 × 2: r0 and r1, r2 and r3 are the first pixel's sums, r4 and r5, r8 and r9 the second one's; r10 and r11 point to both pixels, r6 to weights.
/// 9 instructions for 32 products.
#[unsafe(naked)]
unsafe extern "C" fn wide_loop(arguments: *const WideArguments) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4-r11, lr}}",
        "sub sp, #52",
        "ldm r0!, {{r1-r8}}",
        "stm sp, {{r1-r8}}",
        "ldm r0, {{r1-r6}}",
        "add r7, sp, #32",
        "stm r7, {{r1-r5}}",
        "2:",
        "ldr r12, [sp, #12]",
        "ldm r12, {{r0-r3}}",
        "mov r4, r0",
        "mov r5, r1",
        "mov r8, r2",
        "mov r9, r3",
        "ldrd r10, r11, [sp, #20]",
        "ldr r12, [sp, #28]",
        "dlstp.16 lr, r12",
        "3:",
        "vldrh.u16 q0, [r10], #16",
        "vldrb.s16 q2, [r6], #8",
        "vmlaldava.s16 r0, r1, q0, q2",
        "vldrh.u16 q1, [r11], #16",
        "vldrb.s16 q3, [r6], #8",
        "vmlaldava.s16 r4, r5, q1, q2",
        "vmlaldava.s16 r2, r3, q0, q3",
        "vmlaldava.s16 r8, r9, q1, q3",
        "letp lr, 3b",
        "ldr lr, [sp]",
        "ldr r7, [sp, #32]",
        "ldrd r10, r11, [lr]",
        "add lr, r7",
        "str lr, [sp]",
        "ldrd r12, r7, [sp, #36]",
        wide!("r0", "r1", "r10"),
        wide!("r2", "r3", "r11"),
        wide!("r4", "r5", "r10"),
        wide!("r8", "r9", "r11"),
        "pkhbt r1, r1, r3, lsl #16",
        "pkhbt r5, r5, r9, lsl #16",
        "ldrd r0, r2, [sp, #44]",
        limit!("r1"),
        limit!("r5"),
        "add r8, sp, #4",
        "ldm r8, {{r0, r2, r3, r4}}",
        "str r5, [r2], #4",
        "str r1, [r0], #4",
        "add r3, #16",
        "stm r8, {{r0, r2, r3}}",
        "cmp r0, r4",
        "bne.w 2b",
        "add sp, #52",
        "pop {{r4-r11, pc}}",
    )
}

/// The arguments of `nibbles_loop`, in the order of its frame.
#[repr(C)]
struct NibblesArguments {
    multipliers: *const i32,
    first: *mut i8,
    second: *mut i8,
    bias: *const i32,
    end: *mut i8,
    x: [*const i8; 2],
    depth: usize,
    multiplier_bytes: usize,
    zero: i32,
    weights: *const i8,
}

/// See [`Nibbles`]; it must fit.
#[inline(always)]
pub(in crate::armv81m) fn nibbles(nibbles: &mut Nibbles<'_>) {
    let first = nibbles.y.as_mut_ptr();
    let arguments = NibblesArguments {
        multipliers: nibbles.rounding.multipliers.as_ptr(),
        first,
        second: first.wrapping_add(nibbles.second),
        bias: nibbles.bias.as_ptr(),
        end: first.wrapping_add(nibbles.outputs),
        x: nibbles.x.map(<[i8]>::as_ptr),
        depth: nibbles.x[0].len(),
        multiplier_bytes: nibbles.rounding.step(nibbles.outputs, 2).wrapping_mul(4),
        zero: nibbles.rounding.zero,
        weights: nibbles.weights.as_ptr(),
    };
    // SAFETY: `Nibbles::fits` holds: there are activations, as many of both pixels, the outputs are even and at least two, for each two of them there are
    // as many bytes of weights, biases for all, multipliers for all or for the tile that step 0 repeats, and room for all outputs from `first`
    // and from `second` on. Loads leave out what is beyond a pixel's activations and a tile's weights.
    unsafe { nibbles_loop(&raw const arguments) }
}

/// A tile of 2 × 2: r0 and r2 are the first pixel's sums, r4 and r6 the second one's, the first output's sixteen times as large until the bias is
/// added, since its weights are in the upper halves of bytes; r8 and r9 point to both pixels, r11 to weights, which for the tile begin at r10. 10 instructions
/// for 64 products.
#[unsafe(naked)]
unsafe extern "C" fn nibbles_loop(arguments: *const NibblesArguments) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4-r11, lr}}",
        "sub sp, #40",
        "ldm r0!, {{r1-r8}}",
        "stm sp, {{r1-r8}}",
        "ldm r0, {{r1, r2, r10}}",
        "strd r1, r2, [sp, #32]",
        "2:",
        "mov r11, r10",
        "mov r0, #0",
        "mov r2, #0",
        "mov r4, #0",
        "mov r6, #0",
        "ldrd r8, r9, [sp, #20]",
        "ldr r12, [sp, #28]",
        "add r10, r12",
        "dlstp.8 lr, r12",
        "3:",
        "vldrb.u8 q2, [r11], #16",
        "vldrb.u8 q0, [r8], #16",
        "vshl.i8 q3, q2, #4",
        "vmladava.s8 r0, q0, q3",
        "vldrb.u8 q1, [r9], #16",
        "vshr.s8 q2, q2, #4",
        "vmladava.s8 r4, q1, q3",
        "vmladava.s8 r2, q0, q2",
        "vmladava.s8 r6, q1, q2",
        "letp lr, 3b",
        "ldr r1, [sp, #12]",
        "ldr r3, [sp]",
        "ldrd r5, r7, [r1], #8",
        "ldrd r8, r9, [r3]",
        "str r1, [sp, #12]",
        "ldrd r11, r12, [sp, #32]",
        "add r3, r11",
        "str r3, [sp]",
        "add r0, r5, r0, asr #4",
        "add r4, r5, r4, asr #4",
        "add r2, r7",
        "add r6, r7",
        "smmlar r0, r0, r8, r12",
        "smmlar r4, r4, r8, r12",
        "smmlar r2, r2, r9, r12",
        "smmlar r6, r6, r9, r12",
        "ssat r0, #8, r0",
        "ssat r4, #8, r4",
        "ssat r2, #8, r2",
        "ssat r6, #8, r6",
        "ldrd r1, r3, [sp, #4]",
        "ldr r5, [sp, #16]",
        "strb r4, [r3], #1",
        "strb r6, [r3], #1",
        "strb r0, [r1], #1",
        "strb r2, [r1], #1",
        "strd r1, r3, [sp, #4]",
        "cmp r1, r5",
        "bne.w 2b",
        "add sp, #40",
        "pop {{r4-r11, pc}}",
    )
}
