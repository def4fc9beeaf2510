//! Bands: records that run row by row over rings of lines. The walk over their turns, and what must hold of it.

use heapless::Vec;

use super::MAX_LIVE;
use super::check::{Check, Facts};
use crate::error::Flaw;
use crate::format::{Ops, Place, Record, Span, Tensor, Turns, Visit, dispatch, row_bytes};

/// Records that a band may have.
pub(super) const MAX_MEMBERS: usize = 32;

/// A band: how many records it has, their turns, and the program from the first of them on.
#[derive(Clone, Copy)]
pub(super) struct Band<'m> {
    pub(super) members: u16,
    pub(super) turns: &'m [u8],
    pub(super) records: &'m [u8],
}

/// How often each member had its turn, and the program after the band.
pub(super) struct Walked<'m> {
    turns: [u16; MAX_MEMBERS],
    pub(super) rest: &'m [u8],
}

impl<'m> Band<'m> {
    /// Calls `step(record, member, turn)` for each turn in its order; it gives what follows the record.
    pub(super) fn walk(
        self,
        mut step: impl FnMut(&'m [u8], usize, u32) -> Result<&'m [u8], Flaw>,
    ) -> Result<Walked<'m>, Flaw> {
        // Where the members that were reached start, and what follows the last of them.
        let mut starts = Vec::<u16, { MAX_MEMBERS + 1 }>::from_array([0]);
        let mut turns = [0u16; MAX_MEMBERS];
        for &[first, last] in self.turns.as_chunks::<2>().0 {
            let mut at = self.record(&starts, first)?;
            for member in usize::from(first)..=usize::from(last) {
                let turn = turns.get_mut(member).ok_or(Flaw::Segment)?;
                at = step(at, member, u32::from(*turn))?;
                *turn = turn.wrapping_add(1);
                if member.wrapping_add(1) == starts.len() {
                    let end = self.records.len().wrapping_sub(at.len());
                    starts.push(u16::try_from(end).map_err(|_| Flaw::Segment)?).map_err(|_| Flaw::Segment)?;
                }
            }
        }
        let all = u8::try_from(self.members).map_err(|_| Flaw::Segment)?;
        Ok(Walked { turns, rest: self.record(&starts, all)? })
    }

    fn record(&self, starts: &[u16], member: u8) -> Result<&'m [u8], Flaw> {
        let start = starts.get(usize::from(member)).ok_or(Flaw::Segment)?;
        self.records.get(usize::from(*start)..).ok_or(Flaw::Segment)
    }

    /// Checks every turn; gives the program after the band.
    pub(super) fn check<O: Ops>(self, check: &mut Check<'m>) -> Result<&'m [u8], Flaw> {
        let mut band = BandCheck { check, pass: Pass::Declare, made: Vec::new() };
        let mut at = self.records;
        for _ in 0..self.members {
            at = band.visit_at::<O>(at, Pass::Declare)?;
        }
        let Walked { turns, rest } = self.walk(|at, _, turn| band.visit_at::<O>(at, Pass::Turn(turn)))?;
        at = self.records;
        for had in turns.into_iter().take(self.members.into()) {
            at = band.visit_at::<O>(at, Pass::Close(had))?;
        }
        band.close()?;
        if at.len() == rest.len() { Ok(rest) } else { Err(Flaw::Segment) }
    }
}

/// What is looked at when a record of a band is visited.
#[derive(Clone, Copy)]
enum Pass {
    /// Its tensors' places, once.
    Declare,
    /// The rows that it reads and writes at a turn.
    Turn(u32),
    /// Which tensors end, if it had so many turns.
    Close(u16),
}

/// A tensor that the band makes, or sums that it keeps.
struct Made {
    span: Span,
    /// Rows that are there at once; all of them, if it is no ring.
    lines: u32,
    row: u32,
    ring: bool,
    /// Rows written so far.
    written: u32,
}

struct BandCheck<'c, 'm> {
    check: &'c mut Check<'m>,
    pass: Pass,
    made: Vec<Made, MAX_LIVE>,
}

impl Visit for &mut BandCheck<'_, '_> {
    #[inline(always)]
    fn visit<R: Record>(self, record: &R) -> Result<(), Flaw> {
        record.check(self.check.constants)?;
        self.look(&Facts::of(record), record.turns())
    }
}

