//! Depthwise convolution: every output channel reads one input channel.
//!
//! `y[o, i, j] = b[o] + Σ_{ky, kx} w[ky][kx][o] · x[i·s − p + ky·d, j·s − p + kx·d, o / m]` with `m = O / C`.
//!
//! Padding, bias and rounding are those of [`super::conv`].

use super::clamp;
use super::spatial::{Axis, check as check_window, each_image, rows_mut, taps};
use super::weights::{W4, Weight, packed};
use crate::arena::{Constants, Memory, Pod};
use crate::error::{Fault, Flaw};
use crate::format::{DType, Layout, Opcode, Record, Requant, SafeOverlap, Span, Tensor, Turns, Window, plain};
use crate::int::{Int, Sum};
use crate::kernels::Kernels;
use crate::rows::{Rows, Work, pieces_mut};

/// Depthwise convolution in integers.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct Depthwise<T> {
    /// `[n][h][w][c]`.
    pub input: Tensor,
    /// `[n][h'][w'][o]`, `o` a multiple of `c`.
    pub output: Tensor,
    /// Taps, strides, dilation, padding.
    pub window: Window,
    /// `i8` weights, ordered by `layout`; `[kh][kw][o]` is `Layout::channels_last`.
    pub weights: Span,
    /// Order of the weights, with `k` of [`Layout::tap`].
    pub layout: Layout,
    /// Bias for each output channel, the input's zero point folded in: `i32` for int8, `i64` for int16.
    pub bias: Span,
    /// The input's zero point, which stands in the padding.
    pub input_zero: T,
    /// From the sum to the output.
    pub requant: Requant<T>,
    /// Arena bytes that a fast kernel asked for; the portable one uses none.
    pub scratch: Span,
}

plain!(Depthwise<T> { input, output, window, weights, layout, bias, input_zero, requant, scratch });

/// Depthwise convolution in f32.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct DepthwiseF32 {
    /// `[n][h][w][c]`.
    pub input: Tensor,
    /// `[n][h'][w'][o]`, `o` a multiple of `c`.
    pub output: Tensor,
    /// Taps, strides, dilation, padding.
    pub window: Window,
    /// `f32` weights, ordered by `layout`; `[kh][kw][o]` is `Layout::channels_last`.
    pub weights: Span,
    /// Order of the weights, with `k` of [`Layout::tap`].
    pub layout: Layout,
    /// `f32` bias for each output channel.
    pub bias: Span,
    /// Smallest result.
    pub lo: f32,
    /// Largest result.
    pub hi: f32,
    /// Arena bytes that a fast kernel asked for; the portable one uses none.
    pub scratch: Span,
}

plain!(DepthwiseF32 { input, output, window, weights, layout, bias, lo, hi, scratch });

/// Depthwise convolution in int8.
pub type DepthwiseI8 = Depthwise<i8>;
/// Depthwise convolution in int16, with int8 weights.
pub type DepthwiseI16 = Depthwise<i16>;

/// Depthwise convolution in int8, with int4 weights.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct DepthwiseW4(pub DepthwiseI8);

plain!(DepthwiseW4 { 0 });

macro_rules! record {
    ($record:ident, $dtype:ident, $method:ident) => {
        impl Record for $record {
            const OPCODE: Opcode = Opcode::$record;

            fn inputs(&self) -> &[Tensor] {
                core::slice::from_ref(&self.input)
            }

            fn output(&self) -> &Tensor {
                &self.output
            }

            fn safe_overlap(&self) -> SafeOverlap {
                SafeOverlap::of_rows(&self.input, &self.output, &self.window)
            }

            fn turns(&self) -> Option<Turns> {
                Turns::of_window(&self.input, &self.output, &self.window)
            }

            fn scratch(&self) -> Span {
                self.scratch
            }

            fn macs(&self) -> u64 {
                taps(&self.output, &self.window)
            }

            fn check(&self, constants: Constants<'_>) -> Result<(), Flaw> {
                self.check_weights::<i8>(DType::$dtype, constants)
            }

            fn step<K: Kernels>(&self, kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
                let constants = memory.constants;
                each_image(memory, &self.input, &self.output, &self.window, self.scratch, &mut |work| {
                    kernels.$method(self, constants, work)
                })
            }
        }
    };
}
record!(DepthwiseI8, I8, depthwise_i8);
record!(DepthwiseI16, I16, depthwise_i16);

impl Record for DepthwiseW4 {
    const OPCODE: Opcode = Opcode::DepthwiseW4;
    packed!();

