//! The interface between programs and instruction sets.

use crate::arena::{Constants, Operand};
use crate::error::Fault;
use crate::ops::weights::{W4, nibbles};
use crate::ops::*;
use crate::rows::Work;

/// Kernels of one instruction set: a few inner products that the portable operations are written over,
/// and a method for each operation, to be overridden where the profile says so.
///
/// Every implementation gives the bits of [`Portable`] on integer operations whose numbers lie where `FORMAT.md` has them, as the converter's do.
/// Dispatch is static. A method takes checked records; it returns [`Fault`] where it would otherwise panic.
///
/// ```
/// use lacewing::{Kernels, Portable};
/// assert_eq!(Portable.dot_i8(&[1, -2, 3], &[4, 5, 6]), 12);
/// ```
pub trait Kernels {
    /// `Σ a[i]·b[i]` over the shorter of both, wrapping.
    #[inline(always)]
    fn dot_i8(&self, a: &[i8], b: &[i8]) -> i32 {
        a.iter().zip(b).fold(0, |sum, (a, b)| sum.wrapping_add(i32::from(*a) * i32::from(*b)))
    }

    /// `Σ a[i]·b[i]` over the shorter of both, wrapping; `b` are int16 activations. 256 products of both types fit into 32 bits.
    #[inline(always)]
    fn dot_i16(&self, a: &[i8], b: &[i16]) -> i64 {
        let part = |a: &[i8], b: &[i16]| {
            a.iter().zip(b).fold(0i32, |sum, (a, b)| sum.wrapping_add(i32::from(*a).wrapping_mul(i32::from(*b))))
        };
        let len = a.len().min(b.len());
        let (a, a_rest) = a.get(..len).unwrap_or_default().as_chunks::<256>();
        let (b, b_rest) = b.get(..len).unwrap_or_default().as_chunks::<256>();
        let rest = i64::from(part(a_rest, b_rest));
        a.iter().zip(b).fold(rest, |sum, (a, b)| sum.wrapping_add(i64::from(part(a, b))))
    }

    /// `Σ a[i]·b[i]`, wrapping, of int4 weights `a`, two in a byte, the first in the low half; over as many as both have.
    #[inline(always)]
    fn dot_w4(&self, a: &[i8], b: &[i8]) -> i32 {
        let product = |(w, x): (i8, &i8)| i32::from(w) * i32::from(*x);
        a.iter().flat_map(|pair| nibbles(*pair)).zip(b).map(product).fold(0, i32::wrapping_add)
    }

    /// `Σ a[i]·b[i]` over the shorter of both, in eight interleaved sums.
    #[inline(always)]
    fn dot_f32(&self, a: &[f32], b: &[f32]) -> f32 {
        dot_f32(a, b)
    }

    /// Convolution in int8.
    #[inline(always)]
    fn conv_i8(&self, op: &ConvI8, c: Constants<'_>, work: Work<'_, i8>) -> Result<(), Fault> {
        conv::run::<_, i8, _>(self, op, c, work)
    }

    /// Convolution in int16.
    #[inline(always)]
    fn conv_i16(&self, op: &ConvI16, c: Constants<'_>, work: Work<'_, i16>) -> Result<(), Fault> {
        conv::run::<_, i8, _>(self, op, c, work)
    }

    /// Convolution in int8 with int4 weights.
    #[inline(always)]
    fn conv_w4(&self, op: &ConvW4, c: Constants<'_>, work: Work<'_, i8>) -> Result<(), Fault> {
        conv::run::<_, W4, _>(self, &op.0, c, work)
    }

    /// Convolution in f32.
    #[inline(always)]
    fn conv_f32(&self, op: &ConvF32, c: Constants<'_>, work: Work<'_, f32>) -> Result<(), Fault> {
        conv::run_f32(self, op, c, work)
    }

