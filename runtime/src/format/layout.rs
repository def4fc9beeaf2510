//! Weight layouts as data: how `w[o][k]` is ordered in the constants.

use super::decode;

/// Order of a weight matrix of `outputs × depth` elements, in tiles.
///
/// Outputs are cut into blocks of `outputs`, the depth into groups of `depth`; a block holds its groups
/// one after another, a group holds `depth` elements of each output of the block. With
/// `T = outputs`, `D = depth`, `K' = K` rounded up to `D`:
///
/// `index(o, k) = (o / T)·T·K' + (k / D)·T·D + (o mod T)·D + k mod D`
///
/// `T = 1, D = 1` is row-major `[o][k]`; `T ≥ O, D = 1` is channels-last `[k][T]`, the order of depthwise weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Layout {
    /// Outputs in a block, at least 1.
    pub outputs: u16,
    /// Consecutive elements of one output, at least 1.
    pub depth: u8,
}

decode!(Layout { outputs, depth });

impl Layout {
    /// Row-major `[o][k]`.
    pub const PLAIN: Self = Self { outputs: 1, depth: 1 };

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
        let (t, d) = (u32::from(self.outputs.max(1)), u32::from(self.depth.max(1)));
        let block = (o / t).wrapping_mul(t).wrapping_mul(self.padded(depth).unwrap_or(0));
        let group = (k / d).wrapping_mul(t).wrapping_mul(d);
        block.wrapping_add(group).wrapping_add((o % t) * d + k % d)
    }

    /// The weight `(o, k)` at position `index`, the inverse of [`Layout::index`]; may lie in the padding.
    #[must_use]
    pub fn at(self, index: u32, depth: u32) -> (u32, u32) {
        let (t, d) = (u32::from(self.outputs.max(1)), u32::from(self.depth.max(1)));
        let block = t.wrapping_mul(self.padded(depth).unwrap_or(0)).max(1);
        let (b, in_block) = (index / block, index % block);
        let (group, in_group) = (in_block / (t * d), in_block % (t * d));
        (b.wrapping_mul(t).wrapping_add(in_group / d), group.wrapping_mul(d).wrapping_add(in_group % d))
    }

    fn padded(self, depth: u32) -> Option<u32> {
        depth.checked_next_multiple_of(u32::from(self.depth))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_and_at_are_inverse_and_fill_the_matrix() {
        for (t, d, outputs, depth) in [(1, 1, 3, 5), (4, 1, 6, 3), (2, 4, 5, 7), (8, 1, 8, 9)] {
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
    fn known_orders() {
        assert_eq!(Layout::PLAIN.index(2, 3, 5), 13);
        assert_eq!(Layout::channels_last(8).index(2, 3, 5), 26);
        assert_eq!(Layout { outputs: 0, depth: 1 }.len(4, 4), None);
        assert_eq!(Layout { outputs: 1, depth: 0 }.len(4, 4), None);
    }
}
