//! The loop over int4 weights, and what widens activations for it.

use core::arch::{asm, naked_asm};

use super::passes;
use crate::armv7em::tile::Nibbles;

/// Two words as four: the bytes 0 and 2, and 1 and 3, of each, signs extended.
#[inline(always)]
pub(in crate::armv7em) fn widen([first, other]: [u32; 2]) -> [u32; 4] {
    let (a, b, c, d): (u32, u32, u32, u32);
    // SAFETY: it changes registers alone.
    unsafe {
        asm!(
            arch!(),
            "sxtb16 {a}, {first}",
            "sxtb16 {b}, {first}, ror #8",
            "sxtb16 {c}, {other}",
            "sxtb16 {d}, {other}, ror #8",
            first = in(reg) first,
            other = in(reg) other,
            a = out(reg) a,
            b = out(reg) b,
            c = out(reg) c,
            d = lateout(reg) d,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    [a, b, c, d]
}

/// The arguments of `nibbles_loop`, in the order of its frame.
#[repr(C)]
struct NibblesArguments {
    multipliers: *const i32,
    first: *mut i8,
    second: *mut i8,
    bias: *const i32,
    zero: i32,
    multiplier_bytes: usize,
    x: *const [u32; 4],
    passes: usize,
    skip: usize,
    end: *mut i8,
    /// Activations after the last whole group.
    tail: usize,
    weights: *const i8,
}

/// Groups that the loop holds, and the bytes of one.
const UNROLL: usize = 4;
const GROUP_BYTES: usize = 68;

/// See [`Nibbles`]; it must fit.
#[inline(always)]
pub(in crate::armv7em) fn nibbles(nibbles: &mut Nibbles<'_>) {
    let [passes, skip] = match nibbles.depth / 4 {
        // One pass that leaves out all.
        0 => [1, UNROLL * GROUP_BYTES],
        groups => passes(groups, UNROLL, GROUP_BYTES),
    };
    let first = nibbles.y.as_mut_ptr();
    let arguments = NibblesArguments {
        multipliers: nibbles.rounding.multipliers.as_ptr(),
        first,
        second: first.wrapping_add(nibbles.second),
        bias: nibbles.bias.as_ptr(),
        zero: nibbles.rounding.zero,
        multiplier_bytes: nibbles.rounding.step(nibbles.outputs, 2).wrapping_mul(4),
        x: nibbles.x.as_ptr(),
        passes,
        skip,
        end: first.wrapping_add(nibbles.outputs),
        tail: nibbles.depth % 4,
        weights: nibbles.weights.as_ptr(),
    };
    // SAFETY: `Nibbles::fits` holds: there are activations, in as many groups as they fill, the last of which may be part of one; for each two outputs,
    // which are even and at least two, there are as many bytes of weights, of which no more are read; biases are there for all outputs, multipliers
    // for all or for the tile that step 0 repeats, and room for all from `first` and from `second` on.
    unsafe { nibbles_loop(&raw const arguments) }
}

/// A group of four weights of two outputs in r8, which stay in the upper halves of bytes; activations of both pixels at r10.
macro_rules! group {
    () => {
        concat!(
            "ldm r10!, {{r0-r3}}\n",
            "lsl r9, r8, #4\n",
            "and r8, r8, #0xf0f0f0f0\n",
            "and r9, r9, #0xf0f0f0f0\n",
            "sxtb16 lr, r9\n",
            "smlad r4, r0, lr, r4\n",
            "smlad r6, r2, lr, r6\n",
            "sxtb16 r9, r9, ror #8\n",
            "smlad r4, r1, r9, r4\n",
            "smlad r6, r3, r9, r6\n",
            "sxtb16 lr, r8\n",
            "smlad r5, r0, lr, r5\n",
            "smlad r7, r2, lr, r7\n",
            "sxtb16 r8, r8, ror #8\n",
            "smlad r5, r1, r8, r5\n",
            "smlad r7, r3, r8, r7\n",
        )
    };
}

/// A tile of 2 × 2: r4 and r5 are the first pixel's sums, r6 and r7 the second one's, sixteen times as large until the bias is added; r0 to r3
/// activations, r8, r9 and lr weights, r10 and r11 point to both, r12 counts passes. 17 instructions for 16 products.
#[unsafe(naked)]
unsafe extern "C" fn nibbles_loop(arguments: *const NibblesArguments) {
    naked_asm!(
        arch!(),
        "push {{r4-r11, lr}}",
        "sub sp, #44",
        "ldm r0!, {{r1-r8}}",
        "stm sp, {{r1-r8}}",
        "ldm r0, {{r1-r3, r11}}",
        "adr.w r9, 3f",
        "add r1, r9",
        "orr r1, r1, #1",
        "add r9, sp, #32",
        "stm r9, {{r1-r3}}",
        "2:",
        "mov r4, #0",
        "mov r5, #0",
        "mov r6, #0",
        "mov r7, #0",
        "ldrd r10, r12, [sp, #24]",
        "ldr pc, [sp, #32]",
        "3:",
        ".rept 4",
        "ldr r8, [r11], #4",
        group!(),
        ".endr",
        "subs r12, #1",
        "bne.w 3b",
        "ldr r12, [sp, #40]",
        "cmp r12, #2",
        "blo 5f",
        // Two or three are left: the bytes of a group.
        "ldrb r8, [r11], #1",
        "ldrb r9, [r11], #1",
        "orr r8, r8, r9, lsl #8",
        "beq 6f",
        "ldrb r9, [r11], #1",
        "orr r8, r8, r9, lsl #16",
        "6:",
        group!(),
        "7:",
        "ldm sp, {{r0-r3, r8}}",
        "ldr r12, [sp, #20]",
        "ldrd r9, r10, [r3], #8",
        "add r4, r9, r4, asr #4",
        "add r6, r9, r6, asr #4",
        "add r5, r10, r5, asr #4",
        "add r7, r10, r7, asr #4",
        "ldrd r9, r10, [r0]",
        "add r0, r12",
        "smmlar r4, r4, r9, r8",
        "smmlar r6, r6, r9, r8",
        "smmlar r5, r5, r10, r8",
        "smmlar r7, r7, r10, r8",
        "ssat r4, #8, r4",
        "ssat r6, #8, r6",
        "ssat r5, #8, r5",
        "ssat r7, #8, r7",
        "strb r6, [r2], #1",
        "strb r7, [r2], #1",
        "strb r4, [r1], #1",
        "strb r5, [r1], #1",
        "stm sp, {{r0-r3}}",
        "ldr r3, [sp, #36]",
        "cmp r1, r3",
        "bne.w 2b",
        "add sp, #44",
        "pop {{r4-r11, pc}}",
        // One or none is left.
        "5:",
        "cmp r12, #0",
        "beq.w 7b",
        "ldrb r8, [r11], #1",
        "b.w 6b",
    )
}
