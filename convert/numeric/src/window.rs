//! The inputs that a convolution's output meets.

use std::ops::Range;

/// A window over an image `[height][width][channels]`.
#[derive(Clone, Debug)]
pub struct Window {
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Step between windows.
    pub strides: [usize; 2],
    /// Step between taps.
    pub dilations: [usize; 2],
    /// Rows of padding above, columns on the left.
    pub pads: [usize; 2],
    /// Height, width and channels of the image.
    pub shape: [usize; 3],
    /// The channels that are met.
    pub channels: Range<usize>,
}

impl Window {
    /// Appends what the output at row and column `at` meets, `[kh][kw][channels]`; zeros for padding.
    ///
    /// # Panics
    /// If the image has fewer elements than its shape says.
    pub fn gather(&self, image: &[f32], at: [usize; 2], to: &mut Vec<f64>) {
        let [_, width, channels] = self.shape;
        for ky in 0..self.kernel[0] {
            for kx in 0..self.kernel[1] {
                match self.place(0, at, ky).zip(self.place(1, at, kx)) {
                    Some((y, x)) => {
                        let pixel = &image[(y * width + x) * channels..][self.channels.clone()];
                        to.extend(pixel.iter().map(|x| f64::from(*x)));
                    }
                    None => to.resize(to.len() + self.channels.len(), 0.0),
                }
            }
        }
    }

    fn place(&self, axis: usize, at: [usize; 2], k: usize) -> Option<usize> {
        let from_pad = at[axis] * self.strides[axis] + k * self.dilations[axis];
        from_pad.checked_sub(self.pads[axis]).filter(|i| *i < self.shape[axis])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_reach_over_the_border() {
        let image: Vec<f32> = (0..2 * 3 * 2).map(|i| i as f32).collect();
        let (kernel, strides, dilations, pads, shape) = ([2, 2], [1, 2], [1, 1], [1, 1], [2, 3, 2]);
        let window = Window { kernel, strides, dilations, pads, shape, channels: 1..2 };
        let at = |at| {
            let mut met = Vec::new();
            window.gather(&image, at, &mut met);
            met
        };
        assert_eq!(at([0, 0]), [0.0, 0.0, 0.0, 1.0]);
        assert_eq!(at([1, 1]), [3.0, 5.0, 9.0, 11.0]);
        assert_eq!(at([2, 1]), [9.0, 11.0, 0.0, 0.0]);
    }
}
