//! What a layer's weights meet on the calibration data: means and products of its inputs, in the float program and in the quantized one.

use lacewing_numeric::{Square, centered, products};
use ndarray::ArrayD;

use crate::data::evenly;
use crate::graph::Window;

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

/// Which elements of its input a layer's output meets.
pub(super) enum Reach<'a> {
    /// The last axis.
    Row,
    /// A window of `[1][h][w][c]`, in the channels of one of `groups`.
    Window { window: &'a Window, groups: usize, output: [usize; 2] },
}

/// Windows that are looked at, for each element of one and at least.
const WINDOWS: (usize, usize) = (6, 4096);

impl Moments {
    /// Of group `group`, from the layer's inputs in both programs, sample by sample. Many windows are thinned out evenly.
    pub(super) fn new(reach: &Reach<'_>, group: usize, quantized: &[&ArrayD<f32>], float: &[&ArrayD<f32>]) -> Self {
        let (depth, each) = quantized.first().map_or((0, 0), |sample| reach.sizes(sample));
        let total = each * quantized.len();
        let windows = total.min((WINDOWS.0 * depth).max(WINDOWS.1));
        let picked = |inputs: &[&ArrayD<f32>]| {
            let mut rows = Vec::with_capacity(windows * depth);
            for at in evenly(total, windows) {
                reach.gather(inputs[at / each], at % each, group, &mut rows);
            }
            centered(rows, depth)
        };
        let ((x, x_rows), (t, t_rows)) = (picked(quantized), picked(float));
        let (xx, xt) = (products(&x_rows, &x_rows, depth), products(&x_rows, &t_rows, depth));
        Self { x, t, xx, xt }
    }
}

impl Reach<'_> {
    /// Elements of a window, windows of a sample.
    fn sizes(&self, input: &ArrayD<f32>) -> (usize, usize) {
        let last = input.shape().last().copied().unwrap_or(1);
        match self {
            Self::Row => (last, input.len() / last.max(1)),
            Self::Window { window, groups, output } => {
                (window.kernel.iter().product::<usize>() * (last / groups), output.iter().product())
            }
        }
    }

    /// Appends window `at` of a sample, whose elements are in row-major order.
    fn gather(&self, input: &ArrayD<f32>, at: usize, group: usize, to: &mut Vec<f64>) {
        let elements = input.as_slice().unwrap_or_default();
        match (self, input.shape()) {
            (Self::Window { window, groups, output }, &[_, height, width, channels]) => {
                let depth = channels / groups;
                let [top, left, ..] = window.pads;
                let window = lacewing_numeric::Window {
                    kernel: window.kernel,
                    strides: window.strides,
                    dilations: window.dilations,
                    pads: [top, left],
                    shape: [height, width, channels],
                    channels: group * depth..(group + 1) * depth,
                };
                window.gather(elements, [at / output[1], at % output[1]], to);
            }
            (_, shape) => {
                let depth = shape.last().copied().unwrap_or(1);
                to.extend(elements[at * depth..][..depth].iter().map(|x| f64::from(*x)));
            }
        }
    }
}
