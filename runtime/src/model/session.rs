//! A model that is run again and again.

use super::Model;
use crate::error::RunError;
use crate::format::{ALIGN, AllOps, Ops};
use crate::kernels::Kernels;
use crate::profile::Profiler;

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
            return Err(RunError::ArenaTooSmall { needed: model.arena_len });
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
    #[inline(never)]
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

    /// Runs the model once, and tells `profiler` of each record.
    ///
    /// # Errors
    /// As [`Model::run`].
    pub fn run_profiled(&mut self, profiler: &mut impl Profiler) -> Result<(), RunError> {
        self.model.run_profiled(&self.kernels, self.arena, profiler)
    }

    /// The bytes of output `index`, as the last run left them.
    #[must_use]
    #[inline(never)]
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
