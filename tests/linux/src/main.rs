//! Runs each of the files in `input.bin` with the fastest kernels of the processor, writes the arenas that they leave to `output.bin`, and says
//! on standard error which kernels those are. Given the argument `packed`, it packs files for them, as they are when a program loads them.
//!
//! A case is two little-endian `u32`, the bytes of the file and of the arena, then both.

use std::error::Error;
use std::{env, fs};

use lacewing::Model;
use lacewing::owned::Aligned;

mod marks;

fn main() -> Result<(), Box<dyn Error>> {
    let packs = env::args().any(|argument| argument == "packed");
    let input = fs::read("input.bin")?;
    let (mut rest, mut output) = (&input[..], Vec::new());
    while !rest.is_empty() {
        let ([file, arena], after) = rest.split_at_checked(8).and_then(case).ok_or("a case ends early")?;
        let file = Aligned::from(file);
        let model = Model::read(&file)?;
        let packed = if packs { lacewing_targets::pack(&model)? } else { None };
        let packed = packed.map(|packed| Aligned::from(&packed[..]));
        let model = packed.as_ref().map_or(Ok(model), |packed| Model::read(packed))?;
        output.extend_from_slice(&run(&model, arena)?[..arena.len()]);
        rest = after;
    }
    fs::write("output.bin", output)?;
    eprintln!("{}", kernels());
    Ok(())
}

/// What a model leaves in an arena, which in a packed one may be longer.
fn run(model: &Model<'_>, before: &[u8]) -> Result<Aligned, Box<dyn Error>> {
    let mut arena = Aligned::zeroed(model.arena_len().max(before.len()));
    arena[..before.len()].copy_from_slice(before);
    marks::begin();
    let result = model.run(&lacewing_targets::native(), &mut arena);
    marks::end();
    result?;
    Ok(arena)
}

/// The level of the kernels, or on processors with one alone whether there are any.
fn kernels() -> String {
    #[cfg(target_arch = "riscv64")]
    return lacewing_targets::native_family().type_name().into();
    #[cfg(not(target_arch = "riscv64"))]
    return format!("{:?}", lacewing_targets::native().level());
}

/// The file and the arena of a case, given its lengths and what follows them; and the cases behind it.
fn case<'a>((lengths, rest): (&'a [u8], &'a [u8])) -> Option<([&'a [u8]; 2], &'a [u8])> {
    let lengths = lengths.as_chunks().0.iter().map(|len| u32::from_le_bytes(*len) as usize);
    let [file, arena] = lengths.collect::<Vec<_>>().try_into().ok()?;
    let (file, rest) = rest.split_at_checked(file)?;
    let (arena, rest) = rest.split_at_checked(arena)?;
    Some(([file, arena], rest))
}
