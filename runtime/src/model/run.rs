//! Running the program, segment by segment and record by record.

use core::marker::PhantomData;

use super::band::{Band, Course};
use super::{Model, Ran, segment};
use crate::arena::{Constants, Memory, Ram};
use crate::error::{Flaw, RunError};
#[cfg(any(feature = "encode", feature = "std"))]
use crate::format::Op;
use crate::format::{ALIGN, Opcode, Ops, Record, Segment, Visit, dispatch};
use crate::kernels::Kernels;
use crate::profile::Profiler;

impl<'m, O: Ops> Model<'m, O> {
    #[inline(never)]
    pub(super) fn run_in<K: Kernels, P: Profiler>(
        &self,
        kernels: &K,
        ram: &mut Ram<'_>,
        profiler: &mut P,
    ) -> Result<(), RunError> {
        if const { O::OPS.has_rows() } && self.header().ops.has_rows() {
            return Err(RunError::Rows);
        }
        self.run_from((self.segments, 0), &mut self.on(kernels, ram, profiler)?)
    }

    /// A run over a part of the program in an arena that is long enough.
    pub(super) fn on<'a, K, P>(
        &self,
        kernels: &'a K,
        ram: &'a mut Ram<'_>,
        profiler: &'a mut P,
    ) -> Result<Run<'a, 'm, K, P, O>, RunError> {
        self.fits(ram)?;
        Ok(Run { kernels, ram: ram.reborrow(), constants: self.constants, profiler, ops: PhantomData })
    }

    pub(super) fn fits(&self, ram: &Ram<'_>) -> Result<(), RunError> {
        let needed = self.arena_len;
        match (ram.len() >= needed as usize, ram.is_aligned(ALIGN)) {
            (true, true) => Ok(()),
            (false, _) => Err(RunError::ArenaTooSmall { needed }),
            _ => Err(RunError::ArenaUnaligned),
        }
    }

    /// Runs the program from a segment on; `first` is the number of its first record.
    pub(super) fn run_from<K: Kernels, P: Profiler>(
        &self,
        (mut at, mut first): (&'m [u8], usize),
        run: &mut Run<'_, 'm, K, P, O>,
    ) -> Result<(), RunError> {
        while !at.is_empty() {
            let ran = segment(at).and_then(|(segment, records)| {
                at = records;
                run.segment(segment, &mut at, &mut first)
            });
            ran.map_err(|_| RunError::Record { at: self.position(at) })?;
        }
        Ok(())
    }
}

/// What records run with.
pub(super) struct Run<'a, 'm, K, P, O> {
    kernels: &'a K,
    ram: Ram<'a>,
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
    pub(super) fn step<'p>(&mut self, at: &'p [u8], record: usize, turn: Option<u32>) -> Result<&'p [u8], Flaw> {
        let opcode = if P::ACTIVE { opcode(at) } else { None };
        self.told(record, opcode, turn, |step| dispatch::<O, _>(at, step))
    }

    /// Runs a record that was read before.
    #[cfg(any(feature = "encode", feature = "std"))]
    pub(super) fn known(&mut self, record: usize, op: &Op) -> Result<(), Flaw> {
        self.told(record, P::ACTIVE.then(|| op.opcode()), None, |step| op.show::<O, _>(step))
    }

    /// Tells the profiler of a record before and after it runs.
    #[inline(always)]
    fn told<T>(
        &mut self,
        record: usize,
        opcode: Option<Opcode>,
        turn: Option<u32>,
        run: impl FnOnce(Step<'_, K>) -> Result<T, Flaw>,
    ) -> Result<T, Flaw> {
        if let Some(opcode) = opcode {
            self.profiler.before(record, opcode);
        }
        let memory = Memory::new(self.ram.reborrow(), self.constants, turn);
        let result = run(Step { kernels: self.kernels, memory })?;
        if let Some(opcode) = opcode {
            self.profiler.after(Ran { record, opcode, turn, ram: &self.ram });
        }
        Ok(result)
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
