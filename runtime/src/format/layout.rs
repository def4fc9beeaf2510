//! Weight layouts as data: how `w[o][k]` is ordered in the constants.

use super::plain;

/// Order of a weight matrix of `outputs × depth` elements, in tiles.
///
/// Outputs are cut into blocks of `outputs`, the depth into groups of `depth`; a block holds its groups
/// one after another, a group holds `depth` elements of each output of the block. With
/// `T = outputs`, `D = depth`, `K' = K` rounded up to `D`:
///
/// `index(o, k) = (o / T)·T·K' + (k / D)·T·D + (o mod T)·D + k mod D`
///
/// `T = 2, D = 0` stands for [`Layout::PAIRS`].
/// `T = 1, D = 1` is row-major `[o][k]`; `T ≥ O, D = 1` is channels-last `[k][T]`, the order of depthwise weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Layout {
    /// Outputs in a block, at least 1.
    pub outputs: u16,
    /// Consecutive elements of one output, at least 1; or 0.
    pub depth: u8,
}

plain!(Layout { outputs, depth });

impl Layout {
    /// Row-major `[o][k]`.
    pub const PLAIN: Self = Self { outputs: 1, depth: 1 };

    /// Weights of two outputs in the two bytes of a little-endian `i16`, `w[o][k] + 256·w[o + 1][k]` with even `o`, so that a product of 16 bits
    /// makes both.
    ///
    /// Blocks of two outputs, in groups of four: those of `k`, `k + 2`, `k + 1` and `k + 3`. The upper byte, at `index(o + 1, k)`, is one less
    /// than its weight where the lower one is negative: see [`Layout::carries`]. A weight of −128 has no such byte beside a negative one.
    pub const PAIRS: Self = Self { outputs: 2, depth: 0 };

    /// Channels last: `[k][o]`, for `outputs` channels in all.
    #[must_use]
    pub const fn channels_last(outputs: u16) -> Self {
        Self { outputs, depth: 1 }
    }

    /// Elements stored for `outputs × depth` weights, padding included; `None` if that exceeds `u32`.
    #[must_use]
    pub fn len(self, outputs: u32, depth: u32) -> Option<u32> {
        let rows = outputs.checked_next_multiple_of(u32::from(self.outputs))?;
        rows.checked_mul(self.padded(depth)?)
    }

    /// Position of weight `k` of output `o` in a matrix of `depth` weights for each output.
    ///
    /// Meaningful only for a layout with `outputs` and `depth` of at least 1 (`len` gives `None` otherwise).
    #[must_use]
    pub fn index(self, o: u32, k: u32, depth: u32) -> u32 {
        if self == Self::PAIRS {
            return pairs(o, k, self.padded(depth).unwrap_or(0));
        }
        let (t, d) = (u32::from(self.outputs.max(1)), u32::from(self.depth.max(1)));
        let block = (o / t).wrapping_mul(t).wrapping_mul(self.padded(depth).unwrap_or(0));
        let group = (k / d).wrapping_mul(t).wrapping_mul(d);
        block.wrapping_add(group).wrapping_add((o % t) * d + k % d)
    }

    /// The weight `(o, k)` at position `index`, the inverse of [`Layout::index`]; may lie in the padding.
    #[must_use]
    pub fn at(self, index: u32, depth: u32) -> (u32, u32) {
        if self == Self::PAIRS {
            let block = self.padded(depth).unwrap_or(0).wrapping_mul(2).max(1);
            let (pair, in_block) = (index / block, index % block);
            return (pair.wrapping_mul(2) + in_block % 2, in_block / 8 * 4 + swapped(in_block / 2 % 4));
        }
        let (t, d) = (u32::from(self.outputs.max(1)), u32::from(self.depth.max(1)));
        let block = t.wrapping_mul(self.padded(depth).unwrap_or(0)).max(1);
        let (b, in_block) = (index / block, index % block);
        let (group, in_group) = (in_block / (t * d), in_block % (t * d));
        (b.wrapping_mul(t).wrapping_add(in_group / d), group.wrapping_mul(d).wrapping_add(in_group % d))
    }

