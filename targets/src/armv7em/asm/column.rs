//! The loop of fully connected layers, and of convolutions pixel by pixel.

use core::arch::naked_asm;

use super::{BLOCK, Saved, Walk, walk};
use crate::armv7em::tile::Column;

/// The arguments of `column_loop`, which are its frame.
#[repr(C)]
struct ColumnArguments {
    multipliers: *const i32,
    y: *mut i8,
    bias: *const i32,
    zero: i32,
    multiplier_bytes: usize,
    x: *const i8,
    rounds: usize,
    skip: usize,
    end: *mut i8,
    /// From the weights of a tile's first two outputs to those of the other two.
    block_bytes: usize,
    walk: Walk,
    weights: *const [u32; 2],
    saved: Saved,
}

/// See [`Column`]; it must fit.
#[inline(always)]
pub(in crate::armv7em) fn column(column: &mut Column<'_>) {
    let groups = column.groups();
    let ([rounds, skip], walk) = walk(groups, BLOCK, 68);
    let outputs = column.y.len();
    let y = column.y.as_mut_ptr();
    let arguments = ColumnArguments {
        multipliers: column.rounding.multipliers.as_ptr(),
        y,
        bias: column.bias.as_ptr(),
        zero: column.rounding.zero,
        multiplier_bytes: column.rounding.step(outputs, 4).wrapping_mul(4),
        x: column.x.as_ptr(),
        rounds,
        skip,
        end: y.wrapping_add(outputs),
        block_bytes: if column.twice { 0 } else { groups.wrapping_mul(8) },
        walk,
        weights: column.weights.as_ptr(),
        saved: Saved::uninit(),
    };
    // SAFETY: `Column::fits` holds: there is a group, and no more are read than are whole; the outputs are a multiple of four and at least four,
    // biases are there for all of them, weights too, or for the first two of four alone and the others' are 0 bytes after them, and multipliers
    // for all or for the one tile that step 0 repeats.
    unsafe { column_loop(arguments) }
}

/// A tile of four outputs: r4 and r5 are the sums of `x·w[o]` and of `x·h` of the first two, r6 and r7 of the others; r0 and r1 activations, widened
/// in the loop, r2, r3 and lr weights, r10 points to activations, r11 and r9 to weights, r12 counts passes. 17 instructions for 16 products.
#[unsafe(naked)]
unsafe extern "C" fn column_loop(arguments: ColumnArguments) {
    naked_asm!(
        arch!(),
        "push {{r0-r3}}",
        "add r12, sp, #60",
        "stm r12, {{r4-r11, lr}}",
        "ldr r0, [sp, #28]",
        "adr.w r9, 3f",
        "add r0, r9",
        "orr r0, r0, #1",
        "str r0, [sp, #28]",
        "ldr r9, [sp, #56]",
        "2:",
        "ldr r0, [sp, #8]",
        "ldr r1, [sp, #36]",
        "mov r11, r9",
        "add r9, r1",
        "ldr r4, [r0]",
        "ldr r6, [r0, #8]",
        "mov r5, r4",
        "mov r7, r6",
        "ldrd r10, r12, [sp, #20]",
        "ldr pc, [sp, #28]",
        "3:",
        ".rept 4",
        "ldr r1, [r10], #4",
        "ldrd r2, r3, [r11], #8",
        "sxtb16 r0, r1",
        "sxtb16 r1, r1, ror #8",
        "sxtb16 lr, r2",
        "smlad r5, r0, r2, r5",
        "smlad r4, r0, lr, r4",
        "sxtb16 lr, r3",
        "smlad r5, r1, r3, r5",
        "smlad r4, r1, lr, r4",
        "ldrd r2, r3, [r9], #8",
        "sxtb16 lr, r2",
        "smlad r7, r0, r2, r7",
        "smlad r6, r0, lr, r6",
        "sxtb16 lr, r3",
        "smlad r7, r1, r3, r7",
        "smlad r6, r1, lr, r6",
        ".endr",
        "subs r12, #2",
        "bgt 3b",
        "bmi 9f",
        "sub r5, r5, r4",
        "sub r7, r7, r6",
        "asr r5, r5, #8",
        "asr r7, r7, #8",
        "8:",
        "ldm sp, {{r0-r3}}",
        "ldr r8, [r2, #4]",
        "ldr r10, [r2, #12]",
        "add r2, #16",
        "add r5, r8",
        "add r7, r10",
        "ldm r0, {{r8, r10, r11, r12}}",
        "smmlar r4, r4, r8, r3",
        "smmlar r5, r5, r10, r3",
        "smmlar r6, r6, r11, r3",
        "smmlar r7, r7, r12, r3",
        "ldr r8, [sp, #16]",
        "add r0, r8",
        "ssat r4, #8, r4",
        "ssat r5, #8, r5",
        "ssat r6, #8, r6",
        "ssat r7, #8, r7",
        "strb r4, [r1], #1",
        "strb r5, [r1], #1",
        "strb r6, [r1], #1",
        "strb r7, [r1], #1",
        "stm sp, {{r0-r2}}",
        "ldr r3, [sp, #32]",
        "cmp r1, r3",
        "bne 2b",
        "add r12, sp, #60",
        "ldm r12, {{r4-r11, lr}}",
        "add sp, #16",
        "bx lr",
        blocks!("40", "48"),
    )
}
