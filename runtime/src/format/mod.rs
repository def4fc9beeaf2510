//! The file: header, program, constants, metadata, signature. `FORMAT.md` is the text for people.

pub(crate) mod crc;
mod decode;
mod header;
mod layout;
mod ops;
mod opset;
mod overlap;
mod port;
mod regions;
mod tensor;
mod turns;

#[cfg(feature = "encode")]
pub mod encode;
#[cfg(feature = "encode")]
pub mod metadata;
#[cfg(feature = "encode")]
pub mod preprocessing;
#[cfg(feature = "encode")]
mod write;

#[cfg(feature = "encode")]
pub(crate) use decode::WORD;
pub use decode::{Decode, Reader};
pub(crate) use decode::{decode, decode_enum, plain};
pub(crate) use header::Words;
pub use header::{HEADER_LEN, Header, MAGIC, VERSION};
pub use layout::Layout;
pub use ops::{Op, Opcode, Record};
pub(crate) use ops::{Visit, dispatch};
pub use opset::{AllOps, Int8Ops, OpSet, Ops};
pub(crate) use opset::{BANDS, REGIONS, ROWS};
pub use overlap::SafeOverlap;
pub use port::{Port, Segment};
pub use regions::{MAX_REGIONS, regions};
pub(crate) use tensor::row_bytes;
pub use tensor::{DType, Place, Requant, Span, Tensor, Window};
pub use turns::Turns;
#[cfg(feature = "encode")]
pub use write::Encode;
#[cfg(feature = "encode")]
pub(crate) use write::align;

/// Alignment of sections, of the file in memory and of the arena, in bytes.
pub const ALIGN: usize = 16;
/// A line of the cache of processors that load vectors from one, in bytes. Hosts place files and arenas by it; see `encode::in_lines`.
pub const LINE: usize = 64;

/// The next multiple of [`ALIGN`]. Not for values near `usize::MAX`.
#[must_use]
pub const fn align_up(at: usize) -> usize {
    (at + ALIGN - 1) & !(ALIGN - 1)
}
