//! Pools.

use lacewing::ops::{AveragePoolI8, MaxPoolI8};

use super::conv::{limits, signed, steps, words};
use super::{Context, Dispatch, Reason};
use crate::kernel::{Family, Kernel};

/// What both pools say between their multipliers and the window.
struct Pooled {
    multipliers: [u32; 2],
    input_zero: i8,
    limits: [u32; 4],
}

impl Context<'_> {
    pub(super) fn average(&mut self, op: &AveragePoolI8) -> Result<Dispatch, Reason> {
        let all = self.get::<i32>(op.requant.multipliers)?;
        let by_count = u32::from(all.len() > 1);
        let multipliers = [self.push(all.iter().map(|multiplier| *multiplier as u32)), by_count];
        let pooled = Pooled { multipliers, input_zero: op.input_zero, limits: limits(&op.requant) };
        Ok(self.pool(op.input.shape, op.output.shape, &op.window, &pooled, false))
    }

    pub(super) fn max(&mut self, op: &MaxPoolI8) -> Result<Dispatch, Reason> {
        let pooled = Pooled { multipliers: [0; 2], input_zero: 0, limits: [0, 0, signed(op.lo), signed(op.hi)] };
        Ok(self.pool(op.input.shape, op.output.shape, &op.window, &pooled, true))
    }

    fn pool(
        &self,
        [_, height, width, channels]: [u32; 4],
        output: [u32; 4],
        window: &lacewing::format::Window,
        pooled: &Pooled,
        maximum: bool,
    ) -> Dispatch {
        let [_, out_height, out_width, _] = output;
        let mut params = vec![self.input(), self.output];
        params.extend(pooled.multipliers);
        params.extend([signed(pooled.input_zero), channels]);
        params.extend(pooled.limits);
        params.extend([height, width, out_height, out_width]);
        params.extend(steps(window));
        let quad = channels.is_multiple_of(4).into();
        let kernel = Kernel::words(Family::Pool, &[("QUAD", quad), ("MAXIMUM", maximum.into())]);
        Dispatch { kernel, params, count: words(output) }
    }
}
