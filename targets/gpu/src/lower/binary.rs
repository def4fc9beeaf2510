//! Sums and products, element by element; functions by table.

use lacewing::format::Tensor;
use lacewing::ops::{AddI8, MulI8, TableI8};

use super::conv::{signed, words};
use super::{Context, Dispatch, Reason, packed};
use crate::kernel::{Family, Kernel};

impl Context<'_> {
    pub(super) fn add(&mut self, op: &AddI8) -> Result<Dispatch, Reason> {
        let [ma, mb] = op.multipliers.map(|multiplier| multiplier as u32);
        let bias = op.bias.wrapping_add(1 << (op.shift - 1)) as u32;
        let limits = [op.shift.into(), signed(op.zero), signed(op.lo), signed(op.hi)];
        Ok(self.binary(&op.inputs, &op.output, [[ma, mb, bias, 0], limits, [0; 4]], false))
    }

    pub(super) fn mul(&mut self, op: &MulI8) -> Result<Dispatch, Reason> {
        let [za, zb] = op.zeros.map(signed);
        let limits = [op.shift.into(), signed(op.zero), signed(op.lo), signed(op.hi)];
        Ok(self.binary(&op.inputs, &op.output, [[0; 4], limits, [za, zb, op.multiplier as u32, 0]], true))
    }

    /// `numbers` are `ma, mb, bias`; `shift, zero, lo, hi`; and `za, zb, multiplier`.
    fn binary(
        &self,
        inputs: &[Tensor; 2],
        output: &Tensor,
        [[ma, mb, bias, _], limits, zeros]: [[u32; 4]; 3],
        product: bool,
    ) -> Dispatch {
        let mut params = vec![self.inputs[0], self.inputs[1], self.output, ma, mb, bias];
        params.extend(limits.into_iter().chain(zeros));
        params.extend(output.shape);
        inputs.iter().for_each(|input| params.extend(broadcast(input.shape)));
        let same = inputs.iter().all(|input| input.shape == output.shape);
        let kernel = Kernel::words(Family::Binary, &[("SAME", same.into()), ("PRODUCT", product.into())]);
        Dispatch { kernel, params, count: words(output.shape) }
    }

    pub(super) fn table(&mut self, op: &TableI8) -> Result<Dispatch, Reason> {
        let table = self.get::<i8>(op.table)?;
        let table = self.push(packed(table));
        let params = vec![self.input(), self.output, table];
        Ok(Dispatch { kernel: Kernel::words(Family::Table, &[]), params, count: words(op.output.shape) })
    }
}

/// How far apart neighbors along each dimension are, 0 where there is but one.
pub(super) fn broadcast([n, h, w, c]: [u32; 4]) -> [u32; 4] {
    let step = |dim: u32, step: u32| if dim == 1 { 0 } else { step };
    [step(n, h * w * c), step(h, w * c), step(w, c), step(c, 1)]
}
