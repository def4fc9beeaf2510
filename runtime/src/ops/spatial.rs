//! What convolutions and pools share: checks of windows, the walk over images, taps inside the input.

use core::ops::Range;

use super::steps;
use crate::arena::{Memory, Pod};
use crate::error::{Fault, Flaw};
use crate::format::{DType, Place, Span, Tensor, Window, row_bytes};
use crate::rows::{PiecesMut, Rows, Work, pieces_mut};

/// Largest kernel, stride, dilation or padding.
const LIMIT: u32 = 1 << 15;
/// Largest dimension.
const DIM_LIMIT: u32 = 1 << 28;

/// Checks types, batch and that every output's window begins before the input ends and ends after it begins.
pub(crate) fn check(input: &Tensor, output: &Tensor, window: &Window, dtype: DType) -> Result<(), Flaw> {
    if input.dtype() != Some(dtype) || output.dtype() != Some(dtype) {
        return Err(Flaw::Type);
    }
    let [n, h, w, _] = input.shape;
    let [out_n, out_h, out_w, _] = output.shape;
    if n != out_n || input.shape.iter().chain(&output.shape).any(|dim| *dim == 0 || *dim > DIM_LIMIT) {
        return Err(Flaw::Shape);
    }
    let [kh, kw] = window.kernel;
    let [sh, sw] = window.stride;
    let [dh, dw] = window.dilation;
    let [ph, pw] = window.pad;
    check_axis(h, out_h, [kh, sh, dh, ph])?;
    check_axis(w, out_w, [kw, sw, dw, pw])
}

fn check_axis(input: u32, output: u32, [kernel, stride, dilation, pad]: [u32; 4]) -> Result<(), Flaw> {
    let limited = |x: u32| (1..=LIMIT).contains(&x);
    if !(limited(kernel) && limited(stride) && limited(dilation)) || pad > LIMIT {
        return Err(Flaw::Parameter);
    }
    let last = u64::from(output - 1) * u64::from(stride);
    let reach = u64::from(kernel - 1) * u64::from(dilation);
    if last >= u64::from(input) + u64::from(pad) || u64::from(pad) > reach {
        return Err(Flaw::Shape);
    }
    Ok(())
}

/// Taps of a window for all outputs, as inner steps.
pub(super) fn taps(output: &Tensor, window: &Window) -> u64 {
    let [kh, kw] = window.kernel;
    steps(output, u64::from(kh) * u64::from(kw))
}

/// Calls `kernel` with the work of each image of the batch: all rows, or as many at once as can be written where output and input share
/// bytes, from the side on which the output lies. In a band, with the work of one row. A firmware holds it once for each type, not for each operation.
#[inline(never)]
pub(super) fn each_image<T: Pod>(
    memory: &mut Memory<'_>,
    input: &Tensor,
    output: &Tensor,
    window: &Window,
    scratch: Span,
    kernel: &mut dyn FnMut(Work<'_, T>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut left = Left::of(output, memory.turn);
    while left.image < left.batch {
        kernel(left.work(memory, [input, output], window, scratch)?)?;
    }
    Ok(())
}

/// What is yet to be written of a batch: images from one on, and of that one rows.
struct Left {
    image: u32,
    batch: u32,
    rows: Range<u32>,
}

impl Left {
    fn of(output: &Tensor, turn: Option<u32>) -> Self {
        let [batch, rows, ..] = output.shape;
        match turn {
            Some(turn) => Self { image: 0, batch: 1, rows: turn..turn.wrapping_add(1) },
            None => Self { image: 0, batch, rows: 0..rows },
        }
    }

    /// Takes the next rows that can be written at once. Where they lie is found anew each time: while a kernel runs, none of it is on the stack.
    #[inline(never)]
    fn work<'m, T: Pod>(
        &mut self,
        memory: &'m mut Memory<'_>,
        [input, output]: [&Tensor; 2],
        window: &Window,
        scratch: Span,
    ) -> Result<Work<'m, T>, Fault> {
        let lines = Lines::new(input, output, window, memory.turn).ok_or(Fault)?;
        let Now { first, head, rows, parts: [from, to] } = lines.take(self).ok_or(Fault)?;
        let (data, output, scratch) = memory.parts::<T, T>([(input, from), (output, to)], scratch)?;
        let input = Rows::ring(data, lines.row_len as usize, first as usize, head as usize);
        Ok(Work { input, rows, output, scratch })
    }
}

/// Where the rows of input and output lie.
struct Lines {
    axis: Axis,
    /// Elements of an input row.
    row_len: u32,
    /// Bytes of an input row and of an output row.
    from: u32,
    to: u32,
    /// Where input and output start, if they share bytes.
    shared: Option<[u32; 2]>,
    /// Rows of an image.
    rows: u32,
    /// Lines of the rings that input and output are; 0 for whole tensors.
    rings: [u32; 2],
}

