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

    /// Elements of what one output meets.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.kernel.iter().product::<usize>() * self.channels.len()
    }

    /// What outputs meet, one after another: of `n` outputs, all of `[height, width]` of every image, number `⌊i·n / most⌋` for each `i`.
    ///
    /// # Panics
    /// If an image has fewer elements than the shape says.
    #[must_use]
    pub fn gather_evenly(&self, images: &[&[f32]], [height, width]: [usize; 2], most: usize) -> Vec<f64> {
        let (each, all) = (height * width, height * width * images.len());
        let most = most.min(all);
        let mut met = Vec::with_capacity(most * self.depth());
        for i in 0..most {
            let number = (i as u128 * all as u128 / most as u128) as usize;
            let at = number % each;
            self.gather(images[number / each], [at / width, at % width], &mut met);
        }
        met
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
        let outputs = window.gather_evenly(&[&image, &image], [3, 2], 6);
        assert_eq!(outputs, [at([0, 0]), at([1, 0]), at([2, 0])].concat().repeat(2));
        assert_eq!(window.gather_evenly(&[&image], [3, 2], 99).len(), 6 * window.depth());
        assert_eq!(window.gather_evenly(&[], [3, 2], 9), []);
    }
}
