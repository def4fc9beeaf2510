//! Sets of operations: what a file needs, what a firmware links.

use super::Opcode;

/// The bits that are no opcodes'.
pub(crate) const BANDS: u8 = 127;
pub(crate) const ROWS: u8 = 126;
pub(crate) const REGIONS: u8 = 125;

/// A set of opcodes, one bit for each. In words, which small processors shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct OpSet([u32; 4]);

impl OpSet {
    /// The empty set.
    pub const NONE: Self = Self([0; 4]);
    /// Every operation that this crate knows, bands, input row by row, and regions with the feature of that name.
    pub const ALL: Self = {
        let all = Opcode::all().with_bands().with_rows();
        if cfg!(feature = "regions") { all.with_regions() } else { all }
    };

    /// The set with these bits; bit `i` is the opcode with the number `i`.
    #[must_use]
    pub const fn from_bits(bits: u128) -> Self {
        Self([bits as u32, (bits >> 32) as u32, (bits >> 64) as u32, (bits >> 96) as u32])
    }

    /// The set with the bits of these words, the least significant first.
    pub(super) const fn from_words(words: [u32; 4]) -> Self {
        Self(words)
    }

    /// The bits of the set.
    #[must_use]
    pub const fn bits(self) -> u128 {
        let [a, b, c, d] = self.0;
        a as u128 | (b as u128) << 32 | (c as u128) << 64 | (d as u128) << 96
    }

    /// The set with `opcode` added.
    #[must_use]
    pub const fn with(self, opcode: Opcode) -> Self {
        self.with_bit(opcode as u8)
    }

    #[allow(clippy::indexing_slicing, reason = "the index is masked to the number of words")]
    const fn with_bit(self, bit: u8) -> Self {
        let mut words = self.0;
        words[(bit >> 5 & 3) as usize] |= 1 << (bit & 31);
        Self(words)
    }

    const fn has_bit(self, bit: u8) -> bool {
        self.bits() >> (bit & 127) & 1 == 1
    }

    /// Whether `opcode` is in the set.
    #[must_use]
    pub const fn has(self, opcode: Opcode) -> bool {
        self.has_bit(opcode as u8)
    }

    /// The set with bands: that records run row by row, [`Segment::Band`](super::Segment::Band). The bit is 127.
    #[must_use]
    pub const fn with_bands(self) -> Self {
        self.with_bit(BANDS)
    }

    /// Whether records may run row by row.
    #[must_use]
    pub const fn has_bands(self) -> bool {
        self.has_bit(BANDS)
    }

    /// The set with input row by row: that the input is a ring of lines, whose rows arrive during the first band. The bit is 126.
    #[must_use]
    pub const fn with_rows(self) -> Self {
        self.with_bit(ROWS)
    }

    /// Whether the input may go in row by row.
    #[must_use]
    pub const fn has_rows(self) -> bool {
        self.has_bit(ROWS)
    }

    /// The set with an arena in several regions of memory; see [`regions`](super::regions()). The bit is 125.
    #[must_use]
    pub const fn with_regions(self) -> Self {
        self.with_bit(REGIONS)
    }

    /// The set with an arena in one piece.
    #[must_use]
    pub const fn without_regions(self) -> Self {
        Self::from_bits(self.bits() & !(1 << REGIONS))
    }

    /// Whether the arena may be in several regions.
    #[must_use]
    pub const fn has_regions(self) -> bool {
        self.has_bit(REGIONS)
    }

    /// The number of the first operation of `self` that `other` lacks.
    #[must_use]
    pub const fn first_missing_in(self, other: Self) -> Option<u8> {
        match self.bits() & !other.bits() {
            0 => None,
            missing => Some(missing.trailing_zeros() as u8),
        }
    }
}

/// The operations that a build links. A type parameter of `Model`, so that the linker drops the others.
pub trait Ops {
    /// The set.
    const OPS: OpSet;
}

/// Every operation: for hosts, and for devices whose models come over the air.
#[derive(Clone, Copy, Debug)]
pub enum AllOps {}

impl Ops for AllOps {
    const OPS: OpSet = OpSet::ALL;
}

/// Every operation on int8 activations with int8 weights, and the ways from f32 to int8 and back: for programs whose users count the bytes.
#[derive(Clone, Copy, Debug)]
pub enum Int8Ops {}

impl Ops for Int8Ops {
    const OPS: OpSet = Opcode::int8().with_bands().with_rows();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn int8_is_told_by_the_name() {
        for (opcode, is_int8) in [
            (Opcode::ConvI8, true),
            (Opcode::LstmI8, true),
            (Opcode::QuantizeI8, true),
            (Opcode::ConvF32, false),
            (Opcode::ConvI16, false),
            (Opcode::ConvW4, false),
        ] {
            assert_eq!(Int8Ops::OPS.has(opcode), is_int8, "{}", opcode.name());
        }
        assert!(Int8Ops::OPS.has_bands() && Int8Ops::OPS.has_rows() && !Int8Ops::OPS.has_regions());
    }
}
