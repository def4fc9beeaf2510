//! Many files in one run of a board: the firmware `records`, which reads each over semihosting and has every operation.

use std::fs;
use std::time::Duration;

use anyhow::Result;
use lacewing_targets::Board;

use super::emulator;
use super::firmware::Firmware;

const LIMIT: Duration = Duration::from_secs(600);

/// The firmware of a board.
pub(super) struct Batch {
    firmware: Firmware,
}

impl Batch {
    /// Builds it.
    pub(super) fn build(board: &'static Board) -> Result<Self> {
        Ok(Self { firmware: Firmware::build(board, "records", None)? })
    }

    /// Runs files, each with the arena that it starts from: the arenas that they leave, one behind the other.
    pub(super) fn run<'f>(&self, files: impl IntoIterator<Item = (&'f [u8], &'f [u8])>) -> Result<Vec<u8>> {
        let mut input = Vec::new();
        for (file, arena) in files {
            for len in [file.len(), arena.len()] {
                input.extend((len as u32).to_le_bytes());
            }
            input.extend_from_slice(file);
            input.extend_from_slice(arena);
        }
        emulator::run(&self.firmware, Some(&input), LIMIT)?;
        Ok(fs::read(self.firmware.folder.path().join("output.bin"))?)
    }
}
