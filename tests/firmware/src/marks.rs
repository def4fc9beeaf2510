//! Marker instructions: the counting plugin counts what is executed between them, and to which record it belongs.
//!
//! Compilers never emit these instructions, and they change nothing.

use core::arch::asm;

use lacewing::{Opcode, Profiler, Ran};

/// Opens the counted window.
#[inline(always)]
pub fn begin() {
    // SAFETY: the instruction changes no register and no memory. It is a barrier for the compiler,
    // since `asm!` without options is assumed to read and write any memory.
    unsafe {
        #[cfg(target_arch = "arm")]
        asm!("mov r10, r10");
        #[cfg(riscv)]
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
        #[cfg(riscv)]
        asm!(".4byte 0x00202013"); // slti x0, x0, 2
    }
}

/// Tells the plugin which record runs: part `index + 1` of the work is record `index`, those of all models counted through.
#[derive(Default)]
pub struct Notes {
    /// Records of the models before.
    first: usize,
    /// Records of this model so far.
    told: usize,
}

impl Notes {
    /// Another model runs from here on.
    pub fn next_model(&mut self) {
        self.first = self.first.wrapping_add(self.told);
        self.told = 0;
    }
}

impl Profiler for Notes {
    fn before(&mut self, index: usize, _: Opcode) {
        self.told = self.told.max(index.wrapping_add(1));
        note(self.first.wrapping_add(index).wrapping_add(1));
    }

    fn after(&mut self, _: Ran<'_>) {
        note(0);
    }
}

/// Names the part of the work that comes next.
#[inline(always)]
fn note(part: usize) {
    toggle_note();
    for _ in 0..part {
        // SAFETY: as in `begin`.
        unsafe {
            #[cfg(target_arch = "arm")]
            asm!("mov r12, r12");
            #[cfg(riscv)]
            asm!(".4byte 0x00402013"); // slti x0, x0, 4
        }
    }
    toggle_note();
}

/// Starts a note, or ends it.
#[inline(always)]
fn toggle_note() {
    // SAFETY: as in `begin`.
    unsafe {
        #[cfg(target_arch = "arm")]
        asm!("mov r9, r9");
        #[cfg(riscv)]
        asm!(".4byte 0x00302013"); // slti x0, x0, 3
    }
}
