//! Operations row by row: how often each has its turn in a band, and what it reads then.

use core::ops::Range;

use super::{Place, Span, Tensor, Window};
use crate::ops::Axis;

/// How an operation runs row by row: turn `t` writes row `t` of the output, or adds row `t` of the input to sums that give the only row at the end.
#[derive(Clone, Copy, Debug)]
pub struct Turns {
    axis: Axis,
    /// Number of turns: rows of the output, or of the input if there are sums.
    pub count: u32,
    /// Where the sums are; empty if there are none.
    pub sums: Span,
}

impl Turns {
    /// Of an operation with a window, over one image.
    #[must_use]
    pub fn of_window(input: &Tensor, output: &Tensor, window: &Window) -> Option<Self> {
        let ([1, ..], [1, count, ..]) = (input.shape, output.shape) else { return None };
        Some(Self { axis: Axis::vertical(window, input), count, sums: Span::EMPTY })
    }

    /// Of a pool over a whole image by sums of its rows.
    #[must_use]
    pub fn of_sums(input: &Tensor, sums: Span) -> Option<Self> {
        let row = Window { kernel: [1; 2], stride: [1; 2], dilation: [1; 2], pad: [0; 2] };
        Self::of_window(input, input, &row).map(|turns| Self { sums, ..turns })
    }

    /// Of an operation that takes element by element of images in the arena, all of one shape.
    #[must_use]
    pub fn of_elements(inputs: &[Tensor], output: &Tensor) -> Option<Self> {
        let alike = |input: &Tensor| input.shape == output.shape && input.place() != Place::Constant;
        Self::of_sums(output, Span::EMPTY).filter(|_| inputs.iter().all(alike))
    }

    /// The input rows that a turn reads, and those between them.
    #[must_use]
    pub fn reads(&self, turn: u32) -> Range<u32> {
        self.axis.reads(turn)
    }

    /// Whether a row of the output is there after a turn.
    #[must_use]
    pub fn writes(&self, turn: u32) -> bool {
        self.sums.len == 0 || turn.wrapping_add(1) == self.count
    }
}
