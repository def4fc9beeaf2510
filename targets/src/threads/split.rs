//! Kernels whose large layers are computed by several threads.
//!
//! Convolutions and pools are cut into ranges of rows, fully connected layers into ranges of input vectors or, for one vector, of outputs; each
//! thread computes its ranges as if they were layers of their own.

use core::ops::Range;

use lacewing::arena::{Constants, Operand, Pod};
use lacewing::format::{Layout, Requant, Span, Tensor};
use lacewing::ops::*;
use lacewing::rows::Work;
use lacewing::{Fault, Kernels};

use super::Threads;
use super::queue::each_part;

/// Products of a layer that take longer than to have other threads come: what one thread computes in about 2 µs.
const WORTH: u64 = 200_000;

/// Kernels whose large layers are computed by several threads, for [`Model::run`](lacewing::Model::run);
/// [`Session::on`](crate::Session::on) has them already.
///
/// Convolutions, pools and fully connected layers are shared, from a size on that is worth it; all others are computed by the thread that calls. The
/// output bits are those of the kernels.
#[derive(Clone, Copy, Debug)]
pub struct Split<'t, K> {
    kernels: K,
    threads: Option<&'t Threads>,
    least: u64,
}

impl<'t, K: Kernels + Sync> Split<'t, K> {
    /// Kernels, and the threads to share their work, if there are any.
    pub fn new(kernels: K, threads: Option<&'t Threads>) -> Self {
        Self { kernels, threads, least: WORTH }
    }

    /// Shares layers from so many products on, instead of 200,000.
    #[must_use]
    pub fn from_products(self, least: u64) -> Self {
        Self { least, ..self }
    }

    /// The threads, if so many products are worth it.
    fn threads(&self, products: u64) -> Option<&'t Threads> {
        self.threads.filter(|_| products >= self.least)
    }

    /// Rows of a convolution or a pool with so many products for each number of the output.
    fn rows<T: Pod + Send + Sync>(
        &self,
        products: u64,
        work: Work<'_, T>,
        kernel: impl Fn(Work<'_, T>) -> Result<(), Fault> + Sync,
    ) -> Result<(), Fault> {
        let Work { input, rows, output, scratch } = work;
        let all = products.saturating_mul(output.len() as u64);
        let split = self.threads(all).and_then(|threads| {
            each_part(threads, (rows.clone(), &mut *output), 1, &mut *scratch, &|(rows, output), scratch| {
                kernel(Work { input, rows, output, scratch })
            })
        });
        split.unwrap_or_else(|| kernel(Work { input, rows, output, scratch }))
    }

    /// A fully connected layer: `kernel` computes vectors, and `outputs` is a layer of a range of outputs.
    fn layer<L: Sync, T: Sync, U: Send>(
        &self,
        layer: &L,
        (input, output, layout): (&Tensor, &Tensor, Layout),
        (x, y, scratch): (&[T], &mut [U], &mut [u8]),
        outputs: impl Fn(Range<u32>) -> Option<L> + Sync,
        kernel: impl Fn(&L, &[T], &mut [U], &mut [u8]) -> Result<(), Fault> + Sync,
    ) -> Result<(), Fault> {
        let [[.., depth], [.., width]] = [input.shape, output.shape];
        let split = self.threads(u64::from(depth).saturating_mul(y.len() as u64)).and_then(|threads| {
            match (x.len() as u32).checked_div(depth)? {
                1 if layout.outputs > 1 => {
                    let together = u32::from(layout.outputs);
                    each_part(threads, (0..width, &mut *y), together, &mut *scratch, &|(range, y), scratch| {
                        kernel(&outputs(range).ok_or(Fault)?, x, y, scratch)
                    })
                }
                vectors => each_part(threads, (0..vectors, &mut *y), 1, &mut *scratch, &|(range, y), scratch| {
                    let [from, to] = [range.start, range.end].map(|at| (at as usize).saturating_mul(depth as usize));
                    kernel(layer, x.get(from..to).ok_or(Fault)?, y, scratch)
                }),
            }
        });
        split.unwrap_or_else(|| kernel(layer, x, y, scratch))
    }
}

