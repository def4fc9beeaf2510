//! Writing files. Needs an allocator; the converter's end of the format.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::crc::Crc;
use super::header::{CONSTANTS_LIMIT, SECTION_LIMIT};
use super::ops::bytes;
use super::{
    ALIGN, Encode, HEADER_LEN, Header, LINE, MAX_REGIONS, Op, OpSet, Place, Port, Record, Segment, Span, align_up,
};
use crate::arena::{Pod, bytes_of};

/// Collects constants and records, then writes the file.
///
/// ```
/// use lacewing::format::encode::Builder;
/// let mut builder = Builder::default();
/// let table = builder.constant(&[1i8, 2, 3]);
/// assert_eq!(builder.constant(&[1i8, 2, 3]), table);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Builder {
    /// Segments that are complete, with their records.
    segments: Vec<u8>,
    /// Records of the segment that is being written.
    records: Vec<u8>,
    count: u16,
    regions: Option<[u32; MAX_REGIONS - 1]>,
    ops: OpSet,
    work: u64,
    states: Vec<u8>,
    state_count: u8,
    constants: Vec<u8>,
    known: BTreeMap<Vec<u8>, Span>,
    /// Bytes from the last line of the cache to the constants, if long ones begin at one.
    phase: Option<usize>,
}

/// Bytes from which on a constant is long: lines cost less than a twentieth of it.
const LONG: usize = 1024;

/// Why a file cannot be written: constants over 1 GiB, another section over 256 MiB, more than 255 ports or 65,535 records, a name that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl core::fmt::Display for TooLarge {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the model exceeds what a .lace file can hold: 1 GiB of constants, 65,535 operations")
    }
}

impl core::error::Error for TooLarge {}

impl Builder {
    /// For the program of a checked file once more, whose records come by [`Builder::keep`] and [`Builder::change`] in their order. Its
    /// constants stay, and what is added comes behind them. Its arena is in one piece.
    #[must_use]
    pub fn again(header: &Header, constants: &[u8]) -> Self {
        Self { ops: header.ops.without_regions(), work: header.work, constants: constants.into(), ..Self::default() }
    }

    /// For processors that load vectors from a cache: long constants begin at multiples of 64 of the file, whose constants begin `phase`
    /// bytes behind one. See [`in_lines`].
    #[must_use]
    pub fn lines(self, phase: usize) -> Self {
        Self { phase: Some(phase % LINE), ..self }
    }

    /// Appends the bytes of a record of the file.
    ///
    /// # Errors
    /// As [`Builder::push`].
    pub fn keep(&mut self, record: &[u8]) -> Result<(), TooLarge> {
        self.count = self.count.checked_add(1).ok_or(TooLarge)?;
        self.records.extend_from_slice(record);
        Ok(())
    }

    /// Appends a record of the file that now has its constants and its scratch elsewhere: the same operation and work.
    ///
    /// # Errors
    /// As [`Builder::push`].
    pub fn change<R: Record + Encode>(&mut self, record: &R) -> Result<(), TooLarge> {
        self.keep(&bytes(record))
    }

    /// Adds numbers to the constants, once however often they come; the span is aligned for fast loads.
    pub fn constant<T: Pod>(&mut self, numbers: &[T]) -> Span {
        let bytes = bytes_of(numbers);
        if bytes.is_empty() {
            return Span::EMPTY;
        }
        let aligned = |span: &&Span| (span.offset as usize).is_multiple_of(align_of::<T>());
        if let Some(span) = self.known.get(bytes).filter(aligned) {
            return *span;
        }
        let (align, phase) = match (bytes.len(), self.phase) {
            (LONG.., Some(phase)) => (LINE, phase),
            (ALIGN.., _) => (ALIGN, 0),
            _ => (align_of::<u32>().max(align_of::<T>()), 0),
        };
        let at = self.constants.len().saturating_add(phase).next_multiple_of(align).saturating_sub(phase);
        self.constants.resize(at, 0);
        let span = Span { offset: self.constants.len() as u32, len: bytes.len() as u32 };
        self.constants.extend_from_slice(bytes);
        self.known.insert(bytes.into(), span);
        span
    }

    /// Says that the arena is in several regions of memory, and where the second and the third start: multiples of 16.
    #[cfg(feature = "regions")]
    pub fn regions(&mut self, starts: [u32; MAX_REGIONS - 1]) {
        self.regions = Some(starts);
        self.ops = self.ops.with_regions();
    }

    /// Appends a tensor that is kept from one run to the next; its place is [`Place::State`].
    ///
    /// # Errors
    /// [`TooLarge`] after 255 states.
    pub fn state(&mut self, port: &Port<'_>) -> Result<(), TooLarge> {
        self.state_count = self.state_count.checked_add(1).ok_or(TooLarge)?;
        port.encode(&mut self.states);
        Ok(())
    }

