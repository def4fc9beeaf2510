//! Marker instructions: the counting plugin counts what is executed between them.
//!
//! Compilers never emit these instructions, and they change nothing.

use core::arch::asm;

/// Opens the counted window.
#[inline(always)]
pub fn begin() {
    // SAFETY: the instruction changes no register and no memory. It is a barrier for the compiler,
    // since `asm!` without options is assumed to read and write any memory.
    unsafe {
        #[cfg(target_arch = "arm")]
        asm!("mov r10, r10");
        #[cfg(target_arch = "riscv32")]
        asm!(".4byte 0x00102013"); // slti x0, x0, 1
    }
}

/// Closes the counted window.
#[inline(always)]
pub fn end() {
    // SAFETY: as in `begin`.
    unsafe {
        #[cfg(target_arch = "arm")]
        asm!("mov r11, r11");
        #[cfg(target_arch = "riscv32")]
        asm!(".4byte 0x00202013"); // slti x0, x0, 2
    }
}
