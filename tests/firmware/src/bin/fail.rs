//! Goes wrong on purpose: `input.bin` is one byte that names the way.
#![no_std]
#![no_main]

use core::arch::asm;
use core::hint::black_box;

use lacewing_emulated::{code, host, stack};

#[cfg_attr(target_arch = "arm", cortex_m_rt::entry)]
#[cfg_attr(riscv, riscv_rt::entry)]
fn main() -> ! {
    let mut which = [0];
    host::Source::open().fill(&mut which);
    match which {
        [b'p'] => panic!("on purpose"),
        [b'f'] => fault(),
        [b'l'] => hang(),
        [b's'] => overuse_stack(),
        _ => host::exit(code::DONE),
    }
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
