//! A model that is run again and again.

use super::{Frame, Model};
use crate::arena::Ram;
use crate::error::RunError;
use crate::format::{AllOps, DType, Ops, Place, Port, Span};
use crate::kernels::Kernels;
use crate::profile::Profiler;

/// A model, its kernels and its arena together.
#[derive(Debug)]
pub struct Session<'m, K, O = AllOps> {
    model: Model<'m, O>,
    kernels: K,
    ram: Ram<'m>,
}

impl<'m, K: Kernels, O: Ops> Session<'m, K, O> {
    /// A session over an arena of at least `model.arena_len()` bytes.
    ///
    /// # Errors
    /// [`RunError`] for an arena that is too short or not at a multiple of 16.
    pub fn new(model: Model<'m, O>, kernels: K, arena: &'m mut [u8]) -> Result<Self, RunError> {
        Self::over(model, kernels, Ram::one(arena))
    }

    /// A session over a piece of memory for each region of the model's plan, the fastest first, of at least the bytes that
    /// [`Model::regions`] says.
    ///
    /// # Errors
    /// As [`Session::new`], for each piece.
    pub fn in_regions<const N: usize>(
        model: Model<'m, O>,
        kernels: K,
        regions: [&'m mut [u8]; N],
    ) -> Result<Self, RunError> {
        let needed = model.arena_len;
        let ram = Ram::new(regions, model.regions()).ok_or(RunError::ArenaTooSmall { needed })?;
        Self::over(model, kernels, ram)
    }

    fn over(model: Model<'m, O>, kernels: K, mut ram: Ram<'m>) -> Result<Self, RunError> {
        model.fits(&ram)?;
        model.reset_in(&mut ram)?;
        Ok(Self { model, kernels, ram })
    }

    /// Starts a sequence anew: gives the model's state its first value. Nothing for a model without state.
    ///
    /// # Errors
    /// Never, for an arena that `new` accepted.
    pub fn reset(&mut self) -> Result<(), RunError> {
        self.model.reset_in(&mut self.ram)
    }

    /// The model.
    #[must_use]
    pub const fn model(&self) -> &Model<'m, O> {
        &self.model
    }

    /// The bytes of input `index`, to be filled before each run; `None` for one that goes in row by row.
    #[inline(never)]
    pub fn input_bytes(&mut self, index: usize) -> Option<&mut [u8]> {
        let (span, _) = self.whole_input(index)?;
        self.ram.get_mut(span)
    }

    fn whole_input(&self, index: usize) -> Option<(Span, Option<DType>)> {
        let Port { tensor, .. } = self.model.input(index)?;
        if tensor.place() == Place::Arena { Some((tensor.span()?, tensor.dtype())) } else { None }
    }

    /// The numbers of input `index`, if `T` is its type, to be filled before each run; `None` for one that goes in row by row.
    pub fn input<T: crate::arena::Pod>(&mut self, index: usize) -> Option<&mut [T]> {
        let (span, dtype) = self.whole_input(index)?;
        if dtype? == T::DTYPE? { crate::arena::cast_mut(self.ram.get_mut(span)?) } else { None }
    }

    /// Runs the model once.
    ///
    /// # Errors
    /// As [`Model::run`].
    pub fn run(&mut self) -> Result<(), RunError> {
        self.model.run_in(&self.kernels, &mut self.ram, &mut ())
    }

    /// A frame of which no row is there, for a model that takes its input row by row; `None` for any other.
    ///
    /// ```
    /// # use lacewing::{Portable, RunError, Session};
    /// # fn classify(session: &mut Session<'_, Portable>, camera: impl Fn(&mut [u8])) -> Result<(), RunError> {
    /// let mut frame = session.frame().ok_or(RunError::Rows)?;
    /// while let Some(row) = session.row_bytes(&frame) {
    ///     camera(row);
    ///     session.push_row(&mut frame)?;
    /// }
    /// let scores = session.output::<i8>(0);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn frame(&self) -> Option<Frame<'m>> {
        self.model.frame()
    }

    /// The bytes of the next row of a frame, to be filled before it is pushed; `None` when all rows are there.
    pub fn row_bytes(&mut self, frame: &Frame<'m>) -> Option<&mut [u8]> {
        self.ram.get_mut(frame.row()?)
    }

    /// Runs all that a row makes possible, after the last row all that is left of the model.
    ///
    /// # Errors
    /// As [`Model::push_row`].
    pub fn push_row(&mut self, frame: &mut Frame<'m>) -> Result<(), RunError> {
        self.push_row_profiled(frame, &mut ())
    }

    /// As [`Session::push_row`], and tells `profiler` of each turn and record.
    ///
    /// # Errors
    /// As [`Model::push_row`].
    pub fn push_row_profiled(&mut self, frame: &mut Frame<'m>, profiler: &mut impl Profiler) -> Result<(), RunError> {
        self.model.push_row_in(&self.kernels, &mut self.ram, frame, profiler)
    }

    /// Runs the model once, and tells `profiler` of each record.
    ///
    /// # Errors
    /// As [`Model::run`].
    pub fn run_profiled(&mut self, profiler: &mut impl Profiler) -> Result<(), RunError> {
        self.model.run_in(&self.kernels, &mut self.ram, profiler)
    }

    /// The bytes of output `index`, as the last run left them.
    #[must_use]
    #[inline(never)]
    pub fn output_bytes(&self, index: usize) -> Option<&[u8]> {
        self.ram.get(self.model.output(index)?.tensor.span()?)
    }

    /// The numbers of output `index`, if `T` is its type, as the last run left them.
    #[must_use]
    pub fn output<T: crate::arena::Pod>(&self, index: usize) -> Option<&[T]> {
        let Port { tensor, .. } = self.model.output(index)?;
        (tensor.dtype()? == T::DTYPE?).then_some(())?;
        crate::arena::cast(self.ram.get(tensor.span()?)?)
    }
}