    /// Makes a plain segment of the operations since the last one, if there are any.
    pub fn end_plain(&mut self) {
        if self.count > 0 {
            self.end(&Segment::Plain { records: self.count });
        }
    }

    /// Makes a band of the operations since the last segment, with its turns as [`Segment::Band`] has them.
    pub fn end_band(&mut self, turns: &[u8]) {
        self.ops = self.ops.with_bands();
        self.end(&Segment::Band { records: self.count, turns });
    }

    fn end(&mut self, segment: &Segment<'_>) {
        segment.encode(&mut self.segments);
        self.segments.append(&mut self.records);
        self.count = 0;
    }

    /// Appends an operation to the program.
    ///
    /// # Errors
    /// [`TooLarge`] after 65,535 records in a segment.
    pub fn push(&mut self, op: &Op) -> Result<(), TooLarge> {
        self.count = self.count.checked_add(1).ok_or(TooLarge)?;
        self.ops = self.ops.with(op.opcode());
        self.work = self.work.saturating_add(op.work());
        self.records.extend(op.to_bytes());
        Ok(())
    }

    /// The file.
    ///
    /// # Errors
    /// [`TooLarge`] if a section exceeds its limit.
    pub fn finish(
        mut self,
        inputs: &[Port<'_>],
        outputs: &[Port<'_>],
        arena_len: u32,
        metadata: &[u8],
    ) -> Result<Vec<u8>, TooLarge> {
        self.end_plain();
        if inputs.iter().any(|port| port.tensor.place() == Place::Ring) {
            self.ops = self.ops.with_rows();
        }
        let program = self.program(inputs, outputs)?;
        let mut file = alloc::vec![0; HEADER_LEN];
        section(&mut file, &program, SECTION_LIMIT)?;
        let body_at = file.len();
        section(&mut file, &self.constants, CONSTANTS_LIMIT)?;
        section(&mut file, metadata, SECTION_LIMIT)?;
        file.resize(align_up(file.len()), 0);
        let header = Header {
            file_len: u32::try_from(file.len()).map_err(|_| TooLarge)?,
            arena_len,
            ops: self.ops,
            program_len: program.len() as u32,
            constants_len: self.constants.len() as u32,
            metadata_len: metadata.len() as u32,
            signature_len: 0,
            work: self.work,
            body_crc: Crc::new().update(file.get(body_at..).unwrap_or_default()).finish(),
            program_crc: 0,
        };
        Ok(seal(file, header))
    }

    fn program(&self, inputs: &[Port<'_>], outputs: &[Port<'_>]) -> Result<Vec<u8>, TooLarge> {
        let count = |ports: &[Port<'_>]| u8::try_from(ports.len()).map_err(|_| TooLarge);
        let mut program = alloc::vec![count(inputs)?, count(outputs)?, self.state_count, 0];
        if let Some(starts) = self.regions {
            starts.encode(&mut program);
        }
        for port in inputs.iter().chain(outputs) {
            port.encode(&mut program);
        }
        program.extend_from_slice(&self.states);
        program.extend_from_slice(&self.segments);
        Ok(program)
    }
}

/// Appends a section at the next multiple of 16.
/// A file by a [`Builder`] with [`Builder::lines`], for the phase that it turns out to have: where constants begin depends on how long the program is,
/// which says where they are. If no phase fits, lines are not met, which costs time and nothing else.
///
/// # Errors
/// Those of `build`.
pub fn in_lines<E>(mut build: impl FnMut(usize) -> Result<Vec<u8>, E>) -> Result<Vec<u8>, E> {
    let mut phase = 0;
    let mut file = build(phase)?;
    for _ in 0..LINE / ALIGN {
        let found = Header::parse(&file).map_or(phase, |header| header.constants_at() % LINE);
        if found == phase {
            break;
        }
        phase = found;
        file = build(phase)?;
    }
    Ok(file)
}

fn section(file: &mut Vec<u8>, bytes: &[u8], limit: u32) -> Result<(), TooLarge> {
    if bytes.len() > limit as usize {
        return Err(TooLarge);
    }
    file.resize(align_up(file.len()), 0);
    file.extend_from_slice(bytes);
    Ok(())
}

/// Puts the header in front of the sections, with the program's checksum.
fn seal(mut file: Vec<u8>, header: Header) -> Vec<u8> {
    let put = |file: &mut [u8], header: Header| {
        file.iter_mut().zip(header.to_bytes()).for_each(|(to, from)| *to = from);
    };
    put(&mut file, header);
    let program_crc = Header::checksum(&file, header.program_len as usize);
    put(&mut file, Header { program_crc, ..header });
    file
}

/// Gives a file whose program was changed a fitting checksum again, so that tests reach the checks behind it.
pub fn reseal(file: &mut Vec<u8>) {
    if let Ok(header) = Header::parse(file) {
        *file = seal(core::mem::take(file), header);
    }
}
