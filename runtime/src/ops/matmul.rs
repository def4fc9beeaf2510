//! Products of matrices that are both computed: `y[.., r, p] = Σ_k a[.., r, k] · b[.., k, p]`, or `b[.., p, k]` if `b` is transposed.
//!
//! The two dimensions in front are batches, repeated where they are 1.
//! Integers: `y = requantize(Σ_k (a − zeros[0])·(b − zeros[1]))` with one multiplier. f32: `y = clamp(Σ, lo, hi)`.

use super::binary::product;
use super::clamp;
use crate::arena::{Constants, Memory, Pod};
use crate::error::{Fault, Flaw};
use crate::format::{DType, Opcode, Record, Tensor, decode};
use crate::int::{Int, Sum};
use crate::kernels::Kernels;
use crate::requant::Rounding;
use crate::rows::{pieces, pieces_mut};

/// Product of matrices in integers.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct MatMul<T> {
    /// `a`: `[n][m][r][k]`, and `b`: `[n][m][k][p]`, or `[n][m][p][k]`; `n` and `m` are 1 or the output's.
    pub inputs: [Tensor; 2],
    /// `y`: `[n][m][r][p]`.
    pub output: Tensor,
    /// Whether `b` is `[n][m][p][k]`.
    pub transposed: bool,
    /// Zero points of `a` and `b`.
    pub zeros: [T; 2],
    /// `m` of the requantization.
    pub multiplier: i32,
    /// Its shift: 0..=30, in int16 1..=62.
    pub shift: u8,
    /// The output's zero point.
    pub zero: T,
    /// Smallest result.
    pub lo: T,
    /// Largest result.
    pub hi: T,
}

decode!(MatMul<T> { inputs, output, transposed, zeros, multiplier, shift, zero, lo, hi });

/// Product of matrices in f32.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
pub struct MatMulF32 {
    /// `a`: `[n][m][r][k]`, and `b`: `[n][m][k][p]`, or `[n][m][p][k]`; `n` and `m` are 1 or the output's.
    pub inputs: [Tensor; 2],
    /// `y`: `[n][m][r][p]`.
    pub output: Tensor,
    /// Whether `b` is `[n][m][p][k]`.
    pub transposed: bool,
    /// Smallest result.
    pub lo: f32,
    /// Largest result.
    pub hi: f32,
}

decode!(MatMulF32 { inputs, output, transposed, lo, hi });

/// Product of matrices in int8.
pub type MatMulI8 = MatMul<i8>;
/// Product of matrices in int16.
pub type MatMulI16 = MatMul<i16>;

macro_rules! record {
    ($record:ident, $dtype:ident, $element:ty, $method:ident) => {
        impl Record for $record {
            const OPCODE: Opcode = Opcode::$record;

            fn inputs(&self) -> &[Tensor] {
                &self.inputs
            }

            fn output(&self) -> &Tensor {
                &self.output
            }

            fn macs(&self) -> u64 {
                macs(&self.inputs, &self.output)
            }

            fn check(&self, _constants: Constants<'_>) -> Result<(), Flaw> {
                if !<$element>::SHIFTS.contains(&self.shift) {
                    return Err(Flaw::Parameter);
                }
                check(&self.inputs, &self.output, self.transposed, DType::$dtype)
            }

            fn step<K: Kernels>(&self, kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
                let ([a, b], output) = memory.operands(&self.inputs, &self.output)?;
                kernels.$method(self, a.ok_or(Fault)?, b.ok_or(Fault)?, output)
            }
        }
    };
}
record!(MatMulI8, I8, i8, matmul_i8);
record!(MatMulI16, I16, i16, matmul_i16);

impl Record for MatMulF32 {
    const OPCODE: Opcode = Opcode::MatMulF32;

    fn inputs(&self) -> &[Tensor] {
        &self.inputs
    }

    fn output(&self) -> &Tensor {
        &self.output
    }

    fn macs(&self) -> u64 {
        macs(&self.inputs, &self.output)
    }

    fn check(&self, _constants: Constants<'_>) -> Result<(), Flaw> {
        check(&self.inputs, &self.output, self.transposed, DType::F32)
    }

    fn step<K: Kernels>(&self, kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
        let ([a, b], output) = memory.operands(&self.inputs, &self.output)?;
        kernels.matmul_f32(self, a.ok_or(Fault)?, b.ok_or(Fault)?, output)
    }
}

fn macs([a, _]: &[Tensor; 2], output: &Tensor) -> u64 {
    let [.., depth] = a.shape;
    u64::from(output.len().unwrap_or(u32::MAX)).saturating_mul(u64::from(depth))
}

