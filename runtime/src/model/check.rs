//! What must hold of a program, record by record.

use heapless::Vec;

use super::{MAX_LIVE, Model};
use crate::arena::Constants;
use crate::error::Flaw;
use crate::format::{
    ALIGN, DType, Header, MAX_REGIONS, OpSet, Opcode, Ops, Place, Port, Record, SafeOverlap, Span, Tensor, Visit,
};

/// What a port is that is checked before the program.
#[derive(Clone, Copy)]
pub(super) enum Door {
    Input,
    State,
}

/// What is known of the program up to a record: which bytes are live, which operations occur.
pub(super) struct Check<'m> {
    pub(super) constants: Constants<'m>,
    arena_len: u32,
    /// Where regions of the arena start, after the first.
    starts: [u32; MAX_REGIONS - 1],
    /// The state takes the arena up to here, everything else what follows.
    state_len: u32,
    /// The ring of an input that goes in row by row, until the band in which it does.
    pub(super) rows: Option<Tensor>,
    live: Vec<Span, MAX_LIVE>,
    seen: OpSet,
    /// What the header says and no record has done yet.
    work: u64,
}

impl<'m> Check<'m> {
    pub(super) fn new<O: Ops>(model: &Model<'m, O>) -> Self {
        let (constants, arena_len, work) = (model.constants, model.arena_len, model.header().work);
        let starts = [arena_len; MAX_REGIONS - 1];
        Self { constants, arena_len, starts, state_len: 0, rows: None, live: Vec::new(), seen: OpSet::NONE, work }
    }

    /// Takes over where the regions of the arena start, after the first.
    pub(super) fn regions(&mut self, starts: [u32; MAX_REGIONS - 1]) -> Result<(), Flaw> {
        let mut last = 0;
        for start in starts {
            if start < last || start > self.arena_len || !start.is_multiple_of(ALIGN as u32) {
                return Err(Flaw::Range);
            }
            last = start;
        }
        (self.starts, self.seen) = (starts, self.seen.with_regions());
        Ok(())
    }

    /// Checks a port before the program; outputs when it is over, by [`Self::output`]. An input is live from here on, but one that goes in row
    /// by row, which is the only one, when its rows arrive.
    pub(super) fn door(&mut self, door: Door, port: &Port<'_>) -> Result<(), Flaw> {
        let span = port.tensor.span().ok_or(Flaw::Shape)?;
        if let Door::State = door {
            self.state_len = span.offset.wrapping_add(span.len).max(self.state_len);
        }
        self.port(port)?;
        match (door, port.tensor.place(), port.tensor.shape) {
            (Door::State, Place::State, _) => Ok(()),
            (Door::Input, Place::Arena, _) if self.rows.is_none() => self.write(span),
            (Door::Input, Place::Ring, [1, ..]) if self.rows.is_none() && self.live.is_empty() => {
                (self.rows, self.seen) = (Some(port.tensor), self.seen.with_rows());
                Ok(())
            }
            _ => Err(Flaw::Segment),
        }
    }

    /// Checks that the inputs lie behind all of the state.
    pub(super) fn apart(&self) -> Result<(), Flaw> {
        let rows = self.rows.iter().filter_map(Tensor::span);
        let behind = |span: Span| span.offset >= self.state_len;
        if self.live.iter().copied().chain(rows).all(behind) { Ok(()) } else { Err(Flaw::Range) }
    }

