//! From a file's bytes to a model: with every check, or with what a run cannot do without.

use core::marker::PhantomData;

use super::band::Band;
use super::check::{Check, Door};
use super::{Model, section, segment};
use crate::arena::{Constants, cast};
use crate::error::{Flaw, ReadError};
use crate::format::{ALIGN, Decode, HEADER_LEN, Header, MAX_REGIONS, Ops, Port, Reader, Segment, dispatch};

/// Where the regions of the arena start, after the first; `None` for one region.
type Starts = Option<[u32; MAX_REGIONS - 1]>;

impl<'m, O: Ops> Model<'m, O> {
    /// Checks the file: header, checksum, every record, shapes, places, and that no live tensor is written over.
    ///
    /// The file must start at a multiple of 16 in memory. Takes time linear in the program. Of the constants it reads
    /// the tables of softmax alone: any other bytes are safe; see [`Model::verify`]. After this, [`Model::run`] cannot panic or
    /// fail on the record level.
    ///
    /// # Errors
    /// [`ReadError`] with the byte position of what is wrong.
    pub fn read(file: &'m [u8]) -> Result<Self, ReadError> {
        let mut model = Self::open(file)?;
        let header = model.header();
        if Header::checksum(file, header.program_len as usize) != header.program_crc {
            return Err(ReadError::new(60, Flaw::Checksum));
        }
        model.linked()?;
        model.check()?;
        Ok(model)
    }

    /// Takes the file as its converter wrote it: for one that is compiled into the firmware and as trusted as the code beside it, whose checks
    /// would be code that never finds anything.
    ///
    /// Looks at the header's magic, version and lengths, at the alignment, at whether this build links the header's operations, and for where the
    /// ports end. It leaves out the checksum of the program, and every check of ports and records that [`Model::read`] makes. A file that `read`
    /// accepts is the same model either way, and runs to the same bits.
    ///
    /// Of any other file nothing is promised but that memory stays safe and nothing panics, since each access of a run is compared with the bounds
    /// of what it accesses: a run may give wrong numbers, give [`RunError::Record`](crate::RunError::Record), or take any time. Bytes that
    /// arrive after the firmware was built, over the air or from a file system, are for `read`; so is the same file once, in a test on the host.
    ///
    /// # Errors
    /// [`ReadError`] with the byte position of what is wrong.
    pub fn trusted(file: &'m [u8]) -> Result<Self, ReadError> {
        let mut model = Self::open(file)?;
        model.linked()?;
        model.skip_ports()?;
        Ok(model)
    }

    /// The sections of a file whose header fits them.
    fn open(file: &'m [u8]) -> Result<Self, ReadError> {
        let Header { arena_len, program_len, constants_len, .. } = Header::parse(file)?;
        let words = file.get(..HEADER_LEN).filter(|_| file.as_ptr().addr().is_multiple_of(ALIGN));
        let header = words.and_then(cast).and_then(<[u32]>::first_chunk).ok_or(ReadError::new(0, Flaw::Alignment))?;
        let constants = Constants::new(section(file, Header::of(header).constants_at(), constants_len));
        let program = section(file, HEADER_LEN, program_len);
        let (ports, segments, counts, ops) = (program, program, [0; 3], PhantomData);
        Ok(Self { file, header, arena_len, constants, counts, ports, segments, ops })
    }

    /// Refuses operations that this build does not link.
    fn linked(&self) -> Result<(), ReadError> {
        let missing = self.header().ops.first_missing_in(O::OPS);
        missing.map_or(Ok(()), |missing| Err(ReadError::new(16, Flaw::Unsupported(missing))))
    }

    fn skip_ports(&mut self) -> Result<(), ReadError> {
        let mut at = self.segments;
        let ports = self.begin(&mut at).and_then(|_| {
            let mut reader = Reader::new(at);
            let [.., end] = self.doors();
            for _ in 0..end {
                Port::decode(&mut reader);
            }
            reader.end()
        });
        self.segments = ports.map_err(|flaw| ReadError::new(self.position(at), flaw))?;
        Ok(())
    }

    /// Reads what stands before the ports, and moves `at` to them.
    fn begin(&mut self, at: &mut &'m [u8]) -> Result<Starts, Flaw> {
        let ([counts @ .., _], mut ports) = at.split_first_chunk::<4>().ok_or(Flaw::Record)?;
        let mut regions = None;
        if const { O::OPS.has_regions() } && self.header().ops.has_regions() {
            let mut reader = Reader::new(ports);
            regions = Some(Decode::decode(&mut reader));
            ports = reader.end()?;
        }
        (self.counts, self.ports, *at) = (*counts, ports, ports);
        Ok(regions)
    }

    // Not on the stack of who reads and then runs.
    #[inline(never)]
    fn check(&mut self) -> Result<(), ReadError> {
        let mut at = self.segments;
        self.check_program(&mut at).map_err(|flaw| ReadError::new(self.position(at), flaw))
    }

    /// Walks the whole program; `at` is what is left, for the position of an error.
    fn check_program(&mut self, at: &mut &'m [u8]) -> Result<(), Flaw> {
        let regions = self.begin(at)?;
        let mut check = Check::new(self);
        if let Some(starts) = regions {
            check.regions(starts)?;
        }
        self.check_doors(at, &mut check)?;
        self.segments = at;
        while !at.is_empty() {
            let (segment, rest) = segment(at)?;
            *at = rest;
            check_segment::<O>(segment, at, &mut check)?;
        }
        self.check_outputs(&check)?;
        check.finish(self.header())
    }

    #[inline(never)]
    fn check_doors(&self, at: &mut &'m [u8], check: &mut Check<'m>) -> Result<(), Flaw> {
        let [inputs, first, end] = self.doors();
        for index in 0..end {
            let mut reader = Reader::new(at);
            let port = Port::decode(&mut reader);
            let rest = reader.end()?;
            match index {
                _ if index < inputs => check.door(Door::Input, &port)?,
                _ if index >= first => check.door(Door::State, &port)?,
                // Outputs are checked when the program is over.
                _ => {}
            }
            *at = rest;
        }
        check.apart()
    }

    #[inline(never)]
    fn check_outputs(&self, check: &Check<'m>) -> Result<(), Flaw> {
        let [inputs, end, _] = self.doors();
        (inputs..end).try_for_each(|index| check.output(&self.port(index)))
    }
}

fn check_segment<'m, O: Ops>(segment: Segment<'m>, at: &mut &'m [u8], check: &mut Check<'m>) -> Result<(), Flaw> {
    match segment {
        Segment::Plain { records } if check.rows.is_none() => {
            for _ in 0..records {
                *at = dispatch::<O, _>(at, &mut *check)?;
            }
        }
        Segment::Band { records: members, turns } if const { O::OPS.has_bands() } => {
            check.count_band();
            *at = Band { members, turns, records: at }.check::<O>(check)?;
        }
        _ => return Err(Flaw::Segment),
    }
    Ok(())
}
