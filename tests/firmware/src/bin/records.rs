//! Runs each of the small files in `input.bin` with the board's kernels, and writes the arenas that they leave to `output.bin`.
//!
//! A case is two little-endian `u32`, the bytes of the file and of the arena, then both.
#![no_std]
#![no_main]

use lacewing::{Arena, Model};
use lacewing_emulated::host::{self, Sink, Source};
use lacewing_emulated::{code, marks};

include!(concat!(env!("OUT_DIR"), "/chosen.rs"));

const ROOM: usize = 128 * 1024;

static mut FILE: Arena<ROOM> = Arena::new();
static mut ARENA: Arena<ROOM> = Arena::new();

#[cfg_attr(target_arch = "arm", cortex_m_rt::entry)]
#[cfg_attr(target_arch = "riscv32", riscv_rt::entry)]
fn main() -> ! {
    // SAFETY: `main` runs once, so these are the only references ever made.
    let (file, arena): (&mut [u8], &mut [u8]) = unsafe { (&mut *&raw mut FILE, &mut *&raw mut ARENA) };
    let mut source = Source::open();
    let mut sink = Sink::create(c"output.bin");
    let mut lengths = [0; 8];
    while source.fill(&mut lengths) {
        let [a, b, c, d, rest @ ..] = lengths;
        let [file_len, arena_len] = [[a, b, c, d], rest].map(|bytes| u32::from_le_bytes(bytes) as usize);
        let (Some(file), Some(arena)) = (file.get_mut(..file_len), arena.get_mut(..arena_len)) else {
            host::exit(code::SESSION)
        };
        if !(source.fill(file) && source.fill(arena)) {
            host::exit(code::FILE);
        }
        run(file, arena);
        sink.put(arena);
    }
    host::exit(code::DONE)
}

fn run(file: &[u8], arena: &mut [u8]) {
    let Ok(model) = Model::<lacewing::AllOps>::read(file) else { host::exit(code::READ) };
    marks::begin();
    let result = model.run_profiled(&Chosen, arena, &mut Watch::default());
    marks::end();
    if result.is_err() {
        host::exit(code::RUN);
    }
}
