//! Two-dimensional convolution with groups, strides, dilation and padding.
//!
//! `y[o, i, j] = b[o] + Σ_{ky, kx, c} w[o][ky][kx][c] · x[i·s − p + ky·d, j·s − p + kx·d, g(o)·C' + c]`
//!
//! with `C' = C / groups` and `g(o) = o / (O / groups)`. int8: x outside the input is the input's zero point, `b` holds
//! the rest of it (`−zero · Σ w`), `y` is requantized; `w − z[o]` stands for `w` where the weights have zero points `z`.
//! f32: x outside is 0, `y` is clamped to `lo..=hi`.

use core::ops::Range;

use super::spatial::{Axis, check as check_window, each_image, rows_mut};
use super::weights::{Dot, Matrix, Reals, W4, Weight, check_zeros, packed};
use super::{clamp, steps};
use crate::arena::{Constants, Memory, Pod};
use crate::error::{Fault, Flaw};
use crate::format::{DType, Layout, Opcode, Record, Requant, SafeOverlap, Span, Tensor, Turns, Window, plain};
use crate::int::{Int, Sum};
use crate::kernels::Kernels;
use crate::rows::{Rows, Work, pieces_mut};

/// Convolution in integers.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct Conv<T> {
    /// `[n][h][w][c]`.
    pub input: Tensor,
    /// `[n][h'][w'][o]`.
    pub output: Tensor,
    /// Taps, strides, dilation, padding.
    pub window: Window,
    /// Groups; both channel counts are multiples.
    pub groups: u32,
    /// `i8` weights `[o][kh][kw][c / groups]`, ordered by `layout`.
    pub weights: Span,
    /// Order of the weights, with `k = (ky·kw + kx)·C' + c`.
    pub layout: Layout,
    /// `i8` zero point of each output's weights; empty if all are 0.
    pub zeros: Span,
    /// Bias for each output channel, the input's zero point folded in: `i32` for int8, `i64` for int16.
    pub bias: Span,
    /// The input's zero point, which stands in the padding.
    pub input_zero: T,
    /// From the sum to the output.
    pub requant: Requant<T>,
    /// Arena bytes that a fast kernel asked for; the portable one uses none.
    pub scratch: Span,
}

plain!(Conv<T> { input, output, window, groups, weights, layout, zeros, bias, input_zero, requant, scratch });

/// Convolution in f32.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct ConvF32 {
    /// `[n][h][w][c]`.
    pub input: Tensor,
    /// `[n][h'][w'][o]`.
    pub output: Tensor,
    /// Taps, strides, dilation, padding.
    pub window: Window,
    /// Groups; both channel counts are multiples.
    pub groups: u32,
    /// `f32` weights `[o][kh][kw][c / groups]`, ordered by `layout`.
    pub weights: Span,
    /// Order of the weights, as in integers; not [`Layout::PAIRS`].
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

plain!(ConvF32 { input, output, window, groups, weights, layout, bias, lo, hi, scratch });

/// Convolution in int8.
pub type ConvI8 = Conv<i8>;
/// Convolution in int16, with int8 weights.
pub type ConvI16 = Conv<i16>;

/// Convolution in int8, with int4 weights.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct ConvW4(pub ConvI8);

plain!(ConvW4 { 0 });

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
                macs(&self.input, &self.output, &self.window, self.groups)
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
record!(ConvI8, I8, conv_i8);
record!(ConvI16, I16, conv_i16);

impl Record for ConvW4 {
    const OPCODE: Opcode = Opcode::ConvW4;
    packed!();

    fn step<K: Kernels>(&self, kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
        let (op, constants) = (&self.0, memory.constants);
        each_image(memory, &op.input, &op.output, &op.window, op.scratch, &mut |work| {
            kernels.conv_w4(self, constants, work)
        })
    }
}

impl<T: Int> Conv<T> {
    fn check_weights<W: Weight>(&self, dtype: DType, constants: Constants<'_>) -> Result<(), Flaw> {
        check_window(&self.input, &self.output, &self.window, dtype)?;
        let (outputs, depth) = matrix(&self.input, &self.output, &self.window, self.groups)?;
        W::check(constants, self.weights, self.layout.len(outputs, depth))?;
        check_zeros(constants, self.zeros, outputs)?;
        constants.check::<T::Sum>(self.bias, outputs)?;
        self.requant.check(constants, outputs)
    }
}

