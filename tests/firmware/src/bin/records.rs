//! Runs each of the files in `input.bin` with the board's kernels, and writes the arenas that they leave to `output.bin`,
//! and the bytes of the deepest stack, a little-endian `u32`, to `stack.bin`.
//!
//! A case is two little-endian `u32`, the bytes of the file and of the arena, then both.
#![no_std]
#![no_main]

use lacewing::{Arena, Model};
use lacewing_emulated::host::{self, Sink, Source};
use lacewing_emulated::marks::Notes;
use lacewing_emulated::{code, marks, stack};

include!(concat!(env!("OUT_DIR"), "/kernels.rs"));
include!(concat!(env!("OUT_DIR"), "/room.rs"));

/// A file, and its arena at the next multiple of 16.
static mut MEMORY: Arena<ROOM> = Arena::new();

#[cfg_attr(target_arch = "arm", cortex_m_rt::entry)]
#[cfg_attr(riscv, riscv_rt::entry)]
fn main() -> ! {
    // SAFETY: `main` runs once, so this is the only reference ever made.
    let memory: &mut [u8] = unsafe { &mut *&raw mut MEMORY };
    let mut source = Source::open();
    let mut sink = Sink::create(c"output.bin");
    let mut notes = Notes::default();
    let (mut lengths, mut deepest) = ([0; 8], 0);
    while source.fill(&mut lengths) {
        let [a, b, c, d, rest @ ..] = lengths;
        let [file_len, arena_len] = [[a, b, c, d], rest].map(|bytes| u32::from_le_bytes(bytes) as usize);
        let Some((file, arena)) = split(memory, file_len, arena_len) else { host::exit(code::SESSION) };
        if !(source.fill(file) && source.fill(arena)) {
            host::exit(code::FILE);
        }
        let painted = stack::paint();
        run(file, arena, &mut notes);
        let Some(used) = painted.used() else { host::exit(code::STACK) };
        deepest = used.max(deepest);
        sink.put(arena);
    }
    Sink::create(c"stack.bin").put(&deepest.to_le_bytes());
    host::exit(code::DONE)
}

fn split(memory: &mut [u8], file_len: usize, arena_len: usize) -> Option<(&mut [u8], &mut [u8])> {
    let (file, rest) = memory.split_at_mut_checked(file_len.checked_next_multiple_of(16)?)?;
    Some((file.get_mut(..file_len)?, rest.get_mut(..arena_len)?))
}

#[inline(never)]
fn run(file: &[u8], arena: &mut [u8], notes: &mut Notes) {
    let Ok(model) = Model::<lacewing::AllOps>::read(file) else { host::exit(code::READ) };
    marks::begin();
    let result = model.run_profiled(&Chosen, arena, notes);
    marks::end();
    if result.is_err() {
        host::exit(code::RUN);
    }
    notes.next_model();
}
