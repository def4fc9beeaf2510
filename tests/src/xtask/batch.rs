//! Many files in one run of a board: the firmware `records`, which reads each over semihosting and has every operation.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use lacewing_targets::Board;

use super::emulator;
use super::firmware::Firmware;
use super::plugin::Counted;

const LIMIT: Duration = Duration::from_secs(600);

/// The firmware of a board.
pub(super) struct Batch {
    pub(super) firmware: Firmware,
}

/// What was counted, and the arenas that the files left, one behind the other.
///
/// Part `i + 1` of the counts is record `i`, those of all files counted through.
pub(super) struct Ran {
    pub(super) counted: Counted,
    pub(super) arenas: Vec<u8>,
    /// The deepest stack while a file is read and run, in bytes.
    pub(super) stack: u32,
}

impl Batch {
    /// Builds it.
    pub(super) fn build(board: &'static Board) -> Result<Self> {
        Ok(Self { firmware: Firmware::build(board, "records", None)? })
    }

    /// Whether a board has room for a file and its arena: seven eighths of its RAM are the firmware's for both.
    pub(super) fn fits(board: &Board, bytes: usize) -> bool {
        bytes <= board.ram.len as usize / 4 * 3
    }

    /// Runs files, each with the arena that it starts from.
    pub(super) fn run<'f>(&self, files: impl IntoIterator<Item = (&'f [u8], &'f [u8])>) -> Result<Ran> {
        let counted = emulator::run(&self.firmware, Some(&input(files)), LIMIT)?;
        let folder = self.firmware.folder.path();
        let stack = fs::read(folder.join("stack.bin"))?;
        let stack = stack.first_chunk().map(|bytes| u32::from_le_bytes(*bytes)).context("no stack was written")?;
        Ok(Ran { counted, arenas: fs::read(folder.join("output.bin"))?, stack })
    }
}

/// Files and the arenas that they start from, as the firmware reads them.
pub(super) fn input<'f>(files: impl IntoIterator<Item = (&'f [u8], &'f [u8])>) -> Vec<u8> {
    let mut input = Vec::new();
    for (file, arena) in files {
        for len in [file.len(), arena.len()] {
            input.extend((len as u32).to_le_bytes());
        }
        input.extend_from_slice(file);
        input.extend_from_slice(arena);
    }
    input
}
