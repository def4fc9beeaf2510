//! The loops in Armv8.1-M assembly with Helium. Each is a function of its own with the C calling convention, given one pointer to its
//! arguments, so that all registers are its own; what the inner loop does not need waits in a frame on the stack.

use core::arch::naked_asm;

use super::tile::{Column, Square};
use crate::add::Add;
use crate::pool::{Average, Pool};
use crate::windows::Copy;

mod depthwise;
mod squares;

pub(super) use depthwise::{blocks, half};
pub(super) use squares::{nibbles, wide_square};

/// What lets the assembler know the instructions, which the compilation target does not name.
macro_rules! arch {
    () => {
        ".cpu cortex-m55"
    };
}

/// The arguments of `copy_loop`, in the order of its registers.
#[repr(C)]
struct CopyArguments {
    from: *const i8,
    to: *mut i8,
    len: usize,
    rows: usize,
    down: usize,
    over: usize,
    rectangles: usize,
    step: usize,
    stride: usize,
}

/// Copies what fits.
#[inline(always)]
pub(super) fn copy(from: &[i8], to: &mut [i8], copy: &Copy) {
    let ([rectangles, rows], [step, down], [stride, over]) = (copy.counts, copy.steps, copy.strides);
    let (from, to) = (from.as_ptr(), to.as_mut_ptr());
    let arguments = CopyArguments { from, to, len: copy.len, rows, down, over, rectangles, step, stride };
    // SAFETY: `Copy::fits` holds: there are rectangles, rows and bytes, and the last row ends within both slices.
    unsafe { copy_loop(&raw const arguments) }
}

/// Copies a row sixteen bytes at a time, of which the last leave out what is beyond `len`.
#[unsafe(naked)]
unsafe extern "C" fn copy_loop(arguments: *const CopyArguments) {
    naked_asm!(
        arch!(),
        "push {{r4-r11, lr}}",
        "ldm r0, {{r2-r10}}",
        "1:",
        "mov r0, r2",
        "mov r1, r3",
        "mov r11, r5",
        "2:",
        "mov r12, r0",
        "dlstp.8 lr, r4",
        "3:",
        "vldrb.u8 q0, [r12], #16",
        "vstrb.8 q0, [r1], #16",
        "letp lr, 3b",
        "add r3, r7",
        "add r0, r6",
        "mov r1, r3",
        "subs r11, #1",
        "bne 2b",
        // Back by all rows, on by a rectangle.
        "mls r3, r5, r7, r3",
        "add r2, r9",
        "add r3, r10",
        "subs r8, #1",
        "bne 1b",
        "pop {{r4-r11, pc}}",
    )
}

/// The least of some numbers; 127 if there are none.
#[inline(always)]
pub(super) fn least(numbers: &[i8]) -> i8 {
    // SAFETY: the loop reads no byte beyond the slice.
    unsafe { least_loop(numbers.as_ptr(), numbers.len()) as i8 }
}

/// Sixteen numbers at a time.
#[unsafe(naked)]
unsafe extern "C" fn least_loop(numbers: *const i8, len: usize) -> i32 {
    naked_asm!(
        arch!(),
        "push {{r7, lr}}",
        "mov r2, #127",
        "wlstp.8 lr, r1, 3f",
        "2:",
        "vldrb.u8 q0, [r0], #16",
        "vminv.s8 r2, q0",
        "letp lr, 2b",
        "3:",
        "mov r0, r2",
        "pop {{r7, pc}}",
    )
}

/// The arguments of `square_loop`: first its frame, then what goes to registers.
#[repr(C)]
struct SquareArguments {
    y: *mut i8,
    /// Written by the loop: the second pixel's outputs, and what it reads.
    second: *mut i8,
    multiplier_bytes: usize,
    end: *mut i8,
    x: *const i8,
    second_x: *const i8,
    passes: usize,
    skip: usize,
    tail: usize,
    pixels: usize,
    step: usize,
    outputs: usize,
    stride: usize,
    weights: *const [u32; 16],
    bias: *const i32,
    multipliers: *const i32,
    zero: i32,
    lo: i32,
    hi: i32,
}

/// Groups of sixteen in the unrolled code of `square_loop`, and the bytes of one.
const UNROLL: usize = 4;
const GROUP_BYTES: usize = 56;

