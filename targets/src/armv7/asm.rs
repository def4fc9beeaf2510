//! The loops in assembly. Each is a function of its own with the C calling convention, given one pointer to its arguments, so that all registers
//! are its own.

use core::arch::naked_asm;
use core::mem::offset_of;

use super::{Columns, Pixels, Sum, Tile};

// The places of fields as the loops have them.
const _: () = assert!(offset_of!(Tile, bias) == 20 && offset_of!(Tile, second) == 28);
const _: () = assert!(offset_of!(Tile, y) == 32 && offset_of!(Tile, zero) == 40 && offset_of!(Tile, limits) == 42);
const _: () = assert!(offset_of!(Pixels, runs) == 44 && offset_of!(Pixels, fours) == 56);
const _: () = assert!(offset_of!(Columns, fours) == 44 && offset_of!(Columns, tap) == 56);
const _: () =
    assert!(offset_of!(Sum, multipliers) == 16 && offset_of!(Sum, shift) == 28 && offset_of!(Sum, limits) == 34);

/// What lets the assembler know the instructions, which the compilation target may not name.
macro_rules! arch {
    () => {
        ".arch armv7-a\n.fpu neon\n"
    };
}

/// Restores the registers, and returns.
macro_rules! end {
    () => {
        "vpop {{d8-d15}}\npop {{r4-r11, pc}}"
    };
}

mod pool;
mod reals;

pub(crate) use pool::{average, greatest};
pub(crate) use reals::{real_columns, real_pixels, real_vector};

/// Saves the registers that are the caller's, and loads those of a [`Tile`]: r1 to r5 are its first five fields, r10 and r11 the results' place
/// and step.
macro_rules! begin {
    () => {
        concat!(
            arch!(),
            "push {{r4-r11, lr}}\n",
            "vpush {{d8-d15}}\n",
            "ldm r0, {{r1-r5}}\n",
            "ldr r10, [r0, #32]\n",
            "ldr r11, [r0, #36]\n",
        )
    };
}

/// Clears the sums, q8 to q15.
macro_rules! clear {
    () => {
        clear!("8" "9" "10" "11" "12" "13" "14" "15")
    };
    ($($sum:literal)+) => {
        concat!($("vmov.i32 q", $sum, ", #0\n",)+)
    };
}

/// Adds products to two sums: `[sum, other: a, x; b, y]` are those of `a` with `x` and of `b` with `y`, in registers of eight numbers.
macro_rules! products {
    ($([$sum:literal, $other:literal: $a:literal, $x:literal; $b:literal, $y:literal])+) => {
        concat!($(
            "vmull.s8 q6, d", $a, ", d", $x, "\n",
            "vmull.s8 q7, d", $b, ", d", $y, "\n",
            "vpadal.s16 q", $sum, ", q6\n",
            "vpadal.s16 q", $other, ", q7\n",
        )+)
    };
}

/// The same of two pixels whose numbers meet the weights of two groups: four and four of the first in d8 and d9, of the second in d10 and d11.
macro_rules! pairs {
    ($([$sum:literal, $other:literal: $a:literal, $b:literal])+) => {
        concat!($(
            "vmull.s8 q6, d", $a, ", d8\n",
            "vmull.s8 q7, d", $a, ", d10\n",
            "vmlal.s8 q6, d", $b, ", d9\n",
            "vmlal.s8 q7, d", $b, ", d11\n",
            "vpadal.s16 q", $sum, ", q6\n",
            "vpadal.s16 q", $other, ", q7\n",
        )+)
    };
}

