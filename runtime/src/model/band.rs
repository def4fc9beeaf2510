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

/// The mark among the turns at which a row of the input arrives.
const ARRIVAL: [u8; 2] = [u8::MAX; 2];

/// A walk over the turns of a band, which stops where a row of the input arrives.
#[derive(Clone, Debug)]
pub(super) struct Course<'m> {
    records: &'m [u8],
    members: u16,
    /// The turns to come.
    left: &'m [u8],
    /// Where the members that were reached start, and what follows the last of them.
    starts: Vec<u16, { MAX_MEMBERS + 1 }>,
    /// How often each member had its turn.
    had: [u16; MAX_MEMBERS],
}

impl<'m> Course<'m> {
    pub(super) fn new(Band { members, turns, records }: Band<'m>) -> Self {
        Self { records, members, left: turns, starts: Vec::from_array([0]), had: [0; MAX_MEMBERS] }
    }

    /// Calls `step(record, member, turn)` for each turn in its order, up to an arrival, which is passed, or to the end; it gives what follows
    /// the record. Whether a row arrives.
    pub(super) fn advance<O: Ops>(
        &mut self,
        mut step: impl FnMut(&'m [u8], usize, u32) -> Result<&'m [u8], Flaw>,
    ) -> Result<bool, Flaw> {
        while let Some((&pair, left)) = self.left.split_first_chunk::<2>() {
            self.left = left;
            if const { O::OPS.has_rows() } && pair == ARRIVAL {
                return Ok(true);
            }
            let [first, last] = pair;
            let mut at = self.record(first)?;
            for member in usize::from(first)..=usize::from(last) {
                let turn = self.had.get_mut(member).ok_or(Flaw::Segment)?;
                at = step(at, member, u32::from(*turn))?;
                *turn = turn.wrapping_add(1);
                if member.wrapping_add(1) == self.starts.len() {
                    let end = self.records.len().wrapping_sub(at.len());
                    let end = u16::try_from(end).map_err(|_| Flaw::Segment)?;
                    self.starts.push(end).map_err(|_| Flaw::Segment)?;
                }
            }
        }
        Ok(false)
    }

    fn record(&self, member: u8) -> Result<&'m [u8], Flaw> {
        let start = self.starts.get(usize::from(member)).ok_or(Flaw::Segment)?;
        self.records.get(usize::from(*start)..).ok_or(Flaw::Segment)
    }

    /// The program after the band, when all members were reached.
    pub(super) fn rest(&self) -> Result<&'m [u8], Flaw> {
        self.record(u8::try_from(self.members).map_err(|_| Flaw::Segment)?)
    }

    /// How many records the band has.
    pub(super) const fn members(&self) -> u16 {
        self.members
    }
}

