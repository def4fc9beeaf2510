//! The loops of depthwise convolutions.

use core::arch::naked_asm;

use crate::armv81m::tile::{BLOCK, Blocks, HALF, Half, Tap};

/// The arguments of `blocks_loop`: first its frame, then what goes to registers.
#[repr(C)]
struct BlocksArguments<'a> {
    bias: *const i32,
    multipliers: *const i32,
    blocks: usize,
    weights: *const [i8; BLOCK],
    zero: i32,
    /// From the end of a pixel's blocks to the next pixel, and from there to the next row, in taps and in outputs.
    gap: usize,
    y_gap: usize,
    lo: i32,
    hi: i32,
    multiplier_bytes: usize,
    outside: usize,
    /// Of the weights of a block.
    block_bytes: usize,
    rows: usize,
    row_gap: usize,
    y_row_gap: usize,
    columns: usize,
    y: *mut i8,
    taps: *const Tap<'a>,
    inside: usize,
    input_zero: i32,
}

/// See [`Blocks`]; it must fit.
#[inline(always)]
pub(in crate::armv81m) fn blocks(blocks: &mut Blocks<'_>) {
    let path = &blocks.path;
    let [inside, outside] = path.taps.counts();
    let [gap, row_gap] = path.gaps(path.steps, blocks.channels);
    let [y_gap, y_row_gap] = path.gaps(path.strides, blocks.channels);
    let arguments = BlocksArguments {
        bias: blocks.bias.as_ptr(),
        multipliers: blocks.rounding.multipliers.as_ptr(),
        blocks: blocks.channels / BLOCK,
        weights: blocks.weights.as_ptr(),
        zero: blocks.rounding.zero,
        gap,
        y_gap,
        lo: blocks.limits[0].into(),
        hi: blocks.limits[1].into(),
        multiplier_bytes: blocks.rounding.step(blocks.channels, BLOCK).wrapping_mul(4),
        outside,
        block_bytes: inside.wrapping_add(outside).wrapping_mul(BLOCK),
        rows: path.size[0],
        row_gap,
        y_row_gap,
        columns: path.size[1],
        y: blocks.y.as_mut_ptr(),
        taps: path.taps.as_ptr(),
        inside,
        input_zero: path.input_zero.into(),
    };
    // SAFETY: `Blocks::fits` holds: there are rows, columns and blocks, each tap inside reaches to the last channel of the last pixel, weights
    // and biases are there for all blocks, multipliers for all or for the one that step 0 repeats, and the last pixel's outputs lie in `y`.
    unsafe { blocks_loop(&raw const arguments) }
}

/// Loads what tap at `r8` reads to q0, and its weights to q1.
macro_rules! tap {
    () => {
        "ldrd r4, r3, [r8], #8\nadd r4, r5\nadd r3, r11\nvldrb.u8 q0, [r4]\nvldrb.u8 q1, [r3]\n"
    };
}

/// Adds products of 16 bits, q2 of even channels and q3 of odd ones, to the sums.
macro_rules! widen {
    () => {
        concat!(
            "vmovlb.s16 q0, q2\n",
            "vmovlt.s16 q2, q2\n",
            "vmovlb.s16 q1, q3\n",
            "vmovlt.s16 q3, q3\n",
            "vadd.i32 q4, q4, q0\n",
            "vadd.i32 q6, q6, q2\n",
            "vadd.i32 q5, q5, q1\n",
            "vadd.i32 q7, q7, q3\n",
        )
    };
}

