//! Output and input in the same bytes, in part.

use super::{Span, Tensor, Window, row_bytes};
use crate::ops::Axis;

/// How many bytes an output may share with the input that it is computed from row by row, if nothing reads the input afterwards.
///
/// Of rows of `i` bytes in the input and `o` bytes in the output, row `y` of the output reads rows `r(y)` to `e(y) − 1`, with
/// `r(y) = max(0, y·stride − pad)` and `e(y) = min(height, y·stride − pad + (kernel − 1)·dilation + 1)`.
///
/// An output that starts `d` bytes before the input is written from its first row on, and row `y` ends before row `r(y)` of the input if
/// `d ≥ (y + 1)·o − r(y)·i`. One that starts `d` bytes after it is written from its last row back, and row `y` starts behind row
/// `e(y) − 1` if `d ≥ e(y)·i − y·o`. What the least such `d` leaves of the tensor that starts first may lie over the other one.
///
/// After Blacker et al., "Diagonal memory optimisation", 2020, who overlap by elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SafeOverlap {
    /// Bytes in common if the output starts before the input.
    pub below: u32,
    /// Bytes in common if the output starts after the input.
    pub above: u32,
}

impl SafeOverlap {
    /// No byte in common.
    pub const NONE: Self = Self { below: 0, above: 0 };

    /// Of an operation with a window; none for a batch of more than one image.
    #[must_use]
    #[inline(never)]
    pub fn of_rows(input: &Tensor, output: &Tensor, window: &Window) -> Self {
        Self::of_image(input, output, window).unwrap_or(Self::NONE)
    }

    fn of_image(input: &Tensor, output: &Tensor, window: &Window) -> Option<Self> {
        let ([1, ..], [_, rows, ..]) = (input.shape, output.shape) else { return None };
        let (read, written) = (input.span()?.len, output.span()?.len);
        // No product exceeds these.
        let (from, to) = (row_bytes(input)?, row_bytes(output)?);
        let axis = Axis::vertical(window, input);
        let ([stride, _], [pad, _], [_, height, ..]) = (window.stride, window.pad, input.shape);
        let last = rows.checked_sub(1)?;
        // Both sides are linear between the rows where the first row read begins to move and where the last one ends to.
        let moves = pad.checked_div(stride)?;
        let ends = height.checked_sub(axis.reads(0).end)?.checked_div(stride)?;
        let (mut ahead, mut behind) = (0, 0);
        for y in [0, moves, moves.saturating_add(1), ends, ends.saturating_add(1), last] {
            let y = y.min(last);
            let (reads, at) = (axis.reads(y), y.wrapping_mul(to));
            ahead = at.wrapping_add(to).saturating_sub(reads.start.wrapping_mul(from)).max(ahead);
            behind = reads.end.wrapping_mul(from).saturating_sub(at).max(behind);
        }
        Some(Self { below: written.saturating_sub(ahead), above: read.saturating_sub(behind) })
    }

    /// Whether input and output may lie there.
    #[must_use]
    pub fn allows(&self, input: Span, output: Span) -> bool {
        let end = |span: Span| span.offset.saturating_add(span.len);
        let from = |span: Span, shared: u32| span.offset.saturating_add(shared);
        let (below, above) = (end(output) <= from(input, self.below), end(input) <= from(output, self.above));
        (below && output.offset <= input.offset) || (above && input.offset <= output.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{DType, Place};

    /// The rows that an output row reads, and those between them.
    fn reads(y: u32, height: u32, window: &Window) -> [u32; 2] {
        let tap = |tap: u32| {
            let at = i64::from(y * window.stride[0] + tap * window.dilation[0]) - i64::from(window.pad[0]);
            at.clamp(0, i64::from(height)) as u32
        };
        [tap(0), (tap(window.kernel[0] - 1) + 1).min(height)]
    }

    /// The bytes in common that writing row after row finds, forwards and backwards.
    fn found(input: &Tensor, output: &Tensor, window: &Window) -> SafeOverlap {
        let ([_, h, ..], [_, rows, ..]) = (input.shape, output.shape);
        let (i, o) = (row_bytes(input).unwrap(), row_bytes(output).unwrap());
        let forwards =
            |d: u32| (0..rows).all(|y| (y..rows).all(|later| (y + 1) * o <= d + reads(later, h, window)[0] * i));
        let backwards = |d: u32| (0..rows).all(|y| (0..=y).all(|later| reads(later, h, window)[1] * i <= d + y * o));
        SafeOverlap {
            below: rows * o - (0..=rows * o).find(|d| forwards(*d)).unwrap(),
            above: h * i - (0..=h * i).find(|d| backwards(*d)).unwrap(),
        }
    }

    #[test]
    fn overlaps_are_those_that_writing_row_after_row_finds() {
        let sizes = || (1..4u32).flat_map(|a| (1..4u32).map(move |b| (a, b)));
        let tensor = |n, h, c| Tensor::new(Place::Arena, DType::I8, 0, [n, h, 3, c]);
        let mut count = 0;
        for ((kernel, stride), (pad, dilation)) in sizes().flat_map(|a| sizes().map(move |b| (a, b))) {
            let window =
                Window { kernel: [kernel; 2], stride: [stride; 2], dilation: [dilation; 2], pad: [pad - 1; 2] };
            for (height, (c, o)) in [1, 2, 5, 8].into_iter().flat_map(|h| sizes().map(move |channels| (h, channels))) {
                for rows in 1..=height {
                    let (input, output) = (tensor(1, height, c), tensor(1, rows, o));
                    if crate::ops::check_window(&input, &output, &window, DType::I8).is_ok() {
                        let wanted = found(&input, &output, &window);
                        assert_eq!(
                            SafeOverlap::of_rows(&input, &output, &window),
                            wanted,
                            "{window:?} {input:?} {output:?}"
                        );
                        count += 1;
                    }
                }
            }
        }
        assert!(count > 3000, "{count} windows");
        let window = Window { kernel: [1; 2], stride: [1; 2], dilation: [1; 2], pad: [0; 2] };
        assert_eq!(SafeOverlap::of_rows(&tensor(2, 4, 1), &tensor(2, 4, 1), &window), SafeOverlap::NONE);
    }

    #[test]
    fn a_side_is_allowed_as_far_as_it_goes() {
        let safe = SafeOverlap { below: 2, above: 3 };
        let span = |offset| Span { offset, len: 10 };
        let allowed: std::vec::Vec<u32> = (0..30).filter(|at| safe.allows(span(15), span(*at))).collect();
        assert_eq!(allowed, [0, 1, 2, 3, 4, 5, 6, 7, 22, 23, 24, 25, 26, 27, 28, 29]);
    }
}
