//! The loops of convolutions, two pixels at a time.

use core::arch::naked_asm;

use super::{BLOCK, Saved, Walk, walk};
use crate::armv7em::tile::Pairs;
use crate::windows::Pixels;

/// The arguments of the loop over pairs, which are its frame.
#[repr(C)]
struct PairsArguments {
    // Of a tile.
    multipliers: *const i32,
    first: *mut i8,
    second: *mut i8,
    bias: *const i32,
    zero: i32,
    multiplier_bytes: usize,
    wide: *mut [u32; 4],
    rounds: usize,
    skip: usize,
    end: *mut i8,
    walk: Walk,
    // Of a pair of pixels.
    x: *const i8,
    step: usize,
    left: usize,
    groups: usize,
    y: *mut i8,
    stride: usize,
    all_multipliers: *const i32,
    all_bias: *const i32,
    weights: *const [u32; 2],
    outputs: usize,
    masks: [u32; 2],
    saved: Saved,
}

/// See [`Pairs`]; it must fit.
#[inline(always)]
pub(in crate::armv7em) fn pairs(pairs: &mut Pairs<'_>, pixels: &Pixels<'_>, y: &mut [i8]) {
    let groups = pairs.wide.len();
    let ([rounds, skip], walk) = walk(groups, BLOCK, 48);
    let y = y.as_mut_ptr();
    let (multipliers, bias) = (pairs.rounding.multipliers.as_ptr(), pairs.bias.as_ptr());
    let arguments = PairsArguments {
        multipliers,
        first: y,
        second: y,
        bias,
        zero: pairs.rounding.zero,
        multiplier_bytes: pairs.rounding.step(pairs.outputs, 2).wrapping_mul(4),
        wide: pairs.wide.as_mut_ptr(),
        rounds,
        skip,
        end: y,
        walk,
        x: pixels.x.as_ptr(),
        step: pixels.step,
        left: pixels.count,
        groups,
        y,
        stride: pairs.stride,
        all_multipliers: multipliers,
        all_bias: bias.wrapping_sub(1),
        weights: pairs.weights.as_ptr(),
        outputs: pairs.outputs,
        masks: pairs.masks(),
        saved: Saved::uninit(),
    };
    // SAFETY: `Pairs::fits` holds: there are pixels and groups, the last pixel's groups lie in `x`, and `wide` is as many. The outputs are even
    // and at least two, weights and biases are there for all of them, multipliers for all or for the tile that step 0 repeats, and the last
    // pixel's outputs lie in `y`.
    unsafe { pairs_loop(arguments) }
}

/// How the loop begins: the first four arguments go before the others, which makes the frame, and the registers behind them; `skip` becomes an
/// address in the unrolled code at `3:`. Then at `5:` two pixels are widened, or one twice if it is the last, four activations of both to four
/// words: SXTB16 of a word and of the word rotated.
macro_rules! pairs_begin {
    () => {
        concat!(
            "push {{r0-r3}}\n",
            "add r12, sp, #104\n",
            "stm r12, {{r4-r11, lr}}\n",
            "ldr r1, [sp, #32]\n",
            "adr.w r3, 3f\n",
            "add r1, r3\n",
            "orr r1, r1, #1\n",
            "str r1, [sp, #32]\n",
            "5:\n",
            "add r8, sp, #56\n",
            "ldm r8, {{r0, r1, r2, r3, r8, r9, r10, r11, r12}}\n",
            "cmp r2, #1\n",
            "itt eq\n",
            "moveq r1, #0\n",
            "moveq r9, #0\n",
            "str r10, [sp]\n",
            "str r11, [sp, #12]\n",
            "mov r11, r12\n",
            "add r9, r8, r9\n",
            "strd r8, r9, [sp, #4]\n",
            "ldr r10, [sp, #92]\n",
            "add r10, r8, r10\n",
            "str r10, [sp, #36]\n",
            "ldr r10, [sp, #24]\n",
            "add r1, r0, r1\n",
            "6:\n",
            "ldr r4, [r0], #4\n",
            "ldr r6, [r1], #4\n",
            "sxtb16 r5, r4, ror #8\n",
            "sxtb16 r4, r4\n",
            "sxtb16 r7, r6, ror #8\n",
            "sxtb16 r6, r6\n",
            "stm r10!, {{r4-r7}}\n",
            "subs r3, #1\n",
            "bne 6b\n",
            "ldrd r0, r1, [sp, #96]\n",
            "and r4, r0\n",
            "and r5, r1\n",
            "and r6, r0\n",
            "and r7, r1\n",
            "stmdb r10, {{r4-r7}}\n",
        )
    };
}

