//! Softmax and ArgMax.

use lacewing::format::DType;
use lacewing::ops::{ArgMaxI8, SoftmaxI8};

use super::conv::words;
use super::{Context, Dispatch, Reason};
use crate::kernel::{Family, Kernel};

impl Context<'_> {
    pub(super) fn softmax(&mut self, op: &SoftmaxI8) -> Result<Dispatch, Reason> {
        let powers = self.get::<u32>(op.table)?;
        let table = self.push(powers.iter().copied());
        let [.., n] = op.input.shape;
        let len = op.output.shape.iter().product();
        let params = vec![self.input(), self.output, table, powers.len() as u32, n, len];
        Ok(Dispatch { kernel: Kernel::words(Family::Softmax, &[]), params, count: words(op.output.shape) })
    }

    pub(super) fn arg_max(&mut self, op: &ArgMaxI8) -> Result<Dispatch, Reason> {
        let real = u32::from(op.output.dtype() == Some(DType::F32));
        let params = vec![self.input(), self.output, op.n, op.inner];
        let kernel = Kernel::words(Family::ArgMax, &[("REAL", real)]);
        Ok(Dispatch { kernel, params, count: op.output.shape.iter().product() })
    }
}
