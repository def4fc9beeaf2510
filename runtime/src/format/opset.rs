//! Sets of operations: what a file needs, what a firmware links.

use super::Opcode;

/// A set of opcodes, one bit for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct OpSet(u128);

impl OpSet {
    /// The empty set.
    pub const NONE: Self = Self(0);
    /// Every operation that this crate knows, bands, and input row by row.
    pub const ALL: Self = Opcode::all().with_bands().with_rows();

    /// The set with these bits; bit `i` is the opcode with the number `i`.
    #[must_use]
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// The bits of the set.
    #[must_use]
    pub const fn bits(self) -> u128 {
        self.0
    }

    /// The set with `opcode` added.
    #[must_use]
    pub const fn with(self, opcode: Opcode) -> Self {
        Self(self.0 | 1 << (opcode as u8 & 127))
    }

    /// Whether `opcode` is in the set.
    #[must_use]
    pub const fn has(self, opcode: Opcode) -> bool {
        self.0 >> (opcode as u8 & 127) & 1 == 1
    }

    /// The set with bands: that records run row by row, [`Segment::Band`](super::Segment::Band). The bit is 127.
    #[must_use]
    pub const fn with_bands(self) -> Self {
        Self(self.0 | 1 << 127)
    }

    /// Whether records may run row by row.
    #[must_use]
    pub const fn has_bands(self) -> bool {
        self.0 >> 127 == 1
    }

    /// The set with input row by row: that the input is a ring of lines, whose rows arrive during the first band. The bit is 126.
    #[must_use]
    pub const fn with_rows(self) -> Self {
        Self(self.0 | 1 << 126)
    }

    /// Whether the input may go in row by row.
    #[must_use]
    pub const fn has_rows(self) -> bool {
        self.0 >> 126 & 1 == 1
    }

    /// The number of the first operation of `self` that `other` lacks.
    #[must_use]
    pub const fn first_missing_in(self, other: Self) -> Option<u8> {
        match self.0 & !other.0 {
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