/// Rows that can be written at once.
struct Now {
    /// The first input row that they read, and the line of the input's part where it is.
    first: u32,
    head: u32,
    rows: Range<u32>,
    /// The bytes of input and output.
    parts: [Span; 2],
}

impl Lines {
    fn new(input: &Tensor, output: &Tensor, window: &Window, turn: Option<u32>) -> Option<Self> {
        let shared = input.place() != Place::Constant && input.span()?.overlaps(output.span()?);
        let shared = shared.then_some([input.offset, output.offset]).filter(|_| turn.is_none());
        let rings = [input.lines.into(), output.lines.into()];
        let ([.., w, c], [_, rows, ..]) = (input.shape, output.shape);
        let (from, to) = (row_bytes(input)?, row_bytes(output)?);
        let (axis, row_len) = (Axis::vertical(window, input), w.checked_mul(c)?);
        Some(Self { axis, row_len, from, to, shared, rows, rings })
    }

    fn take(&self, left: &mut Left) -> Option<Now> {
        if left.rows.is_empty() {
            return None;
        }
        let (image, rows) = (left.image, self.next_rows(&mut left.rows));
        if left.rows.is_empty() {
            (left.image, left.rows) = (image.wrapping_add(1), 0..self.rows);
        }
        let reads = self.axis.reads(rows.start).start..self.axis.reads(rows.end.wrapping_sub(1)).end;
        let part = |start: u32, count: u32, len| Span { offset: start.wrapping_mul(len), len: count.wrapping_mul(len) };
        let [from, to] = self.rings;
        let read = match reads.start.checked_rem(from) {
            Some(_) => part(0, from, self.from),
            None => {
                let start = image.wrapping_mul(self.axis.input).wrapping_add(reads.start);
                part(start, reads.len() as u32, self.from)
            }
        };
        let line = rows.start.checked_rem(to).unwrap_or(image.wrapping_mul(self.rows).wrapping_add(rows.start));
        let head = reads.start.checked_rem(from).unwrap_or(0);
        let parts = [read, part(line, rows.len() as u32, self.to)];
        Some(Now { first: reads.start, head, rows, parts })
    }

    /// Takes the rows that can be written at once, at least one, from the front of those left or from their back.
    fn next_rows(&self, rows: &mut Range<u32>) -> Range<u32> {
        let Range { start, end } = *rows;
        let at = |row: u32| row.wrapping_mul(self.from);
        let (now, left) = match self.shared {
            None => (start..end, end..end),
            Some([input, output]) if output < input => {
                let free = input.wrapping_sub(output).wrapping_add(at(self.axis.reads(start).start)) / self.to.max(1);
                let middle = free.max(start.wrapping_add(1)).min(end);
                (start..middle, middle..end)
            }
            Some([input, output]) => {
                let last = end.wrapping_sub(1);
                let read = at(self.axis.reads(last).end).saturating_sub(output.wrapping_sub(input));
                let middle = read.div_ceil(self.to.max(1)).max(start).min(last);
                (middle..end, start..middle)
            }
        };
        *rows = left;
        now
    }
}

/// The rows of an output; there is at least one pixel of at least one channel in each.
#[inline(always)]
pub(super) fn rows_mut<T>(output: &mut [T], width: u32, channels: u32) -> Result<PiecesMut<'_, T>, Fault> {
    match (width as usize).wrapping_mul(channels as usize) {
        0 => Err(Fault),
        row_len if channels > 0 => Ok(pieces_mut(output, row_len)),
        _ => Err(Fault),
    }
}

/// One axis of a window, in signed arithmetic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Axis {
    kernel: u32,
    stride: u32,
    dilation: u32,
    pad: u32,
    input: u32,
}

impl Axis {
    /// Rows.
    pub(crate) fn vertical(window: &Window, input: &Tensor) -> Self {
        let ([kernel, _], [stride, _], [dilation, _], [pad, _]) =
            (window.kernel, window.stride, window.dilation, window.pad);
        let [_, input, ..] = input.shape;
        Self { kernel, stride, dilation, pad, input }
    }

    /// Columns.
    pub(super) fn horizontal(window: &Window, input: &Tensor) -> Self {
        let ([_, kernel], [_, stride], [_, dilation], [_, pad]) =
            (window.kernel, window.stride, window.dilation, window.pad);
        let [_, _, input, _] = input.shape;
        Self { kernel, stride, dilation, pad, input }
    }

