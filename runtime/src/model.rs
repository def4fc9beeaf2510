//! Reading a file with every check, and running it.

use core::marker::PhantomData;

use heapless::Vec;

use crate::arena::{Constants, Memory};
use crate::error::{Fault, Flaw, ReadError, RunError};
use crate::format::crc::Crc;
use crate::format::{
    ALIGN, AllOps, DType, HEADER_LEN, Header, OpSet, Ops, Place, Port, Record, Segment, Span, Tensor, Visit, dispatch,
};
use crate::kernels::Kernels;

/// Tensors that may be live at once.
pub const MAX_LIVE: usize = 32;

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
    records: u16,
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
        let mut model = Self {
            file,
            header,
            inputs: 0,
            outputs: 0,
            states: 0,
            records: 0,
            ports: 0,
            segments: 0,
            ops: PhantomData,
        };
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
            check.port(&port)?;
            if port.tensor.place() != Place::Arena {
                return Err(Flaw::Segment);
            }
            check.write(port.tensor.span().ok_or(Flaw::Shape)?)?;
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
        let (segment, rest) = take::<Segment>(at)?;
        let Segment::Plain { records } = segment else { return Err(Flaw::Segment) };
        (self.segments, self.records, *at) = (self.position(rest), records, rest);
        for _ in 0..records {
            let (checked, rest) = dispatch::<O, _>(at, &mut check)?;
            checked?;
            *at = rest;
        }
        check.end(outputs_at, outputs, at)
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
    /// [`RunError`] for an arena that is too short or not at a multiple of 16.
    pub fn run<K: Kernels>(&self, kernels: &K, arena: &mut [u8]) -> Result<(), RunError> {
        self.run_with(kernels, arena, |_, _| {})
    }

    /// As [`Model::run`], and calls `after(record, arena)` when each record has run: for tools that look at every layer.
    ///
    /// # Errors
    /// As [`Model::run`].
    pub fn run_with<K: Kernels>(
        &self,
        kernels: &K,
        arena: &mut [u8],
        mut after: impl FnMut(usize, &[u8]),
    ) -> Result<(), RunError> {
        let needed = self.header.arena_len;
        let arena = arena.get_mut(..needed as usize).ok_or(RunError::ArenaTooSmall { needed })?;
        if !arena.as_ptr().addr().is_multiple_of(ALIGN) {
            return Err(RunError::ArenaUnaligned);
        }
        let mut at = self.program().get(self.segments..).unwrap_or_default();
        for index in 0..usize::from(self.records) {
            let step = Step { kernels, memory: Memory::new(arena, self.constants()) };
            at = match dispatch::<O, _>(at, step) {
                Ok((Ok(()), rest)) => rest,
                _ => return Err(RunError::Record { at: self.position(at).saturating_add(HEADER_LEN) as u32 }),
            };
            after(index, arena);
        }
        Ok(())
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
        (0..self.records).map_while(move |_| {
            let (op, rest) = crate::format::Op::read(at).ok()?;
            at = rest;
            Some(op)
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

/// What is known of the program up to a record: which bytes are live, which operations occur.
struct Check<'m> {
    constants: Constants<'m>,
    arena_len: u32,
    /// The state takes the arena up to here, everything else what follows.
    state_len: u32,
    header: Header,
    live: Vec<Span, MAX_LIVE>,
    seen: OpSet,
    work: u64,
}

impl<'m> Check<'m> {
    fn new<O: Ops>(model: &Model<'m, O>) -> Self {
        let (constants, header) = (model.constants(), model.header);
        Self {
            constants,
            arena_len: header.arena_len,
            state_len: 0,
            header,
            live: Vec::new(),
            seen: OpSet::NONE,
            work: 0,
        }
    }

    fn port(&self, port: &Port<'_>) -> Result<(), Flaw> {
        let count = port.shape().iter().try_fold(1u32, |count, dim| count.checked_mul(*dim));
        if usize::from(port.rank) > port.dims.len() || count != port.tensor.len() {
            return Err(Flaw::Shape);
        }
        if !(port.scale.is_finite() && port.scale > 0.0) {
            return Err(Flaw::Parameter);
        }
        self.place(&port.tensor)
    }

    /// Checks that a tensor has elements, is aligned and lies in its place.
    fn place(&self, tensor: &Tensor) -> Result<(), Flaw> {
        let span = tensor.span().filter(|span| span.len > 0).ok_or(Flaw::Shape)?;
        let size = tensor.dtype().map_or(1, DType::size);
        if !tensor.offset.is_multiple_of(size) {
            return Err(Flaw::Type);
        }
        match tensor.place() {
            Place::Arena => self.in_arena(span),
            Place::Constant => self.constants.get::<u8>(span).map(|_| ()).map_err(Flaw::from),
            Place::State if span.offset.checked_add(span.len).is_some_and(|end| end <= self.state_len) => {
                self.in_arena(Span { offset: self.state_len, len: 0 })
            }
            Place::State => Err(Flaw::Range),
            Place::Ring => Err(Flaw::Segment),
        }
    }

    /// Checks that a span lies in the part of the arena that is no state.
    fn in_arena(&self, span: Span) -> Result<(), Flaw> {
        let end = span.offset.checked_add(span.len).is_some_and(|end| end <= self.arena_len);
        if end && span.offset >= self.state_len { Ok(()) } else { Err(Flaw::Range) }
    }

    fn is_live(&self, span: Span) -> bool {
        self.live.contains(&span)
    }

    /// Makes a span live, where nothing else is.
    fn write(&mut self, span: Span) -> Result<(), Flaw> {
        if self.live.iter().any(|other| other.overlaps(span)) {
            return Err(Flaw::Overlap);
        }
        self.live.push(span).map_err(|_| Flaw::TooManyLive)
    }

    /// Checks where a record reads and writes, and what is live after it. Not generic, so that a firmware holds it once.
    fn record(&mut self, facts: &Facts<'_>) -> Result<(), Flaw> {
        if facts.scratch.len > 0 {
            self.in_arena(facts.scratch)?;
        }
        self.place(facts.output)?;
        let output = facts.output.span().ok_or(Flaw::Shape)?;
        if facts.output.place() == Place::Constant {
            return Err(Flaw::Segment);
        }
        if facts.scratch.overlaps(output) || self.live.iter().any(|live| live.overlaps(facts.scratch)) {
            return Err(Flaw::Overlap);
        }
        for (index, input) in facts.inputs.iter().enumerate() {
            self.input(input, output, facts.in_place >> index & 1 == 1)?;
        }
        for input in facts.inputs.iter().filter(|input| input.is_last() && input.place() == Place::Arena) {
            let ended = input.span().ok_or(Flaw::Shape)?;
            self.live.retain(|live| *live != ended);
        }
        if facts.output.place() == Place::Arena {
            self.write(output)?;
        }
        self.work = self.work.saturating_add(facts.work);
        Ok(())
    }

    /// Checks that an input is live, and apart from the output unless it may be the output's own bytes.
    fn input(&self, input: &Tensor, output: Span, in_place: bool) -> Result<(), Flaw> {
        self.place(input)?;
        let span = input.span().ok_or(Flaw::Shape)?;
        match input.place() {
            Place::Arena if !self.is_live(span) => Err(Flaw::NotLive),
            Place::Constant => Ok(()),
            _ if span.overlaps(output) && !(in_place && span == output) => Err(Flaw::Overlap),
            _ => Ok(()),
        }
    }

    fn end(&self, mut outputs: &'m [u8], count: u8, rest: &[u8]) -> Result<(), Flaw> {
        for _ in 0..count {
            let (port, next) = take::<Port<'_>>(outputs)?;
            self.port(&port)?;
            if port.tensor.place() != Place::Arena || !port.tensor.span().is_some_and(|span| self.is_live(span)) {
                return Err(Flaw::NotLive);
            }
            outputs = next;
        }
        match (rest.is_empty(), self.seen == self.header.ops, self.work == self.header.work) {
            (true, true, true) => Ok(()),
            (false, ..) => Err(Flaw::Trailing),
            (_, false, _) => Err(Flaw::OpSet),
            _ => Err(Flaw::Work),
        }
    }
}

/// What the walk over the program needs to know of a record.
struct Facts<'r> {
    inputs: &'r [Tensor],
    output: &'r Tensor,
    scratch: Span,
    /// Bit `i` is set if input `i` may be the output's own bytes.
    in_place: u32,
    work: u64,
}

impl Visit for &mut Check<'_> {
    type Out = Result<(), Flaw>;

    #[inline(always)]
    fn visit<R: Record>(self, record: &R) -> Self::Out {
        record.check(self.constants)?;
        self.seen = self.seen.with(R::OPCODE);
        let in_place = |index| u32::from(record.in_place(index)) << (index & 31);
        self.record(&Facts {
            inputs: record.inputs(),
            output: record.output(),
            scratch: record.scratch(),
            in_place: (0..record.inputs().len()).fold(0, |mask, index| mask | in_place(index)),
            work: record.work(),
        })
    }
}

