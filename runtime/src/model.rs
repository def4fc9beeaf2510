//! Reading a file with every check, and running it.

mod band;
mod check;
mod frame;
#[cfg(any(feature = "encode", feature = "std"))]
mod program;
mod run;
mod session;

use core::marker::PhantomData;
use core::ops::Range;

use crate::arena::{Constants, Ram, cast, cast_mut, fill};
use crate::error::{Flaw, ReadError, RunError};
use crate::format::crc::Crc;
use crate::format::{
    ALIGN, AllOps, DType, Decode, HEADER_LEN, Header, MAX_REGIONS, Op, Opcode, Ops, Port, Reader, Segment, Tensor,
    Words, dispatch, regions,
};
use crate::kernels::Kernels;
use crate::profile::{After, Profiler};
use band::Band;
use check::{Check, Door};

pub use frame::Frame;
#[cfg(any(feature = "encode", feature = "std"))]
pub use program::Program;
pub use session::Session;

/// Tensors that may be live at once.
pub const MAX_LIVE: usize = 32;

/// A record that has run.
#[derive(Clone, Copy, Debug)]
pub struct Ran<'a> {
    /// Its number in the program.
    pub record: usize,
    /// Its operation.
    pub opcode: Opcode,
    /// Which turn it had, if it is one of a band.
    pub turn: Option<u32>,
    /// The arena after it.
    pub ram: &'a Ram<'a>,
}

/// A checked model. Borrows the file's bytes; weights and program are read in place.
///
/// `O` is the set of operations that the build links, [`AllOps`] unless `include_model!` says less.
#[derive(Debug)]
pub struct Model<'m, O = AllOps> {
    file: &'m [u8],
    header: &'m Words,
    arena_len: u32,
    constants: Constants<'m>,
    /// Inputs, outputs and states.
    counts: [u8; 3],
    /// The program from the first port on, and from the first segment on.
    ports: &'m [u8],
    segments: &'m [u8],
    ops: PhantomData<O>,
}