/// Brings the sums of two eights to int8 and stores them, the first from q8 to q11, the second from q12 to q15.
///
/// VQRDMULH gives `(2·a·b + 2^31) >> 32`, so that `b = m / 2`: multipliers are even.
macro_rules! finish {
    () => {
        concat!(
            "ldr r6, [r0, #20]\n",
            "ldr r7, [r0, #28]\n",
            "ldr r8, [r0, #24]\n",
            "vld1.32 {{d0-d3}}, [r6], r7\n",
            "vld1.32 {{d4-d7}}, [r6]\n",
            "vld1.32 {{d8-d11}}, [r8], r7\n",
            "vld1.32 {{d12-d15}}, [r8]\n",
            // Both sums of each lane.
            "vpadd.i32 d16, d16, d17\n",
            "vpadd.i32 d17, d18, d19\n",
            "vpadd.i32 d18, d20, d21\n",
            "vpadd.i32 d19, d22, d23\n",
            "vpadd.i32 d20, d24, d25\n",
            "vpadd.i32 d21, d26, d27\n",
            "vpadd.i32 d22, d28, d29\n",
            "vpadd.i32 d23, d30, d31\n",
            finish!(@"8", "0", "4"),
            finish!(@"9", "1", "5"),
            finish!(@"10", "2", "6"),
            finish!(@"11", "3", "7"),
            "vqmovn.s32 d16, q8\n",
            "vqmovn.s32 d17, q9\n",
            "vqmovn.s32 d18, q10\n",
            "vqmovn.s32 d19, q11\n",
            "add r6, r0, #40\n",
            "vld1.16 {{d0[], d1[]}}, [r6]!\n",
            "vld1.8 {{d2[], d3[]}}, [r6]!\n",
            "vld1.8 {{d4[], d5[]}}, [r6]\n",
            "vqadd.s16 q8, q8, q0\n",
            "vqadd.s16 q9, q9, q0\n",
            "vqmovn.s16 d16, q8\n",
            "vqmovn.s16 d17, q9\n",
            "vmax.s8 q8, q8, q1\n",
            "vmin.s8 q8, q8, q2\n",
            "vst1.8 {{d16}}, [r10], r11\n",
            "vst1.8 {{d17}}, [r10], r11\n",
        )
    };
    (@$sums:literal, $bias:literal, $multipliers:literal) => {
        concat!(
            "vadd.i32 q", $sums, ", q", $sums, ", q", $bias, "\n",
            "vshr.s32 q", $multipliers, ", q", $multipliers, ", #1\n",
            "vqrdmulh.s32 q", $sums, ", q", $sums, ", q", $multipliers, "\n",
        )
    };
}

/// Two and two pixels by eight outputs.
///
/// # Safety
/// The processor has NEON, and all that the arguments tell of is there.
pub(crate) unsafe fn pixels(pixels: &Pixels) {
    // SAFETY: as the caller says.
    unsafe { pixels_loop(pixels) }
}

#[unsafe(naked)]
unsafe extern "C" fn pixels_loop(pixels: *const Pixels) {
    naked_asm!(
        begin!(),
        "1:",
        clear!(),
        "mov r12, r4",
        "ldr r6, [r0, #44]",
        "ldr r7, [r0, #48]",
        "2:",
        "ldr r8, [r6], #4",
        "add r8, r1, r8",
        "add r9, r8, r2",
        "ldr lr, [r0, #52]",
        "cmp lr, #0",
        "beq 4f",
        "3:",
        "vld1.8 {{d0-d3}}, [r12], r5",
        "vld1.8 {{d4-d7}}, [r12], r5",
        "vld1.32 {{d8[]}}, [r8]!",
        "vld1.32 {{d9[]}}, [r8]!",
        "vld1.32 {{d10[]}}, [r9]!",
        "vld1.32 {{d11[]}}, [r9]!",
        pairs!(["8", "12": "0", "4"] ["9", "13": "1", "5"] ["10", "14": "2", "6"] ["11", "15": "3", "7"]),
        "subs lr, lr, #1",
        "bne 3b",
        "4:",
        "ldr lr, [r0, #56]",
        "cmp lr, #0",
        "beq 6f",
        "5:",
        "vld1.8 {{d0-d3}}, [r12], r5",
        "vld1.32 {{d8[]}}, [r8]!",
        "vld1.32 {{d10[]}}, [r9]!",
        products!(
            ["8", "12": "0", "8"; "0", "10"] ["9", "13": "1", "8"; "1", "10"]
            ["10", "14": "2", "8"; "2", "10"] ["11", "15": "3", "8"; "3", "10"]
        ),
        "subs lr, lr, #1",
        "bne 5b",
        "6:",
        "subs r7, r7, #1",
        "bne 2b",
        finish!(),
        "add r1, r1, r2, lsl #1",
        "subs r3, r3, #1",
        "bne 1b",
        end!(),
    )
}

