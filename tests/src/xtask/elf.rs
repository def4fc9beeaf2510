//! Sizes of a firmware.

use anyhow::{Context, Result, ensure};
use object::read::elf::{ElfFile32, SectionHeader};
use object::{Endianness, Object, ObjectSection, elf};

/// Bytes that a firmware takes in flash, without the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Sections with instructions: the runtime, the kernels, start-up code and semihosting.
    pub(super) text: u64,
    /// All other sections that are loaded: constants, the vector table, initial values of
    /// variables; the model's own bytes are taken off.
    pub(super) rodata: u64,
}

/// Measures a linked firmware that holds `model` exactly once.
pub(super) fn sizes(file: &[u8], model: &[u8]) -> Result<Sizes> {
    let file = ElfFile32::<Endianness>::parse(file).context("the firmware is not an ELF file")?;
    let mut sizes = Sizes { text: 0, rodata: 0 };
    let mut models = 0;
    for section in file.sections() {
        let header = section.elf_section_header();
        let flags = header.sh_flags(file.endian());
        let loaded = header.sh_type(file.endian()) != elf::SHT_NOBITS;
        if flags & elf::SHF_ALLOC == 0 || !loaded {
            continue;
        }
        if flags & elf::SHF_EXECINSTR != 0 {
            sizes.text += section.size();
        } else {
            sizes.rodata += section.size();
            models += occurrences(section.data()?, model);
        }
    }
    ensure!(models == 1, "the firmware holds the model {models} times");
    sizes.rodata -= model.len() as u64;
    Ok(sizes)
}

/// How often `needle`, which starts at a multiple of four, occurs.
fn occurrences(hay: &[u8], needle: &[u8]) -> usize {
    let starts = (0..hay.len()).step_by(4);
    starts.filter(|&at| hay[at..].starts_with(needle)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_found_at_multiples_of_four() {
        assert_eq!(occurrences(b"....abcd.abcdabcdabcd", b"abcd"), 1);
        assert_eq!(occurrences(b"abcdabcd", b"abcd"), 2);
        assert_eq!(occurrences(b"abc", b"abcd"), 0);
    }
}