    /// Checks that an output was made.
    pub(super) fn output(&self, port: &Port<'_>) -> Result<(), Flaw> {
        self.port(port)?;
        let live = port.tensor.place() == Place::Arena && port.tensor.span().is_some_and(|span| self.is_live(span));
        if live { Ok(()) } else { Err(Flaw::NotLive) }
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
            Place::State if self.in_region(span) && span.offset.wrapping_add(span.len) <= self.state_len => Ok(()),
            Place::State => Err(Flaw::Range),
        }
    }

    /// Checks that a span lies in the part of the arena that is no state.
    pub(super) fn in_arena(&self, span: Span) -> Result<(), Flaw> {
        if self.in_region(span) && span.offset >= self.state_len { Ok(()) } else { Err(Flaw::Range) }
    }

    /// Whether a span lies in one region of the arena.
    fn in_region(&self, span: Span) -> bool {
        let apart = |end: u32, start: &u32| end <= *start || span.offset >= *start;
        let inside = |end: u32| end <= self.arena_len && self.starts.iter().all(|start| apart(end, start));
        span.offset.checked_add(span.len).is_some_and(inside)
    }

    #[inline(never)]
    pub(super) fn is_live(&self, span: Span) -> bool {
        self.live.contains(&span)
    }

    /// Makes a span live, where nothing else is.
    pub(super) fn write(&mut self, span: Span) -> Result<(), Flaw> {
        self.free(span)?;
        self.live.push(span).map_err(|_| Flaw::TooManyLive)
    }

    /// Checks that nothing live has a byte of a span.
    #[inline(never)]
    pub(super) fn free(&self, span: Span) -> Result<(), Flaw> {
        if self.live.iter().any(|other| other.overlaps(span)) { Err(Flaw::Overlap) } else { Ok(()) }
    }

    /// Makes a span live no more.
    pub(super) fn end(&mut self, ended: Span) {
        let Some(at) = self.live.iter().position(|live| *live == ended) else { return };
        // The last one takes its place, unless it was that one.
        if let (Some(last), Some(live)) = (self.live.pop(), self.live.get_mut(at)) {
            *live = last;
        }
    }

    /// Ends the inputs that a record is the last to read.
    pub(super) fn end_inputs(&mut self, facts: &Facts<'_>) -> Result<(), Flaw> {
        for input in facts.inputs.iter().filter(|input| input.is_last() && input.place() == Place::Arena) {
            self.end(input.span().ok_or(Flaw::Shape)?);
        }
        Ok(())
    }

    /// Counts a record among those of the program.
    pub(super) fn count(&mut self, facts: &Facts<'_>) -> Result<(), Flaw> {
        self.seen = self.seen.with(facts.opcode);
        self.work = self.work.checked_sub(facts.work).ok_or(Flaw::Work)?;
        Ok(())
    }

    /// Counts bands among what the program needs.
    pub(super) fn count_band(&mut self) {
        self.seen = self.seen.with_bands();
    }

    /// Checks where a record reads and writes, and what is live after it. Not generic, so that a firmware holds it once.
    #[inline(never)]
    fn record(&mut self, facts: &Facts<'_>) -> Result<(), Flaw> {
        if facts.scratch.len > 0 {
            self.in_arena(facts.scratch)?;
        }
        self.place(facts.output)?;
        let output = facts.output.span().ok_or(Flaw::Shape)?;
        if matches!(facts.output.place(), Place::Constant | Place::Ring) {
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
        self.count(facts)
    }

    /// Checks that an input is live, and apart from the output unless it may be the output's own bytes or one may lie over the other.
    fn input(&self, input: &Tensor, output: Span, (in_place, safe): (bool, SafeOverlap)) -> Result<(), Flaw> {
        self.place(input)?;
        let span = input.span().ok_or(Flaw::Shape)?;
        match input.place() {
            Place::Ring => Err(Flaw::Segment),
            Place::Arena if !self.is_live(span) => Err(Flaw::NotLive),
            Place::Constant => Ok(()),
            Place::Arena if input.is_last() && safe.allows(span, output) => Ok(()),
            _ if span.overlaps(output) && !(in_place && span == output) => Err(Flaw::Overlap),
            _ => Ok(()),
        }
    }

    /// Checks what the header says of the whole program.
    pub(super) fn finish(&self, header: Header) -> Result<(), Flaw> {
        if self.rows.is_some() {
            return Err(Flaw::Segment);
        }
        match (self.seen.bits() == header.ops.bits(), self.work == 0) {
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

impl<'r> Facts<'r> {
    /// What is to be known of a record whose numbers are right.
    pub(super) fn of<R: Record>(record: &'r R) -> Self {
        let in_place = |index| u32::from(record.in_place(index)) << (index & 31);
        Self {
            opcode: R::OPCODE,
            inputs: record.inputs(),
            output: record.output(),
            scratch: record.scratch(),
            in_place: (0..record.inputs().len()).fold(0, |mask, index| mask | in_place(index)),
            safe_overlap: record.safe_overlap(),
            work: record.work(),
        }
    }

    /// Whether an input may be the output's own bytes.
    pub(super) fn may_overwrite(&self, input: usize) -> bool {
        self.in_place >> (input & 31) & 1 == 1
    }
}

impl Visit for &mut Check<'_> {
    #[inline(always)]
    fn visit<R: Record>(self, record: &R) -> Result<(), Flaw> {
        record.check(self.constants)?;
        if record.needs_band() {
            return Err(Flaw::Segment);
        }
        self.record(&Facts::of(record))
    }
}