impl<'m> BandCheck<'_, 'm> {
    fn visit_at<O: Ops>(&mut self, at: &'m [u8], pass: Pass) -> Result<&'m [u8], Flaw> {
        self.pass = pass;
        dispatch::<O, _>(at, self)
    }

    #[inline(never)]
    fn look(&mut self, facts: &Facts<'_>, turns: Option<Turns>) -> Result<(), Flaw> {
        let turns = turns.filter(|turns| turns.count <= u16::MAX.into()).ok_or(Flaw::Segment)?;
        match self.pass {
            Pass::Declare => self.declare(facts, &turns),
            Pass::Turn(turn) if turn < turns.count => self.turn(facts, &turns, turn),
            Pass::Close(had) if turns.count == had.into() => self.check.end_inputs(facts),
            _ => Err(Flaw::Segment),
        }
    }

    /// What the band makes in a tensor's place.
    fn find(&self, tensor: &Tensor) -> Option<&Made> {
        let (span, place) = (tensor.span(), tensor.place());
        let place = |made: &Made| place == if made.ring { Place::Ring } else { Place::Arena };
        let same = |made: &&Made| Some(made.span) == span && place(made);
        self.made.iter().find(same)
    }

    fn declare(&mut self, facts: &Facts<'_>, turns: &Turns) -> Result<(), Flaw> {
        for input in facts.inputs {
            self.check.place(input)?;
            match input.place() {
                Place::Constant => {}
                Place::State => return Err(Flaw::Segment),
                _ if self.find(input).is_some() => {}
                Place::Arena if input.span().is_some_and(|span| self.check.is_live(span)) => {}
                _ => return Err(Flaw::NotLive),
            }
        }
        if turns.sums.len > 0 {
            self.check.in_arena(turns.sums)?;
            self.make(Made { span: turns.sums, lines: 0, row: 0, ring: true, written: 0 })?;
        }
        self.check.place(facts.output)?;
        self.check.count(facts)?;
        if overwrites(facts) {
            return Ok(());
        }
        let span = facts.output.span().ok_or(Flaw::Shape)?;
        let ([_, rows, ..], row) = (facts.output.shape, row_bytes(facts.output).ok_or(Flaw::Shape)?);
        match facts.output.place() {
            Place::Ring => self.make(Made { span, lines: facts.output.lines.into(), row, ring: true, written: 0 }),
            Place::Arena => self.make(Made { span, lines: rows, row, ring: false, written: 0 }),
            _ => Err(Flaw::Segment),
        }
    }

    /// Rings have their bytes to themselves from the start; whole tensors row by row, see [`Self::reads`] and [`Self::close`].
    fn make(&mut self, made: Made) -> Result<(), Flaw> {
        if made.ring {
            self.check.write(made.span)?;
        }
        self.made.push(made).map_err(|_| Flaw::TooManyLive)
    }

    fn turn(&mut self, facts: &Facts<'_>, turns: &Turns, turn: u32) -> Result<(), Flaw> {
        if facts.scratch.len > 0 {
            self.check.in_arena(facts.scratch)?;
            self.check.free(facts.scratch)?;
        }
        if self.made.iter().any(|made| made.span.overlaps(facts.scratch)) {
            return Err(Flaw::Overlap);
        }
        let output = facts.output.span();
        let new = turns.writes(turn) && !overwrites(facts);
        for made in self.made.iter_mut().filter(|made| new && Some(made.span) == output) {
            made.written = made.written.wrapping_add(1);
        }
        facts.inputs.iter().try_for_each(|input| self.reads(input, turns, turn))
    }

    /// Checks that the rows which a turn reads were written, and that nothing lies over them yet.
    fn reads(&self, input: &Tensor, turns: &Turns, turn: u32) -> Result<(), Flaw> {
        let rows = turns.reads(turn);
        if let Some(made) = self.find(input) {
            let there = rows.end <= made.written && made.written.saturating_sub(rows.start) <= made.lines;
            return if there { Ok(()) } else { Err(Flaw::NotLive) };
        }
        let row = row_bytes(input).ok_or(Flaw::Shape)?;
        let offset = input.offset.wrapping_add(rows.start.wrapping_mul(row));
        let read = Span { offset, len: (rows.len() as u32).wrapping_mul(row) };
        let over =
            |made: &Made| !made.ring && Span { len: made.written.wrapping_mul(made.row), ..made.span }.overlaps(read);
        match input.place() == Place::Arena && self.made.iter().any(over) {
            true => Err(Flaw::Overlap),
            false => Ok(()),
        }
    }

    /// After the band its whole tensors are live, and no rings.
    fn close(&mut self) -> Result<(), Flaw> {
        for made in self.made.iter().filter(|made| !made.ring) {
            self.check.write(made.span)?;
        }
        for made in self.made.iter().filter(|made| made.ring) {
            self.check.end(made.span);
        }
        Ok(())
    }
}

/// Whether the output is an input's ring, line by line.
fn overwrites(facts: &Facts<'_>) -> bool {
    let same = |input: &Tensor| input.place() == Place::Ring && input.span() == facts.output.span();
    facts.output.place() == Place::Ring
        && (0..).zip(facts.inputs).any(|(i, input)| facts.may_overwrite(i) && same(input))
}