/// See [`Square`]; it must fit.
#[inline(always)]
pub(super) fn square(square: &mut Square<'_>) {
    let groups = square.depth / 16;
    let passes = groups.saturating_sub(1) / UNROLL;
    let y = square.y.as_mut_ptr();
    let mut arguments = SquareArguments {
        y,
        second: y,
        multiplier_bytes: square.rounding.step(square.outputs, 4).wrapping_mul(4),
        end: y,
        x: square.pixels.x.as_ptr(),
        second_x: square.pixels.x.as_ptr(),
        passes,
        skip: groups.wrapping_sub(passes.wrapping_mul(UNROLL)).wrapping_mul(GROUP_BYTES),
        tail: square.depth % 16,
        pixels: square.pixels.count,
        step: square.pixels.step,
        outputs: square.outputs,
        stride: square.stride,
        weights: square.weights.as_ptr(),
        bias: square.bias.as_ptr(),
        multipliers: square.rounding.multipliers.as_ptr(),
        zero: square.rounding.zero,
        lo: square.limits[0].into(),
        hi: square.limits[1].into(),
    };
    // SAFETY: `Square::fits` holds: there are pixels and activations, which lie in `x` up to the last pixel's last, the outputs are a multiple
    // of four and at least four, weights and biases are there for all of them, multipliers for all or for the one tile that step 0
    // repeats, and the last pixel's outputs lie in `y`. Loads of a last group leave out what is beyond a pixel's activations.
    unsafe { square_loop(&raw mut arguments) }
}

/// What one group of sixteen does after its activations are in q0 and q1.
macro_rules! group {
    () => {
        concat!(
            "vldrb.u8 q2, [r5], #16\n",
            "vmladava.s8 r0, q0, q2\n",
            "vmladava.s8 r2, q1, q2\n",
            "vldrb.u8 q3, [r5], #16\n",
            "vmladava.s8 r4, q0, q3\n",
            "vmladava.s8 r6, q1, q3\n",
            "vldrb.u8 q2, [r5], #16\n",
            "vmladava.s8 r8, q0, q2\n",
            "vmladava.s8 r10, q1, q2\n",
            "vldrb.u8 q3, [r5], #16\n",
            "vmladava.s8 r12, q0, q3\n",
            "vmladava.s8 lr, q1, q3\n",
        )
    };
}

/// A tile of 2 × 4: the even registers are the sums, r0, r4, r8 and r12 those of the first pixel. r1 and r3 point to both pixels, r5 to
/// weights, r9 to biases, r11 to multipliers, r7 counts passes. 14 instructions for 128 products. A last pixel that is alone is both of a
/// pair; the arguments are the frame.
///
/// The code of four groups is entered `skip` bytes before its end, the length of the groups of the first pass; `passes` are those after it.
#[unsafe(naked)]
unsafe extern "C" fn square_loop(arguments: *mut SquareArguments) {
    naked_asm!(
        arch!(),
        "push {{r4-r11, lr}}",
        "vpush {{d8-d13}}",
        "sub sp, #64",
        "vldrw.u32 q0, [r0]",
        "vldrw.u32 q1, [r0, #16]",
        "vldrw.u32 q2, [r0, #32]",
        "vldrw.u32 q3, [r0, #48]",
        "vstrw.32 q0, [sp]",
        "vstrw.32 q1, [sp, #16]",
        "vstrw.32 q2, [sp, #32]",
        "vstrw.32 q3, [sp, #48]",
        "add r0, #64",
        "ldm r0, {{r1, r2, r3}}",
        "vdup.32 q6, r1",
        "vdup.32 q4, r2",
        "vdup.32 q5, r3",
        "adr.w r1, 4f",
        "ldr r2, [sp, #28]",
        "sub r1, r1, r2",
        "orr r1, r1, #1",
        "str r1, [sp, #28]",
        // A pair of pixels.
        "1:",
        "add r0, sp, #36",
        "ldm r0, {{r0, r2, r4, r6, r8, r9, r11}}",
        "ldr r1, [sp, #16]",
        "ldr r10, [sp]",
        "mov r5, r8",
        "cmp r0, #1",
        "add r4, r10",
        "itt eq",
        "moveq r2, #0",
        "moveq r6, #0",
        "add r3, r1, r2",
        "add r6, r10",
        "str r6, [sp, #4]",
        "str r4, [sp, #12]",
        "str r3, [sp, #20]",
        // Four outputs.
        "2:",
        "ldrd r1, r3, [sp, #16]",
        "ldm r9!, {{r0, r4, r8, r12}}",
        "mov r2, r0",
        "mov r6, r4",
        "mov r10, r8",
        "mov lr, r12",
        "ldr r7, [sp, #24]",
        "ldr pc, [sp, #28]",
        ".balign 4",
        "3:",
        ".rept 4",
        "vldrb.u8 q0, [r1], #16",
        "vldrb.u8 q1, [r3], #16",
        group!(),
        ".endr",
        "4:",
        "subs r7, #1",
        "bpl.w 3b",
        "ldr r7, [sp, #32]",
        "cbz r7, 5f",
        "vctp.8 r7",
        "vpstt",
        "vldrbt.u8 q0, [r1]",
        "vldrbt.u8 q1, [r3]",
        group!(),
        "5:",
        "vldrw.u32 q2, [r11]",
        "vmov q0[2], q0[0], r0, r8",
        "vmov q1[2], q1[0], r2, r10",
        "vmov q0[3], q0[1], r4, r12",
        "vmov q1[3], q1[1], r6, lr",
        "ldm sp, {{r0, r2, r4, r6}}",
        "add r11, r4",
        "vrmulh.s32 q0, q0, q2",
        "vrmulh.s32 q1, q1, q2",
        "vadd.i32 q0, q0, q6",
        "vadd.i32 q1, q1, q6",
        "vmax.s32 q0, q0, q4",
        "vmax.s32 q1, q1, q4",
        "vmin.s32 q0, q0, q5",
        "vmin.s32 q1, q1, q5",
        "vstrb.32 q0, [r0], #4",
        "vstrb.32 q1, [r2], #4",
        "strd r0, r2, [sp]",
        "cmp r0, r6",
        "bne 2b",
        // On to the next pair: two steps, two strides.
        "add r0, sp, #36",
        "ldm r0, {{r1, r2, r3, r4}}",
        "ldr r5, [sp, #16]",
        "sub r6, r6, r3",
        "add r5, r5, r2, lsl #1",
        "add r6, r6, r4, lsl #1",
        "str r5, [sp, #16]",
        "str r6, [sp]",
        "subs r1, #2",
        "str r1, [sp, #36]",
        "bgt.w 1b",
        "add sp, #64",
        "vpop {{d8-d13}}",
        "pop {{r4-r11, pc}}",
    )
}