/// A model, its kernels and its arena together.
#[derive(Debug)]
pub struct Session<'m, K, O = AllOps> {
    model: Model<'m, O>,
    kernels: K,
    arena: &'m mut [u8],
}

impl<'m, K: Kernels, O: Ops> Session<'m, K, O> {
    /// A session over an arena of at least `model.arena_len()` bytes.
    ///
    /// # Errors
    /// [`RunError`] for an arena that is too short or not at a multiple of 16.
    pub fn new(model: Model<'m, O>, kernels: K, arena: &'m mut [u8]) -> Result<Self, RunError> {
        if arena.len() < model.arena_len() {
            return Err(RunError::ArenaTooSmall { needed: model.header.arena_len });
        }
        if !arena.as_ptr().addr().is_multiple_of(ALIGN) {
            return Err(RunError::ArenaUnaligned);
        }
        model.reset(arena)?;
        Ok(Self { model, kernels, arena })
    }

    /// Starts a sequence anew: gives the model's state its first value. Nothing for a model without state.
    ///
    /// # Errors
    /// Never, for an arena that `new` accepted.
    pub fn reset(&mut self) -> Result<(), RunError> {
        self.model.reset(self.arena)
    }

    /// The model.
    #[must_use]
    pub const fn model(&self) -> &Model<'m, O> {
        &self.model
    }

    /// The bytes of input `index`, to be filled before each run.
    pub fn input_bytes(&mut self, index: usize) -> Option<&mut [u8]> {
        let span = self.model.inputs().nth(index)?.tensor.span()?;
        self.arena.get_mut(span.range()?)
    }

    /// The numbers of input `index`, if `T` is its type, to be filled before each run.
    pub fn input<T: crate::arena::Pod>(&mut self, index: usize) -> Option<&mut [T]> {
        let tensor = self.model.inputs().nth(index)?.tensor;
        (tensor.dtype()? == T::DTYPE?).then_some(())?;
        crate::arena::cast_mut(self.arena.get_mut(tensor.span()?.range()?)?)
    }

    /// Runs the model once.
    ///
    /// # Errors
    /// As [`Model::run`].
    pub fn run(&mut self) -> Result<(), RunError> {
        self.model.run(&self.kernels, self.arena)
    }

    /// The bytes of output `index`, as the last run left them.
    #[must_use]
    pub fn output_bytes(&self, index: usize) -> Option<&[u8]> {
        let span = self.model.outputs().nth(index)?.tensor.span()?;
        self.arena.get(span.range()?)
    }

    /// The numbers of output `index`, if `T` is its type, as the last run left them.
    #[must_use]
    pub fn output<T: crate::arena::Pod>(&self, index: usize) -> Option<&[T]> {
        let tensor = self.model.outputs().nth(index)?.tensor;
        (tensor.dtype()? == T::DTYPE?).then_some(())?;
        crate::arena::cast(self.arena.get(tensor.span()?.range()?)?)
    }
}
