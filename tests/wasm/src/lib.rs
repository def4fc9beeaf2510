//! Runs files with the fastest kernels that the module is compiled for; `run.mjs` puts them into its memory.
#![no_std]
#![cfg(target_arch = "wasm32")]

use lacewing::{Arena, Model};
use lacewing_targets::Level;

const ROOM: usize = 8 << 20;

/// A file, and its arena at the next multiple of 16.
static mut MEMORY: Arena<ROOM> = Arena::new();

/// Where the memory for a file and its arena is, at a multiple of 16.
#[unsafe(no_mangle)]
pub extern "C" fn memory_at() -> *mut u8 {
    (&raw mut MEMORY).cast()
}

/// Whether the kernels use vectors.
#[unsafe(no_mangle)]
pub extern "C" fn has_vectors() -> bool {
    lacewing_targets::native().level() == Level::Simd128
}

/// Runs a file of so many bytes over an arena of so many behind it; whether that went well.
#[unsafe(no_mangle)]
pub extern "C" fn run(file_len: usize, arena_len: usize) -> bool {
    // SAFETY: JavaScript calls one function at a time, so this is the only reference.
    let memory: &mut [u8] = unsafe { &mut *&raw mut MEMORY };
    let Some((file, rest)) = memory.split_at_mut_checked(file_len.next_multiple_of(16)) else { return false };
    let parts = file.get(..file_len).zip(rest.get_mut(..arena_len));
    parts.is_some_and(|(file, arena)| {
        Model::<lacewing::AllOps>::read(file).is_ok_and(|model| model.run(&lacewing_targets::native(), arena).is_ok())
    })
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
