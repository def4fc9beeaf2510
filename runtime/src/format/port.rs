//! What stands before the records: the model's doors and its segments.

use super::{DType, Place, Reader, Tensor, plain};
#[cfg(feature = "encode")]
use super::{WORD, align};

/// An input or output of the model: its tensor and what the numbers mean.
///
/// `real = scale · (q − zero)` for int8 and int16, whose `zero` is 0; `scale` is 1 and `zero` 0 for other types.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Port<'m> {
    /// The name in ONNX, in UTF-8. A device does not look at it; see [`Port::name`].
    pub name: &'m [u8],
    /// Where the elements are; its type is the port's type.
    pub tensor: Tensor,
    /// Rank of the tensor at the door.
    pub rank: u8,
    /// Dimensions at the door, the first `rank` of them; in ONNX's order unless converted otherwise.
    pub dims: [u32; 6],
    /// Scale of int8 and int16 elements.
    pub scale: f32,
    /// Zero point of int8 elements.
    pub zero: i8,
}

/// What follows a port's name in the file.
#[derive(Clone)]
#[repr(C)]
struct Door {
    tensor: Tensor,
    dims: [u32; 6],
    scale: f32,
    rank: u8,
    zero: i8,
}

plain!(Door { tensor, dims, scale, rank, zero });

impl Door {
    /// What stands for one that is none.
    const NONE: Self =
        Self { tensor: Tensor::new(Place::Arena, DType::I8, 0, [0; 4]), dims: [0; 6], scale: 0.0, rank: 0, zero: 0 };
}

impl<'m> Port<'m> {
    /// The port at the reader's place.
    #[inline(never)]
    pub fn decode(reader: &mut Reader<'m>) -> Self {
        let name = reader.bytes();
        let door = reader.view().unwrap_or_else(|_| {
            reader.fail();
            &Door::NONE
        });
        let Door { tensor, dims, scale, rank, zero } = *door;
        Self { name, tensor, rank, dims, scale, zero }
    }

    /// The name in ONNX; empty if its bytes are not UTF-8.
    #[must_use]
    pub fn name(&self) -> &'m str {
        core::str::from_utf8(self.name).unwrap_or_default()
    }

    /// Shape at the door.
    #[must_use]
    pub fn shape(&self) -> &[u32] {
        self.dims.get(..usize::from(self.rank)).unwrap_or_default()
    }
}

#[cfg(feature = "encode")]
impl super::Encode for Port<'_> {
    fn encode(&self, to: &mut alloc::vec::Vec<u8>) {
        let Self { name, tensor, rank, dims, scale, zero } = *self;
        name.encode(to);
        Door { tensor, dims, scale, rank, zero }.encode(to);
    }
}

/// A run of records that are executed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment<'m> {
    /// One record after another, each a whole layer.
    Plain {
        /// Number of records.
        records: u16,
    },
    /// Records run row by row over rings of lines; see [`Turns`](super::Turns).
    Band {
        /// Number of records, at most 32.
        records: u16,
        /// Pairs of bytes, the first and the last of records that follow each other and have one turn each.
        turns: &'m [u8],
    },
    /// Records run `trips` times. Defined, not executed yet: refused by `read`.
    Repeat {
        /// Number of records.
        records: u16,
        /// How often.
        trips: u32,
    },
}

impl<'m> Segment<'m> {
    /// The segment at the reader's place.
    #[inline(never)]
    pub fn decode(reader: &mut Reader<'m>) -> Self {
        let [kind, records] = reader.plain::<[u16; 2]>();
        match kind {
            0 => Self::Plain { records },
            1 => Self::Band { records, turns: reader.bytes() },
            2 => Self::Repeat { records, trips: reader.plain() },
            _ => {
                reader.fail();
                Self::Plain { records: 0 }
            }
        }
    }

    #[cfg(feature = "encode")]
    const fn kind(&self) -> u16 {
        match self {
            Self::Plain { .. } => 0,
            Self::Band { .. } => 1,
            Self::Repeat { .. } => 2,
        }
    }

    /// The number of records that follow it.
    #[must_use]
    pub const fn records(&self) -> u16 {
        let (Self::Plain { records } | Self::Band { records, .. } | Self::Repeat { records, .. }) = self;
        *records
    }
}

#[cfg(feature = "encode")]
impl super::Encode for Segment<'_> {
    fn encode(&self, to: &mut alloc::vec::Vec<u8>) {
        [self.kind(), self.records()].encode(to);
        match self {
            Self::Plain { .. } => {}
            Self::Band { turns, .. } => turns.encode(to),
            Self::Repeat { trips, .. } => trips.encode(to),
        }
        align(to, WORD);
    }
}
