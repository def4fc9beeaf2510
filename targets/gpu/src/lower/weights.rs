//! Weights of any layout, as numbers.

use lacewing::format::Layout;

/// How a weight lies in bytes, by its position in the layout: see [`Weight::at`](lacewing::ops::weights::Weight::at).
pub(super) type At = fn(&[i8], usize) -> Option<i8>;

/// A layer's matrix of weights.
pub(super) struct Weights<'a> {
    pub(super) bytes: &'a [i8],
    /// Zero point of each output's weights; empty if all are 0.
    pub(super) zeros: &'a [i8],
    pub(super) layout: Layout,
    /// Rows and columns of the weights of one output: the kernel of a depthwise convolution, or one column.
    pub(super) kernel: [u32; 2],
    pub(super) at: At,
}

impl Weights<'_> {
    /// Weights of one output.
    pub(super) fn depth(&self) -> u32 {
        self.kernel.iter().product()
    }

    /// `w[o][k] − zeros[o]`, in nine bits.
    pub(super) fn get(&self, o: u32, k: u32) -> i32 {
        let index = self.layout.position(o, k, self.kernel) as usize;
        let at = |index: usize| (self.at)(self.bytes, index).map_or(0, i32::from);
        let carried = self.layout.carries(o) && at(index.wrapping_sub(1)) < 0;
        at(index) + i32::from(carried) - self.zeros.get(o as usize).copied().map_or(0, i32::from)
    }

    /// A weight's part in one of the planes of int8 that add up to it: as much as is left and fits.
    pub(super) fn part(&self, o: u32, k: u32, plane: u32) -> i8 {
        let left = (0..plane).fold(self.get(o, k), |left, _| left - left.clamp(-128, 127));
        left.clamp(-128, 127) as i8
    }

    /// How many planes all weights of so many outputs take: one, unless zero points or bytes that no converter wrote say more.
    pub(super) fn planes(&self, outputs: u32) -> u32 {
        let each = (0..outputs).flat_map(|o| (0..self.depth()).map(move |k| self.get(o, k)));
        each.map(|weight| if weight < 0 { (127 - weight) / 128 } else { (weight + 126) / 127 })
            .max()
            .unwrap_or(1)
            .max(1) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lacewing::ops::weights::Weight;

    #[test]
    fn planes_add_up_to_weights_less_their_zero_points() {
        let bytes = [-128, 127, 0, -1];
        for (zero, planes) in [(0, 1), (127, 2), (-128, 3), (1, 2)] {
            let zeros = [zero];
            let weights =
                Weights { bytes: &bytes, zeros: &zeros, layout: Layout::PLAIN, kernel: [4, 1], at: <i8 as Weight>::at };
            assert_eq!(weights.planes(1), planes, "{zero}");
            for (k, byte) in (0..).zip(bytes) {
                let sum: i32 = (0..planes).map(|plane| i32::from(weights.part(0, k, plane))).sum();
                assert_eq!(sum, i32::from(byte) - i32::from(zero));
            }
        }
    }
}