    fn step<K: Kernels>(&self, kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
        let (op, constants) = (&self.0, memory.constants);
        each_image(memory, &op.input, &op.output, &op.window, op.scratch, &mut |work| {
            kernels.depthwise_w4(self, constants, work)
        })
    }
}

impl<T: Int> Depthwise<T> {
    fn check_weights<W: Weight>(&self, dtype: DType, constants: Constants<'_>) -> Result<(), Flaw> {
        check_window(&self.input, &self.output, &self.window, dtype)?;
        let outputs = outputs(&self.input, &self.output)?;
        W::check(constants, self.weights, weights_len(self.layout, outputs, &self.window))?;
        constants.check::<T::Sum>(self.bias, outputs)?;
        self.requant.check(constants, outputs)
    }
}

impl Record for DepthwiseF32 {
    const OPCODE: Opcode = Opcode::DepthwiseF32;

    fn inputs(&self) -> &[Tensor] {
        core::slice::from_ref(&self.input)
    }

    fn output(&self) -> &Tensor {
        &self.output
    }

    fn safe_overlap(&self) -> SafeOverlap {
        SafeOverlap::of_rows(&self.input, &self.output, &self.window)
    }

    fn turns(&self) -> Option<Turns> {
        Turns::of_window(&self.input, &self.output, &self.window)
    }

    fn scratch(&self) -> Span {
        self.scratch
    }

    fn macs(&self) -> u64 {
        taps(&self.output, &self.window)
    }

    fn check(&self, constants: Constants<'_>) -> Result<(), Flaw> {
        check_window(&self.input, &self.output, &self.window, DType::F32)?;
        let outputs = outputs(&self.input, &self.output)?;
        let len = weights_len(self.layout, outputs, &self.window).ok_or(Flaw::Parameter)?;
        constants.check::<f32>(self.weights, len)?;
        constants.check::<f32>(self.bias, outputs)?;
        Ok(())
    }

    fn step<K: Kernels>(&self, kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
        let constants = memory.constants;
        each_image(memory, &self.input, &self.output, &self.window, self.scratch, &mut |work| {
            kernels.depthwise_f32(self, constants, work)
        })
    }
}

/// Output channels, checked.
fn outputs(input: &Tensor, output: &Tensor) -> Result<u32, Flaw> {
    let ([.., channels], [.., outputs]) = (input.shape, output.shape);
    (channels > 0 && outputs.is_multiple_of(channels)).then_some(outputs).ok_or(Flaw::Shape)
}

/// The weights of so many outputs in a layout.
fn weights_len(layout: Layout, outputs: u32, window: &Window) -> Option<u32> {
    layout.len(outputs, layout.taps(window.kernel)?).filter(|_| layout != Layout::PAIRS)
}

/// The weights that a tap has in a channels-last layout; `None` in another.
fn line(layout: Layout, outputs: u32) -> Option<u32> {
    let line = u32::from(layout.outputs);
    (line >= outputs && layout.depth == 1).then_some(line)
}

/// Channels that are summed at once.
pub(super) const BLOCK: usize = 16;

/// The portable kernel in integers.
///
/// # Errors
/// [`Fault`] if the record was not checked or the work does not fit it.
pub fn run<T: Int, W: Weight>(op: &Depthwise<T>, constants: Constants<'_>, work: Work<'_, T>) -> Result<(), Fault> {
    let weights = constants.get::<i8>(op.weights)?;
    let bias = constants.get::<T::Sum>(op.bias)?;
    let requant = op.requant.channels(constants)?;
    let line = line(op.layout, op.output.shape[3]);
    let weights = |o: u32, k: u32| match line {
        Some(line) => W::block(weights, k.wrapping_mul(line).wrapping_add(o)),
        None => gather(|i| W::at(weights, op.layout.position(o.wrapping_add(i), k, op.window.kernel) as usize)),
    };
    each_block(&op.input, &op.output, &op.window, work, |o, patch, output| {
        let mut sums = block(bias, o);
        patch.each(o, op.input_zero, |k, x| {
            for ((sum, w), x) in sums.iter_mut().zip(weights(o, k)).zip(x) {
                *sum = sum.plus(T::Sum::from(i32::from(w).wrapping_mul(x.into())));
            }
        })?;
        for ((o, sum), output) in (o..).zip(sums).zip(output) {
            *output = requant.channel(o)?.apply(sum);
        }
        Ok(())
    })
}

