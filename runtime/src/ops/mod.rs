//! The operations, one file each: equation, record, check, portable kernel.

pub mod argmax;
pub mod average_rows;
pub mod binary;
pub mod binary_function;
pub mod concat;
pub mod conv;
pub mod cumulative;
pub mod depthwise;
pub mod fully_connected;
pub mod gather;
pub mod gru;
pub mod lstm;
pub mod matmul;
pub mod normalize;
pub mod pad;
pub mod pool;
pub mod quantize;
pub mod recurrent_i8;
pub mod resample;
pub mod rescale;
pub mod rnn;
pub mod scatter;
pub mod select;
pub mod softmax;
pub mod strided_copy;
pub mod top_k;
pub mod unary;
pub mod weights;

mod broadcast;
mod indices;
mod recurrent;
mod remainder;
mod spatial;

use crate::error::Flaw;
use crate::format::Tensor;

pub use argmax::{ArgMaxF32, ArgMaxI8, ArgMaxI16};
pub use average_rows::{AverageRowsI8, AverageRowsI16};
pub use binary::{AddF32, AddI8, AddI16, MulF32, MulI8, MulI16, SubF32};
pub use binary_function::{BinaryF32, BinaryFunction};
pub use concat::{ConcatF32, ConcatI8, ConcatI16};
pub use conv::{ConvF32, ConvI8, ConvI16, ConvW4};
pub use cumulative::CumulativeF32;
pub use depthwise::{DepthwiseF32, DepthwiseI8, DepthwiseI16, DepthwiseW4};
pub use fully_connected::{FullyConnectedF32, FullyConnectedI8, FullyConnectedI16, FullyConnectedW4};
pub use gather::{GatherF32, GatherI8, GatherI16};
pub use gru::{GruF32, GruI8};
pub use lstm::{LstmF32, LstmI8};
pub use matmul::{MatMulF32, MatMulI8, MatMulI16};
pub use normalize::{NormalizeF32, NormalizeI8, NormalizeI16};
pub use pad::{PadF32, PadI8, PadI16};
pub use pool::{AveragePoolF32, AveragePoolI8, AveragePoolI16, MaxPoolF32, MaxPoolI8, MaxPoolI16};
pub use quantize::{DequantizeI8, DequantizeI16, QuantizeI8, QuantizeI16};
pub use recurrent_i8::GatesI8;
pub use resample::{ResampleF32, ResampleI8, ResampleI16};
pub use rescale::{NarrowI16, RescaleI16, WidenI8};
pub use rnn::{RnnF32, RnnI8};
pub use scatter::{ScatterF32, Update};
pub use select::SelectF32;
pub use softmax::{SoftmaxF32, SoftmaxI8, SoftmaxI16};
pub(crate) use spatial::Axis;
#[cfg(test)]
pub(crate) use spatial::check as check_window;
pub use strided_copy::{StridedCopyF32, StridedCopyI8, StridedCopyI16};
pub use top_k::TopKF32;
pub use unary::{Function, TableI8, TableI16, UnaryF32};

/// Checks that `x` is `[outer][n][inner]` and `y` is `[outer][m][inner]`, none of them 0.
fn check_axis(x: &Tensor, y: &Tensor, [n, m, inner]: [u32; 3]) -> Result<(), Flaw> {
    let block = n.checked_mul(inner).filter(|block| *block > 0);
    let outer =
        x.len().zip(block).and_then(|(len, block)| len.checked_div(block).filter(|_| len.is_multiple_of(block)));
    let wanted = outer.and_then(|outer| outer.checked_mul(m)?.checked_mul(inner)).filter(|len| *len > 0);
    if wanted.is_some() && wanted == y.len() { Ok(()) } else { Err(Flaw::Shape) }
}

/// Inner steps of a record that takes `each` for every element of its output.
#[inline(never)]
fn steps(output: &Tensor, each: u64) -> u64 {
    u64::from(output.len().unwrap_or(u32::MAX)).saturating_mul(each)
}

/// `min(max(x, lo), hi)` that keeps NaN, so that a float program does not hide one.
#[inline(always)]
fn clamp(x: f32, lo: f32, hi: f32) -> f32 {
    if x < lo {
        lo
    } else if x > hi {
        hi
    } else {
        x
    }
}
