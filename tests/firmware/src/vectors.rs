//! Vectors are switched on before `main`, where the processor has them.

use core::arch::asm;

#[riscv_rt::post_init]
fn switch_on() {
    // SAFETY: the bits are `mstatus.VS`, which says whether vector instructions may be executed, and cannot be set where there are none; no
    // interrupt is enabled, in which vector registers would have to be saved.
    unsafe { asm!("csrs mstatus, {}", in(reg) 0x600, options(nomem, nostack)) }
}
