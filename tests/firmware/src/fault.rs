//! The ends that nobody wants, each said aloud on the host.

use core::panic::PanicInfo;

use crate::code;
use crate::host::{exit, say, say_decimal, say_hex};

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    say(b"panic");
    if let Some(place) = info.location() {
        say(b" at ");
        say(place.file().as_bytes());
        say(b":");
        say_decimal(place.line());
    }
    if let Some(text) = info.message().as_str() {
        say(b": ");
        say(text.as_bytes());
    }
    say(b"\n");
    exit(code::PANIC)
}

fn fault(what: &[u8], at: u32) -> ! {
    say(what);
    say(b" at ");
    say_hex(at);
    say(b"\n");
    exit(code::FAULT)
}

#[cfg(target_arch = "arm")]
mod arm {
    use cortex_m_rt::{ExceptionFrame, exception};

    unsafe extern "C" {
        fn DefaultHandler();
    }

    /// The part of the vector table for a chip's interrupts. None is enabled, and none is expected.
    #[unsafe(link_section = ".vector_table.interrupts")]
    #[unsafe(no_mangle)]
    static __INTERRUPTS: [unsafe extern "C" fn(); 1] = [DefaultHandler];

    #[exception]
    unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
        super::fault(b"HardFault", frame.pc())
    }

    #[exception]
    unsafe fn DefaultHandler(number: i16) -> ! {
        super::fault(b"unexpected exception", number as u32)
    }
}

#[cfg(riscv)]
mod riscv {
    #[unsafe(export_name = "ExceptionHandler")]
    fn exception_handler(_frame: &riscv_rt::TrapFrame) -> ! {
        super::fault(b"trap", riscv::register::mepc::read() as u32)
    }

    #[unsafe(export_name = "DefaultHandler")]
    fn default_handler() -> ! {
        super::fault(b"unexpected interrupt", riscv::register::mepc::read() as u32)
    }
}
