//! A file taken apart, to be damaged and put together again with a header that fits.

use lacewing::format::{HEADER_LEN, Header, MAX_REGIONS, Op, OpSet, Place, Port, Reader, Segment, align_up};
use lacewing::owned::Aligned;

/// The sections of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parts {
    /// Length of the arena that the header states.
    pub arena_len: u32,
    /// Whether the header says that the arena is in several regions.
    pub regions: bool,
    /// The program.
    pub program: Vec<u8>,
    /// The constants.
    pub constants: Vec<u8>,
    /// The metadata.
    pub metadata: Vec<u8>,
}

impl Parts {
    /// The sections of any bytes; those that the header puts beyond the end are cut.
    #[must_use]
    pub fn of(file: &[u8]) -> Self {
        let field =
            |at: usize| file.get(at..at + 4).map_or(0, |word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
        let section = |at: usize, len: u32| {
            let end = at.saturating_add(len as usize).min(file.len());
            (file.get(at..end).unwrap_or_default().to_vec(), align_up(at.max(end)))
        };
        let (program, at) = section(HEADER_LEN, field(32));
        let (constants, at) = section(at, field(36));
        let (metadata, _) = section(at, field(40));
        let regions = file.get(31).is_some_and(|byte| byte >> 5 & 1 == 1);
        Self { arena_len: field(12), regions, program, constants, metadata }
    }

    /// The file: lengths, op set, work and the program's checksum are those of the parts.
    #[must_use]
    pub fn file(&self) -> Vec<u8> {
        let mut file = vec![0; HEADER_LEN];
        for section in [&self.program, &self.constants, &self.metadata] {
            file.resize(align_up(file.len()), 0);
            file.extend_from_slice(section);
        }
        file.resize(align_up(file.len()), 0);
        let (ops, work) = stated(&self.program, self.regions).unwrap_or_default();
        let header = Header {
            file_len: file.len() as u32,
            arena_len: self.arena_len,
            ops,
            program_len: self.program.len() as u32,
            constants_len: self.constants.len() as u32,
            metadata_len: self.metadata.len() as u32,
            signature_len: 0,
            work,
            body_crc: 0,
            program_crc: 0,
        };
        seal(&mut file, header);
        file
    }
}

/// Writes a header over the file's, with the checksum of the header and the program.
///
/// # Panics
/// If the file is shorter than a header.
pub fn seal(file: &mut [u8], header: Header) {
    file[..HEADER_LEN].copy_from_slice(&header.to_bytes());
    let program_crc = Header::checksum(file, header.program_len as usize);
    file[..HEADER_LEN].copy_from_slice(&Header { program_crc, ..header }.to_bytes());
}

/// The op set and the work of a program, as far as it decodes.
fn stated(program: &[u8], regions: bool) -> Option<(OpSet, u64)> {
    let program = Aligned::from(program);
    let (counts, mut at) = program.split_at_checked(4)?;
    let (mut ops, mut work) = (OpSet::NONE, 0u64);
    if regions {
        ops = ops.with_regions();
        (_, at) = at.split_at_checked(4 * (MAX_REGIONS - 1))?;
    }
    for _ in 0..counts[..3].iter().map(|count| u32::from(*count)).sum() {
        let mut reader = Reader::new(at);
        if Port::decode(&mut reader).tensor.place() == Place::Ring {
            ops = ops.with_rows();
        }
        at = reader.end().unwrap_or_default();
    }
    loop {
        let mut reader = Reader::new(at);
        let segment = Segment::decode(&mut reader);
        let Ok(rest) = reader.end() else { break };
        at = rest;
        if let Segment::Band { .. } = segment {
            ops = ops.with_bands();
        }
        for _ in 0..segment.records() {
            let Ok((op, rest)) = Op::read(at) else { return Some((ops, work)) };
            (ops, work, at) = (ops.with(op.opcode()), work.saturating_add(op.work()), rest);
        }
    }
    Some((ops, work))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models;

    #[test]
    fn parts_make_the_file_again() {
        for file in [
            models::tiny(),
            models::every_operation(),
            models::int4(),
            models::bands(),
            models::rows(),
            models::regions(),
        ] {
            let again = Parts::of(&file).file();
            // All but the checksums: that of the body is not restated.
            assert_eq!(again[..56], file[..56]);
            assert_eq!(again[64..], file[64..]);
        }
    }
}
