//! What a layer's weights meet on the calibration data: means and products of its inputs, in the float program and in the quantized one.

use lacewing_numeric::{Square, gram, products};
use ndarray::ArrayD;

use crate::quantize::Bits;
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

/// How many windows are looked at for a depth. The errors of int4 are so large that they fit too well to what few have in common.
fn windows(bits: Bits, depth: usize) -> usize {
    let least = (4 * depth).max(4096);
    match bits {
        Bits::Eight => least,
        Bits::Four => (WORK / (depth * depth).max(1)).clamp(least, 16384.max(least)),
    }
}

/// Multiply-accumulates of the products of windows in int4, where these are more than [`windows`] needs.
const WORK: usize = 1 << 32;

impl Moments {
    /// Of group `group`, from the layer's inputs in both programs, sample by sample. Many windows are thinned out evenly.
    pub(super) fn new(
        reach: &Reach,
        group: usize,
        bits: Bits,
        (quantized, float): (&[&ArrayD<f32>], &[&ArrayD<f32>]),
    ) -> Self {
        let picked = |inputs| reach.rows(inputs, group, |depth| windows(bits, depth));
        let (quantized, float) = (picked(quantized), picked(float));
        let depth = quantized.mean.len();
        let (xx, xt) = (gram(&quantized.centered, depth), products(&quantized.centered, &float.centered, depth));
        Self { x: quantized.mean, t: float.mean, xx, xt }
    }
}
