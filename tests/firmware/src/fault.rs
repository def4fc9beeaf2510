//! The ends that nobody wants, each said aloud on the host.

use core::panic::PanicInfo;

use crate::code;
use crate::host::{exit, say, say_decimal, say_hex};

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    say("panic");
    if let Some(place) = info.location() {
        say(" at ");
        say(place.file());
        say(":");
        say_decimal(place.line());
    }
    if let Some(text) = info.message().as_str() {
        say(": ");
        say(text);
    }
    say("\n");
    exit(code::PANIC)
}

fn fault(what: &str, at: u32) -> ! {
    say(what);
    say(" at ");
    say_hex(at);
    say("\n");
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
        super::fault("HardFault", frame.pc())
    }

    #[exception]
    unsafe fn DefaultHandler(number: i16) -> ! {
        super::fault("unexpected exception", number as u32)
    }
}

#[cfg(target_arch = "riscv32")]
mod riscv {
    #[unsafe(export_name = "ExceptionHandler")]
    fn exception_handler(_frame: &riscv_rt::TrapFrame) -> ! {
        super::fault("trap", riscv::register::mepc::read() as u32)
    }

    #[unsafe(export_name = "DefaultHandler")]
    fn default_handler() -> ! {
        super::fault("unexpected interrupt", riscv::register::mepc::read() as u32)
    }
}
