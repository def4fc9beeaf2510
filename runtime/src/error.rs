//! Errors of the device: small, `Copy`, with a position.

use core::fmt;

use crate::format::{BANDS, REGIONS, ROWS};

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Flaw {
    /// The bytes end too early.
    Truncated,
    /// Not a `.lace` file.
    Magic,
    /// A format version or flag that this build does not know.
    Version,
    /// The lengths in the header do not add up to the file's.
    Length,
    /// A CRC-32 does not fit: the bytes were damaged.
    Checksum,
    /// The file does not start at a multiple of 16 in memory.
    Alignment,
    /// An operation that this build does not link; its number, for `Opcode::from_number`.
    Unsupported(u8),
    /// A kind of segment or place that this version defines but does not execute.
    Segment,
    /// A record or port that does not decode.
    Record,
    /// The header's op set differs from the operations in the program.
    OpSet,
    /// The header's work differs from the program's.
    Work,
    /// A tensor of the wrong type, or at an offset that its type does not allow.
    Type,
    /// A tensor or scratch outside the arena.
    Range,
    /// A record reads bytes that no tensor alive has.
    NotLive,
    /// A record writes over a tensor that is still needed.
    Overlap,
    /// More than 32 tensors live at once.
    TooManyLive,
    /// Shapes that do not fit each other.
    Shape,
    /// A parameter outside its range.
    Parameter,
    /// Constants that are missing, of the wrong length or unaligned.
    Constant,
}

impl Flaw {
    const fn text(self) -> &'static str {
        match self {
            Self::Truncated => "the file ends too early",
            Self::Magic => "not a .lace file",
            Self::Version => "a format version that this build does not know",
            Self::Length => "the section lengths do not add up to the file's length",
            Self::Checksum => "checksum mismatch: the file is damaged",
            Self::Alignment => "the file must stand at a multiple of 16 in memory",
            Self::Unsupported(_) => "the operation is not linked into this build",
            Self::Segment => "a segment or place that this version does not execute",
            Self::Record => "a record that does not decode",
            Self::OpSet => "the op set differs from the program",
            Self::Work => "the stated work differs from the program's",
            Self::Type => "a tensor of the wrong type or alignment",
            Self::Range => "a tensor outside the arena",
            Self::NotLive => "a record reads a tensor that is not live",
            Self::Overlap => "a record writes over a live tensor",
            Self::TooManyLive => "more than 32 tensors are live at once",
            Self::Shape => "shapes do not fit each other",
            Self::Parameter => "a parameter is outside its range",
            Self::Constant => "constants are missing, of the wrong length or unaligned",
        }
    }
}

/// Why `Model::read` refuses a file, and at which byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct ReadError {
    /// Byte position in the file: of the record, where a record is wrong.
    pub at: u32,
    /// What is wrong.
    pub flaw: Flaw,
}

impl ReadError {
    pub(crate) const fn new(at: u32, flaw: Flaw) -> Self {
        Self { at, flaw }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (byte {})", self.flaw.text(), self.at)?;
        match self.flaw {
            Flaw::Unsupported(number) => match crate::format::Opcode::from_number(number) {
                Some(opcode) => write!(f, ": {}", opcode.name()),
                None => match number {
                    REGIONS => f.write_str(": several regions of memory, feature `regions`"),
                    ROWS => f.write_str(": input row by row"),
                    BANDS => f.write_str(": bands"),
                    _ => write!(f, ": opcode {number}"),
                },
            },
            _ => Ok(()),
        }
    }
}

impl core::error::Error for ReadError {}

/// A kernel met data that its record's check excludes. Not seen after `Model::read`, whatever the bytes; after `Model::trusted` of a file that
/// `read` would refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Fault;

impl From<Fault> for Flaw {
    fn from(_: Fault) -> Self {
        Self::Constant
    }
}

/// Why an inference did not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum RunError {
    /// The arena is shorter than [`crate::Model::arena_len`].
    ArenaTooSmall {
        /// Bytes that the model needs.
        needed: u32,
    },
    /// The arena does not start at a multiple of 16.
    ArenaUnaligned,
    /// The model's input goes in row by row, and each row once; see [`crate::Frame`].
    Rows,
    /// A record could not run; its byte position in the file.
    Record {
        /// Byte position.
        at: u32,
    },
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ArenaTooSmall { needed } => write!(f, "the arena must have {needed} bytes"),
            Self::ArenaUnaligned => f.write_str("the arena must start at a multiple of 16"),
            Self::Rows => f.write_str("the input goes in row by row, each row once"),
            Self::Record { at } => write!(f, "the record at byte {at} could not run"),
        }
    }
}

impl core::error::Error for RunError {}
