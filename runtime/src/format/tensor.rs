//! References to tensors and to constants, as records carry them.

use super::plain;

/// Element type of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
#[repr(u8)]
pub enum DType {
    /// 8-bit signed integer.
    I8 = 0,
    /// 32-bit float.
    F32 = 1,
    /// 32-bit signed integer.
    I32 = 2,
    /// 16-bit signed integer.
    I16 = 3,
}

impl DType {
    /// Bytes of one element.
    #[must_use]
    pub const fn size(self) -> u32 {
        match self {
            Self::I8 => 1,
            Self::I16 => 2,
            Self::F32 | Self::I32 => 4,
        }
    }

    const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0 => Some(Self::I8),
            1 => Some(Self::F32),
            2 => Some(Self::I32),
            3 => Some(Self::I16),
            _ => None,
        }
    }
}

/// Where a tensor lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum Place {
    /// At a byte offset of the arena.
    Arena = 0,
    /// At a byte offset of the constants.
    Constant = 1,
    /// A ring of lines in the arena, for bands.
    Ring = 2,
    /// At a byte offset of the arena, kept from one run to the next.
    State = 3,
}

/// A tensor of at most four dimensions, `[n, height, width, channels]`, leading ones for lower ranks.
///
/// In the file: a byte of flags (bits 0–2 type, 3–4 place, 7 last use), then lines, offset and shape.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(C)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Tensor {
    flags: u8,
    /// Rows of a ring that are there at once, row `y` as line `y mod lines`; 0 for a tensor that is there as a whole.
    pub lines: u16,
    /// Byte offset in the place.
    pub offset: u32,
    /// Dimensions.
    pub shape: [u32; 4],
}

plain!(Tensor { flags, lines, offset, shape });

impl Tensor {
    /// A tensor at `offset` of `place`.
    #[must_use]
    pub const fn new(place: Place, dtype: DType, offset: u32, shape: [u32; 4]) -> Self {
        Self { flags: dtype as u8 | (place as u8) << 3, lines: 0, offset, shape }
    }

    /// The same image as a ring of lines in the arena.
    #[must_use]
    pub const fn ring(self, lines: u16) -> Self {
        Self { flags: self.flags & !0x18 | (Place::Ring as u8) << 3, lines, ..self }
    }

    /// The same tensor, marked as read for the last time.
    #[must_use]
    pub const fn last(self) -> Self {
        Self { flags: self.flags | 0x80, ..self }
    }

    /// Whether this is the last use of the tensor's bytes.
    #[must_use]
    pub const fn is_last(&self) -> bool {
        self.flags & 0x80 != 0
    }

    /// Element type, if the flags name one.
    #[must_use]
    pub const fn dtype(&self) -> Option<DType> {
        if self.flags & 0x60 != 0 {
            return None;
        }
        DType::from_bits(self.flags & 7)
    }

    /// Where the tensor lives.
    #[must_use]
    pub const fn place(&self) -> Place {
        match self.flags >> 3 & 3 {
            0 => Place::Arena,
            1 => Place::Constant,
            2 => Place::Ring,
            _ => Place::State,
        }
    }

    /// Number of elements; `None` if it exceeds `u32`.
    #[must_use]
    #[inline(never)]
    #[allow(clippy::len_without_is_empty, reason = "no valid tensor is empty")]
    pub fn len(&self) -> Option<u32> {
        let [n, h, w, c] = self.shape;
        n.checked_mul(h)?.checked_mul(w)?.checked_mul(c)
    }

    /// Bytes of all elements; `None` if they exceed `u32` or the flags name no type.
    #[must_use]
    pub fn bytes(&self) -> Option<u32> {
        self.len()?.checked_mul(self.dtype()?.size())
    }

    /// The bytes that the tensor takes in its place, of a ring those of its lines; `None` if they exceed `u32` or the flags name no type.
    #[must_use]
    pub fn span(&self) -> Option<Span> {
        let [_, _, w, c] = self.shape;
        let count = match self.place() {
            Place::Ring => w.checked_mul(c)?.checked_mul(self.lines.into())?,
            _ => self.len()?,
        };
        let len = count.checked_mul(self.dtype()?.size())?;
        self.offset.checked_add(len)?;
        Some(Span { offset: self.offset, len })
    }

    /// As [`Tensor::span`] of a tensor that was checked, without its checks: of one that was not, some span.
    #[must_use]
    pub(crate) fn known_span(&self) -> Span {
        let [n, h, w, c] = self.shape;
        let rows = if self.place() == Place::Ring { self.lines.into() } else { n.wrapping_mul(h) };
        let size = DType::from_bits(self.flags & 3).map_or(1, DType::size);
        Span { offset: self.offset, len: rows.wrapping_mul(w).wrapping_mul(c).wrapping_mul(size) }
    }

    /// The bytes of row `y` of the first image.
    #[must_use]
    pub fn row(&self, y: u32) -> Option<Span> {
        let (line, len) = (y.checked_rem(self.lines.into()).unwrap_or(y), row_bytes(self)?);
        Some(Span { offset: self.offset.checked_add(line.checked_mul(len)?)?, len })
    }
}

impl core::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let last = if self.is_last() { " last" } else { "" };
        write!(f, "{:?}@{:?}+{}{:?}", self.dtype(), self.place(), self.offset, self.shape)?;
        if self.lines > 0 {
            write!(f, "%{}", self.lines)?;
        }
        f.write_str(last)
    }
}

/// Bytes of one row of one image.
pub(crate) fn row_bytes(tensor: &Tensor) -> Option<u32> {
    let [_, _, w, c] = tensor.shape;
    w.checked_mul(c)?.checked_mul(tensor.dtype()?.size())
}

/// A range of bytes, of the constants or of the arena. Offset and length are in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Span {
    /// First byte.
    pub offset: u32,
    /// Number of bytes.
    pub len: u32,
}

plain!(Span { offset, len });

impl Span {
    /// No bytes.
    pub const EMPTY: Self = Self { offset: 0, len: 0 };

    /// The span as a range; `None` if it exceeds the address space.
    #[must_use]
    pub fn range(self) -> Option<core::ops::Range<usize>> {
        let start = self.offset as usize;
        Some(start..start.checked_add(self.len as usize)?)
    }

    /// Whether both have a byte in common.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        let [first, second] = if self.offset <= other.offset { [self, other] } else { [other, self] };
        second.len > 0 && second.offset.wrapping_sub(first.offset) < first.len
    }
}

/// The window of a convolution or a pool over `[height, width]`.
///
/// Tap `(ky, kx)` of output `(oy, ox)` reads input `(oy·stride − pad + ky·dilation, …)`; taps outside the input are padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Window {
    /// Taps.
    pub kernel: [u32; 2],
    /// Step from one output to the next.
    pub stride: [u32; 2],
    /// Step from one tap to the next.
    pub dilation: [u32; 2],
    /// Padding above and to the left; below and to the right it follows from the output's shape.
    pub pad: [u32; 2],
}

plain!(Window { kernel, stride, dilation, pad });

/// From a sum to an integer, int8 unless said otherwise, by the rules of [`crate::requant`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Requant<T = i8> {
    /// `i32` multipliers in the constants: one for all channels, or one for each.
    pub multipliers: Span,
    /// Left shift of the sum, 0..=30; to int16 the right shift of the product, 1..=62.
    pub shift: u8,
    /// Output zero point.
    pub zero: T,
    /// Smallest result.
    pub lo: T,
    /// Largest result.
    pub hi: T,
}

plain!(Requant<T> { multipliers, shift, zero, lo, hi });
