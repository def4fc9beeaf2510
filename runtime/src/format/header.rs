//! The fixed 64 bytes at the start of every file, readable at compile time.

use super::{OpSet, align_up, crc::Crc};
use crate::error::{Flaw, ReadError};

/// The first four bytes of a `.lace` file.
pub const MAGIC: [u8; 4] = *b"LACE";
/// The format version that this crate reads and writes.
pub const VERSION: u16 = 1;
/// Length of the header in bytes; the program starts here.
pub const HEADER_LEN: usize = 64;

/// Most bytes of the constants.
pub(super) const CONSTANTS_LIMIT: u32 = 1 << 30;

/// Most bytes of any other section.
pub(super) const SECTION_LIMIT: u32 = 1 << 28;

/// The header's fields, all little-endian in the file. See `FORMAT.md` for the byte table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Length of the whole file in bytes.
    pub file_len: u32,
    /// Bytes of arena that `run` needs: inputs, outputs, everything between, scratch.
    pub arena_len: u32,
    /// The operations that occur in the program.
    pub ops: OpSet,
    /// Length of the program section in bytes.
    pub program_len: u32,
    /// Length of the constants section in bytes.
    pub constants_len: u32,
    /// Length of the metadata section in bytes.
    pub metadata_len: u32,
    /// Length of the signature section in bytes; 0 if the file is not signed.
    pub signature_len: u32,
    /// Sum of the inner steps of all records, a bound on the time of `run`.
    pub work: u64,
    /// CRC-32 of everything after the program.
    pub body_crc: u32,
    /// CRC-32 of the header's first 60 bytes and the program.
    pub program_crc: u32,
}

/// The header as the file has it: sixteen little-endian words.
pub(crate) type Words = [u32; HEADER_LEN / 4];

impl Header {
    /// Reads the header of `file` and checks magic, version and lengths, not the checksums.
    ///
    /// # Errors
    /// [`Flaw::Truncated`], [`Flaw::Magic`], [`Flaw::Version`] or [`Flaw::Length`].
    pub const fn parse(file: &[u8]) -> Result<Self, ReadError> {
        let Some(bytes) = file.first_chunk() else {
            return Err(ReadError::new(0, Flaw::Truncated));
        };
        let words = words(bytes);
        let [magic, version, ..] = words;
        if magic != u32::from_le_bytes(MAGIC) {
            return Err(ReadError::new(0, Flaw::Magic));
        }
        // Flags, of which none is defined, are the upper half.
        if version != VERSION as u32 {
            return Err(ReadError::new(4, Flaw::Version));
        }
        let header = Self::of(&words);
        match header.total() {
            Some(total) if total == file.len() && header.file_len as usize == total => Ok(header),
            _ => Err(ReadError::new(8, Flaw::Length)),
        }
    }

    /// The header that a checked file has in these words.
    pub(crate) const fn of(words: &Words) -> Self {
        let [_, _, file_len, arena_len, a, b, c, d, program_len, constants_len, rest @ ..] = *words;
        let [metadata_len, signature_len, work, work_high, body_crc, program_crc] = rest;
        Self {
            file_len,
            arena_len,
            ops: OpSet::from_words([a, b, c, d]),
            program_len,
            constants_len,
            metadata_len,
            signature_len,
            work: work as u64 | (work_high as u64) << 32,
            body_crc,
            program_crc,
        }
    }

    /// The header's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let fields = MAGIC
            .into_iter()
            .chain(VERSION.to_le_bytes())
            .chain([0, 0])
            .chain(self.file_len.to_le_bytes())
            .chain(self.arena_len.to_le_bytes())
            .chain(self.ops.bits().to_le_bytes())
            .chain(self.program_len.to_le_bytes())
            .chain(self.constants_len.to_le_bytes())
            .chain(self.metadata_len.to_le_bytes())
            .chain(self.signature_len.to_le_bytes())
            .chain(self.work.to_le_bytes())
            .chain(self.body_crc.to_le_bytes())
            .chain(self.program_crc.to_le_bytes());
        for (to, from) in bytes.iter_mut().zip(fields) {
            *to = from;
        }
        bytes
    }

    /// Where the constants start.
    #[must_use]
    pub const fn constants_at(&self) -> usize {
        align_up(HEADER_LEN + self.program_len as usize)
    }

    /// Where the metadata starts.
    #[must_use]
    pub const fn metadata_at(&self) -> usize {
        align_up(self.constants_at() + self.constants_len as usize)
    }

    /// Where the signature starts.
    #[must_use]
    pub const fn signature_at(&self) -> usize {
        align_up(self.metadata_at() + self.metadata_len as usize)
    }

    /// Length of a file with these sections, below 2 GiB; `None` if one exceeds its limit.
    const fn total(&self) -> Option<usize> {
        if self.program_len > SECTION_LIMIT
            || self.constants_len > CONSTANTS_LIMIT
            || self.metadata_len > SECTION_LIMIT
            || self.signature_len > SECTION_LIMIT
        {
            return None;
        }
        Some(self.signature_at() + self.signature_len as usize)
    }

    /// CRC-32 over the header without its last field, then the program.
    #[must_use]
    pub fn checksum(file: &[u8], program_len: usize) -> u32 {
        let fields = file.get(..HEADER_LEN - 4).unwrap_or_default();
        let program = file.get(HEADER_LEN..HEADER_LEN + program_len);
        Crc::new().update(fields).update(program.unwrap_or_default()).finish()
    }
}

#[allow(clippy::indexing_slicing, reason = "there are as many words as chunks")]
const fn words(bytes: &[u8; HEADER_LEN]) -> Words {
    let (chunks, _) = bytes.as_chunks();
    let mut words = [0; HEADER_LEN / 4];
    let mut i = 0;
    while i < words.len() {
        words[i] = u32::from_le_bytes(chunks[i]);
        i += 1;
    }
    words
}
