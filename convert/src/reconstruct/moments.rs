//! What a layer's weights meet on the calibration data: means and products of its inputs, in the float program and in the quantized one.

use lacewing_numeric::{Square, gram, products};
use ndarray::ArrayD;

use crate::reach::Reach;

/// The inputs `x` of one group of a layer's outputs in the quantized program, and `t` in the float program, over windows of all samples.
pub(super) struct Moments {
    /// `E[x]`.
    pub(super) x: Vec<f64>,
    /// `E[t]`.
    pub(super) t: Vec<f64>,
    /// `E[(x − E[x])·(x − E[x])ᵀ]`.
    pub(super) xx: Square,
    /// `E[(x − E[x])·(t − E[t])ᵀ]`.
    pub(super) xt: Square,
}

/// Windows that are looked at, for each element of one and at least.
const WINDOWS: (usize, usize) = (4, 4096);

impl Moments {
    /// Of group `group`, from the layer's inputs in both programs, sample by sample. Many windows are thinned out evenly.
    pub(super) fn new(reach: &Reach, group: usize, quantized: &[&ArrayD<f32>], float: &[&ArrayD<f32>]) -> Self {
        let picked = |inputs| reach.rows(inputs, group, |depth| (WINDOWS.0 * depth).max(WINDOWS.1));
        let (quantized, float) = (picked(quantized), picked(float));
        let depth = quantized.mean.len();
        let (xx, xt) = (gram(&quantized.centered, depth), products(&quantized.centered, &float.centered, depth));
        Self { x: quantized.mean, t: float.mean, xx, xt }
    }
}