/// A vector of so many fours by sixteen outputs, once.
///
/// # Safety
/// The processor has NEON, and all that the arguments tell of is there.
pub(crate) unsafe fn vector(tile: &Tile, fours: usize) {
    // SAFETY: as the caller says.
    unsafe { vector_loop(tile, fours) }
}

#[unsafe(naked)]
unsafe extern "C" fn vector_loop(tile: *const Tile, fours: usize) {
    naked_asm!(
        "mov r12, r1",
        begin!(),
        clear!(),
        "sub r5, r5, #32",
        "cmp r12, #0",
        "beq 3f",
        "2:",
        "vld1.8 {{d0-d3}}, [r4]!",
        "vld1.8 {{d4-d7}}, [r4], r5",
        "vld1.32 {{d8[]}}, [r1]!",
        products!(
            ["8", "9": "0", "8"; "1", "8"] ["10", "11": "2", "8"; "3", "8"]
            ["12", "13": "4", "8"; "5", "8"] ["14", "15": "6", "8"; "7", "8"]
        ),
        "subs r12, r12, #1",
        "bne 2b",
        "3:",
        finish!(),
        end!(),
    )
}

/// Two and two pixels of a depthwise convolution by eight channels.
///
/// # Safety
/// The processor has NEON, and all that the arguments tell of is there.
pub(crate) unsafe fn columns(columns: &mut Columns) {
    // SAFETY: as the caller says.
    unsafe { columns_loop(columns) }
}

#[unsafe(naked)]
unsafe extern "C" fn columns_loop(columns: *mut Columns) {
    naked_asm!(
        begin!(),
        "1:",
        clear!(),
        "mov r12, r4",
        "mov r6, r1",
        "ldr r7, [r0, #44]",
        "2:",
        "mov r8, r6",
        "add r9, r6, r2",
        "ldr lr, [r0, #48]",
        "add r6, r6, lr",
        "ldr lr, [r0, #52]",
        "ldr r3, [r0, #56]",
        "3:",
        "vld1.8 {{d0-d3}}, [r12], r5",
        "vld1.8 {{d4-d7}}, [r8], r3",
        "vld1.8 {{d8-d11}}, [r9], r3",
        products!(
            ["8", "12": "0", "4"; "0", "8"] ["9", "13": "1", "5"; "1", "9"]
            ["10", "14": "2", "6"; "2", "10"] ["11", "15": "3", "7"; "3", "11"]
        ),
        "subs lr, lr, #1",
        "bne 3b",
        "subs r7, r7, #1",
        "bne 2b",
        finish!(),
        "add r1, r1, r2, lsl #1",
        "ldr r3, [r0, #8]",
        "subs r3, r3, #1",
        "str r3, [r0, #8]",
        "bne 1b",
        end!(),
    )
}

/// `to[4·i + r] = rows[r][i]`, `chunks` times sixteen numbers of each row.
///
/// # Safety
/// The processor has NEON, and so many numbers may be read and four times as many written.
pub(crate) unsafe fn interleave(rows: [*const i8; 4], to: *mut i8, chunks: usize) {
    // SAFETY: as the caller says.
    unsafe { interleave_loop(&rows, to, chunks) }
}

