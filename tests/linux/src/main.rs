//! Runs each of the files in `input.bin` with the fastest kernels of the processor, writes the arenas that they leave to `output.bin`, and says
//! on standard error at which level they are.
//!
//! A case is two little-endian `u32`, the bytes of the file and of the arena, then both.

use std::error::Error;
use std::fs;

use lacewing::Model;
use lacewing::owned::Aligned;

mod marks;

fn main() -> Result<(), Box<dyn Error>> {
    let kernels = lacewing_targets::native();
    let input = fs::read("input.bin")?;
    let (mut rest, mut output) = (&input[..], Vec::new());
    while !rest.is_empty() {
        let (file, after) = rest.split_at_checked(8).and_then(case).ok_or("a case ends early")?;
        let [file, mut arena] = file.map(Aligned::from);
        let model: Model<'_> = Model::read(&file)?;
        marks::begin();
        let result = model.run(&kernels, &mut arena);
        marks::end();
        result?;
        output.extend_from_slice(&arena);
        rest = after;
    }
    fs::write("output.bin", output)?;
    eprintln!("{:?}", kernels.level());
    Ok(())
}

/// The file and the arena of a case, given its lengths and what follows them; and the cases behind it.
fn case<'a>((lengths, rest): (&'a [u8], &'a [u8])) -> Option<([&'a [u8]; 2], &'a [u8])> {
    let lengths = lengths.as_chunks().0.iter().map(|len| u32::from_le_bytes(*len) as usize);
    let [file, arena] = lengths.collect::<Vec<_>>().try_into().ok()?;
    let (file, rest) = rest.split_at_checked(file)?;
    let (arena, rest) = rest.split_at_checked(arena)?;
    Some(([file, arena], rest))
}
