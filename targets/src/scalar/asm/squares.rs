//! The sums of a tile of 2 × 2 whose weights of two outputs stand together: in int16 and with int4 weights.

use core::arch::naked_asm;

use super::{TILE_BYTES, skip};

/// The arguments of the loops.
#[repr(C)]
struct SumsArguments {
    /// Ends.
    x: [*const i8; 2],
    w: *const i8,
    /// Bytes of each.
    bytes: usize,
    skip: usize,
    sums: *mut [i32; 4],
}

/// The sums of both pixels with both outputs' weights, which take turns; of activations there are as many in both, at least one, of weights twice as
/// many.
#[inline(always)]
pub(in crate::scalar) fn sums_i16(x: [&[i16]; 2], weights: &[i8]) -> [i32; 4] {
    let (depth, mut sums) = (x[0].len(), [0; 4]);
    let arguments = SumsArguments {
        x: x.map(|x| x.as_ptr_range().end.cast()),
        w: weights.as_ptr_range().end,
        bytes: weights.len(),
        skip: skip(depth, 4, TILE_BYTES),
        sums: &raw mut sums,
    };
    // SAFETY: `weights` are as many bytes as the activations of either pixel, which are aligned, and there are some.
    unsafe { sums_i16_loop(&raw const arguments) };
    sums
}

/// The same of int4 weights in bytes, as many as activations: the first output's in the lower half.
#[inline(always)]
pub(in crate::scalar) fn sums_w4(x: [&[i8]; 2], weights: &[i8]) -> [i32; 4] {
    let mut sums = [0; 4];
    let arguments = SumsArguments {
        x: x.map(|x| x.as_ptr_range().end),
        w: weights.as_ptr_range().end,
        bytes: weights.len(),
        skip: skip(weights.len(), 4, NIBBLE_BYTES),
        sums: &raw mut sums,
    };
    // SAFETY: `weights` are as many bytes as either pixel has activations, and there are some.
    unsafe { sums_w4_loop(&raw const arguments) };
    sums
}

/// How the loops begin: r1 and r2 are the ends of pixels, r3 of weights, r4 one behind it, r5 the index; r8 to r11 are the sums.
macro_rules! sums_begin {
    () => {
        concat!(
            "push {{r4-r7, lr}}\n",
            "mov r4, r8\n",
            "mov r5, r9\n",
            "mov r6, r10\n",
            "mov r7, r11\n",
            "push {{r4-r7}}\n",
            "ldm r0!, {{r1, r2, r3, r5, r6, r7}}\n",
            "mov r12, r7\n",
            "rsbs r5, r5, #0\n",
            "adds r4, r3, #1\n",
            "movs r0, #0\n",
            "mov r8, r0\n",
            "mov r9, r0\n",
            "mov r10, r0\n",
            "mov r11, r0\n",
            "adr r0, 3f\n",
            "adds r0, r0, r6\n",
            "adds r0, #1\n",
            "bx r0\n",
            ".balign 4\n",
            "3:\n",
        )
    };
}

/// How they end.
macro_rules! sums_end {
    () => {
        concat!(
            "bne 3b\n",
            "mov r0, r12\n",
            "mov r1, r8\n",
            "mov r2, r9\n",
            "mov r3, r10\n",
            "mov r4, r11\n",
            "stm r0!, {{r1-r4}}\n",
            "pop {{r4-r7}}\n",
            "mov r8, r4\n",
            "mov r9, r5\n",
            "mov r10, r6\n",
            "mov r11, r7\n",
            "pop {{r4-r7, pc}}\n",
        )
    };
}

/// Two bytes of weights for two of every activation, so that one index is for both. 14 instructions for 4 products, 9 on Armv7-M.
#[unsafe(naked)]
unsafe extern "C" fn sums_i16_loop(arguments: *const SumsArguments) {
    naked_asm!(
        sums_begin!(),
        ".rept 4",
        "ldrsh r0, [r1, r5]",
        "ldrsb r6, [r3, r5]",
        first!(),
        "ldrsb r7, [r4, r5]",
        mac!("r9", "r7", "r0"),
        "ldrsh r0, [r2, r5]",
        mac!("r10", "r0", "r6"),
        mac!("r11", "r0", "r7"),
        "adds r5, #2",
        ".endr",
        sums_end!(),
    )
}

/// Bytes of a round of `sums_w4_loop`.
const NIBBLE_BYTES: usize = if cfg!(thumb = "armv6-m") { 32 } else { 30 };

/// Takes the lower half of the byte in r6 to r7, the upper one to r6, and begins with `r8 += r0 · r7`, where r0 was loaded; r4 may be lost.
#[cfg(thumb = "armv6-m")]
macro_rules! halves {
    () => {
        concat!(
            "lsls r7, r6, #28\n",
            "asrs r7, r7, #28\n",
            "asrs r6, r6, #4\n",
            "ldrsb r0, [r1, r5]\n",
            "mov r4, r7\n",
            mac!("r8", "r0", "r4"),
        )
    };
}
#[cfg(thumb = "armv7-m")]
macro_rules! halves {
    () => {
        concat!("sbfx r7, r6, #0, #4\n", "asrs r6, r6, #4\n", "ldrsb r0, [r1, r5]\n", mac!("r8", "r0", "r7"))
    };
}

/// A byte of weights for one of every activation. 16 instructions for 4 products, 10 on Armv7-M.
#[unsafe(naked)]
unsafe extern "C" fn sums_w4_loop(arguments: *const SumsArguments) {
    naked_asm!(
        sums_begin!(),
        ".rept 4",
        "ldrsb r6, [r3, r5]",
        halves!(),
        mac!("r9", "r6", "r0"),
        "ldrsb r0, [r2, r5]",
        mac!("r10", "r0", "r7"),
        mac!("r11", "r0", "r6"),
        "adds r5, #1",
        ".endr",
        sums_end!(),
    )
}
