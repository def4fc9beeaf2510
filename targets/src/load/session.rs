//! A loaded model with an arena of its own.

use alloc::vec;
use alloc::vec::Vec;

use lacewing::arena::{Pod, cast, cast_mut};
use lacewing::format::{DType, Place, Port};
use lacewing::owned::Aligned;
use lacewing::{Model, Ran, RunError};

use super::door::find;
use super::{Door, DoorError, Loaded};
use crate::host::{self, Linked};
use crate::native;
#[cfg(feature = "std")]
use crate::threads::{Split, Threads};

/// A model and the memory of one stream of runs. Inputs are filled before each run, which consumes them.
#[derive(Clone, Debug)]
pub struct Session {
    model: Loaded,
    arena: Aligned,
    /// All rows of an input that goes in row by row.
    rows: Aligned,
    #[cfg(feature = "std")]
    threads: Option<Threads>,
}

impl Session {
    pub(super) fn new(model: Loaded) -> Self {
        let rows = model.model().inputs().filter(by_row).find_map(|port| port.tensor.bytes());
        let (arena, rows) = (Aligned::zeroed(model.model().arena_len()), Aligned::zeroed(rows.unwrap_or(0) as usize));
        let mut session = Self {
            model,
            arena,
            rows,
            #[cfg(feature = "std")]
            threads: None,
        };
        session.reset();
        session
    }

    /// Has large layers computed by these threads together. The output bits are the same.
    #[cfg(feature = "std")]
    #[must_use]
    pub fn on(self, threads: &Threads) -> Self {
        threads.reserve(self.model().ops().map(|op| op.scratch().len).max().unwrap_or(0) as usize);
        Self { threads: Some(threads.clone()), ..self }
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> Model<'_, Linked> {
        self.model.model()
    }

    /// Starts a sequence anew: gives the model's states their first value. Nothing for a model without.
    pub fn reset(&mut self) {
        // The arena is the model's, so there is no error.
        self.model.model().reset(&mut self.arena).unwrap_or_default();
    }

    /// Runs the model once, with [`native`](crate::native) kernels.
    ///
    /// # Errors
    /// Never, for a model that was read; see [`Model::run`].
    pub fn run(&mut self) -> Result<(), RunError> {
        self.run_with(&mut |_| ())
    }

    /// As [`Session::run`], and calls `after` when each record has run, in a band when it had a turn.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn run_with(&mut self, after: &mut dyn FnMut(Ran<'_>)) -> Result<(), RunError> {
        #[cfg(feature = "std")]
        let kernels = Split::new(native(), self.threads.as_ref());
        #[cfg(not(feature = "std"))]
        let kernels = native();
        host::run(self.model.program(), &kernels, (&mut self.arena, &self.rows), after)
    }

    /// The numbers of an input, to be filled.
    ///
    /// # Errors
    /// [`DoorError`] unless it is there and has numbers of type `T`.
    pub fn input<'n, T: Pod>(&mut self, door: impl Into<Door<'n>>) -> Result<&mut [T], DoorError> {
        let (port, bytes) = self.entry(door.into())?;
        typed::<T>(&port)?;
        Ok(cast_mut(bytes).unwrap_or_default())
    }

    /// Fills an input with real numbers, `q = round_half_even(x / scale) + zero` in int8 and int16.
    ///
    /// # Errors
    /// [`DoorError`] unless it is there and has as many elements.
    pub fn set<'n>(&mut self, door: impl Into<Door<'n>>, numbers: &[f32]) -> Result<(), DoorError> {
        let (port, bytes) = self.entry(door.into())?;
        counted(&port, numbers.len())?;
        host::integers(numbers, dtype(&port), (port.scale, port.zero), bytes);
        Ok(())
    }

    /// The bytes of an input, to be filled.
    ///
    /// # Errors
    /// [`DoorError`] unless it is there.
    pub fn input_bytes<'n>(&mut self, door: impl Into<Door<'n>>) -> Result<&mut [u8], DoorError> {
        Ok(self.entry(door.into())?.1)
    }

    /// The numbers of an output, as the last run left them.
    ///
    /// # Errors
    /// [`DoorError`] unless it is there and has numbers of type `T`.
    pub fn output<'n, T: Pod>(&self, door: impl Into<Door<'n>>) -> Result<&[T], DoorError> {
        let (port, bytes) = self.exit(door.into())?;
        typed::<T>(&port)?;
        Ok(cast(bytes).unwrap_or_default())
    }

    /// Copies the real numbers of an output, `scale · (q − zero)` of int8 and int16.
    ///
    /// # Errors
    /// [`DoorError`] unless it is there and has as many elements.
    pub fn get<'n>(&self, door: impl Into<Door<'n>>, numbers: &mut [f32]) -> Result<(), DoorError> {
        let (port, bytes) = self.exit(door.into())?;
        counted(&port, numbers.len())?;
        host::reals(bytes, dtype(&port), (port.scale, port.zero), numbers);
        Ok(())
    }

    /// The real numbers of an output, in memory of their own.
    ///
    /// # Errors
    /// [`DoorError`] unless it is there.
    pub fn reals<'n>(&self, door: impl Into<Door<'n>>) -> Result<Vec<f32>, DoorError> {
        let (port, bytes) = self.exit(door.into())?;
        let mut numbers = vec![0.0; elements(&port)];
        host::reals(bytes, dtype(&port), (port.scale, port.zero), &mut numbers);
        Ok(numbers)
    }

    /// The bytes of an output, as the last run left them.
    ///
    /// # Errors
    /// [`DoorError`] unless it is there.
    pub fn output_bytes<'n>(&self, door: impl Into<Door<'n>>) -> Result<&[u8], DoorError> {
        Ok(self.exit(door.into())?.1)
    }

    /// An input and its bytes.
    pub(super) fn entry(&mut self, door: Door<'_>) -> Result<(Port<'_>, &mut [u8]), DoorError> {
        let port = find(|| self.model.model().inputs(), "input", door)?;
        let bytes = match by_row(&port) {
            true => Some(&mut self.rows[..]),
            false => port.tensor.span().and_then(|span| self.arena.get_mut(span.range()?)),
        };
        Ok((port, bytes.unwrap_or_default()))
    }

    /// An output and its bytes.
    pub(super) fn exit(&self, door: Door<'_>) -> Result<(Port<'_>, &[u8]), DoorError> {
        let port = find(|| self.model.model().outputs(), "output", door)?;
        let bytes = port.tensor.span().and_then(|span| self.arena.get(span.range()?));
        Ok((port, bytes.unwrap_or_default()))
    }
}

fn by_row(port: &Port<'_>) -> bool {
    port.tensor.place() == Place::Ring
}

/// The type of a port, which every port of a model that was read has.
fn dtype(port: &Port<'_>) -> DType {
    port.tensor.dtype().unwrap_or(DType::I8)
}

fn elements(port: &Port<'_>) -> usize {
    port.tensor.len().unwrap_or(0) as usize
}

pub(super) fn typed<T: Pod>(port: &Port<'_>) -> Result<(), DoorError> {
    let dtype = dtype(port);
    (T::DTYPE == Some(dtype)).then_some(()).ok_or_else(|| DoorError::kind::<T>(port, dtype))
}

fn counted(port: &Port<'_>, given: usize) -> Result<(), DoorError> {
    (given == elements(port)).then_some(()).ok_or_else(|| DoorError::length(port, given))
}