fn check([a, b]: &[Tensor; 2], output: &Tensor, transposed: bool, dtype: DType) -> Result<(), Flaw> {
    if [a, b, output].iter().any(|tensor| tensor.dtype() != Some(dtype)) {
        return Err(Flaw::Type);
    }
    let [an, am, ar, ak] = a.shape;
    let [bn, bm, br, bp] = b.shape;
    let [n, m, r, p] = output.shape;
    let (bk, bp) = if transposed { (bp, br) } else { (br, bp) };
    let batch = |dim: u32, out: u32| dim == 1 || dim == out;
    let batches = batch(an, n) && batch(bn, n) && batch(am, m) && batch(bm, m);
    if batches && ar == r && ak == bk && bp == p { Ok(()) } else { Err(Flaw::Shape) }
}

/// Calls `product(a, b, y)` for the matrices of every batch.
#[inline(always)]
fn each_matrix<T: Pod>(
    inputs: &[Tensor; 2],
    shape: [u32; 4],
    [a, b]: [&[T]; 2],
    output: &mut [T],
    mut product: impl FnMut(&[T], &[T], &mut [T]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let [n, m, r, p] = shape;
    let mut results = pieces_mut(output, (r as usize).wrapping_mul(p as usize).max(1));
    for (i, j) in (0..n).flat_map(|i| (0..m).map(move |j| (i, j))) {
        let [a, b] = [matrix(&inputs[0], a, i, j)?, matrix(&inputs[1], b, i, j)?];
        product(a, b, results.next().ok_or(Fault)?)?;
    }
    Ok(())
}

/// The matrix of batch `[i, j]`, whose dimensions of 1 repeat.
fn matrix<'a, T>(tensor: &Tensor, numbers: &'a [T], i: u32, j: u32) -> Result<&'a [T], Fault> {
    let [n, m, rows, columns] = tensor.shape;
    let (i, j) = (if n == 1 { 0 } else { i }, if m == 1 { 0 } else { j });
    let len = rows.wrapping_mul(columns) as usize;
    let start = (i.wrapping_mul(m).wrapping_add(j) as usize).wrapping_mul(len);
    numbers.get(start..start.wrapping_add(len)).ok_or(Fault)
}

/// The portable kernel in integers.
///
/// # Errors
/// [`Fault`] if the record was not checked or the slices do not fit it.
pub fn run<T: Int>(op: &MatMul<T>, a: &[T], b: &[T], output: &mut [T]) -> Result<(), Fault> {
    let MatMul { zeros, multiplier, shift, zero, lo, hi, .. } = *op;
    let rounding = Rounding { multiplier, shift, zero, lo, hi };
    let [.., k] = op.inputs[0].shape.map(|dim| dim as usize);
    let [.., p] = op.output.shape.map(|dim| dim as usize);
    let (first, step) = if op.transposed { (k, 1) } else { (1, p) };
    each_matrix(&op.inputs, op.output.shape, [a, b], output, |a, b, y| {
        for (row, y) in pieces(a, k.max(1)).zip(pieces_mut(y, p.max(1))) {
            for (j, y) in y.iter_mut().enumerate() {
                let column = b.iter().skip(j.wrapping_mul(first)).step_by(step.max(1));
                let products = row.iter().zip(column).map(|(a, b)| product([*a, *b], zeros));
                *y = rounding.apply(products.fold(T::Sum::default(), Sum::plus));
            }
        }
        Ok(())
    })
}

/// The portable kernel in f32.
///
/// # Errors
/// [`Fault`] if the record was not checked or the slices do not fit it.
pub fn run_f32<K: Kernels + ?Sized>(
    kernels: &K,
    op: &MatMulF32,
    a: &[f32],
    b: &[f32],
    output: &mut [f32],
) -> Result<(), Fault> {
    let [.., k] = op.inputs[0].shape.map(|dim| dim as usize);
    let [.., p] = op.output.shape.map(|dim| dim as usize);
    each_matrix(&op.inputs, op.output.shape, [a, b], output, |a, b, y| {
        for (row, y) in pieces(a, k.max(1)).zip(pieces_mut(y, p.max(1))) {
            if op.transposed {
                y.iter_mut().zip(pieces(b, k.max(1))).for_each(|(y, column)| *y = kernels.dot_f32(row, column));
            } else {
                y.fill(0.0);
                for (a, line) in row.iter().zip(pieces(b, p.max(1))) {
                    y.iter_mut().zip(line).for_each(|(y, b)| *y += a * b);
                }
            }
            y.iter_mut().for_each(|y| *y = clamp(*y, op.lo, op.hi));
        }
        Ok(())
    })
}
