//! Marker instructions: the counting plugin counts what is executed between them.
//!
//! Compilers never emit these instructions, and they change nothing.

use std::arch::asm;

/// Opens the counted window.
#[inline(always)]
pub(crate) fn begin() {
    // SAFETY: the instruction changes no register and no memory. It is a barrier for the compiler,
    // since `asm!` without options is assumed to read and write any memory.
    unsafe { asm!("mov x10, x10") };
}

/// Closes the counted window.
#[inline(always)]
pub(crate) fn end() {
    // SAFETY: as in `begin`.
    unsafe { asm!("mov x11, x11") };
}