/// The arguments of `column_loop`, in the order of its registers.
#[repr(C)]
struct ColumnArguments {
    zero: i32,
    lo: i32,
    hi: i32,
    weights: *const [u32; 16],
    y: *mut i8,
    len: usize,
    bias: *const i32,
    multipliers: *const i32,
    multiplier_bytes: usize,
    x: *const i8,
    end: *mut i8,
}

/// See [`Column`]; it must fit.
#[inline(always)]
pub(super) fn column(column: &mut Column<'_>) {
    let outputs = column.y.len();
    let y = column.y.as_mut_ptr();
    let arguments = ColumnArguments {
        zero: column.rounding.zero,
        lo: column.limits[0].into(),
        hi: column.limits[1].into(),
        weights: column.weights.as_ptr(),
        x: column.x.as_ptr(),
        len: column.x.len(),
        bias: column.bias.as_ptr(),
        multipliers: column.rounding.multipliers.as_ptr(),
        multiplier_bytes: column.rounding.step(outputs, 4).wrapping_mul(4),
        y,
        end: y.wrapping_add(outputs),
    };
    // SAFETY: `Column::fits` holds: there are activations, the outputs are a multiple of four and at least four, weights and biases are
    // there for all of them, and multipliers for all or for the one tile that step 0 repeats. The loop leaves out what is beyond the
    // activations.
    unsafe { column_loop(&raw const arguments) }
}

/// A tile of four outputs: r0, r2, r4 and r6 are the sums, r1 and r3 point to activations and weights. 10 instructions for 64 products.
#[unsafe(naked)]
unsafe extern "C" fn column_loop(arguments: *const ColumnArguments) {
    naked_asm!(
        arch!(),
        "push {{r4-r11, lr}}",
        "vpush {{d8-d13}}",
        "ldm r0!, {{r1, r2, r4}}",
        "vdup.32 q6, r1",
        "vdup.32 q4, r2",
        "vdup.32 q5, r4",
        "ldm r0, {{r3, r5, r7, r8, r9, r10, r11, r12}}",
        "2:",
        "mov r1, r11",
        "ldm r8!, {{r0, r2, r4, r6}}",
        "dlstp.8 lr, r7",
        "3:",
        "vldrb.u8 q0, [r1], #16",
        "vldrb.u8 q1, [r3], #16",
        "vmladava.s8 r0, q0, q1",
        "vldrb.u8 q2, [r3], #16",
        "vmladava.s8 r2, q0, q2",
        "vldrb.u8 q1, [r3], #16",
        "vmladava.s8 r4, q0, q1",
        "vldrb.u8 q2, [r3], #16",
        "vmladava.s8 r6, q0, q2",
        "letp lr, 3b",
        "vldrw.u32 q1, [r9]",
        "add r9, r10",
        "vmov q0[2], q0[0], r0, r4",
        "vmov q0[3], q0[1], r2, r6",
        "vrmulh.s32 q0, q0, q1",
        "vadd.i32 q0, q0, q6",
        "vmax.s32 q0, q0, q4",
        "vmin.s32 q0, q0, q5",
        "vstrb.32 q0, [r5], #4",
        "cmp r5, r12",
        "bne 2b",
        "vpop {{d8-d13}}",
        "pop {{r4-r11, pc}}",
    )
}