impl<'m> Band<'m> {
    /// Checks every turn; gives the program after the band.
    pub(super) fn check<O: Ops>(self, check: &mut Check<'m>) -> Result<&'m [u8], Flaw> {
        let mut band = BandCheck { check, pass: Pass::Declare, member: 0, made: Vec::new() };
        if const { O::OPS.has_rows() } {
            band.await_rows(self.turns)?;
        }
        let mut at = self.records;
        for member in 0..self.members.into() {
            at = band.visit_at::<O>(at, member, Pass::Declare)?;
        }
        let mut course = Course::new(self);
        while course.advance::<O>(|at, member, turn| band.visit_at::<O>(at, member, Pass::Turn(turn)))? {
            band.arrive()?;
        }
        let rest = course.rest()?;
        at = self.records;
        for (member, had) in course.had.into_iter().enumerate().take(self.members.into()) {
            at = band.visit_at::<O>(at, member, Pass::Close(had))?;
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

/// Rows that come to be in a band: of a member's output, which may lie over the ring of an input line by line, or of an input that arrives;
/// or a member's sums.
struct Made {
    span: Span,
    /// Rows that are there at once; all of them, if it is no ring.
    lines: u16,
    /// Rows written so far.
    written: u16,
    /// Rows that arrive, if it is an input.
    arrive: u16,
    /// The first member that may read them, after the one that makes them.
    from: u8,
    ring: bool,
}

impl Made {
    /// Sums, which only their member reads.
    const fn sums(span: Span) -> Self {
        Self { span, lines: 0, written: 0, arrive: 0, from: u8::MAX, ring: true }
    }

    /// Rows of a tensor.
    fn rows(tensor: &Tensor, from: u8) -> Result<Self, Flaw> {
        let (ring, lines) = match tensor.place() {
            Place::Ring => (true, tensor.lines),
            Place::Arena => (false, rows_of(tensor)?),
            _ => return Err(Flaw::Segment),
        };
        Ok(Self { span: tensor.span().ok_or(Flaw::Shape)?, lines, written: 0, arrive: 0, from, ring })
    }

    /// The bytes of the rows that were written.
    fn so_far(&self) -> Span {
        let row = self.span.len.checked_div(self.lines.into()).unwrap_or(0);
        Span { len: row.wrapping_mul(self.written.into()), ..self.span }
    }

    /// Whether a tensor is in these bytes, with as many lines.
    fn holds(&self, tensor: &Tensor) -> bool {
        let place = match self.ring {
            true => tensor.place() == Place::Ring && self.lines == tensor.lines,
            false => tensor.place() == Place::Arena,
        };
        place && tensor.span() == Some(self.span)
    }
}

struct BandCheck<'c, 'm> {
    check: &'c mut Check<'m>,
    pass: Pass,
    /// The member that is visited.
    member: u8,
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
    fn visit_at<O: Ops>(&mut self, at: &'m [u8], member: usize, pass: Pass) -> Result<&'m [u8], Flaw> {
        (self.pass, self.member) = (pass, member as u8);
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

    /// Declares the ring of an input whose rows arrive during this band. The first of the turns must be the arrival of one.
    fn await_rows(&mut self, turns: &[u8]) -> Result<(), Flaw> {
        let Some(ring) = self.check.rows.take() else { return Ok(()) };
        if !turns.starts_with(&ARRIVAL) {
            return Err(Flaw::Segment);
        }
        self.make(Made { arrive: rows_of(&ring)?, ..Made::rows(&ring, 0)? })
    }

    /// A row of the input arrives.
    fn arrive(&mut self) -> Result<(), Flaw> {
        let coming = self.made.iter_mut().find(|made| made.written < made.arrive).ok_or(Flaw::Segment)?;
        coming.written = coming.written.wrapping_add(1);
        Ok(())
    }

    /// The rows of a tensor that the visited member may read.
    fn find(&self, tensor: &Tensor) -> Option<&Made> {
        self.made.iter().rfind(|made| made.from <= self.member && made.holds(tensor))
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
            self.make(Made::sums(turns.sums))?;
        }
        self.check.place(facts.output)?;
        self.check.count(facts)?;
        let made = Made::rows(facts.output, self.member.wrapping_add(1))?;
        if overwrites(facts) { self.push(made) } else { self.make(made) }
    }

    /// Rings have their bytes to themselves from the start; whole tensors row by row, see [`Self::reads`] and [`Self::close`].
    fn make(&mut self, made: Made) -> Result<(), Flaw> {
        if made.ring {
            self.check.write(made.span)?;
        }
        self.push(made)
    }

    fn push(&mut self, made: Made) -> Result<(), Flaw> {
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
        let own = self.member.wrapping_add(1);
        for made in self.made.iter_mut().filter(|made| turns.writes(turn) && made.from == own) {
            made.written = made.written.wrapping_add(1);
        }
        facts.inputs.iter().try_for_each(|input| self.reads(input, turns, turn))
    }

    /// Checks that the rows which a turn reads were written and are not yet written over.
    fn reads(&self, input: &Tensor, turns: &Turns, turn: u32) -> Result<(), Flaw> {
        let rows = turns.reads(turn);
        if let Some(made) = self.find(input) {
            let over = |later: &Made| later.from > self.member.wrapping_add(1) && u32::from(later.written) > rows.start;
            let mut same = self.made.iter().filter(|made| made.holds(input));
            let first = same.next().map_or(0, |first| u32::from(first.written));
            let kept = first.saturating_sub(rows.start) <= made.lines.into() && !same.any(over);
            return if rows.end <= made.written.into() && kept { Ok(()) } else { Err(Flaw::NotLive) };
        }
        let row = row_bytes(input).ok_or(Flaw::Shape)?;
        let offset = input.offset.wrapping_add(rows.start.wrapping_mul(row));
        let read = Span { offset, len: (rows.len() as u32).wrapping_mul(row) };
        let over = |made: &Made| !made.ring && made.so_far().overlaps(read);
        match input.place() == Place::Arena && self.made.iter().any(over) {
            true => Err(Flaw::Overlap),
            false => Ok(()),
        }
    }

    /// After the band its whole tensors are live, and no rings; all rows of the input have arrived.
    fn close(&mut self) -> Result<(), Flaw> {
        if self.made.iter().any(|made| made.written < made.arrive) {
            return Err(Flaw::Segment);
        }
        for made in self.made.iter().filter(|made| !made.ring) {
            self.check.write(made.span)?;
        }
        for made in self.made.iter().filter(|made| made.ring) {
            self.check.end(made.span);
        }
        Ok(())
    }
}

/// Rows of an image in a band.
fn rows_of(tensor: &Tensor) -> Result<u16, Flaw> {
    let [_, rows, ..] = tensor.shape;
    u16::try_from(rows).map_err(|_| Flaw::Shape)
}

/// Whether the output is an input's ring, line by line.
fn overwrites(facts: &Facts<'_>) -> bool {
    let same = |input: &Tensor| input.place() == Place::Ring && input.span() == facts.output.span();
    facts.output.place() == Place::Ring
        && (0..).zip(facts.inputs).any(|(i, input)| facts.may_overwrite(i) && same(input))
}
