//! The loop that copies.

use core::arch::naked_asm;

use crate::windows::Copy;

/// The arguments of `copy_loop`: what goes to registers, then what is left in memory.
#[repr(C)]
struct CopyArguments {
    from: *const i8,
    to: *mut i8,
    len: usize,
    step: usize,
    stride: usize,
    rows: usize,
    rectangles: usize,
    /// From a rectangle's first row to the next one's; `from` and `to` go with it.
    next: [usize; 2],
}

/// Copies rectangles of bytes, which must fit.
#[inline(always)]
pub(in crate::scalar) fn copy(from: &[i8], to: &mut [i8], copy: &Copy) -> Option<()> {
    let mut arguments = CopyArguments {
        from: from.as_ptr(),
        to: to.as_mut_ptr(),
        len: copy.len,
        step: copy.steps[1],
        stride: copy.strides[1],
        rows: copy.counts[1],
        rectangles: copy.counts[0],
        next: [copy.steps[0], copy.strides[0]],
    };
    // SAFETY: `Copy::fits` holds: there are rectangles and rows, none of them empty, and all of them lie in `from` and in `to`.
    unsafe { copy_loop(&raw mut arguments) };
    Some(())
}

/// A row goes eight bytes at a time, then from its last byte back: r1 and r2 are the row, r4 and r5 where it goes on, r3 what is left of it, r7
/// counts rows; r8 to r10 are the length and the steps to the next row.
#[unsafe(naked)]
unsafe extern "C" fn copy_loop(arguments: *mut CopyArguments) {
    naked_asm!(
        "push {{r4-r7, lr}}",
        "mov r4, r8",
        "mov r5, r9",
        "mov r6, r10",
        "push {{r4-r6}}",
        "ldr r3, [r0, #8]",
        "mov r8, r3",
        "ldr r3, [r0, #12]",
        "mov r9, r3",
        "ldr r3, [r0, #16]",
        "mov r10, r3",
        "2:",
        "ldr r1, [r0]",
        "ldr r2, [r0, #4]",
        "ldr r7, [r0, #20]",
        "3:",
        "mov r4, r1",
        "mov r5, r2",
        "mov r3, r8",
        "subs r3, #8",
        "blo 5f",
        "4:",
        "ldrb r6, [r4]",
        "strb r6, [r5]",
        "ldrb r6, [r4, #1]",
        "strb r6, [r5, #1]",
        "ldrb r6, [r4, #2]",
        "strb r6, [r5, #2]",
        "ldrb r6, [r4, #3]",
        "strb r6, [r5, #3]",
        "ldrb r6, [r4, #4]",
        "strb r6, [r5, #4]",
        "ldrb r6, [r4, #5]",
        "strb r6, [r5, #5]",
        "ldrb r6, [r4, #6]",
        "strb r6, [r5, #6]",
        "ldrb r6, [r4, #7]",
        "strb r6, [r5, #7]",
        "adds r4, #8",
        "adds r5, #8",
        "subs r3, #8",
        "bhs 4b",
        "5:",
        "adds r3, #8",
        "beq 7f",
        "6:",
        "subs r3, #1",
        "ldrb r6, [r4, r3]",
        "strb r6, [r5, r3]",
        "bne 6b",
        "7:",
        "add r1, r9",
        "add r2, r10",
        "subs r7, #1",
        "bne 3b",
        "ldr r1, [r0]",
        "ldr r2, [r0, #28]",
        "adds r1, r1, r2",
        "str r1, [r0]",
        "ldr r1, [r0, #4]",
        "ldr r2, [r0, #32]",
        "adds r1, r1, r2",
        "str r1, [r0, #4]",
        "ldr r1, [r0, #24]",
        "subs r1, #1",
        "str r1, [r0, #24]",
        "bne 2b",
        "pop {{r4-r6}}",
        "mov r8, r4",
        "mov r9, r5",
        "mov r10, r6",
        "pop {{r4-r7, pc}}",
    )
}
