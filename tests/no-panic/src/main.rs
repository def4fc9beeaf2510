//! A firmware that links only if neither reading nor running a model can panic.
//!
//! Its panic handler calls a function that exists nowhere. If the optimizer proves that nothing
//! reaches the handler, the linker drops it with its undefined symbol; else linking fails.
//! The bytes of the model, its inputs and its arena are hidden from the optimizer, and every
//! operation is linked, of all kernels that the processor has.
#![no_std]
#![no_main]

use core::hint::black_box;
use core::panic::PanicInfo;

use cortex_m_rt::entry;
use lacewing::{AllOps, Arena, Kernels, Model, Session};
use lacewing_targets::{CortexM4, Portable};

static FILE: Arena<1024> = Arena::new();

#[entry]
fn main() -> ! {
    static mut ARENA: Arena<4096> = Arena::new();
    black_box(run(Portable, black_box(&FILE), black_box(ARENA)));
    black_box(run(CortexM4, black_box(&FILE), black_box(ARENA)));
    #[cfg(feature = "inject-panic")]
    assert!(black_box(true), "on purpose");
    loop {
        black_box(());
    }
}

/// Everything that a firmware does with a model; the sum of the first output's bytes.
#[inline(never)]
fn run<K: Kernels>(kernels: K, file: &[u8], arena: &mut [u8]) -> Option<u32> {
    let model = if black_box(true) { Model::<AllOps>::read(file) } else { Model::trusted(file) };
    let model = model.ok()?;
    let (first, rest) = arena.split_at_mut_checked(black_box(2048))?;
    let (second, third) = rest.split_at_mut_checked(black_box(1024))?;
    let mut session = Session::in_regions(model, kernels, [first, second, third]).ok()?;
    if let Some(input) = session.input_bytes(0) {
        input.fill(black_box(1));
    }
    match session.frame() {
        Some(mut frame) => {
            while let Some(row) = session.row_bytes(&frame) {
                row.fill(black_box(2));
                session.push_row(&mut frame).ok()?;
            }
        }
        None => session.run().ok()?,
    }
    Some(session.output_bytes(0)?.iter().map(|&b| u32::from(b)).sum())
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn lacewing_can_panic() -> !;
    }
    // SAFETY: never executed: a firmware with this call in it does not link.
    unsafe { lacewing_can_panic() }
}