/// Sixteen channels of a pixel: q4 to q7 are the sums, of every fourth channel each, since VMULLB, VMULLT and the moves take every second
/// lane. r1 points to the taps: what they read, to which r5 is added, and where their weights are in the block at r11;
/// r6 and r7 point to biases and multipliers, r9 and r10 count blocks and columns. Two products of one channel fit into 16 bits, so taps
/// are taken in pairs: 26 instructions for 32 products. Taps outside are multiplied by the zero point.
#[unsafe(naked)]
unsafe extern "C" fn blocks_loop(arguments: *const BlocksArguments<'_>) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4-r11, lr}}",
        "vpush {{d8-d15}}",
        "sub sp, #68",
        "vldrw.u32 q0, [r0]",
        "vldrw.u32 q1, [r0, #16]",
        "vldrw.u32 q2, [r0, #32]",
        "vldrw.u32 q3, [r0, #48]",
        "vstrw.32 q0, [sp]",
        "vstrw.32 q1, [sp, #16]",
        "vstrw.32 q2, [sp, #32]",
        "vstrw.32 q3, [sp, #48]",
        "add r0, #64",
        "ldm r0, {{r0, r1, r2, r3}}",
        "str r3, [sp, #64]",
        "mov r5, #0",
        "1:",
        "ldr r10, [sp, #60]",
        "2:",
        "ldm sp, {{r6, r7, r9, r11}}",
        "3:",
        "vld40.32 {{q4, q5, q6, q7}}, [r6]",
        "vld41.32 {{q4, q5, q6, q7}}, [r6]",
        "vld42.32 {{q4, q5, q6, q7}}, [r6]",
        "vld43.32 {{q4, q5, q6, q7}}, [r6]!",
        "mov r8, r1",
        "lsrs r12, r2, #1",
        "wls lr, r12, 5f",
        "4:",
        tap!(),
        "vmullb.s8 q2, q0, q1",
        "vmullt.s8 q3, q0, q1",
        tap!(),
        "vmullb.s8 q0, q0, q1",
        "vadd.i16 q2, q2, q0",
        "vldrb.u8 q0, [r4]",
        "vmullt.s8 q0, q0, q1",
        "vadd.i16 q3, q3, q0",
        widen!(),
        "le lr, 4b",
        "5:",
        "tst r2, #1",
        "beq 6f",
        tap!(),
        "vmullb.s8 q2, q0, q1",
        "vmullt.s8 q3, q0, q1",
        widen!(),
        "6:",
        "ldr r12, [sp, #40]",
        "wls lr, r12, 8f",
        "7:",
        "ldr r4, [sp, #64]",
        "ldr r3, [r8, #4]",
        "vdup.8 q0, r4",
        "add r8, #8",
        "add r3, r11",
        "vldrb.u8 q1, [r3]",
        "vmullb.s8 q2, q0, q1",
        "vmullt.s8 q3, q0, q1",
        widen!(),
        "le lr, 7b",
        "8:",
        "vld40.32 {{q0, q1, q2, q3}}, [r7]",
        "vld41.32 {{q0, q1, q2, q3}}, [r7]",
        "vld42.32 {{q0, q1, q2, q3}}, [r7]",
        "vld43.32 {{q0, q1, q2, q3}}, [r7]",
        "ldrd r12, r4, [sp, #32]",
        "vrmulh.s32 q4, q4, q0",
        "vrmulh.s32 q5, q5, q1",
        "vrmulh.s32 q6, q6, q2",
        "vrmulh.s32 q7, q7, q3",
        "add r7, r4",
        "ldr r8, [sp, #28]",
        "ldr r4, [sp, #16]",
        "vqmovnb.s32 q0, q4",
        "vqmovnb.s32 q1, q5",
        "vqmovnt.s32 q0, q6",
        "vqmovnt.s32 q1, q7",
        "vdup.8 q2, r8",
        "vdup.8 q3, r12",
        "vqadd.s16 q0, q0, r4",
        "vqadd.s16 q1, q1, r4",
        "vqmovnb.s16 q0, q0",
        "vqmovnt.s16 q0, q1",
        "vmax.s8 q0, q0, q2",
        "vmin.s8 q0, q0, q3",
        "ldr r4, [sp, #44]",
        "add r5, #16",
        "vstrb.8 q0, [r0], #16",
        "add r11, r4",
        "subs r9, #1",
        "bne.w 3b",
        "ldrd r3, r4, [sp, #20]",
        "add r5, r3",
        "add r0, r4",
        "subs r10, #1",
        "bne.w 2b",
        "ldrd r3, r4, [sp, #52]",
        "add r5, r3",
        "add r0, r4",
        "ldr r3, [sp, #48]",
        "subs r3, #1",
        "str r3, [sp, #48]",
        "bne.w 1b",
        "add sp, #68",
        "vpop {{d8-d15}}",
        "pop {{r4-r11, pc}}",
    )
}

/// The arguments of `half_loop`: what goes to registers, then its frame.
#[repr(C)]
struct HalfArguments<'a> {
    channels: usize,
    multipliers: *const [i32; HALF],
    y: *mut i8,
    first: usize,
    bias: *const [i32; HALF],
    taps: *const Tap<'a>,
    inside: usize,
    weights: *const i8,
    zero: i32,
    outside: usize,
    lo: i32,
    hi: i32,
    step: usize,
    stride: usize,
    row_gap: usize,
    y_row_gap: usize,
    rows: usize,
    columns: usize,
    input_zero: i32,
}

