//! Marker instructions: the counting plugin counts what is executed between them.
//!
//! Compilers never emit these instructions, and they change nothing.

use std::arch::asm;

/// `mov` of a register to itself.
#[cfg(target_arch = "aarch64")]
macro_rules! itself {
    ($number:literal) => {
        concat!("mov x", $number, ", x", $number)
    };
}
#[cfg(target_arch = "arm")]
macro_rules! itself {
    ($number:literal) => {
        concat!("mov r", $number, ", r", $number)
    };
}

/// The markers of RISC-V are comparisons that go nowhere: `slti x0, x0, 1` begins, with 2 it ends.
#[cfg(target_arch = "riscv64")]
macro_rules! itself {
    ("10") => {
        ".4byte 0x00102013"
    };
    ("11") => {
        ".4byte 0x00202013"
    };
}

/// Opens the counted window.
#[inline(always)]
pub(crate) fn begin() {
    // SAFETY: the instruction changes no register and no memory. It is a barrier for the compiler,
    // since `asm!` without options is assumed to read and write any memory.
    unsafe { asm!(itself!("10")) };
}

/// Closes the counted window.
#[inline(always)]
pub(crate) fn end() {
    // SAFETY: as in `begin`.
    unsafe { asm!(itself!("11")) };
}