    /// Depthwise convolution in int8.
    #[inline(always)]
    fn depthwise_i8(&self, op: &DepthwiseI8, c: Constants<'_>, work: Work<'_, i8>) -> Result<(), Fault> {
        depthwise::run::<_, i8>(op, c, work)
    }

    /// Depthwise convolution in int16.
    #[inline(always)]
    fn depthwise_i16(&self, op: &DepthwiseI16, c: Constants<'_>, work: Work<'_, i16>) -> Result<(), Fault> {
        depthwise::run::<_, i8>(op, c, work)
    }

    /// Depthwise convolution in int8 with int4 weights.
    #[inline(always)]
    fn depthwise_w4(&self, op: &DepthwiseW4, c: Constants<'_>, work: Work<'_, i8>) -> Result<(), Fault> {
        depthwise::run::<_, W4>(&op.0, c, work)
    }

    /// Depthwise convolution in f32.
    #[inline(always)]
    fn depthwise_f32(&self, op: &DepthwiseF32, c: Constants<'_>, work: Work<'_, f32>) -> Result<(), Fault> {
        depthwise::run_f32(op, c, work)
    }

    /// Product of matrices in int8.
    #[inline(always)]
    fn matmul_i8(&self, op: &MatMulI8, a: &[i8], b: &[i8], output: &mut [i8]) -> Result<(), Fault> {
        matmul::run(op, a, b, output)
    }

    /// Product of matrices in int16.
    #[inline(always)]
    fn matmul_i16(&self, op: &MatMulI16, a: &[i16], b: &[i16], output: &mut [i16]) -> Result<(), Fault> {
        matmul::run(op, a, b, output)
    }

    /// Product of matrices in f32.
    #[inline(always)]
    fn matmul_f32(&self, op: &MatMulF32, a: &[f32], b: &[f32], output: &mut [f32]) -> Result<(), Fault> {
        matmul::run_f32(self, op, a, b, output)
    }

    /// Fully connected layer in int8, for any number of input vectors.
    #[inline(always)]
    fn fully_connected_i8(
        &self,
        op: &FullyConnectedI8,
        c: Constants<'_>,
        input: &[i8],
        output: &mut [i8],
        _scratch: &mut [u8],
    ) -> Result<(), Fault> {
        fully_connected::run::<_, i8, _>(self, op, c, input, output)
    }

    /// Fully connected layer in int16, for any number of input vectors.
    #[inline(always)]
    fn fully_connected_i16(
        &self,
        op: &FullyConnectedI16,
        c: Constants<'_>,
        input: &[i16],
        output: &mut [i16],
        _scratch: &mut [u8],
    ) -> Result<(), Fault> {
        fully_connected::run::<_, i8, _>(self, op, c, input, output)
    }

    /// Fully connected layer in int8 with int4 weights, for any number of input vectors.
    #[inline(always)]
    fn fully_connected_w4(
        &self,
        op: &FullyConnectedW4,
        c: Constants<'_>,
        input: &[i8],
        output: &mut [i8],
        _scratch: &mut [u8],
    ) -> Result<(), Fault> {
        fully_connected::run::<_, W4, _>(self, &op.0, c, input, output)
    }

    /// Fully connected layer in f32, for any number of input vectors.
    #[inline(always)]
    fn fully_connected_f32(
        &self,
        op: &FullyConnectedF32,
        c: Constants<'_>,
        input: &[f32],
        output: &mut [f32],
    ) -> Result<(), Fault> {
        fully_connected::run_f32(self, op, c, input, output)
    }

    /// Average pool in int8.
    #[inline(always)]
    fn average_pool_i8(&self, op: &AveragePoolI8, c: Constants<'_>, work: Work<'_, i8>) -> Result<(), Fault> {
        pool::average(op, c, work)
    }

    /// Average pool in int16.
    #[inline(always)]
    fn average_pool_i16(&self, op: &AveragePoolI16, c: Constants<'_>, work: Work<'_, i16>) -> Result<(), Fault> {
        pool::average(op, c, work)
    }

