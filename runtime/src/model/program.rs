//! A model whose records were read once, for hosts: a run of small records takes as long to read them as to compute.

use alloc::vec::Vec;

use super::Model;
use crate::arena::Ram;
use crate::error::RunError;
use crate::format::{AllOps, Op, Ops};
use crate::kernels::Kernels;
use crate::profile::Profiler;

/// Whether records are kept: it takes a second copy of what runs them, and a module that is downloaded has none to spare.
const KEPT: bool = cfg!(feature = "std");

/// A model with its records as they run. Those of a model with bands or rows are read at each of their turns, and without the feature `std` all.
#[derive(Debug)]
pub struct Program<'m, O = AllOps> {
    model: Model<'m, O>,
    /// Empty if they are read when they run.
    records: Vec<(Op, &'m [u8])>,
}

impl<'m, O: Ops> Program<'m, O> {
    /// Reads the records of a model.
    #[must_use]
    pub fn new(model: Model<'m, O>) -> Self {
        let plain = KEPT && model.bands().next().is_none() && !model.header().ops.has_rows();
        let records = if plain { model.records().collect() } else { Vec::new() };
        Self { model, records }
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> Model<'m, O> {
        self.model
    }

    /// As [`Model::run_profiled`].
    ///
    /// # Errors
    /// As there.
    pub fn run_profiled<K: Kernels, P: Profiler>(
        &self,
        kernels: &K,
        arena: &mut [u8],
        profiler: &mut P,
    ) -> Result<(), RunError> {
        if !KEPT || self.records.is_empty() {
            return self.model.run_profiled(kernels, arena, profiler);
        }
        let ram = &mut Ram::one(arena);
        let mut run = self.model.on(kernels, ram, profiler)?;
        for (index, (op, record)) in self.records.iter().enumerate() {
            run.known(index, op).map_err(|_| RunError::Record { at: self.position(record) })?;
        }
        Ok(())
    }

    /// Where in the file a record starts.
    fn position(&self, record: &[u8]) -> u32 {
        record.as_ptr().addr().wrapping_sub(self.model.file.as_ptr().addr()) as u32
    }
}
