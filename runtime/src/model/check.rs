//! What must hold of a program, record by record.

use heapless::Vec;

use super::{MAX_LIVE, Model, take};
use crate::arena::Constants;
use crate::error::Flaw;
use crate::format::{DType, Header, OpSet, Opcode, Ops, Place, Port, Record, SafeOverlap, Span, Tensor, Visit};

/// What is known of the program up to a record: which bytes are live, which operations occur.
pub(super) struct Check<'m> {
    constants: Constants<'m>,
    arena_len: u32,
    /// The state takes the arena up to here, everything else what follows.
    pub(super) state_len: u32,
    /// The ring of an input that goes in row by row, until the band in which it does.
    pub(super) rows: Option<Tensor>,
    header: Header,
    live: Vec<Span, MAX_LIVE>,
    seen: OpSet,
    work: u64,
}

impl<'m> Check<'m> {
    pub(super) fn new<O: Ops>(model: &Model<'m, O>) -> Self {
        let (constants, header) = (model.constants(), model.header);
        Self {
            constants,
            arena_len: header.arena_len,
            state_len: 0,
            rows: None,
            header,
            live: Vec::new(),
            seen: OpSet::NONE,
            work: 0,
        }
    }

    pub(super) fn port(&self, port: &Port<'_>) -> Result<(), Flaw> {
        let count = port.shape().iter().try_fold(1u32, |count, dim| count.checked_mul(*dim));
        if usize::from(port.rank) > port.dims.len() || count != port.tensor.len() {
            return Err(Flaw::Shape);
        }
        if !(port.scale.is_finite() && port.scale > 0.0) {
            return Err(Flaw::Parameter);
        }
        self.place(&port.tensor)
    }

    /// Makes an input live; a ring of lines will be when its rows arrive, and then it is the only input and one image.
    pub(super) fn input_port(&mut self, port: &Port<'_>, inputs: u8) -> Result<(), Flaw> {
        self.port(port)?;
        match (port.tensor.place(), port.tensor.shape, inputs) {
            (Place::Arena, ..) => self.write(port.tensor.span().ok_or(Flaw::Shape)?),
            (Place::Ring, [1, ..], 1) => {
                self.seen = self.seen.with_rows();
                self.rows = Some(port.tensor);
                Ok(())
            }
            _ => Err(Flaw::Segment),
        }
    }

    /// Checks that a tensor has elements, is aligned and lies in its place.
    pub(super) fn place(&self, tensor: &Tensor) -> Result<(), Flaw> {
        if tensor.lines > 0 && tensor.place() != Place::Ring {
            return Err(Flaw::Segment);
        }
        let span = tensor.span().filter(|span| span.len > 0).ok_or(Flaw::Shape)?;
        let size = tensor.dtype().map_or(1, DType::size);
        if !tensor.offset.is_multiple_of(size) {
            return Err(Flaw::Type);
        }
        match tensor.place() {
            Place::Arena | Place::Ring => self.in_arena(span),
            Place::Constant => self.constants.get::<u8>(span).map(|_| ()).map_err(Flaw::from),
            Place::State if span.offset.checked_add(span.len).is_some_and(|end| end <= self.state_len) => {
                self.in_arena(Span { offset: self.state_len, len: 0 })
            }
            Place::State => Err(Flaw::Range),
        }
    }

    /// Checks that a span lies in the part of the arena that is no state.
    pub(super) fn in_arena(&self, span: Span) -> Result<(), Flaw> {
        let end = span.offset.checked_add(span.len).is_some_and(|end| end <= self.arena_len);
        if end && span.offset >= self.state_len { Ok(()) } else { Err(Flaw::Range) }
    }

    pub(super) fn is_live(&self, span: Span) -> bool {
        self.live.contains(&span)
    }

    /// Makes a span live, where nothing else is.
    pub(super) fn write(&mut self, span: Span) -> Result<(), Flaw> {
        self.free(span)?;
        self.live.push(span).map_err(|_| Flaw::TooManyLive)
    }

    /// Checks that nothing live has a byte of a span.
    pub(super) fn free(&self, span: Span) -> Result<(), Flaw> {
        if self.live.iter().any(|other| other.overlaps(span)) { Err(Flaw::Overlap) } else { Ok(()) }
    }

    /// Makes a span live no more.
    pub(super) fn end(&mut self, ended: Span) {
        self.live.retain(|live| *live != ended);
    }

