//! The loop that copies.

use core::arch::naked_asm;

use crate::windows::Copy;

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
    /// From the end of a rectangle's rows to the next rectangle.
    step: usize,
    stride: usize,
}

/// Copies what fits.
#[inline(always)]
pub(in crate::riscv_v) fn copy(from: &[i8], to: &mut [i8], copy: &Copy) {
    let ([rectangles, rows], [step, down], [stride, over]) = (copy.counts, copy.steps, copy.strides);
    let arguments = CopyArguments {
        from: from.as_ptr(),
        to: to.as_mut_ptr(),
        len: copy.len,
        rows,
        down,
        over,
        rectangles,
        step: step.wrapping_sub(rows.wrapping_mul(down)),
        stride: stride.wrapping_sub(rows.wrapping_mul(over)),
    };
    // SAFETY: `Copy::fits` holds: there are rectangles, rows and bytes, and the last row ends within both slices.
    unsafe { copy_loop(&raw const arguments) }
}

/// Copies a part of every row, as long as eight registers hold: all of it mostly.
#[unsafe(naked)]
unsafe extern "C" fn copy_loop(arguments: *const CopyArguments) {
    naked_asm!(
        begin!(),
        words!(load "a0" "a1" "0" "a2" "1" "a3" "2" "a4" "3" "a5" "4" "a6" "5" "a7" "6" "t0" "7" "t1" "8"),
        "1:",
        "vsetvli t2, a3, e8, m8, ta, ma",
        "mv t3, a1",
        "mv t4, a2",
        "mv t5, a7",
        "2:",
        "mv t6, a4",
        "3:",
        "vle8.v v0, (t3)",
        "addi t6, t6, -1",
        "add t3, t3, a5",
        "vse8.v v0, (t4)",
        "add t4, t4, a6",
        "bnez t6, 3b",
        "addi t5, t5, -1",
        "add t3, t3, t0",
        "add t4, t4, t1",
        "bnez t5, 2b",
        "add a1, a1, t2",
        "add a2, a2, t2",
        "sub a3, a3, t2",
        "bnez a3, 1b",
        end!(),
    )
}