/// How it ends a tile, from the four sums, outputs 0 and 1 of the first pixel and of the second, and `ldm sp, {r0-r3, r8}` on: it rounds,
/// stores, and goes on to the next two outputs at `2:`, to the next two pixels at `5:`.
macro_rules! pairs_end {
    () => {
        concat!(
            "ldrd r9, r10, [r0]\n",
            "ldr r12, [sp, #20]\n",
            "add r0, r12\n",
            "smmlar r4, r4, r9, r8\n",
            "smmlar r6, r6, r9, r8\n",
            "smmlar r5, r5, r10, r8\n",
            "smmlar r7, r7, r10, r8\n",
            "ssat r4, #8, r4\n",
            "ssat r6, #8, r6\n",
            "ssat r5, #8, r5\n",
            "ssat r7, #8, r7\n",
            "strb r6, [r2], #1\n",
            "strb r7, [r2], #1\n",
            "strb r4, [r1], #1\n",
            "strb r5, [r1], #1\n",
            "stm sp, {{r0-r3}}\n",
            "ldr r3, [sp, #36]\n",
            "cmp r1, r3\n",
            "bne 2b\n",
            "add r8, sp, #56\n",
            "ldm r8, {{r0-r5}}\n",
            "add r0, r0, r1, lsl #1\n",
            "add r4, r4, r5, lsl #1\n",
            "subs r2, #2\n",
            "stm r8, {{r0-r5}}\n",
            "bgt 5b\n",
            "add r12, sp, #104\n",
            "ldm r12, {{r4-r11, lr}}\n",
            "add sp, #16\n",
            "bx lr\n",
        )
    };
}

/// A tile of 2 × 2: r4 and r5 are the first pixel's sums of `x·w[o]` and of `x·h`, r6 and r7 the second one's; r0 to r3 activations, r8, r9 and lr
/// weights, r10 and r11 point to both, r12 counts passes. 12 instructions for 16 products.
#[unsafe(naked)]
unsafe extern "C" fn pairs_loop(arguments: PairsArguments) {
    naked_asm!(
        arch!(),
        pairs_begin!(),
        "2:",
        "ldr r0, [sp, #12]",
        "ldr r4, [r0, #4]",
        "mov r5, r4",
        "mov r6, r4",
        "mov r7, r4",
        "ldrd r10, r12, [sp, #24]",
        "ldr pc, [sp, #32]",
        "3:",
        ".rept 4",
        "ldm r10!, {{r0-r3}}",
        "ldrd r8, r9, [r11], #8",
        "sxtb16 lr, r8",
        "smlad r4, r0, lr, r4",
        "smlad r6, r2, lr, r6",
        "smlad r5, r0, r8, r5",
        "smlad r7, r2, r8, r7",
        "sxtb16 lr, r9",
        "smlad r4, r1, lr, r4",
        "smlad r6, r3, lr, r6",
        "smlad r5, r1, r9, r5",
        "smlad r7, r3, r9, r7",
        ".endr",
        "subs r12, #2",
        "bgt 3b",
        "bmi 9f",
        "ldm sp, {{r0-r3, r8}}",
        "ldr r9, [r3, #8]!",
        "sub r5, r5, r4",
        "sub r7, r7, r6",
        "add r5, r9, r5, asr #8",
        "add r7, r9, r7, asr #8",
        "4:",
        pairs_end!(),
        "8:",
        "ldm sp, {{r0-r3, r8}}",
        "ldr r9, [r3, #8]!",
        "add r5, r9",
        "add r7, r9",
        "b 4b",
        blocks!("40", "48"),
    )
}
