//! What each record of a program takes, on the device that runs it.
//!
//! [`Model::run_profiled`](crate::Model::run_profiled) tells a [`Profiler`] of each record, before and after it runs. It is a type parameter:
//! a build that runs without one holds no instruction of it.

use crate::format::Opcode;
use crate::model::Ran;

/// Is told of each record of a program, before and after it runs, in a band at each of its turns; `()` is one that does nothing.
pub trait Profiler {
    /// Whether it is told at all: where this is false, no instruction of it is compiled.
    const ACTIVE: bool = true;

    /// Record `index` of the program runs next.
    fn before(&mut self, index: usize, opcode: Opcode);

    /// It has run.
    fn after(&mut self, ran: Ran<'_>);
}

impl Profiler for () {
    const ACTIVE: bool = false;

    #[inline(always)]
    fn before(&mut self, _: usize, _: Opcode) {}

    #[inline(always)]
    fn after(&mut self, _: Ran<'_>) {}
}

/// A function that is called after each record.
#[derive(Clone, Copy, Debug)]
pub struct After<F>(pub F);

impl<F: FnMut(Ran<'_>)> Profiler for After<F> {
    #[inline(always)]
    fn before(&mut self, _: usize, _: Opcode) {}

    #[inline(always)]
    fn after(&mut self, ran: Ran<'_>) {
        (self.0)(ran);
    }
}

/// Cycles of the first `N` records of a program, added up over its runs, by a counter that the user gives.
///
/// The counter wraps at 2³²; a record that takes longer than that is told wrong. On a Cortex-M3 or larger it is
/// `DWT::cycle_count`, on RISC-V the low half of `mcycle`:
///
/// ```
/// # use lacewing::{Arena, Model, Portable, RunError, profile::Cycles};
/// # fn now() -> u32 { 0 }
/// # fn run(model: Model<'_>, arena: &mut [u8]) -> Result<(), RunError> {
/// let mut cycles = Cycles::<_, 32>::new(now);
/// model.run_profiled(&Portable, arena, &mut cycles)?;
/// let slowest = cycles.records().iter().max();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Cycles<C, const N: usize> {
    counter: C,
    started: u32,
    records: [u32; N],
}

impl<C: FnMut() -> u32, const N: usize> Cycles<C, N> {
    /// No cycles so far, and the counter to read.
    pub const fn new(counter: C) -> Self {
        Self { counter, started: 0, records: [0; N] }
    }

    /// The cycles of each record, in the program's order.
    pub const fn records(&self) -> &[u32; N] {
        &self.records
    }
}

impl<C: FnMut() -> u32, const N: usize> Profiler for Cycles<C, N> {
    fn before(&mut self, _: usize, _: Opcode) {
        self.started = (self.counter)();
    }

    fn after(&mut self, ran: Ran<'_>) {
        let taken = (self.counter)().wrapping_sub(self.started);
        if let Some(record) = self.records.get_mut(ran.record) {
            *record = record.wrapping_add(taken);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::Ram;

    #[test]
    fn cycles_are_added_up_across_the_counters_end() {
        let mut times = [u32::MAX - 1, 3, 10, 11, 20, 25, 0, 9].into_iter();
        let mut cycles = Cycles::<_, 2>::new(|| times.next().unwrap());
        for index in [0, 1, 0, 2] {
            cycles.before(index, Opcode::ConvI8);
            cycles.after(Ran { record: index, opcode: Opcode::ConvI8, turn: None, ram: &Ram::default() });
        }
        assert_eq!(cycles.records(), &[5 + 5, 1]);
    }
}