    /// Ends the inputs that a record is the last to read.
    pub(super) fn end_inputs(&mut self, facts: &Facts<'_>) -> Result<(), Flaw> {
        for input in facts.inputs.iter().filter(|input| input.is_last() && input.place() == Place::Arena) {
            self.end(input.span().ok_or(Flaw::Shape)?);
        }
        Ok(())
    }

    /// Counts a record among those of the program.
    pub(super) fn count(&mut self, facts: &Facts<'_>) {
        self.seen = self.seen.with(facts.opcode);
        self.work = self.work.saturating_add(facts.work);
    }

    /// Counts bands among what the program needs.
    pub(super) fn count_band(&mut self) {
        self.seen = self.seen.with_bands();
    }

    /// What is to be known of a record whose numbers are right.
    #[inline(always)]
    pub(super) fn facts<'r, R: Record>(&self, record: &'r R) -> Result<Facts<'r>, Flaw> {
        record.check(self.constants)?;
        let in_place = |index| u32::from(record.in_place(index)) << (index & 31);
        Ok(Facts {
            opcode: R::OPCODE,
            inputs: record.inputs(),
            output: record.output(),
            scratch: record.scratch(),
            in_place: (0..record.inputs().len()).fold(0, |mask, index| mask | in_place(index)),
            safe_overlap: record.safe_overlap(),
            work: record.work(),
        })
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
        if facts.inputs.iter().chain([facts.output]).any(|tensor| tensor.place() == Place::Ring) {
            return Err(Flaw::Segment);
        }
        if facts.scratch.overlaps(output) {
            return Err(Flaw::Overlap);
        }
        self.free(facts.scratch)?;
        for (index, input) in facts.inputs.iter().enumerate() {
            self.input(input, output, (facts.may_overwrite(index), facts.safe_overlap))?;
        }
        self.end_inputs(facts)?;
        if facts.output.place() == Place::Arena {
            self.write(output)?;
        }
        self.count(facts);
        Ok(())
    }

    /// Checks that an input is live, and apart from the output unless it may be the output's own bytes or one may lie over the other.
    fn input(&self, input: &Tensor, output: Span, (in_place, safe): (bool, SafeOverlap)) -> Result<(), Flaw> {
        self.place(input)?;
        let span = input.span().ok_or(Flaw::Shape)?;
        match input.place() {
            Place::Arena if !self.is_live(span) => Err(Flaw::NotLive),
            Place::Constant => Ok(()),
            Place::Arena if input.is_last() && safe.allows(span, output) => Ok(()),
            _ if span.overlaps(output) && !(in_place && span == output) => Err(Flaw::Overlap),
            _ => Ok(()),
        }
    }

    pub(super) fn finish(&self, mut outputs: &'m [u8], count: u8) -> Result<(), Flaw> {
        if self.rows.is_some() {
            return Err(Flaw::Segment);
        }
        for _ in 0..count {
            let (port, next) = take::<Port<'_>>(outputs)?;
            self.port(&port)?;
            if port.tensor.place() != Place::Arena || !port.tensor.span().is_some_and(|span| self.is_live(span)) {
                return Err(Flaw::NotLive);
            }
            outputs = next;
        }
        match (self.seen == self.header.ops, self.work == self.header.work) {
            (true, true) => Ok(()),
            (false, _) => Err(Flaw::OpSet),
            _ => Err(Flaw::Work),
        }
    }
}

/// What the walk over the program needs to know of a record.
pub(super) struct Facts<'r> {
    opcode: Opcode,
    pub(super) inputs: &'r [Tensor],
    pub(super) output: &'r Tensor,
    pub(super) scratch: Span,
    /// Bit `i` is set if input `i` may be the output's own bytes.
    in_place: u32,
    safe_overlap: SafeOverlap,
    work: u64,
}

impl Facts<'_> {
    /// Whether an input may be the output's own bytes.
    pub(super) fn may_overwrite(&self, input: usize) -> bool {
        self.in_place >> (input & 31) & 1 == 1
    }
}

impl Visit for &mut Check<'_> {
    type Out = Result<(), Flaw>;

    #[inline(always)]
    fn visit<R: Record>(self, record: &R) -> Self::Out {
        let facts = self.facts(record)?;
        if record.needs_band() {
            return Err(Flaw::Segment);
        }
        self.record(&facts)
    }
}
