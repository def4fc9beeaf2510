//! Calibrates the instruction counter, and goes wrong on purpose: `input.bin` is one byte that names a window to execute or a way to fail.
#![no_std]
#![no_main]

use core::arch::asm;
use core::hint::black_box;

use lacewing::arena::Ram;
use lacewing::{Opcode, Profiler, Ran};
use lacewing_emulated::{code, host, marks, stack};

#[cfg_attr(target_arch = "arm", cortex_m_rt::entry)]
#[cfg_attr(riscv, riscv_rt::entry)]
fn main() -> ! {
    let mut which = [0];
    host::Source::open().fill(&mut which);
    match which {
        [b'0'] => nothing(),
        [b'3'] => three_nops(),
        [b'n'] => noted(),
        [b't'] => turns(black_box(1_000)),
        [b'p'] => panic!("on purpose"),
        [b'f'] => fault(),
        [b'l'] => hang(),
        [b's'] => overuse_stack(),
        _ => host::exit(code::FILE),
    }
    host::exit(code::DONE)
}

// Never inlined: otherwise the compiler merges the markers of all windows.
#[inline(never)]
fn nothing() {
    marks::begin();
    marks::end();
}

#[inline(never)]
fn three_nops() {
    marks::begin();
    // SAFETY: nops change nothing.
    unsafe { asm!("nop", "nop", "nop") };
    marks::end();
}

/// Three nops in record 1, and one outside.
#[inline(never)]
fn noted() {
    let mut notes = marks::Notes::default();
    marks::begin();
    notes.before(1, Opcode::ConvI8);
    // SAFETY: nops change nothing.
    unsafe { asm!("nop", "nop", "nop") };
    notes.after(Ran { record: 1, opcode: Opcode::ConvI8, turn: None, ram: &Ram::default() });
    // SAFETY: as above.
    unsafe { asm!("nop") };
    marks::end();
}

/// A loop of two instructions.
#[inline(never)]
fn turns(turns: u32) {
    marks::begin();
    // SAFETY: the loop changes its own register and the flags only.
    unsafe {
        #[cfg(target_arch = "arm")]
        asm!("2:", "subs {0}, {0}, #1", "bne 2b", inout(reg) turns => _);
        #[cfg(riscv)]
        asm!("2:", "addi {0}, {0}, -1", "bnez {0}, 2b", inout(reg) turns => _);
    }
    marks::end();
}

fn fault() -> ! {
    // SAFETY: the instruction is undefined by the architecture: the processor faults and does not
    // go on.
    unsafe {
        #[cfg(target_arch = "arm")]
        asm!("udf #0", options(noreturn));
        #[cfg(riscv)]
        asm!("unimp", options(noreturn));
    }
}

fn hang() -> ! {
    loop {
        black_box(());
    }
}

fn overuse_stack() -> ! {
    let painted = stack::paint();
    fill_stack();
    host::exit(match painted.used() {
        Some(_) => code::DONE,
        None => code::STACK,
    })
}

#[inline(never)]
fn fill_stack() {
    black_box(&mut [1_u8; 9 * 1024]);
}
