//! Resampling along one axis.

use lacewing::format::{Span, Tensor};
use lacewing::ops::{ResampleF32, ResampleI8};

use super::conv::words;
use super::{Context, Dispatch, Reason};
use crate::kernel::{Family, Kernel};

impl Context<'_> {
    pub(super) fn resample(&mut self, op: &ResampleI8) -> Result<Dispatch, Reason> {
        let weights = self.get::<i16>(op.weights)?;
        let weights = self.push(weights.iter().map(|weight| i32::from(*weight) as u32));
        self.resampled(op.first, [weights, op.taps, op.n, op.inner], (false, words(op.output.shape)))
    }

    pub(super) fn resample_f32(&mut self, op: &ResampleF32) -> Result<Dispatch, Reason> {
        let weights = self.get::<f32>(op.weights)?;
        let weights = self.push(weights.iter().map(|weight| weight.to_bits()));
        self.resampled(op.first, [weights, op.taps, op.n, op.inner], (true, elements(&op.output)))
    }

    fn resampled(
        &mut self,
        first: Span,
        [weights, taps, n, inner]: [u32; 4],
        (real, count): (bool, u32),
    ) -> Result<Dispatch, Reason> {
        let first = self.get::<u32>(first)?;
        let outputs = first.len() as u32;
        let first = self.push(first.iter().copied());
        let params = vec![self.input(), self.output, first, weights, taps, n, inner, outputs];
        Ok(Dispatch { kernel: Kernel::words(Family::Resample, &[("REAL", real.into())]), params, count })
    }
}

fn elements(tensor: &Tensor) -> u32 {
    tensor.shape.iter().product()
}