    /// `K` of a depthwise convolution with kernel `[kh, kw]`, whose columns of taps are cut into groups of `depth`: `⌈kh / D⌉·D·kw`; `None` if that
    /// exceeds `u32`.
    #[must_use]
    pub fn taps(self, [kh, kw]: [u32; 2]) -> Option<u32> {
        kh.checked_next_multiple_of(u32::from(self.depth.max(1)))?.checked_mul(kw)
    }

    /// `k` of tap `[ky, kx]` there: `(⌊ky / D⌋·kw + kx)·D + ky mod D`. With `D = 1` this is `ky·kw + kx`; with `kw = 1` it is `ky` in any layout.
    #[must_use]
    pub fn tap(self, [ky, kx]: [u32; 2], kw: u32) -> u32 {
        let d = u32::from(self.depth.max(1));
        (ky / d).wrapping_mul(kw).wrapping_add(kx).wrapping_mul(d).wrapping_add(ky % d)
    }

    /// Position of weight `k = ky·kw + kx` of output `o` there; with one column, as [`Layout::index`] has it.
    #[must_use]
    pub fn position(self, o: u32, k: u32, kernel: [u32; 2]) -> u32 {
        let kw = kernel[1].max(1);
        self.index(o, self.tap([k / kw, k % kw], kw), self.taps(kernel).unwrap_or(0))
    }

    /// Whether 1 is added to the stored element of output `o` to make its weight if the element before it is negative: in [`Layout::PAIRS`]
    /// where `o` is odd.
    #[must_use]
    pub fn carries(self, o: u32) -> bool {
        self == Self::PAIRS && o % 2 == 1
    }

    fn padded(self, depth: u32) -> Option<u32> {
        depth.checked_next_multiple_of(if self == Self::PAIRS { 4 } else { u32::from(self.depth) })
    }
}

/// The index in [`Layout::PAIRS`], for so many weights of each output.
fn pairs(o: u32, k: u32, padded: u32) -> u32 {
    let block = (o / 2).wrapping_mul(2).wrapping_mul(padded);
    block.wrapping_add((k / 4).wrapping_mul(8)).wrapping_add(swapped(k % 4) * 2 + o % 2)
}

/// 0, 2, 1, 3.
fn swapped(i: u32) -> u32 {
    i % 2 * 2 + i / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_and_at_are_inverse_and_fill_the_matrix() {
        for (t, d, outputs, depth) in [(1, 1, 3, 5), (4, 1, 6, 3), (2, 4, 5, 7), (8, 1, 8, 9), (2, 0, 5, 7)] {
            let layout = Layout { outputs: t, depth: d };
            let len = layout.len(outputs, depth).unwrap();
            for o in 0..outputs {
                for k in 0..depth {
                    let index = layout.index(o, k, depth);
                    assert!(index < len, "{layout:?} {o} {k}");
                    assert_eq!(layout.at(index, depth), (o, k));
                }
            }
        }
    }

    #[test]
    fn taps_of_a_column_stand_side_by_side() {
        let taps = || (0..5).flat_map(|ky| (0..3).map(move |kx| [ky, kx]));
        assert!(taps().map(|tap| Layout::channels_last(7).tap(tap, 3)).eq(0..15));
        let columns = Layout { outputs: 16, depth: 4 };
        assert!(taps().map(|tap| columns.tap(tap, 3)).eq([0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11, 12, 16, 20]));
        assert_eq!((columns.taps([5, 3]), columns.taps([5, u32::MAX])), (Some(24), None));
        assert!((0..9).all(|k| columns.tap([k, 0], 1) == k));
    }

    #[test]
    fn known_orders() {
        assert_eq!(Layout::PLAIN.index(2, 3, 5), 13);
        assert_eq!(Layout::channels_last(8).index(2, 3, 5), 26);
        let pairs = [(0, 0), (1, 0), (0, 2), (1, 2), (0, 1), (1, 1), (0, 3), (1, 3), (0, 4)];
        assert!((0..).zip(pairs).all(|(at, (o, k))| Layout::PAIRS.index(o, k, 5) == at));
        assert_eq!((Layout::PAIRS.index(2, 0, 5), Layout::PAIRS.len(3, 5)), (16, Some(32)));
        assert_eq!(Layout { outputs: 0, depth: 1 }.len(4, 4), None);
        assert_eq!(Layout { outputs: 1, depth: 0 }.len(4, 4), None);
    }
}
