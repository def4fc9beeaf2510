//! Fully connected layer: a matrix of constants times each input vector.
//!
//! `y[r, o] = b[o] + Σ_k w[o][k] · x[r, k]`
//!
//! int8: `b` holds `−zero · Σ w` too, `y` is requantized; `w − z[o]` stands for `w` where the weights have zero points `z`. f32: `y` is clamped to `lo..=hi`.

use super::weights::{Dot, Matrix, Reals, W4, Weight, check_zeros, packed};
use super::{clamp, steps};
use crate::arena::{Constants, Memory};
use crate::error::{Fault, Flaw};
use crate::format::{DType, Layout, Opcode, Record, Requant, Span, Tensor, plain};
use crate::int::{Int, Sum};
use crate::kernels::Kernels;
use crate::rows::{pieces, pieces_mut};

/// Fully connected layer in integers.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct FullyConnected<T> {
    /// `[..][k]`.
    pub input: Tensor,
    /// `[..][o]`.
    pub output: Tensor,
    /// `i8` weights `[o][k]`, ordered by `layout`.
    pub weights: Span,
    /// Order of the weights.
    pub layout: Layout,
    /// `i8` zero point of each output's weights; empty if all are 0.
    pub zeros: Span,
    /// Bias for each output, the input's zero point folded in: `i32` for int8, `i64` for int16.
    pub bias: Span,
    /// From the sum to the output.
    pub requant: Requant<T>,
    /// Arena bytes that a fast kernel asked for; the portable one uses none.
    pub scratch: Span,
}

plain!(FullyConnected<T> { input, output, weights, layout, zeros, bias, requant, scratch });

/// Fully connected layer in f32.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct FullyConnectedF32 {
    /// `[..][k]`.
    pub input: Tensor,
    /// `[..][o]`.
    pub output: Tensor,
    /// `f32` weights `[o][k]`, ordered by `layout`.
    pub weights: Span,
    /// Order of the weights; not [`Layout::PAIRS`].
    pub layout: Layout,
    /// `f32` bias for each output.
    pub bias: Span,
    /// Smallest result.
    pub lo: f32,
    /// Largest result.
    pub hi: f32,
}

plain!(FullyConnectedF32 { input, output, weights, layout, bias, lo, hi });

/// Fully connected layer in int8.
pub type FullyConnectedI8 = FullyConnected<i8>;
/// Fully connected layer in int16, with int8 weights.
pub type FullyConnectedI16 = FullyConnected<i16>;

/// Fully connected layer in int8, with int4 weights.
#[derive(Clone, Debug, PartialEq)]
#[repr(C)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct FullyConnectedW4(pub FullyConnectedI8);

plain!(FullyConnectedW4 { 0 });

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

            fn scratch(&self) -> Span {
                self.scratch
            }

            fn macs(&self) -> u64 {
                macs(&self.input, &self.output)
            }

            fn check(&self, constants: Constants<'_>) -> Result<(), Flaw> {
                self.check_weights::<i8>(DType::$dtype, constants)
            }

            fn step<K: Kernels>(&self, kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
                let constants = memory.constants;
                let (input, output, scratch) = memory.apart(&self.input, &self.output, self.scratch)?;
                kernels.$method(self, constants, input, output, scratch)
            }
        }
    };
}
record!(FullyConnectedI8, I8, fully_connected_i8);
record!(FullyConnectedI16, I16, fully_connected_i16);

impl Record for FullyConnectedW4 {
    const OPCODE: Opcode = Opcode::FullyConnectedW4;
    packed!();

    fn step<K: Kernels>(&self, kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
        let (op, constants) = (&self.0, memory.constants);
        let (input, output, scratch) = memory.apart(&op.input, &op.output, op.scratch)?;
        kernels.fully_connected_w4(self, constants, input, output, scratch)
    }
}

impl<T: Int> FullyConnected<T> {
    fn check_weights<W: Weight>(&self, dtype: DType, constants: Constants<'_>) -> Result<(), Flaw> {
        let (outputs, depth) = matrix(&self.input, &self.output, Some(dtype))?;
        W::check(constants, self.weights, self.layout.len(outputs, depth))?;
        check_zeros(constants, self.zeros, outputs)?;
        constants.check::<T::Sum>(self.bias, outputs)?;
        self.requant.check(constants, outputs)
    }
}

