//! Sizes of a firmware, and its functions.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use object::{Architecture, File, Object, ObjectSection, ObjectSymbol, SectionFlags, SectionKind, SymbolKind, elf};

/// Bytes that a firmware takes in flash, without the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Sections with instructions: the runtime, the kernels, start-up code and semihosting.
    pub(super) text: u64,
    /// All other sections that are loaded: constants, the vector table, initial values of
    /// variables; the model's own bytes are taken off.
    pub(super) rodata: u64,
}

/// Measures a linked firmware that holds `model`, if there is one, exactly once.
pub(super) fn sizes(file: &[u8], model: Option<&[u8]>) -> Result<Sizes> {
    let file = File::parse(file).context("the firmware is not an ELF file")?;
    let mut sizes = Sizes { text: 0, rodata: 0 };
    let mut models = 0;
    for section in file.sections() {
        let SectionFlags::Elf { sh_flags: flags, .. } = section.flags() else { continue };
        let loaded = section.kind() != SectionKind::UninitializedData;
        if flags & u64::from(elf::SHF_ALLOC) == 0 || !loaded {
            continue;
        }
        if flags & u64::from(elf::SHF_EXECINSTR) != 0 {
            sizes.text += section.size();
        } else {
            sizes.rodata += section.size();
            models += match model {
                Some(model) => occurrences(section.data()?, model),
                None => 0,
            };
        }
    }
    ensure!(models == model.iter().len(), "the firmware holds the model {models} times");
    sizes.rodata -= model.map_or(0, <[u8]>::len) as u64;
    Ok(sizes)
}

/// The functions of a firmware, by address.
#[derive(Debug, Default)]
pub(super) struct Functions(BTreeMap<u64, (u64, String)>);

impl Functions {
    /// Those that the symbol table names.
    pub(super) fn read(file: &[u8]) -> Result<Self> {
        let file = File::parse(file).context("the firmware is not an ELF file")?;
        // Bit 0 of an address says that it is Thumb code.
        let thumb = u64::from(file.architecture() == Architecture::Arm);
        let symbols = file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0);
        let functions = symbols.map(|symbol| {
            let name = format!("{:#}", rustc_demangle::demangle(symbol.name()?));
            Ok((symbol.address() & !thumb, (symbol.size(), name)))
        });
        Ok(Self(functions.collect::<Result<_>>()?))
    }

    /// The name of the function that holds the instruction at `address`.
    pub(super) fn at(&self, address: u64) -> Option<&str> {
        let (start, (size, name)) = self.0.range(..=address).next_back()?;
        (address - start < *size).then_some(name)
    }
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
    fn functions_are_found_by_the_addresses_in_them() {
        let functions = Functions([(16, (8, "f".to_owned())), (32, (4, "g".to_owned()))].into());
        assert_eq!(
            [15, 16, 23, 24, 35].map(|address| functions.at(address)),
            [None, Some("f"), Some("f"), None, Some("g")]
        );
    }

    #[test]
    fn models_are_found_at_multiples_of_four() {
        assert_eq!(occurrences(b"....abcd.abcdabcdabcd", b"abcd"), 1);
        assert_eq!(occurrences(b"abcdabcd", b"abcd"), 2);
        assert_eq!(occurrences(b"abc", b"abcd"), 0);
    }
}
