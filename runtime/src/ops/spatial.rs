//! What convolutions and pools share: checks of windows, the walk over images, taps inside the input.

use core::ops::Range;

use crate::arena::{Memory, Pod};
use crate::error::{Fault, Flaw};
use crate::format::{DType, Span, Tensor, Window};
use crate::rows::{PiecesMut, Rows, Work, pieces, pieces_mut};

/// Largest kernel, stride, dilation or padding.
const LIMIT: u32 = 1 << 15;
/// Largest dimension.
const DIM_LIMIT: u32 = 1 << 28;

/// Checks types, batch and that every output's window begins before the input ends and ends after it begins.
pub(super) fn check(input: &Tensor, output: &Tensor, window: &Window, dtype: DType) -> Result<(), Flaw> {
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
    u64::from(output.len().unwrap_or(u32::MAX)).saturating_mul(u64::from(kh) * u64::from(kw))
}

/// Calls `kernel` with the work of each image of the batch, all rows.
pub(super) fn each_image<T: Pod>(
    memory: &mut Memory<'_>,
    input: &Tensor,
    output: &Tensor,
    scratch: Span,
    mut kernel: impl FnMut(Work<'_, T>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let [batch, _, w, c] = input.shape;
    let (from, to, scratch) = memory.apart::<T, T>(input, output, scratch)?;
    let len = |whole: usize| whole.checked_div(batch as usize).filter(|len| *len > 0).ok_or(Fault);
    let (from_len, to_len) = (len(from.len())?, len(to.len())?);
    for (image, output_image) in pieces(from, from_len).zip(pieces_mut(to, to_len)) {
        let row_len = (w as usize).wrapping_mul(c as usize);
        let [_, out_h, ..] = output.shape;
        let input = Rows::whole(image, row_len);
        kernel(Work { input, rows: 0..out_h, output: output_image, scratch })?;
    }
    Ok(())
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
#[derive(Clone, Copy)]
pub(super) struct Axis {
    kernel: u32,
    stride: u32,
    dilation: u32,
    pad: u32,
    input: u32,
}

impl Axis {
    /// Rows.
    pub(super) fn vertical(window: &Window, input: &Tensor) -> Self {
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
    #[inline(always)]
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
    axes: [Axis; 2],
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
        let ([vertical, horizontal], [y, x]) = (self.axes, self.at);
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
    let axes = [Axis::vertical(window, input), Axis::horizontal(window, input)];
    let [vertical, horizontal] = axes;
    let width = work.output.len().checked_div(work.rows.len().wrapping_mul(channels as usize)).ok_or(Fault)?;
    for (y, row) in work.rows.zip(rows_mut(work.output, width as u32, channels)?) {
        for (x, pixel) in (0..).zip(pieces_mut(row, channels as usize)) {
            let (rows, columns) = (vertical.inside(y), horizontal.inside(x));
            let mut taps = Taps { input: &work.input, at: [y, x], axes, rows, columns, channels, first: 0, block: 0 };
            for output in pixel.chunks_mut(16) {
                taps.block = output.len();
                each(&taps, output)?;
                taps.first = taps.first.wrapping_add(16);
            }
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