/// See [`Half`]; it must fit.
#[inline(always)]
pub(in crate::armv81m) fn half(half: &mut Half<'_>) {
    let path = &half.path;
    let [inside, outside] = path.taps.counts();
    let [step, row_gap] = path.gaps(path.steps, 0);
    let [stride, y_row_gap] = path.gaps(path.strides, 0);
    let arguments = HalfArguments {
        channels: half.channels,
        multipliers: half.multipliers,
        y: half.y.as_mut_ptr(),
        first: half.first,
        bias: half.bias,
        taps: path.taps.as_ptr(),
        inside,
        weights: half.weights.as_ptr().cast::<i8>().wrapping_add(half.at),
        zero: half.zero,
        outside,
        lo: half.limits[0].into(),
        hi: half.limits[1].into(),
        step,
        stride,
        row_gap,
        y_row_gap,
        rows: path.size[0],
        columns: path.size[1],
        input_zero: path.input_zero.into(),
    };
    // SAFETY: `Half::fits` holds: there are rows and columns, each tap inside reaches to the last channel of the last pixel, there are sixteen
    // weights for each tap, of which eight from `at` on are read, and the last pixel's outputs lie in `y`. What is beyond the channels is
    // neither loaded from a tap nor stored.
    unsafe { half_loop(&raw const arguments) }
}

/// Eight channels of a pixel in 32 bits: q2 and q3 are the sums, of even and of odd channels, q6 and q7 multipliers; a predicate leaves out what is beyond the
/// channels.
#[unsafe(naked)]
unsafe extern "C" fn half_loop(arguments: *const HalfArguments<'_>) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4-r11, lr}}",
        "vpush {{d8-d15}}",
        "sub sp, #36",
        "ldm r0!, {{r1, r2}}",
        "vctp.16 r1",
        "vld20.32 {{q6, q7}}, [r2]",
        "vld21.32 {{q6, q7}}, [r2]",
        "add r4, r0, #32",
        "ldm r4, {{r1-r9}}",
        "stm sp, {{r1-r9}}",
        "ldm r0, {{r1, r2, r3, r5, r7, r8, r10, r11}}",
        "1:",
        "ldr r9, [sp, #28]",
        "2:",
        "vld20.32 {{q2, q3}}, [r3]",
        "vld21.32 {{q2, q3}}, [r3]",
        "mov r6, r5",
        "wls lr, r7, 4f",
        "3:",
        "ldrd r0, r4, [r6], #8",
        "add r0, r2",
        "add r4, r8",
        "vldrb.s16 q1, [r4]",
        "vpst",
        "vldrbt.s16 q0, [r0]",
        "vmullb.s16 q4, q0, q1",
        "vmullt.s16 q0, q0, q1",
        "vadd.i32 q2, q2, q4",
        "vadd.i32 q3, q3, q0",
        "le lr, 3b",
        "4:",
        "wls lr, r11, 6f",
        "ldr r0, [sp, #32]",
        "vdup.16 q0, r0",
        "5:",
        "ldr r4, [r6, #4]",
        "add r6, #8",
        "add r4, r8",
        "vldrb.s16 q1, [r4]",
        "vmullb.s16 q4, q0, q1",
        "vmullt.s16 q1, q0, q1",
        "vadd.i32 q2, q2, q4",
        "vadd.i32 q3, q3, q1",
        "le lr, 5b",
        "6:",
        "vrmulh.s32 q2, q2, q6",
        "vrmulh.s32 q3, q3, q7",
        "ldrd r0, r12, [sp]",
        "vdup.16 q4, r0",
        "vqmovnb.s32 q0, q2",
        "vqmovnt.s32 q0, q3",
        "vdup.16 q5, r12",
        "vqadd.s16 q0, q0, r10",
        "vmax.s16 q0, q0, q4",
        "vmin.s16 q0, q0, q5",
        "vpst",
        "vstrbt.16 q0, [r1]",
        "ldrd r0, r12, [sp, #8]",
        "add r2, r0",
        "add r1, r12",
        "subs r9, #1",
        "bne 2b",
        "ldrd r0, r12, [sp, #16]",
        "add r2, r0",
        "add r1, r12",
        "ldr r0, [sp, #24]",
        "subs r0, #1",
        "str r0, [sp, #24]",
        "bne 1b",
        "add sp, #36",
        "vpop {{d8-d15}}",
        "pop {{r4-r11, pc}}",
    )
}