#[unsafe(naked)]
unsafe extern "C" fn interleave_loop(rows: *const [*const i8; 4], to: *mut i8, chunks: usize) {
    naked_asm!(
        arch!(),
        "push {{r4-r6, lr}}",
        "ldm r0, {{r3-r6}}",
        "cmp r2, #0",
        "beq 3f",
        "2:",
        "vld1.8 {{d0, d1}}, [r3]!",
        "vld1.8 {{d2, d3}}, [r4]!",
        "vld1.8 {{d4, d5}}, [r5]!",
        "vld1.8 {{d6, d7}}, [r6]!",
        "vst4.8 {{d0, d2, d4, d6}}, [r1]!",
        "vst4.8 {{d1, d3, d5, d7}}, [r1]!",
        "subs r2, r2, #1",
        "bne 2b",
        "3:",
        "pop {{r4-r6, pc}}",
    )
}

/// The least of `chunks` times 32 numbers, or 127.
///
/// # Safety
/// The processor has NEON, and so many numbers may be read.
pub(crate) unsafe fn least(numbers: *const i8, chunks: usize) -> i8 {
    // SAFETY: as the caller says.
    unsafe { least_loop(numbers, chunks) as i8 }
}

#[unsafe(naked)]
unsafe extern "C" fn least_loop(numbers: *const i8, chunks: usize) -> i32 {
    naked_asm!(
        arch!(),
        "vmov.i8 q2, #127",
        "vmov.i8 q3, #127",
        "cmp r1, #0",
        "beq 3f",
        "2:",
        "vld1.8 {{d0-d3}}, [r0]!",
        "vmin.s8 q2, q2, q0",
        "vmin.s8 q3, q3, q1",
        "subs r1, r1, #1",
        "bne 2b",
        "3:",
        "vmin.s8 q2, q2, q3",
        "vpmin.s8 d4, d4, d5",
        "vpmin.s8 d4, d4, d4",
        "vpmin.s8 d4, d4, d4",
        "vpmin.s8 d4, d4, d4",
        "vmov.s8 r0, d4[0]",
        "bx lr",
    )
}

/// The sums of `a` and `b`, which may be where `y` is.
///
/// # Safety
/// The processor has NEON, and all that the arguments tell of is there.
pub(crate) unsafe fn add(sum: &Sum) {
    // SAFETY: as the caller says.
    unsafe { add_loop(sum) }
}

#[unsafe(naked)]
unsafe extern "C" fn add_loop(sum: *const Sum) {
    naked_asm!(
        arch!(),
        "ldm r0, {{r1-r3, r12}}",
        "add r0, r0, #16",
        "vld1.32 {{d0}}, [r0]!",
        "vld1.32 {{d2[], d3[]}}, [r0]!",
        "vld1.32 {{d4[], d5[]}}, [r0]!",
        "vld1.16 {{d6[], d7[]}}, [r0]!",
        "vld1.8 {{d30[]}}, [r0]!",
        "vld1.8 {{d31[]}}, [r0]",
        "2:",
        "vld1.8 {{d16}}, [r1]!",
        "vld1.8 {{d18}}, [r2]!",
        "vmovl.s8 q8, d16",
        "vmovl.s8 q9, d18",
        "vmovl.s16 q10, d16",
        "vmovl.s16 q11, d17",
        "vmovl.s16 q12, d18",
        "vmovl.s16 q13, d19",
        "vmul.i32 q10, q10, d0[0]",
        "vmul.i32 q11, q11, d0[0]",
        "vmla.i32 q10, q12, d0[1]",
        "vmla.i32 q11, q13, d0[1]",
        "vadd.i32 q10, q10, q1",
        "vadd.i32 q11, q11, q1",
        "vshl.s32 q10, q10, q2",
        "vshl.s32 q11, q11, q2",
        "vqmovn.s32 d20, q10",
        "vqmovn.s32 d21, q11",
        "vqadd.s16 q10, q10, q3",
        "vqmovn.s16 d20, q10",
        "vmax.s8 d20, d20, d30",
        "vmin.s8 d20, d20, d31",
        "vst1.8 {{d20}}, [r3]!",
        "subs r12, r12, #1",
        "bne 2b",
        "bx lr",
    )
}
