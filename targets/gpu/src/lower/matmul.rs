//! Products of matrices that are both computed.

use lacewing::format::Tensor;
use lacewing::ops::{MatMulF32, MatMulI8};

use super::binary::broadcast;
use super::conv::{signed, words};
use super::{Context, Dispatch, Reason};
use crate::kernel::{Family, Kernel};

impl Context<'_> {
    pub(super) fn mat_mul(&self, op: &MatMulI8) -> Result<Dispatch, Reason> {
        let [_, batches, rows, columns] = op.output.shape;
        let [za, zb] = op.zeros.map(signed);
        let mut params = vec![self.inputs[0], self.inputs[1], self.output, op.inputs[0].shape[3], za, zb];
        params.extend([op.shift.into(), signed(op.zero), signed(op.lo), signed(op.hi), op.multiplier as u32]);
        params.extend([batches, rows, columns]);
        params.extend(apart(&op.inputs, op.transposed));
        Ok(Dispatch { kernel: Kernel::words(Family::MatMul, &[]), params, count: words(op.output.shape) })
    }

    pub(super) fn mat_mul_f32(&self, op: &MatMulF32) -> Result<Dispatch, Reason> {
        let [_, batches, rows, columns] = op.output.shape;
        let mut params = vec![self.inputs[0], self.inputs[1], self.output, op.inputs[0].shape[3]];
        params.extend([op.lo, op.hi].map(f32::to_bits));
        params.extend([batches, rows, columns, 0]);
        params.extend(apart(&op.inputs, op.transposed));
        let count = op.output.shape.iter().product();
        Ok(Dispatch { kernel: Kernel::words(Family::MatMulF32, &[]), params, count })
    }
}

/// How far apart neighbors along both batches, the row or the column, and the depth are, of both operands.
fn apart([a, b]: &[Tensor; 2], transposed: bool) -> [u32; 8] {
    let [[an, am, ar, _], [bn, bm, ..]] = [broadcast(a.shape), broadcast(b.shape)];
    let width = b.shape[3];
    let [column, depth] = if transposed { [width, 1] } else { [1, width] };
    [an, am, ar, 1, bn, bm, column, depth]
}