impl Record for ConvF32 {
    const OPCODE: Opcode = Opcode::ConvF32;

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
        macs(&self.input, &self.output, &self.window, self.groups)
    }

    fn check(&self, constants: Constants<'_>) -> Result<(), Flaw> {
        check_window(&self.input, &self.output, &self.window, DType::F32)?;
        let (outputs, depth) = matrix(&self.input, &self.output, &self.window, self.groups)?;
        Reals::check(constants, self.weights, (self.layout, outputs, depth))?;
        constants.check::<f32>(self.bias, outputs)?;
        Ok(())
    }

    fn step<K: Kernels>(&self, kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
        let constants = memory.constants;
        each_image(memory, &self.input, &self.output, &self.window, self.scratch, &mut |work| {
            kernels.conv_f32(self, constants, work)
        })
    }
}

fn macs(input: &Tensor, output: &Tensor, window: &Window, groups: u32) -> u64 {
    let depth = matrix(input, output, window, groups).map_or(u64::from(u32::MAX), |(_, depth)| u64::from(depth));
    steps(output, depth)
}

/// Rows and columns of the weight matrix, the channels checked.
#[inline(never)]
fn matrix(input: &Tensor, output: &Tensor, window: &Window, groups: u32) -> Result<(u32, u32), Flaw> {
    let [.., channels] = input.shape;
    let [.., outputs] = output.shape;
    let [kh, kw] = window.kernel;
    if groups == 0 || !channels.is_multiple_of(groups) || !outputs.is_multiple_of(groups) {
        return Err(Flaw::Shape);
    }
    let depth = kh.checked_mul(kw).and_then(|taps| taps.checked_mul(channels / groups));
    Ok((outputs, depth.ok_or(Flaw::Shape)?))
}

/// The portable kernel in integers.
///
/// # Errors
/// [`Fault`] if the record was not checked or the work does not fit it.
pub fn run<T: Int, W: Dot<T>, K: Kernels + ?Sized>(
    kernels: &K,
    op: &Conv<T>,
    constants: Constants<'_>,
    work: Work<'_, T>,
) -> Result<(), Fault> {
    let bias = constants.get::<T::Sum>(op.bias)?;
    let requant = op.requant.channels(constants)?;
    let shape = Shape::new(&op.input, &op.output, &op.window, op.groups).ok_or(Fault)?;
    let weights = Matrix::<W>::new(constants, op.weights, op.zeros, (op.layout, shape.depth))?;
    each_output(&shape, work, |patch, o| {
        let mut sum = bias.get(o as usize).copied().ok_or(Fault)?;
        patch.inside(o, |k, input| {
            sum = sum.plus(weights.dot(kernels, o, k, input)?);
            Ok(())
        })?;
        patch.outside(|k, len| {
            sum = sum.plus(T::Sum::from(weights.sum(o, k, len)?).times(op.input_zero.into()));
            Ok(())
        })?;
        Ok(requant.channel(o)?.apply(sum))
    })
}

/// The portable kernel in f32.
///
/// # Errors
/// [`Fault`] if the record was not checked or the work does not fit it.
pub fn run_f32<K: Kernels + ?Sized>(
    kernels: &K,
    op: &ConvF32,
    constants: Constants<'_>,
    work: Work<'_, f32>,
) -> Result<(), Fault> {
    let bias = constants.get::<f32>(op.bias)?;
    let shape = Shape::new(&op.input, &op.output, &op.window, op.groups).ok_or(Fault)?;
    let weights = Reals::new(constants, op.weights, (op.layout, shape.depth))?;
    each_output(&shape, work, |patch, o| {
        let mut sum = bias.get(o as usize).copied().ok_or(Fault)?;
        patch.inside(o, |k, input| {
            sum += weights.dot(kernels, o, k, input)?;
            Ok(())
        })?;
        Ok(clamp(sum, op.lo, op.hi))
    })
}