impl<O> Clone for Model<'_, O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<O> Copy for Model<'_, O> {}

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
        let header = Header::parse(file)?;
        if !file.as_ptr().addr().is_multiple_of(ALIGN) {
            return Err(ReadError::new(0, Flaw::Alignment));
        }
        let words = file
            .get(..HEADER_LEN)
            .and_then(cast)
            .and_then(<[u32]>::first_chunk)
            .ok_or(ReadError::new(0, Flaw::Alignment))?;
        if Header::checksum(file, header.program_len as usize) != header.program_crc {
            return Err(ReadError::new(60, Flaw::Checksum));
        }
        if let Some(missing) = header.ops.first_missing_in(O::OPS) {
            return Err(ReadError::new(16, Flaw::Unsupported(missing)));
        }
        let constants = Constants::new(section(file, header.constants_at(), header.constants_len));
        let program = section(file, HEADER_LEN, header.program_len);
        let arena_len = header.arena_len;
        let mut model = Self {
            file,
            header: words,
            arena_len,
            constants,
            counts: [0; 3],
            ports: program,
            segments: program,
            ops: PhantomData,
        };
        model.check()?;
        Ok(model)
    }

    // Not on the stack of who reads and then runs.
    #[inline(never)]
    fn check(&mut self) -> Result<(), ReadError> {
        let mut at = self.segments;
        self.check_program(&mut at).map_err(|flaw| ReadError::new(self.position(at), flaw))
    }

    /// Walks the whole program; `at` is what is left, for the position of an error.
    fn check_program(&mut self, at: &mut &'m [u8]) -> Result<(), Flaw> {
        let (counts, mut ports) = at.split_first_chunk().ok_or(Flaw::Record)?;
        let mut regions = None;
        if const { O::OPS.has_regions() } && self.header().ops.has_regions() {
            let mut reader = Reader::new(ports);
            regions = Some(Decode::decode(&mut reader));
            ports = reader.end()?;
        }
        (self.counts, self.ports) = (*counts, ports);
        *at = ports;
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

    /// CRC-32 of everything that `read` does not look at: constants, metadata, signature.
    ///
    /// # Errors
    /// [`Flaw::Checksum`] if a byte is damaged.
    pub fn verify(&self) -> Result<(), ReadError> {
        let header = self.header();
        let body = self.file.get(HEADER_LEN.saturating_add(header.program_len as usize)..);
        match Crc::new().update(body.unwrap_or_default()).finish() == header.body_crc {
            true => Ok(()),
            false => Err(ReadError::new(56, Flaw::Checksum)),
        }
    }

    /// Gives the model's state its first value, real 0: before the first run, and wherever a sequence starts anew.
    ///
    /// # Errors
    /// [`RunError::ArenaTooSmall`].
    pub fn reset(&self, arena: &mut [u8]) -> Result<(), RunError> {
        self.reset_in(&mut Ram::one(arena))
    }

    #[inline(never)]
    fn reset_in(&self, ram: &mut Ram<'_>) -> Result<(), RunError> {
        let needed = self.arena_len;
        let [_, first, end] = self.doors();
        for index in first..end {
            let port = self.port(index);
            let bytes = port.tensor.span().and_then(|span| ram.get_mut(span)).and_then(cast_mut);
            let bytes = bytes.ok_or(RunError::ArenaTooSmall { needed })?;
            fill(bytes, if port.tensor.dtype() == Some(DType::I8) { port.zero } else { 0 });
        }
        Ok(())
    }

    /// Runs the program once. Inputs are where the ports' tensors say; they are consumed. A model with state reads it from the
    /// arena and leaves the next one there; see [`Model::reset`].
    ///
    /// Takes no memory but `arena` and a small stack.
    ///
    /// # Errors
    /// [`RunError`] for an arena that is too short or not at a multiple of 16, and for a model whose input goes in row by row; see [`Frame`].
    pub fn run<K: Kernels>(&self, kernels: &K, arena: &mut [u8]) -> Result<(), RunError> {
        self.run_profiled(kernels, arena, &mut ())
    }

    /// As [`Model::run`], and calls `after` when each record has run, in a band when it had a turn: for tools that look at every layer.
    ///
    /// # Errors
    /// As [`Model::run`].
    pub fn run_with<K: Kernels>(
        &self,
        kernels: &K,
        arena: &mut [u8],
        after: impl FnMut(Ran<'_>),
    ) -> Result<(), RunError> {
        self.run_profiled(kernels, arena, &mut After(after))
    }

    /// As [`Model::run`], and tells `profiler` of each record, in a band at each of its turns.
    ///
    /// # Errors
    /// As [`Model::run`].
    pub fn run_profiled<K: Kernels, P: Profiler>(
        &self,
        kernels: &K,
        arena: &mut [u8],
        profiler: &mut P,
    ) -> Result<(), RunError> {
        self.run_in(kernels, &mut Ram::one(arena), profiler)
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> Header {
        Header::of(self.header)
    }

    /// Bytes of arena that `run` needs: inputs, outputs and scratch included.
    #[must_use]
    pub const fn arena_len(&self) -> usize {
        self.arena_len as usize
    }

    /// Bytes of arena that `run` needs in each region of memory, the fastest first: all of them in the first, unless the plan is for several.
    #[must_use]
    pub const fn regions(&self) -> [usize; MAX_REGIONS] {
        regions(&self.header(), self.file)
    }

    /// The inputs, in ONNX's order.
    pub fn inputs(&self) -> impl Iterator<Item = Port<'m>> + use<'m, O> {
        let [end, ..] = self.doors();
        self.ports(0..end)
    }

    /// The outputs, in ONNX's order.
    pub fn outputs(&self) -> impl Iterator<Item = Port<'m>> + use<'m, O> {
        let [first, end, _] = self.doors();
        self.ports(first..end)
    }

    /// What is kept in the arena from one run to the next.
    pub fn states(&self) -> impl Iterator<Item = Port<'m>> + use<'m, O> {
        let [_, first, end] = self.doors();
        self.ports(first..end)
    }

    /// The numbers of the ports behind the last input, output and state.
    fn doors(&self) -> [u32; 3] {
        let [inputs, outputs, states] = self.counts;
        let first = u32::from(inputs).wrapping_add(outputs.into());
        [inputs.into(), first, first.wrapping_add(states.into())]
    }

    /// The operations, in order, for tools.
    pub fn ops(&self) -> impl Iterator<Item = Op> + use<'m, O> {
        self.records().map(|(op, _)| op)
    }

    /// The operations, and the bytes of each.
    pub fn records(&self) -> impl Iterator<Item = (Op, &'m [u8])> + use<'m, O> {
        let mut at = self.segments;
        let mut left = 0u16;
        core::iter::from_fn(move || {
            while left == 0 {
                let (segment, rest) = segment(at).ok()?;
                (left, at) = (segment.records(), rest);
            }
            let (op, rest) = Op::read_in::<O>(at).ok()?;
            let (record, _) = at.split_at_checked(at.len().wrapping_sub(rest.len()))?;
            (left, at) = (left.wrapping_sub(1), rest);
            Some((op, record))
        })
    }

    /// The records that run together row by row, and their turns as [`Segment::Band`] has them, for tools.
    pub fn bands(&self) -> impl Iterator<Item = (Range<usize>, &'m [u8])> + use<'m, O> {
        let mut at = self.segments;
        let mut end = 0usize;
        core::iter::from_fn(move || {
            let (segment, mut rest) = segment(at).ok()?;
            let start = end;
            for _ in 0..segment.records() {
                (rest, end) = (Op::read_in::<O>(rest).ok()?.1, end.wrapping_add(1));
            }
            at = rest;
            Some((segment, start..end))
        })
        .filter_map(|(segment, records)| match segment {
            Segment::Band { turns, .. } => Some((records, turns)),
            _ => None,
        })
    }

    /// The constants section.
    #[must_use]
    pub const fn constants(&self) -> Constants<'m> {
        self.constants
    }

    /// The metadata section.
    #[must_use]
    pub fn metadata_bytes(&self) -> &'m [u8] {
        let header = self.header();
        section(self.file, header.metadata_at(), header.metadata_len)
    }

    fn ports(&self, range: Range<u32>) -> impl Iterator<Item = Port<'m>> + use<'m, O> {
        let model = *self;
        range.map(move |index| model.port(index))
    }

    /// The tensor of input `index`.
    fn input(&self, index: usize) -> Option<Tensor> {
        let [end, ..] = self.doors();
        (0..end).nth(index).map(|index| self.port(index).tensor)
    }

    /// The tensor of output `index`.
    fn output(&self, index: usize) -> Option<Tensor> {
        let [first, end, _] = self.doors();
        (first..end).nth(index).map(|index| self.port(index).tensor)
    }

    /// Port `index`. A firmware holds what reads one once.
    #[inline(never)]
    fn port(&self, index: u32) -> Port<'m> {
        let mut reader = Reader::new(self.ports);
        for _ in 0..index {
            Port::decode(&mut reader);
        }
        Port::decode(&mut reader)
    }

    /// Where in the file the end part `rest` of the program starts.
    fn position(&self, rest: &[u8]) -> u32 {
        (HEADER_LEN as u32).wrapping_add(self.header().program_len).wrapping_sub(rest.len() as u32)
    }
}

fn section(file: &[u8], at: usize, len: u32) -> &[u8] {
    file.get(at..at.saturating_add(len as usize)).unwrap_or_default()
}

/// The segment at the front of `bytes`, and its records.
fn segment(bytes: &[u8]) -> Result<(Segment<'_>, &[u8]), Flaw> {
    let mut reader = Reader::new(bytes);
    let segment = Segment::decode(&mut reader);
    Ok((segment, reader.end()?))
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