impl Record for FullyConnectedF32 {
    const OPCODE: Opcode = Opcode::FullyConnectedF32;

    fn inputs(&self) -> &[Tensor] {
        core::slice::from_ref(&self.input)
    }

    fn output(&self) -> &Tensor {
        &self.output
    }

    fn macs(&self) -> u64 {
        macs(&self.input, &self.output)
    }

    fn check(&self, constants: Constants<'_>) -> Result<(), Flaw> {
        let (outputs, depth) = matrix(&self.input, &self.output, Some(DType::F32))?;
        Reals::check(constants, self.weights, (self.layout, outputs, depth))?;
        constants.check::<f32>(self.bias, outputs)?;
        Ok(())
    }

    fn step<K: Kernels>(&self, kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
        let constants = memory.constants;
        let (input, output, _) = memory.apart(&self.input, &self.output, Span::EMPTY)?;
        kernels.fully_connected_f32(self, constants, input, output)
    }
}

fn macs(input: &Tensor, output: &Tensor) -> u64 {
    let [.., depth] = input.shape;
    steps(output, depth.into())
}

/// Rows and columns of the weight matrix, the shapes checked.
fn matrix(input: &Tensor, output: &Tensor, dtype: Option<DType>) -> Result<(u32, u32), Flaw> {
    if input.dtype() != dtype || output.dtype() != dtype {
        return Err(Flaw::Type);
    }
    let ([n, h, w, depth], [out_n, out_h, out_w, outputs]) = (input.shape, output.shape);
    match n == out_n && h == out_h && w == out_w && depth > 0 && outputs > 0 {
        true => Ok((outputs, depth)),
        false => Err(Flaw::Shape),
    }
}

/// The portable kernel in integers.
///
/// # Errors
/// [`Fault`] if the record was not checked or the slices do not fit it.
pub fn run<T: Int, W: Dot<T>, K: Kernels + ?Sized>(
    kernels: &K,
    op: &FullyConnected<T>,
    constants: Constants<'_>,
    input: &[T],
    output: &mut [T],
) -> Result<(), Fault> {
    let (outputs, depth) = matrix(&op.input, &op.output, T::DTYPE).map_err(|_| Fault)?;
    let bias = constants.get::<T::Sum>(op.bias)?;
    let requant = op.requant.channels(constants)?;
    let weights = Matrix::<W>::new(constants, op.weights, op.zeros, (op.layout, depth))?;
    each_vector(input, output, depth, outputs, |o, x| {
        let bias = bias.get(o as usize).ok_or(Fault)?;
        let sum = weights.dot(kernels, o, 0, x)?.plus(*bias);
        Ok(requant.channel(o)?.apply(sum))
    })
}

/// The portable kernel in f32.
///
/// # Errors
/// [`Fault`] if the record was not checked or the slices do not fit it.
pub fn run_f32<K: Kernels + ?Sized>(
    kernels: &K,
    op: &FullyConnectedF32,
    constants: Constants<'_>,
    input: &[f32],
    output: &mut [f32],
) -> Result<(), Fault> {
    let (outputs, depth) = matrix(&op.input, &op.output, Some(DType::F32)).map_err(|_| Fault)?;
    let bias = constants.get::<f32>(op.bias)?;
    let weights = Reals::new(constants, op.weights, (op.layout, depth))?;
    each_vector(input, output, depth, outputs, |o, x| {
        let sum = weights.dot(kernels, o, 0, x)? + bias.get(o as usize).ok_or(Fault)?;
        Ok(clamp(sum, op.lo, op.hi))
    })
}

/// Writes `value(o, x)` for every output of every input vector.
#[inline(always)]
fn each_vector<T>(
    input: &[T],
    output: &mut [T],
    depth: u32,
    outputs: u32,
    value: impl Fn(u32, &[T]) -> Result<T, Fault>,
) -> Result<(), Fault> {
    if depth == 0 || outputs == 0 {
        return Err(Fault);
    }
    let vectors = pieces(input, depth as usize);
    for (x, y) in vectors.zip(pieces_mut(output, outputs as usize)) {
        for (o, y) in (0..).zip(y) {
            *y = value(o, x)?;
        }
    }
    Ok(())
}
