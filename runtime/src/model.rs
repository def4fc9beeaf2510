//! Reading a file with every check, and running it.

mod band;
mod check;
mod frame;
mod session;

use core::marker::PhantomData;

use crate::arena::{Constants, Memory};
use crate::error::{Flaw, ReadError, RunError};
use crate::format::crc::Crc;
use crate::format::{
    ALIGN, AllOps, DType, HEADER_LEN, Header, Opcode, Ops, Port, Reader, Record, Segment, Span, Visit, dispatch,
};
use crate::kernels::Kernels;
use crate::profile::{After, Profiler};
use band::{Band, Course};
use check::{Check, Door};

pub use frame::Frame;
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
    pub arena: &'a [u8],
}

/// A checked model. Borrows the file's bytes; weights and program are read in place.
///
/// `O` is the set of operations that the build links, [`AllOps`] unless `include_model!` says less.
#[derive(Debug)]
pub struct Model<'m, O = AllOps> {
    file: &'m [u8],
    header: Header,
    /// Inputs, outputs and states.
    counts: [u8; 3],
    /// Where the first port is, and where the segments and records start, in the program.
    ports: usize,
    segments: usize,
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
        if Header::checksum(file, header.program_len as usize) != header.program_crc {
            return Err(ReadError::new(60, Flaw::Checksum));
        }
        if let Some(missing) = header.ops.first_missing_in(O::OPS) {
            return Err(ReadError::new(16, Flaw::Unsupported(missing)));
        }
        let mut model = Self { file, header, counts: [0; 3], ports: 0, segments: 0, ops: PhantomData };
        model.check()?;
        Ok(model)
    }

    // Not on the stack of who reads and then runs.
    #[inline(never)]
    fn check(&mut self) -> Result<(), ReadError> {
        let program = self.program();
        let mut at = program;
        self.check_program(&mut at).map_err(|flaw| {
            let position = program.len().saturating_sub(at.len()).saturating_add(HEADER_LEN);
            ReadError::new(position as u32, flaw)
        })
    }

    /// Walks the whole program; `at` is what is left, for the position of an error.
    fn check_program(&mut self, at: &mut &'m [u8]) -> Result<(), Flaw> {
        let (counts, ports) = at.split_first_chunk().ok_or(Flaw::Record)?;
        (self.counts, self.ports) = (*counts, self.position(ports));
        *at = ports;
        let mut check = Check::new(self);
        check.state_len = self.state_len().ok_or(Flaw::Range)?;
        for (door, count) in [Door::Input, Door::Output, Door::State].into_iter().zip(self.counts) {
            for _ in 0..count {
                let (port, rest) = port(at)?;
                check.door(door, &port)?;
                *at = rest;
            }
        }
        self.segments = self.position(at);
        while !at.is_empty() {
            let (segment, rest) = segment(at)?;
            *at = rest;
            check_segment::<O>(segment, at, &mut check)?;
        }
        self.outputs().try_for_each(|output| check.output(&output))?;
        check.finish(&self.header)
    }

    /// CRC-32 of everything that `read` does not look at: constants, metadata, signature.
    ///
    /// # Errors
    /// [`Flaw::Checksum`] if a byte is damaged.
    pub fn verify(&self) -> Result<(), ReadError> {
        let body = self.file.get(HEADER_LEN.saturating_add(self.header.program_len as usize)..);
        match Crc::new().update(body.unwrap_or_default()).finish() == self.header.body_crc {
            true => Ok(()),
            false => Err(ReadError::new(56, Flaw::Checksum)),
        }
    }

    /// Gives the model's state its first value, real 0: before the first run, and wherever a sequence starts anew.
    ///
    /// # Errors
    /// [`RunError::ArenaTooSmall`].
    pub fn reset(&self, arena: &mut [u8]) -> Result<(), RunError> {
        let needed = self.header.arena_len;
        for port in self.states() {
            let range = port.tensor.span().and_then(Span::range);
            let bytes = range.and_then(|range| arena.get_mut(range)).ok_or(RunError::ArenaTooSmall { needed })?;
            bytes.fill(if port.tensor.dtype() == Some(DType::I8) { port.zero as u8 } else { 0 });
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
    #[inline(never)]
    pub fn run_profiled<K: Kernels, P: Profiler>(
        &self,
        kernels: &K,
        arena: &mut [u8],
        profiler: &mut P,
    ) -> Result<(), RunError> {
        if const { O::OPS.has_rows() } && self.header.ops.has_rows() {
            return Err(RunError::Rows);
        }
        let program = self.program().get(self.segments..).unwrap_or_default();
        self.run_from((program, 0), &mut self.on(kernels, arena, profiler)?)
    }

    /// A run over a part of the program in an arena that is long enough.
    fn on<'a, K, P>(
        &self,
        kernels: &'a K,
        arena: &'a mut [u8],
        profiler: &'a mut P,
    ) -> Result<Run<'a, 'm, K, P, O>, RunError> {
        let needed = self.header.arena_len;
        let arena = arena.get_mut(..needed as usize).ok_or(RunError::ArenaTooSmall { needed })?;
        if !arena.as_ptr().addr().is_multiple_of(ALIGN) {
            return Err(RunError::ArenaUnaligned);
        }
        Ok(Run { kernels, arena, constants: self.constants(), profiler, ops: PhantomData })
    }

    /// Runs the program from a segment on; `first` is the number of its first record.
    fn run_from<K: Kernels, P: Profiler>(
        &self,
        (mut at, mut first): (&'m [u8], usize),
        run: &mut Run<'_, 'm, K, P, O>,
    ) -> Result<(), RunError> {
        while !at.is_empty() {
            let ran = segment(at).and_then(|(segment, records)| {
                at = records;
                run.segment(segment, &mut at, &mut first)
            });
            ran.map_err(|_| self.failed(at))?;
        }
        Ok(())
    }

    /// The error of what is at the front of the program's end part `rest`.
    fn failed(&self, rest: &[u8]) -> RunError {
        RunError::Record { at: self.position(rest).saturating_add(HEADER_LEN) as u32 }
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Bytes of arena that `run` needs: inputs, outputs and scratch included.
    #[must_use]
    pub const fn arena_len(&self) -> usize {
        self.header.arena_len as usize
    }

    /// The inputs, in ONNX's order.
    pub fn inputs(&self) -> impl Iterator<Item = Port<'m>> + use<'m, O> {
        let [inputs, ..] = self.counts;
        self.ports(0, inputs)
    }

    /// The outputs, in ONNX's order.
    pub fn outputs(&self) -> impl Iterator<Item = Port<'m>> + use<'m, O> {
        let [inputs, outputs, _] = self.counts;
        self.ports(inputs.into(), outputs)
    }

    /// What is kept in the arena from one run to the next.
    pub fn states(&self) -> impl Iterator<Item = Port<'m>> + use<'m, O> {
        let [inputs, outputs, states] = self.counts;
        self.ports(u32::from(inputs).wrapping_add(outputs.into()), states)
    }

    /// Bytes at the start of the arena that hold the state.
    fn state_len(&self) -> Option<u32> {
        let end = |port: Port<'m>| port.tensor.span().and_then(|span| span.offset.checked_add(span.len));
        self.states().map(end).try_fold(0, |most: u32, end| Some(most.max(end?)))
    }

    /// The operations, in order, for tools.
    pub fn ops(&self) -> impl Iterator<Item = crate::format::Op> + use<'m, O> {
        let mut at = self.program().get(self.segments..).unwrap_or_default();
        let mut left = 0u16;
        core::iter::from_fn(move || {
            while left == 0 {
                let (segment, rest) = segment(at).ok()?;
                (left, at) = (segment.records(), rest);
            }
            let (op, rest) = crate::format::Op::read(at).ok()?;
            (left, at) = (left.wrapping_sub(1), rest);
            Some(op)
        })
    }

    /// The records that run together row by row, and their turns as [`Segment::Band`] has them, for tools.
    pub fn bands(&self) -> impl Iterator<Item = (core::ops::Range<usize>, &'m [u8])> + use<'m, O> {
        let mut at = self.program().get(self.segments..).unwrap_or_default();
        let mut end = 0usize;
        core::iter::from_fn(move || {
            let (segment, mut rest) = segment(at).ok()?;
            let start = end;
            for _ in 0..segment.records() {
                (rest, end) = (crate::format::Op::read(rest).ok()?.1, end.wrapping_add(1));
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
    pub fn constants(&self) -> Constants<'m> {
        Constants::new(self.section(self.header.constants_at(), self.header.constants_len))
    }

    /// The metadata section.
    #[must_use]
    pub fn metadata_bytes(&self) -> &'m [u8] {
        self.section(self.header.metadata_at(), self.header.metadata_len)
    }

    /// `count` of the ports, after the first `skipped`.
    fn ports(&self, skipped: u32, count: u8) -> impl Iterator<Item = Port<'m>> + use<'m, O> {
        let mut reader = Reader::new(self.program().get(self.ports..).unwrap_or_default());
        for _ in 0..skipped {
            Port::decode(&mut reader);
        }
        (0..count).map(move |_| Port::decode(&mut reader))
    }

    fn section(&self, at: usize, len: u32) -> &'m [u8] {
        self.file.get(at..at.saturating_add(len as usize)).unwrap_or_default()
    }

    fn program(&self) -> &'m [u8] {
        self.section(HEADER_LEN, self.header.program_len)
    }

    /// Where in the program its end part `rest` starts.
    fn position(&self, rest: &[u8]) -> usize {
        (self.header.program_len as usize).saturating_sub(rest.len())
    }
}

/// The port at the front of `bytes`, and what follows it.
fn port(bytes: &[u8]) -> Result<(Port<'_>, &[u8]), Flaw> {
    let mut reader = Reader::new(bytes);
    let port = Port::decode(&mut reader);
    Ok((port, reader.end()?))
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

/// What records run with.
struct Run<'a, 'm, K, P, O> {
    kernels: &'a K,
    arena: &'a mut [u8],
    constants: Constants<'m>,
    profiler: &'a mut P,
    ops: PhantomData<O>,
}

impl<K: Kernels, P: Profiler, O: Ops> Run<'_, '_, K, P, O> {
    /// Runs a segment whose records start `at`, the first of them number `first` of the program; moves both behind it.
    fn segment<'p>(&mut self, segment: Segment<'p>, at: &mut &'p [u8], first: &mut usize) -> Result<(), Flaw> {
        match segment {
            Segment::Plain { records } => {
                for index in 0..usize::from(records) {
                    *at = self.step(at, first.wrapping_add(index), None)?;
                }
            }
            Segment::Band { records: members, turns } if const { O::OPS.has_bands() } => {
                let mut course = Course::new(Band { members, turns, records: at });
                if course.advance::<O>(|at, member, turn| self.step(at, first.wrapping_add(member), Some(turn)))? {
                    return Err(Flaw::Segment);
                }
                *at = course.rest()?;
            }
            _ => return Err(Flaw::Segment),
        }
        *first = first.wrapping_add(segment.records().into());
        Ok(())
    }

    /// Runs the record at the front of `at`, as a whole or at its turn in a band; gives what follows it.
    fn step<'p>(&mut self, at: &'p [u8], record: usize, turn: Option<u32>) -> Result<&'p [u8], Flaw> {
        let opcode = if P::ACTIVE { opcode(at) } else { None };
        if let Some(opcode) = opcode {
            self.profiler.before(record, opcode);
        }
        let step = Step { kernels: self.kernels, memory: Memory::new(self.arena, self.constants, turn) };
        let rest = dispatch::<O, _>(at, step)?;
        if let Some(opcode) = opcode {
            self.profiler.after(Ran { record, opcode, turn, arena: self.arena });
        }
        Ok(rest)
    }
}

/// The opcode at the front of a record.
#[inline(always)]
fn opcode(record: &[u8]) -> Option<Opcode> {
    record.first().and_then(|number| Opcode::from_number(*number))
}

/// Runs a record.
struct Step<'a, K> {
    kernels: &'a K,
    memory: Memory<'a>,
}

impl<K: Kernels> Visit for Step<'_, K> {
    #[inline(always)]
    fn visit<R: Record>(mut self, record: &R) -> Result<(), Flaw> {
        Ok(record.step(self.kernels, &mut self.memory)?)
    }
}