/// The portable kernel in f32.
///
/// # Errors
/// [`Fault`] if the record was not checked or the work does not fit it.
pub fn run_f32(op: &DepthwiseF32, constants: Constants<'_>, work: Work<'_, f32>) -> Result<(), Fault> {
    let weights = constants.get::<f32>(op.weights)?;
    let bias = constants.get::<f32>(op.bias)?;
    let line = line(op.layout, op.output.shape[3]);
    let weights = |o: u32, k: u32| match line {
        Some(line) => block(weights, k.wrapping_mul(line).wrapping_add(o)),
        None => gather(|i| weights.get(op.layout.position(o.wrapping_add(i), k, op.window.kernel) as usize).copied()),
    };
    each_block(&op.input, &op.output, &op.window, work, |o, patch, output| {
        let mut sums = block(bias, o);
        patch.each(o, 0.0, |k, x| {
            for ((sum, w), x) in sums.iter_mut().zip(weights(o, k)).zip(x) {
                *sum += w * x;
            }
        })?;
        for (sum, output) in sums.into_iter().zip(output) {
            *output = clamp(sum, op.lo, op.hi);
        }
        Ok(())
    })
}

/// The numbers from `start` on, zeros after the last.
#[inline(always)]
pub(super) fn block<T: Pod + Default>(numbers: &[T], start: u32) -> [T; BLOCK] {
    let from = numbers.get(start as usize..).unwrap_or_default();
    if let Some(block) = from.first_chunk() {
        return *block;
    }
    let mut block = [T::default(); BLOCK];
    block.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    block
}

/// `at(0), at(1), …`, zeros where there is none.
pub(super) fn gather<T: Pod + Default>(at: impl Fn(u32) -> Option<T>) -> [T; BLOCK] {
    let mut block = [T::default(); BLOCK];
    for (i, to) in (0..).zip(&mut block) {
        *to = at(i).unwrap_or_default();
    }
    block
}

/// The input window of one output position.
struct Patch<'a, T> {
    input: &'a Rows<'a, T>,
    axes: [Axis; 2],
    kernel: [u32; 2],
    at: [u32; 2],
    channels: u32,
    multiplier: u32,
}

impl<T: Pod + Default> Patch<'_, T> {
    /// Calls `each(k, x)` with the input channels of the outputs from `o` on, `padding` where a tap is outside the image.
    #[inline(always)]
    fn each(&self, o: u32, padding: T, mut each: impl FnMut(u32, [T; BLOCK])) -> Result<(), Fault> {
        let ([vertical, horizontal], [kh, kw], [y, x]) = (self.axes, self.kernel, self.at);
        let (rows, columns) = (vertical.inside(y), horizontal.inside(x));
        for ky in 0..kh {
            let row = match rows.contains(&ky) {
                true => Some(self.input.row(vertical.position(y, ky) as usize).ok_or(Fault)?),
                false => None,
            };
            for kx in 0..kw {
                let k = ky.wrapping_mul(kw).wrapping_add(kx);
                let row = row.filter(|_| columns.contains(&kx));
                each(k, row.map_or([padding; BLOCK], |row| self.channels(row, horizontal.position(x, kx), o)));
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn channels(&self, row: &[T], x: u32, o: u32) -> [T; BLOCK] {
        let pixel = x.wrapping_mul(self.channels);
        match self.multiplier {
            1 => block(row, pixel.wrapping_add(o)),
            m => gather(|i| row.get(pixel.wrapping_add(o.wrapping_add(i) / m.max(1)) as usize).copied()),
        }
    }
}

/// Calls `each(o, patch, outputs)` for every block of output channels of every position of the work's rows.
#[inline(always)]
fn each_block<T: Pod + Default>(
    input: &Tensor,
    output: &Tensor,
    window: &Window,
    work: Work<'_, T>,
    mut each: impl FnMut(u32, &Patch<'_, T>, &mut [T]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let ([.., channels], [_, _, width, outputs]) = (input.shape, output.shape);
    let multiplier = outputs.checked_div(channels).ok_or(Fault)?;
    let axes = [Axis::vertical(window, input), Axis::horizontal(window, input)];
    for (y, row) in work.rows.zip(rows_mut(work.output, width, outputs)?) {
        for (x, pixel) in (0..).zip(pieces_mut(row, outputs as usize)) {
            let patch = Patch { input: &work.input, axes, kernel: window.kernel, at: [y, x], channels, multiplier };
            for (o, outputs) in (0..).step_by(BLOCK).zip(pixel.chunks_mut(BLOCK)) {
                each(o, &patch, outputs)?;
            }
        }
    }
    Ok(())
}