/// The numbers that the loops need, once for each call.
struct Shape {
    vertical: Axis,
    horizontal: Axis,
    kernel: [u32; 2],
    /// Input channels in all, and those of one group.
    channels: u32,
    group: u32,
    /// Output width, channels, and channels of one group.
    width: u32,
    outputs: u32,
    group_outputs: u32,
    /// Weights of one output.
    depth: u32,
    /// Whether the taps of one row read contiguous input.
    contiguous: bool,
}

impl Shape {
    fn new(input: &Tensor, output: &Tensor, window: &Window, groups: u32) -> Option<Self> {
        let (outputs, depth) = matrix(input, output, window, groups).ok()?;
        let [.., channels] = input.shape;
        let [_, _, width, _] = output.shape;
        let [_, dilation] = window.dilation;
        Some(Self {
            vertical: Axis::vertical(window, input),
            horizontal: Axis::horizontal(window, input),
            kernel: window.kernel,
            channels,
            group: channels.checked_div(groups)?,
            width,
            outputs,
            group_outputs: outputs.checked_div(groups)?,
            depth,
            contiguous: groups == 1 && dilation == 1,
        })
    }
}

/// The input window of one output position.
struct Patch<'a, T> {
    shape: &'a Shape,
    input: &'a Rows<'a, T>,
    y: u32,
    x: u32,
    rows: Range<u32>,
    columns: Range<u32>,
}

impl<T> Patch<'_, T> {
    /// Calls `each(k, input)` for runs of input inside the image that meet weights `k..` of output `o`.
    #[inline(always)]
    fn inside(&self, o: u32, mut each: impl FnMut(u32, &[T]) -> Result<(), Fault>) -> Result<(), Fault> {
        let shape = self.shape;
        let first = o.checked_div(shape.group_outputs).ok_or(Fault)?.wrapping_mul(shape.group);
        for ky in self.rows.clone() {
            let row = self.input.row(shape.vertical.position(self.y, ky) as usize).ok_or(Fault)?;
            let mut run = |kx: u32, taps: u32| {
                let x = shape.horizontal.position(self.x, kx);
                let start = x.wrapping_mul(shape.channels).wrapping_add(first) as usize;
                let len = taps.wrapping_mul(shape.group) as usize;
                let input = row.get(start..start.wrapping_add(len)).ok_or(Fault)?;
                each(self.depth_of(ky, kx), input)
            };
            match shape.contiguous {
                true => run(self.columns.start, self.columns.len() as u32)?,
                false => self.columns.clone().try_for_each(|kx| run(kx, 1))?,
            }
        }
        Ok(())
    }

    /// Calls `each(k, len)` for every tap outside the image, with its weights `k..k + len`.
    fn outside(&self, mut each: impl FnMut(u32, u32) -> Result<(), Fault>) -> Result<(), Fault> {
        let [kh, kw] = self.shape.kernel;
        if self.rows.len() == kh as usize && self.columns.len() == kw as usize {
            return Ok(());
        }
        for ky in 0..kh {
            for kx in 0..kw {
                if !(self.rows.contains(&ky) && self.columns.contains(&kx)) {
                    each(self.depth_of(ky, kx), self.shape.group)?;
                }
            }
        }
        Ok(())
    }

    fn depth_of(&self, ky: u32, kx: u32) -> u32 {
        let [_, kw] = self.shape.kernel;
        ky.wrapping_mul(kw).wrapping_add(kx).wrapping_mul(self.shape.group)
    }
}

/// Writes `value(patch, o)` to every output of the work's rows.
#[inline(always)]
fn each_output<T: Pod>(
    shape: &Shape,
    work: Work<'_, T>,
    mut value: impl FnMut(&Patch<'_, T>, u32) -> Result<T, Fault>,
) -> Result<(), Fault> {
    for (y, row) in work.rows.zip(rows_mut(work.output, shape.width, shape.outputs)?) {
        for (x, pixel) in (0..).zip(pieces_mut(row, shape.outputs as usize)) {
            let patch = Patch {
                shape,
                input: &work.input,
                y,
                x,
                rows: shape.vertical.inside(y),
                columns: shape.horizontal.inside(x),
            };
            for (o, output) in (0..).zip(pixel) {
                *output = value(&patch, o)?;
            }
        }
    }
    Ok(())
}