/// The part of a span that holds numbers `range` of `size` bytes.
fn part(span: Span, range: &Range<u32>, size: u32) -> Option<Span> {
    let [start, end] = [range.start, range.end].map(|at| at.checked_mul(size));
    let (start, end) = (start?, end?.min(span.len));
    Some(Span { offset: span.offset.checked_add(start)?, len: end.checked_sub(start)? })
}

/// The weights of a range of outputs, of `size` bytes each, whose start is that of a block.
fn weights(span: Span, layout: Layout, range: &Range<u32>, depth: u32, size: u32) -> Option<Span> {
    let [start, end] = [range.start, range.end].map(|outputs| layout.len(outputs, depth));
    part(span, &(start?..end?), size)
}

/// The requantization of a range of outputs.
fn requant(requant: Requant, range: &Range<u32>) -> Option<Requant> {
    let multipliers = match requant.multipliers.len {
        4 => requant.multipliers,
        _ => part(requant.multipliers, range, 4)?,
    };
    Some(Requant { multipliers, ..requant })
}

/// The products of a convolution for each number of its output.
fn products(weights: Span, size: u32, output: &Tensor) -> u64 {
    let [.., outputs] = output.shape;
    u64::from(weights.len / size / outputs.max(1))
}

/// The spatial operations: name, record and type of the numbers, and the products for each number of the output.
macro_rules! spatial {
    ($($name:ident($record:ident, $type:ty, $($constants:ident)?): |$op:ident| $products:expr;)*) => {
        $(fn $name(&self, $op: &$record, $($constants: Constants<'_>,)? work: Work<'_, $type>) -> Result<(), Fault> {
            self.rows($products, work, |work| self.kernels.$name($op, $($constants,)? work))
        })*
    };
}

/// A pooled number takes as long as some products.
fn window([height, width]: [u32; 2]) -> u64 {
    u64::from(height).saturating_mul(u64::from(width)).saturating_mul(16)
}

impl<K: Kernels + Sync> Kernels for Split<'_, K> {
    spatial! {
        conv_i8(ConvI8, i8, c): |op| products(op.weights, 1, &op.output);
        conv_i16(ConvI16, i16, c): |op| products(op.weights, 1, &op.output);
        conv_w4(ConvW4, i8, c): |op| products(op.0.weights, 1, &op.0.output);
        conv_f32(ConvF32, f32, c): |op| products(op.weights, 4, &op.output);
        depthwise_i8(DepthwiseI8, i8, c): |op| products(op.weights, 1, &op.output).saturating_mul(4);
        depthwise_i16(DepthwiseI16, i16, c): |op| products(op.weights, 1, &op.output).saturating_mul(4);
        depthwise_w4(DepthwiseW4, i8, c): |op| products(op.0.weights, 1, &op.0.output).saturating_mul(4);
        depthwise_f32(DepthwiseF32, f32, c): |op| products(op.weights, 4, &op.output).saturating_mul(4);
        average_pool_i8(AveragePoolI8, i8, c): |op| window(op.window.kernel);
        average_pool_i16(AveragePoolI16, i16, c): |op| window(op.window.kernel);
        average_pool_f32(AveragePoolF32, f32,): |op| window(op.window.kernel);
        max_pool_i8(MaxPoolI8, i8,): |op| window(op.window.kernel);
        max_pool_i16(MaxPoolI16, i16,): |op| window(op.window.kernel);
        max_pool_f32(MaxPoolF32, f32,): |op| window(op.window.kernel);
    }

    fn fully_connected_i8(
        &self,
        op: &FullyConnectedI8,
        c: Constants<'_>,
        input: &[i8],
        output: &mut [i8],
        scratch: &mut [u8],
    ) -> Result<(), Fault> {
        let [.., depth] = op.input.shape;
        let outputs = |range: Range<u32>| {
            let mut part_of = op.clone();
            part_of.output.shape[3] = range.end.checked_sub(range.start)?;
            part_of.weights = weights(op.weights, op.layout, &range, depth, 1)?;
            part_of.zeros = part(op.zeros, &range, 1).filter(|_| op.zeros.len > 0).unwrap_or(op.zeros);
            part_of.bias = part(op.bias, &range, 4)?;
            part_of.requant = requant(op.requant, &range)?;
            Some(part_of)
        };
        self.layer(op, (&op.input, &op.output, op.layout), (input, output, scratch), outputs, |op, x, y, scratch| {
            self.kernels.fully_connected_i8(op, c, x, y, scratch)
        })
    }

    fn fully_connected_f32(
        &self,
        op: &FullyConnectedF32,
        c: Constants<'_>,
        input: &[f32],
        output: &mut [f32],
    ) -> Result<(), Fault> {
        let [.., depth] = op.input.shape;
        let outputs = |range: Range<u32>| {
            let mut part_of = op.clone();
            part_of.output.shape[3] = range.end.checked_sub(range.start)?;
            part_of.weights = weights(op.weights, op.layout, &range, depth, 4)?;
            part_of.bias = part(op.bias, &range, 4)?;
            Some(part_of)
        };
        self.layer(op, (&op.input, &op.output, op.layout), (input, output, &mut []), outputs, |op, x, y, _| {
            self.kernels.fully_connected_f32(op, c, x, y)
        })
    }

    fn dot_i8(&self, a: &[i8], b: &[i8]) -> i32 {
        self.kernels.dot_i8(a, b)
    }

    fn dot_i16(&self, a: &[i8], b: &[i16]) -> i64 {
        self.kernels.dot_i16(a, b)
    }

    fn dot_w4(&self, a: &[i8], b: &[i8]) -> i32 {
        self.kernels.dot_w4(a, b)
    }

    fn dot_f32(&self, a: &[f32], b: &[f32]) -> f32 {
        self.kernels.dot_f32(a, b)
    }

    fn matmul_i8(&self, op: &MatMulI8, a: &[i8], b: &[i8], output: &mut [i8]) -> Result<(), Fault> {
        self.kernels.matmul_i8(op, a, b, output)
    }

    fn matmul_i16(&self, op: &MatMulI16, a: &[i16], b: &[i16], output: &mut [i16]) -> Result<(), Fault> {
        self.kernels.matmul_i16(op, a, b, output)
    }

    fn matmul_f32(&self, op: &MatMulF32, a: &[f32], b: &[f32], output: &mut [f32]) -> Result<(), Fault> {
        self.kernels.matmul_f32(op, a, b, output)
    }

    fn fully_connected_i16(
        &self,
        op: &FullyConnectedI16,
        c: Constants<'_>,
        input: &[i16],
        output: &mut [i16],
        scratch: &mut [u8],
    ) -> Result<(), Fault> {
        self.kernels.fully_connected_i16(op, c, input, output, scratch)
    }

    fn fully_connected_w4(
        &self,
        op: &FullyConnectedW4,
        c: Constants<'_>,
        input: &[i8],
        output: &mut [i8],
        scratch: &mut [u8],
    ) -> Result<(), Fault> {
        self.kernels.fully_connected_w4(op, c, input, output, scratch)
    }

    fn add_i8(&self, op: &AddI8, a: Operand<'_, i8>, b: Operand<'_, i8>, output: &mut [i8]) -> Result<(), Fault> {
        self.kernels.add_i8(op, a, b, output)
    }

    fn mul_i8(&self, op: &MulI8, a: Operand<'_, i8>, b: Operand<'_, i8>, output: &mut [i8]) -> Result<(), Fault> {
        self.kernels.mul_i8(op, a, b, output)
    }

    fn mul_i16(&self, op: &MulI16, a: Operand<'_, i16>, b: Operand<'_, i16>, output: &mut [i16]) -> Result<(), Fault> {
        self.kernels.mul_i16(op, a, b, output)
    }

    fn table_i8(&self, table: &[i8; 256], input: Operand<'_, i8>, output: &mut [i8]) {
        self.kernels.table_i8(table, input, output);
    }

    fn softmax_i8(&self, op: &SoftmaxI8, c: Constants<'_>, input: &[i8], output: &mut [i8]) -> Result<(), Fault> {
        self.kernels.softmax_i8(op, c, input, output)
    }
}
