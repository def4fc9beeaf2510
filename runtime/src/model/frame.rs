//! Input row by row: an image is never in the arena as a whole.

use super::band::{Band, Course};
use super::{Model, segment};
use crate::arena::Ram;
use crate::error::RunError;
use crate::format::{Ops, Place, Segment, Span, Tensor};
use crate::kernels::Kernels;
use crate::profile::Profiler;

/// An image on its way into a model that takes its input row by row: which rows are there, and what has run.
///
/// The input port of such a model is a ring of lines. For each row, in order: its bytes go to [`Frame::row`] in the arena, then
/// [`Model::push_row`] runs all that the row makes possible; with the last row that is the rest of the program.
/// [`Session`](super::Session) has the same without the offsets.
#[derive(Clone, Debug)]
pub struct Frame<'m> {
    input: Tensor,
    /// Rows that are there.
    rows: u32,
    course: Course<'m>,
}

impl Frame<'_> {
    /// Where in the arena the next row goes; `None` when all are there.
    #[must_use]
    pub fn row(&self) -> Option<Span> {
        let [_, height, ..] = self.input.shape;
        self.input.row(self.rows).filter(|_| self.rows < height)
    }
}

impl<'m, O: Ops> Model<'m, O> {
    /// A frame of which no row is there; `None` if the model takes its inputs as a whole.
    #[must_use]
    pub fn frame(&self) -> Option<Frame<'m>> {
        let input = self.input(0)?.tensor;
        let input = Some(input).filter(|tensor| tensor.place() == Place::Ring)?;
        let (segment, records) = segment(self.segments).ok()?;
        let Segment::Band { records: members, turns } = segment else { return None };
        // The first of the turns is the arrival of a row.
        let course = Course::new(Band { members, turns: turns.get(2..)?, records });
        Some(Frame { input, rows: 0, course })
    }

    /// Runs all that the row at [`Frame::row`] makes possible, after the last row all that is left of the program.
    ///
    /// The arena must keep its bytes from the first row to the last.
    ///
    /// # Errors
    /// [`RunError::Rows`] if all rows are there; otherwise as [`Model::run`].
    pub fn push_row<K: Kernels>(&self, kernels: &K, arena: &mut [u8], frame: &mut Frame<'m>) -> Result<(), RunError> {
        self.push_row_profiled(kernels, arena, frame, &mut ())
    }

    /// As [`Model::push_row`], and tells `profiler` of each turn and record.
    ///
    /// # Errors
    /// As [`Model::push_row`].
    pub fn push_row_profiled<K: Kernels, P: Profiler>(
        &self,
        kernels: &K,
        arena: &mut [u8],
        frame: &mut Frame<'m>,
        profiler: &mut P,
    ) -> Result<(), RunError> {
        self.push_row_in(kernels, &mut Ram::one(arena), frame, profiler)
    }

    pub(super) fn push_row_in<K: Kernels, P: Profiler>(
        &self,
        kernels: &K,
        ram: &mut Ram<'_>,
        frame: &mut Frame<'m>,
        profiler: &mut P,
    ) -> Result<(), RunError> {
        frame.row().ok_or(RunError::Rows)?;
        let mut run = self.on(kernels, ram, profiler)?;
        frame.rows = frame.rows.wrapping_add(1);
        let failed = |_| RunError::Record { at: self.position(self.segments) };
        let more = frame.course.advance::<O>(|at, member, turn| run.step(at, member, Some(turn))).map_err(failed)?;
        if more {
            return Ok(());
        }
        let rest = frame.course.rest().map_err(failed)?;
        self.run_from((rest, frame.course.members().into()), &mut run)
    }
}