    /// Average pool in f32.
    #[inline(always)]
    fn average_pool_f32(&self, op: &AveragePoolF32, work: Work<'_, f32>) -> Result<(), Fault> {
        pool::average_f32(op, work)
    }

    /// Max pool in int8.
    #[inline(always)]
    fn max_pool_i8(&self, op: &MaxPoolI8, work: Work<'_, i8>) -> Result<(), Fault> {
        pool::max(op, work)
    }

    /// Max pool in int16.
    #[inline(always)]
    fn max_pool_i16(&self, op: &MaxPoolI16, work: Work<'_, i16>) -> Result<(), Fault> {
        pool::max(op, work)
    }

    /// Max pool in f32.
    #[inline(always)]
    fn max_pool_f32(&self, op: &MaxPoolF32, work: Work<'_, f32>) -> Result<(), Fault> {
        pool::max_f32(op, work)
    }

    /// Sum or difference in int8. An operand of `None` is the output itself.
    #[inline(always)]
    fn add_i8(&self, op: &AddI8, a: Operand<'_, i8>, b: Operand<'_, i8>, output: &mut [i8]) -> Result<(), Fault> {
        binary::add_i8(op, a, b, output)
    }

    /// Product in int8. An operand of `None` is the output itself.
    #[inline(always)]
    fn mul_i8(&self, op: &MulI8, a: Operand<'_, i8>, b: Operand<'_, i8>, output: &mut [i8]) -> Result<(), Fault> {
        binary::mul(op, a, b, output)
    }

    /// Product in int16. An operand of `None` is the output itself.
    #[inline(always)]
    fn mul_i16(&self, op: &MulI16, a: Operand<'_, i16>, b: Operand<'_, i16>, output: &mut [i16]) -> Result<(), Fault> {
        binary::mul(op, a, b, output)
    }

    /// Copy by strides in int8.
    #[inline(always)]
    fn strided_copy_i8(&self, op: &StridedCopyI8, input: &[i8], output: &mut [i8]) -> Result<(), Fault> {
        strided_copy::run(input, output, op.start, op.dims, op.strides)
    }

    /// Copy by strides in int16.
    #[inline(always)]
    fn strided_copy_i16(&self, op: &StridedCopyI16, input: &[i16], output: &mut [i16]) -> Result<(), Fault> {
        strided_copy::run(input, output, op.start, op.dims, op.strides)
    }

    /// Copy by strides in f32.
    #[inline(always)]
    fn strided_copy_f32(&self, op: &StridedCopyF32, input: &[f32], output: &mut [f32]) -> Result<(), Fault> {
        strided_copy::run(input, output, op.start, op.dims, op.strides)
    }

    /// `output[i] = table[input[i]]`. An input of `None` is the output itself.
    #[inline(always)]
    fn table_i8(&self, table: &[i8; 256], input: Operand<'_, i8>, output: &mut [i8]) {
        unary::run_i8(table, input, output);
    }

    /// Softmax in int8.
    #[inline(always)]
    fn softmax_i8(&self, op: &SoftmaxI8, c: Constants<'_>, input: &[i8], output: &mut [i8]) -> Result<(), Fault> {
        softmax::run_i8(op, c, input, output)
    }
}

/// The kernels that define the arithmetic: plain Rust, any target.
#[derive(Clone, Copy, Debug, Default)]
pub struct Portable;

impl Kernels for Portable {}

/// Eight sums, so that the compiler may use vectors; the order of additions is fixed.
#[inline(always)]
fn dot_f32(a: &[f32], b: &[f32]) -> f32 {
    let len = a.len().min(b.len());
    let mut sums = [0.0; 8];
    let (a, a_rest) = a.get(..len).unwrap_or_default().as_chunks::<8>();
    let (b, b_rest) = b.get(..len).unwrap_or_default().as_chunks::<8>();
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest = a_rest.iter().zip(b_rest).fold(0.0, |sum, (a, b)| sum + a * b);
    sums.iter().fold(rest, |sum, part| sum + part)
}