/// The arguments of `add_loop`, in the order of its registers.
#[repr(C)]
struct AddArguments {
    a: *const i8,
    b: *const i8,
    y: *mut i8,
    ma: i32,
    mb: i32,
    bias: i32,
    /// Negated, since VSHL shifts to the left.
    shift: i32,
    zero: i32,
    len: usize,
    lo: i32,
    hi: i32,
}

/// See [`Add`].
#[inline(always)]
pub(super) fn add(add: &mut Add<'_>) {
    let y = add.y.as_mut_ptr();
    let [a, b] = add.operands.map(|operand| operand.map_or(y.cast_const(), <[i8]>::as_ptr));
    let arguments = AddArguments {
        a,
        b,
        y,
        ma: add.multipliers[0],
        mb: add.multipliers[1],
        bias: add.bias,
        shift: -i32::from(add.shift),
        zero: add.zero.into(),
        len: add.y.len(),
        lo: add.limits[0].into(),
        hi: add.limits[1].into(),
    };
    // SAFETY: `Add::new` says so: there are outputs, and operands are as many, or the outputs, of which each four are read before they are
    // written. The loop leaves out what is beyond them.
    unsafe { add_loop(&raw const arguments) }
}

/// Four sums at a time: 11 instructions.
#[unsafe(naked)]
unsafe extern "C" fn add_loop(arguments: *const AddArguments) {
    naked_asm!(
        arch!(),
        "push {{r4-r11, lr}}",
        "ldm r0, {{r1-r11}}",
        "vdup.32 q2, r10",
        "vdup.32 q3, r11",
        "dlstp.32 lr, r9",
        "2:",
        "vldrb.s32 q0, [r1], #4",
        "vldrb.s32 q1, [r2], #4",
        "vmul.i32 q0, q0, r4",
        "vmla.i32 q0, q1, r5",
        "vadd.i32 q0, q0, r6",
        "vshl.s32 q0, r7",
        "vadd.i32 q0, q0, r8",
        "vmax.s32 q0, q0, q2",
        "vmin.s32 q0, q0, q3",
        "vstrb.32 q0, [r3], #4",
        "letp lr, 2b",
        "pop {{r4-r11, pc}}",
    )
}

/// The arguments of `average_loop`, in the order of its registers.
#[repr(C)]
struct AverageArguments {
    multiplier: i32,
    lo: i32,
    hi: i32,
    x: *const i8,
    y: *mut i8,
    rows: usize,
    columns: usize,
    across: usize,
    /// From the end of a row to the next row.
    gap: usize,
    bias: i32,
    zero: i32,
    channels: usize,
}

/// See [`Average`]; the rectangle must fit.
#[inline(always)]
pub(super) fn average(pool: &mut Pool<'_>, Average { bias, multiplier, zero }: Average) {
    let ([rows, columns], [down, across]) = (pool.size, pool.steps);
    let arguments = AverageArguments {
        multiplier,
        lo: pool.limits[0].into(),
        hi: pool.limits[1].into(),
        x: pool.x.as_ptr(),
        y: pool.y.as_mut_ptr(),
        rows,
        columns,
        across,
        gap: down.wrapping_sub(columns.wrapping_mul(across)),
        bias,
        zero,
        channels: pool.y.len(),
    };
    // SAFETY: `Pool::fits` holds: there are rows, columns and channels, and the last pixel's last channel lies in `x`. What is beyond
    // the channels is neither loaded nor stored.
    unsafe { average_loop(&raw const arguments) }
}

/// Four channels at a time, q3 their sums: 4 instructions for 4 numbers.
#[unsafe(naked)]
unsafe extern "C" fn average_loop(arguments: *const AverageArguments) {
    naked_asm!(
        arch!(),
        "push {{r4-r11, lr}}",
        "vpush {{d8-d11}}",
        "ldm r0!, {{r1, r2, r3}}",
        "vdup.32 q1, r1",
        "vdup.32 q4, r2",
        "vdup.32 q5, r3",
        "ldm r0, {{r2-r10}}",
        "2:",
        "vctp.32 r10",
        "vdup.32 q3, r8",
        "mov r0, r2",
        "mov r1, r4",
        "3:",
        "dls lr, r5",
        "4:",
        "vpst",
        "vldrbt.s32 q0, [r0]",
        "vadd.i32 q3, q3, q0",
        "add r0, r6",
        "le lr, 4b",
        "add r0, r7",
        "subs r1, #1",
        "bne 3b",
        "vrmulh.s32 q3, q3, q1",
        "vadd.i32 q3, q3, r9",
        "vmax.s32 q3, q3, q4",
        "vmin.s32 q3, q3, q5",
        "vpst",
        "vstrbt.32 q3, [r3], #4",
        "add r2, #4",
        "subs r10, #4",
        "bhi 2b",
        "vpop {{d8-d11}}",
        "pop {{r4-r11, pc}}",
    )
}
