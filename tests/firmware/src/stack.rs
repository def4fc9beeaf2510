//! Stack use by painting: a bounded window below the stack pointer is filled with a pattern, and
//! afterwards the lowest word that changed is the high-water mark.

use core::arch::asm;
use core::ptr;

const WINDOW: usize = 8 * 1024;
const PAINT: u32 = 0xC5C5_C5C5;

unsafe extern "C" {
    /// The end of the statics, where the stack must not grow into; from the linker script.
    static __sheap: u32;
}

/// A painted window of the stack.
pub struct Painted {
    low: *mut u32,
    high: *mut u32,
}

/// Paints the 8 KiB below the stack pointer, or what the memory has.
///
/// Inlined, so that what is called next begins at the top of the window.
#[inline(always)]
pub fn paint() -> Painted {
    let high = stack_pointer();
    let floor = (&raw const __sheap).addr();
    let low = high.saturating_sub(WINDOW).max(floor.next_multiple_of(4));
    let window = Painted { low: ptr::with_exposed_provenance_mut(low), high: ptr::with_exposed_provenance_mut(high) };
    let mut word = window.low;
    while word < window.high {
        // SAFETY: the word lies in RAM, above the statics and below the stack pointer, where
        // nothing lives: interrupts are off and neither architecture has a red zone.
        unsafe {
            word.write_volatile(PAINT);
            word = word.add(1);
        }
    }
    window
}

impl Painted {
    /// The bytes used since the painting, or `None` if the whole window was used.
    pub fn used(&self) -> Option<u32> {
        let mut word = self.low;
        // SAFETY: the window is RAM, and any bits are a `u32`; see `paint`.
        while word < self.high && unsafe { word.read_volatile() } == PAINT {
            word = word.wrapping_add(1);
        }
        let used = self.high.addr().checked_sub(word.addr())?;
        if word == self.low {
            return None;
        }
        u32::try_from(used).ok()
    }
}

#[inline(always)]
fn stack_pointer() -> usize {
    let pointer: usize;
    // SAFETY: copies the stack pointer into a register of the compiler's choice.
    unsafe {
        #[cfg(target_arch = "arm")]
        asm!("mov {}, sp", out(reg) pointer, options(nomem, nostack, preserves_flags));
        #[cfg(riscv)]
        asm!("mv {}, sp", out(reg) pointer, options(nomem, nostack, preserves_flags));
    }
    pointer & !3
}
