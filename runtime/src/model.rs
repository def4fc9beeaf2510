//! Reading a file with every check, and running it.

mod band;
mod check;
mod frame;
mod session;

use core::marker::PhantomData;

use crate::arena::{Constants, Memory};
use crate::error::{Fault, Flaw, ReadError, RunError};
use crate::format::crc::Crc;
use crate::format::{
    ALIGN, AllOps, DType, HEADER_LEN, Header, Opcode, Ops, Place, Port, Record, Segment, Span, Visit, dispatch,
};
use crate::kernels::Kernels;
use crate::profile::{After, Profiler};
use band::{Band, Course};
use check::Check;

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
    inputs: u8,
    outputs: u8,
    states: u8,
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
        let mut model =
            Self { file, header, inputs: 0, outputs: 0, states: 0, ports: 0, segments: 0, ops: PhantomData };
        model.check()?;
        Ok(model)
    }

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
        let ([inputs, outputs, states], ports) = take::<[u8; 3]>(at)?;
        (self.inputs, self.outputs, self.states, self.ports) = (inputs, outputs, states, self.position(ports));
        *at = ports;
        let mut check = Check::new(self);
        check.state_len = self.state_len().ok_or(Flaw::Range)?;
        for _ in 0..inputs {
            let (port, rest) = take::<Port<'_>>(at)?;
            check.input_port(&port, inputs)?;
            *at = rest;
        }
        let outputs_at = *at;
        for _ in 0..outputs {
            *at = take::<Port<'_>>(at)?.1;
        }
        for _ in 0..states {
            let (port, rest) = take::<Port<'_>>(at)?;
            check.port(&port)?;
            if port.tensor.place() != Place::State {
                return Err(Flaw::Segment);
            }
            *at = rest;
        }
        self.segments = self.position(at);
        while !at.is_empty() {
            let (segment, rest) = take::<Segment<'_>>(at)?;
            *at = rest;
            check_segment::<O>(segment, at, &mut check)?;
        }
        check.finish(outputs_at, outputs)
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
    pub fn run_profiled<K: Kernels, P: Profiler>(
        &self,
        kernels: &K,
        arena: &mut [u8],
        profiler: &mut P,
    ) -> Result<(), RunError> {
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
            let (segment, rest) = take::<Segment<'_>>(at).map_err(|_| self.failed(at))?;
            at = rest;
            match segment {
                Segment::Plain { records } => {
                    for index in 0..usize::from(records) {
                        at = run.step(at, first.wrapping_add(index), None).map_err(|_| self.failed(at))?;
                    }
                }
                Segment::Band { records: members, turns } if const { O::OPS.has_bands() } => {
                    let mut course = Course::new(Band { members, turns, records: at });
                    let turn = |at, member, turn| run.step(at, first.wrapping_add(member), Some(turn));
                    if course.advance::<O>(turn).map_err(|_| self.failed(at))? {
                        return Err(RunError::Rows);
                    }
                    at = course.rest().map_err(|_| self.failed(at))?;
                }
                _ => return Err(self.failed(at)),
            }
            first = first.wrapping_add(segment.records().into());
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
        self.ports().take(usize::from(self.inputs))
    }

    /// The outputs, in ONNX's order.
    pub fn outputs(&self) -> impl Iterator<Item = Port<'m>> + use<'m, O> {
        self.ports().skip(usize::from(self.inputs)).take(usize::from(self.outputs))
    }

    /// What is kept in the arena from one run to the next.
    pub fn states(&self) -> impl Iterator<Item = Port<'m>> + use<'m, O> {
        let doors = usize::from(self.inputs).saturating_add(usize::from(self.outputs));
        self.ports().skip(doors)
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
                let (segment, rest) = take::<Segment<'_>>(at).ok()?;
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
            let (segment, mut rest) = take::<Segment<'_>>(at).ok()?;
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

    fn ports(&self) -> impl Iterator<Item = Port<'m>> + use<'m, O> {
        let mut at = self.program().get(self.ports..).unwrap_or_default();
        let doors = usize::from(self.inputs).saturating_add(usize::from(self.outputs));
        (0..doors.saturating_add(usize::from(self.states))).map_while(move |_| {
            let (port, rest) = take(at).ok()?;
            at = rest;
            Some(port)
        })
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

fn take<'m, T: serde::Deserialize<'m>>(bytes: &'m [u8]) -> Result<(T, &'m [u8]), Flaw> {
    postcard::take_from_bytes(bytes).map_err(|_| Flaw::Record)
}

fn check_segment<'m, O: Ops>(segment: Segment<'m>, at: &mut &'m [u8], check: &mut Check<'m>) -> Result<(), Flaw> {
    match segment {
        Segment::Plain { records } if check.rows.is_none() => {
            for _ in 0..records {
                let (checked, rest) = dispatch::<O, _>(at, &mut *check)?;
                checked?;
                *at = rest;
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
    /// Runs the record at the front of `at`, as a whole or at its turn in a band; gives what follows it.
    fn step<'p>(&mut self, at: &'p [u8], record: usize, turn: Option<u32>) -> Result<&'p [u8], Flaw> {
        let opcode = if P::ACTIVE { opcode(at) } else { None };
        if let Some(opcode) = opcode {
            self.profiler.before(record, opcode);
        }
        let step = Step { kernels: self.kernels, memory: Memory::new(self.arena, self.constants, turn) };
        let (ran, rest) = dispatch::<O, _>(at, step)?;
        ran.map_err(|Fault| Flaw::Record)?;
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
    type Out = Result<(), Fault>;

    #[inline(always)]
    fn visit<R: Record>(mut self, record: &R) -> Self::Out {
        record.step(self.kernels, &mut self.memory)
    }
}