    /// The taps of output `out` that lie inside the input.
    pub(super) fn inside(&self, out: u32) -> Range<u32> {
        let start = out.wrapping_mul(self.stride);
        let before = self.pad.saturating_sub(start);
        let room = self.input.wrapping_add(self.pad).saturating_sub(start);
        let (first, end) = match self.dilation {
            1 => (before, room),
            d => (before.div_ceil(d.max(1)), room.div_ceil(d.max(1))),
        };
        let end = end.min(self.kernel);
        first.min(end)..end
    }

    /// The positions of the input between the first and the last tap of output `out`.
    #[inline(never)]
    pub(crate) fn reads(&self, out: u32) -> Range<u32> {
        let start = out.saturating_mul(self.stride);
        let reach = self.kernel.saturating_sub(1).saturating_mul(self.dilation).saturating_add(1);
        let end = start.saturating_add(reach).saturating_sub(self.pad).min(self.input);
        start.saturating_sub(self.pad).min(end)..end
    }

    /// The input position of tap `tap` of output `out`; right for taps inside.
    #[inline(always)]
    pub(super) fn position(&self, out: u32, tap: u32) -> u32 {
        let start = out.wrapping_mul(self.stride).wrapping_sub(self.pad);
        start.wrapping_add(tap.wrapping_mul(self.dilation))
    }
}

/// The taps inside the image of one pool window, for a block of channels.
pub(super) struct Taps<'a, T> {
    input: &'a Rows<'a, T>,
    at: [u32; 2],
    axes: &'a [Axis; 2],
    rows: Range<u32>,
    columns: Range<u32>,
    channels: u32,
    first: u32,
    block: usize,
}

impl<T> Taps<'_, T> {
    /// Number of taps inside.
    pub(super) fn count(&self) -> u32 {
        (self.rows.len() as u32).wrapping_mul(self.columns.len() as u32)
    }

    /// Calls `each` with the block's channels at every tap inside.
    #[inline(always)]
    pub(super) fn each(&self, mut each: impl FnMut(&[T])) -> Result<(), Fault> {
        let (&[vertical, horizontal], [y, x]) = (self.axes, self.at);
        for ky in self.rows.clone() {
            let row = self.input.row(vertical.position(y, ky) as usize).ok_or(Fault)?;
            for kx in self.columns.clone() {
                let start = horizontal.position(x, kx).wrapping_mul(self.channels).wrapping_add(self.first);
                let start = start as usize;
                each(row.get(start..start.wrapping_add(self.block)).ok_or(Fault)?);
            }
        }
        Ok(())
    }
}

/// Calls `each(taps, outputs)` for blocks of at most 16 channels of every position of the work's rows.
#[inline(always)]
pub(super) fn each_pool<T>(
    input: &Tensor,
    window: &Window,
    work: Work<'_, T>,
    mut each: impl FnMut(&Taps<'_, T>, &mut [T]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let [.., channels] = input.shape;
    let axes = &[Axis::vertical(window, input), Axis::horizontal(window, input)];
    let [vertical, horizontal] = axes;
    let width = work.output.len().checked_div(work.rows.len().wrapping_mul(channels as usize)).ok_or(Fault)?;
    let (mut y, mut x) = (work.rows.start, 0u32);
    for pixel in pieces_mut(work.output, channels as usize) {
        let (rows, columns) = (vertical.inside(y), horizontal.inside(x));
        let mut taps = Taps { input: &work.input, at: [y, x], axes, rows, columns, channels, first: 0, block: 0 };
        for output in pixel.chunks_mut(16) {
            taps.block = output.len();
            each(&taps, output)?;
            taps.first = taps.first.wrapping_add(16);
        }
        x = x.wrapping_add(1);
        if x == width as u32 {
            (y, x) = (y.wrapping_add(1), 0);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taps_inside_are_those_that_a_loop_over_all_finds() {
        for (kernel, stride, dilation, pad, input) in
            [(3, 1, 1, 1, 5), (3, 2, 1, 0, 7), (3, 1, 2, 2, 4), (5, 3, 3, 6, 9), (1, 2, 1, 0, 3)]
        {
            let axis = Axis { kernel, stride, dilation, pad, input };
            for out in 0..input.div_ceil(stride) {
                let inside = |tap: &u32| {
                    let at = i64::from(out * stride) - i64::from(pad) + i64::from(tap * dilation);
                    (0..i64::from(input)).contains(&at)
                };
                let want: std::vec::Vec<u32> = (0..kernel).filter(inside).collect();
                let got: std::vec::Vec<u32> = axis.inside(out).collect();
                assert_eq!(got, want, "{kernel} {stride} {dilation} {pad} {input} at {out}");
            }
        }
    }
}
