//! Memory: numbers and bytes, the arena and its regions, constants. The one file with unsafe code.

#![allow(unsafe_code, reason = "aligned casts between bytes and plain numbers, each with its proof")]

use core::ops::{Deref, DerefMut, Range};

use crate::error::Fault;
use crate::format::{DType, MAX_REGIONS, Place, Span, Tensor};

mod memory;

pub use memory::{Apart, Memory, Operand, Operands, Others};

mod sealed {
    pub trait Sealed {}
}

/// Plain numbers: every bit pattern is a value, no padding. Sealed, so that the casts below stay sound.
pub trait Pod: Copy + sealed::Sealed + 'static {
    /// The element type of tensors of these numbers, if there is one.
    const DTYPE: Option<DType>;
}

macro_rules! pod {
    ($($type:ty = $dtype:expr,)*) => {
        $(
            impl sealed::Sealed for $type {}
            impl Pod for $type {
                const DTYPE: Option<DType> = $dtype;
            }
        )*
    };
}
pod!(
    u8 = None,
    i8 = Some(DType::I8),
    i16 = Some(DType::I16),
    i32 = Some(DType::I32),
    u32 = None,
    i64 = None,
    f32 = Some(DType::F32),
);

/// The bytes as numbers, if they are aligned and a whole count of them.
#[must_use]
pub fn cast<T: Pod>(bytes: &[u8]) -> Option<&[T]> {
    let len = count::<T>(bytes)?;
    // SAFETY: `T` is sealed to u8, i8, i16, i32, u32, i64 and f32, for which every bit pattern is valid; there are `len` of them in the bytes,
    // from an aligned address on.
    Some(unsafe { core::slice::from_raw_parts(bytes.as_ptr().cast(), len) })
}

/// The bytes as numbers that can be changed, if they are aligned and a whole count of them.
#[must_use]
pub fn cast_mut<T: Pod>(bytes: &mut [u8]) -> Option<&mut [T]> {
    let len = count::<T>(bytes)?;
    // SAFETY: as in `cast`; and every value of `T` is valid as bytes, since it has no padding.
    Some(unsafe { core::slice::from_raw_parts_mut(bytes.as_mut_ptr().cast(), len) })
}

/// Values of a file that are used where they stand: any bits are one, and bytes between fields are not looked at.
///
/// # Safety
/// Any bits must be a value, which nothing changes through a shared reference.
pub unsafe trait Plain: Clone + 'static {
    /// Does nothing: there to name all parts, each of which must be plain.
    #[doc(hidden)]
    fn parts(&self) {}
}

macro_rules! plain_numbers {
    ($($type:ty),*) => {
        // SAFETY: any bits are a number.
        $(unsafe impl Plain for $type {})*
    };
}
plain_numbers!(u8, i8, u16, i16, u32, i32, f32);

// SAFETY: any bits are `N` values if any are one.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

/// Makes a struct plain whose fields, all of which must be named, are plain.
macro_rules! all_plain {
    ($name:ident $(<$($type:ident),+>)? { $($field:tt),* }) => {
        // SAFETY: `parts` compiles only if all fields are named and each is plain; any bits of all of them are a value, then.
        #[allow(unsafe_code, reason = "proved by what must compile for it")]
        unsafe impl $(<$($type: $crate::arena::Plain),+>)? $crate::arena::Plain for $name $(<$($type),+>)? {
            fn parts(&self) {
                let Self { $($field: _),* } = self;
                $($crate::arena::Plain::parts(&self.$field);)*
            }
        }
    };
}
pub(crate) use all_plain;

/// A plain value at the front of bytes, where it stands, and what follows it; `None` if they are too few or not aligned.
#[inline(always)]
pub(crate) fn view<T: Plain>(bytes: &[u8]) -> Option<(&T, &[u8])> {
    let (front, rest) = bytes.split_at_checked(size_of::<T>())?;
    let value = front.as_ptr().cast::<T>();
    // SAFETY: there are as many bytes as a `T` has, from an aligned address on, and any bits are a `T`; it borrows them.
    value.is_aligned().then(|| (unsafe { &*value }, rest))
}

/// The plain value of zeros.
pub(crate) fn zeroed<T: Plain>() -> T {
    // SAFETY: any bits are a `T`.
    unsafe { core::mem::zeroed() }
}

/// How many numbers the bytes are, if they are a whole count of them, and aligned.
#[inline(always)]
fn count<T: Pod>(bytes: &[u8]) -> Option<usize> {
    let whole = bytes.len().is_multiple_of(size_of::<T>());
    (whole && bytes.as_ptr().addr().is_multiple_of(align_of::<T>())).then_some(bytes.len() / size_of::<T>())
}

/// The numbers as bytes.
#[must_use]
pub fn bytes_of<T: Pod>(numbers: &[T]) -> &[u8] {
    // SAFETY: `T` has no padding, so all its bytes are initialized, and u8 has no alignment.
    unsafe { core::slice::from_raw_parts(numbers.as_ptr().cast(), size_of_val(numbers)) }
}

/// Sets all bytes, word by word: the compiler's own function for that takes three times the code.
#[inline(never)]
pub fn fill(bytes: &mut [i8], byte: i8) {
    let word = u32::from_ne_bytes([byte as u8; 4]);
    for four in bytes.as_chunks_mut::<4>().0 {
        *four = word.to_ne_bytes().map(|byte| byte as i8);
    }
    let len = bytes.len();
    for last in bytes.iter_mut().skip(len / 4 * 4) {
        *last = byte;
    }
}

/// Memory for a model's tensors, aligned as `run` needs it. Lives where its owner puts it: a static, a stack, a box.
///
/// ```
/// let mut arena = lacewing::Arena::<1024>::new();
/// assert_eq!(arena.len(), 1024);
/// ```
#[derive(Clone, Debug)]
#[repr(C, align(16))]
pub struct Arena<const N: usize>([u8; N]);

impl<const N: usize> Arena<N> {
    /// An arena of zeros.
    #[must_use]
    pub const fn new() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> Default for Arena<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Deref for Arena<N> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<const N: usize> DerefMut for Arena<N> {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// The memory that a model runs in: an arena in one piece, or a piece for each region of its plan. The plan's offsets count through them.
#[derive(Debug, Default)]
pub struct Ram<'a>([&'a mut [u8]; MAX_REGIONS]);

impl<'a> Ram<'a> {
    /// One piece.
    pub(crate) fn one(arena: &'a mut [u8]) -> Self {
        let mut ram = Self::default();
        if let Some(first) = ram.0.first_mut() {
            *first = arena;
        }
        ram
    }

    /// The first bytes of pieces, as many of each as the plan's region has; `None` if one is shorter or there are fewer.
    pub(crate) fn new(pieces: impl IntoIterator<Item = &'a mut [u8]>, lens: [usize; MAX_REGIONS]) -> Option<Self> {
        let (mut ram, mut pieces) = (Self::default(), pieces.into_iter());
        for (to, len) in ram.0.iter_mut().zip(lens).filter(|(_, len)| *len > 0) {
            *to = pieces.next()?.get_mut(..len)?;
        }
        Some(ram)
    }

    pub(crate) fn reborrow(&mut self) -> Ram<'_> {
        Ram(self.0.each_mut().map(|piece| &mut **piece))
    }

    /// Whether every piece starts at a multiple of `align`.
    pub(crate) fn is_aligned(&self, align: usize) -> bool {
        self.0.iter().all(|piece| piece.is_empty() || piece.as_ptr().addr().is_multiple_of(align))
    }

    /// Bytes of all pieces.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().fold(0, |len, piece| len.saturating_add(piece.len()))
    }

    /// The bytes of a span, `None` outside.
    #[must_use]
    pub fn get(&self, span: Span) -> Option<&[u8]> {
        let mut range = span.range()?;
        for piece in &self.0 {
            if let Some(bytes) = piece.get(range.clone()) {
                return Some(bytes);
            }
            range = range.start.checked_sub(piece.len())?..range.end.checked_sub(piece.len())?;
        }
        None
    }

    /// The bytes of a span, to be changed; `None` outside.
    #[must_use]
    pub fn get_mut(&mut self, span: Span) -> Option<&mut [u8]> {
        let [bytes, ..] = self.disjoint(&[span.range()?, 0..0, 0..0])?;
        Some(bytes)
    }

    /// The bytes of three ranges, `None` if one lies outside or has a byte of another. As `get_disjoint_mut`, in half its instructions: each
    /// record and each turn of a band begins with it.
    #[inline(always)]
    fn disjoint(&mut self, ranges: &[Range<usize>; 3]) -> Option<[&mut [u8]; 3]> {
        let [a, b, c] = ranges;
        let apart = |one: &Range<usize>, other: &Range<usize>| one.end <= other.start || other.end <= one.start;
        if !(apart(a, b) && apart(a, c) && apart(b, c)) {
            return None;
        }
        let pieces = self.0.each_mut().map(|piece| (piece.as_mut_ptr(), piece.len()));
        let part = |range: &Range<usize>| {
            let start = place(pieces, range)?;
            // SAFETY: the range lies in one piece, which is borrowed for as long as what is given; no two ranges have a byte in common, since
            // of each two one ends before the other starts, and pieces have none.
            Some(unsafe { core::slice::from_raw_parts_mut(start, range.len()) })
        };
        Some([part(a)?, part(b)?, part(c)?])
    }

    /// The bytes of a range, and all others; `None` outside.
    fn around(self, range: Range<usize>) -> Option<(&'a mut [u8], Outside<'a>)> {
        let (mut out, mut start, mut outside) = (None, 0usize, Outside { ends: [0; PIECES], pieces: [&[]; PIECES] });
        let mut places = outside.ends.iter_mut().zip(&mut outside.pieces);
        let mut put = |end: usize, bytes: &'a [u8]| {
            if let Some((to_end, to)) = places.next() {
                (*to_end, *to) = (end, bytes);
            }
        };
        for piece in self.0 {
            let (local, first) = (within(&range, start, piece.len()), start);
            start = start.wrapping_add(piece.len());
            match local {
                Some(local) if out.is_none() => {
                    let (before, rest) = piece.split_at_mut_checked(local.start)?;
                    let (bytes, after) = rest.split_at_mut_checked(local.len())?;
                    put(first.wrapping_add(before.len()), before);
                    put(start, after);
                    out = Some(bytes);
                }
                _ => put(start, piece),
            }
        }
        Some((out?, outside))
    }
}

/// Where the bytes of a range start; `None` unless one of the pieces, which have a start and a length, has them all.
#[inline(always)]
fn place(pieces: [(*mut u8, usize); MAX_REGIONS], range: &Range<usize>) -> Option<*mut u8> {
    let (mut start, mut end) = (range.start, range.end);
    for (piece, len) in pieces {
        if start <= end && end <= len {
            return Some(piece.wrapping_add(start));
        }
        (start, end) = (start.checked_sub(len)?, end.checked_sub(len)?);
    }
    None
}

/// A range that lies in a piece of `len` bytes from `start` on, counted from its first.
fn within(range: &Range<usize>, start: usize, len: usize) -> Option<Range<usize>> {
    let local = range.start.checked_sub(start)?..range.end.checked_sub(start)?;
    (local.start <= local.end && local.end <= len).then_some(local)
}

/// The constants section of a file.
#[derive(Clone, Copy, Debug)]
pub struct Constants<'a>(&'a [u8]);

impl<'a> Constants<'a> {
    /// Constants in these bytes, which start at a multiple of 16.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The numbers in `span`.
    ///
    /// # Errors
    /// [`Fault`] if the span lies outside, is not aligned or not a whole count of `T`.
    pub fn get<T: Pod>(&self, span: Span) -> Result<&'a [T], Fault> {
        let bytes = span.range().and_then(|range| self.0.get(range)).ok_or(Fault)?;
        cast(bytes).ok_or(Fault)
    }

    /// The numbers in `span`, which must be `len` of them.
    ///
    /// # Errors
    /// As [`Constants::get`], and [`Fault`] for another count.
    pub fn exactly<T: Pod>(&self, span: Span, len: u32) -> Result<&'a [T], Fault> {
        let numbers = self.get::<T>(span)?;
        if numbers.len() == len as usize { Ok(numbers) } else { Err(Fault) }
    }

    /// Checks that [`Constants::exactly`] gives `len` numbers.
    ///
    /// # Errors
    /// As [`Constants::exactly`].
    pub(crate) fn check<T: Pod>(&self, span: Span, len: u32) -> Result<(), Fault> {
        self.check_bytes(span, len, size_of::<T>() as u32)
    }

    /// Not generic, so that a firmware holds it once. A file stands at a multiple of 16, so that offsets tell alignment.
    #[inline(never)]
    fn check_bytes(&self, span: Span, len: u32, size: u32) -> Result<(), Fault> {
        let inside = span.range().is_some_and(|range| range.end <= self.0.len());
        let fits = len.checked_mul(size) == Some(span.len) && span.offset.is_multiple_of(size);
        if inside && fits { Ok(()) } else { Err(Fault) }
    }
}

impl<'a> Constants<'a> {
    /// The bytes of a tensor that lives here, `None` for one in the arena.
    fn instead(&self, tensor: &Tensor) -> Result<Option<&'a [u8]>, Fault> {
        match tensor.place() {
            Place::Constant => self.get(tensor.known_span()).map(Some),
            _ => Ok(None),
        }
    }
}

/// All regions but the output's bytes, which stand between two pieces of one.
const PIECES: usize = MAX_REGIONS + 1;

/// The arena without the output's bytes.
#[derive(Clone, Copy, Debug)]
struct Outside<'a> {
    /// The offset after the last byte of each piece.
    ends: [usize; PIECES],
    pieces: [&'a [u8]; PIECES],
}

impl<'a> Outside<'a> {
    fn get(&self, range: Range<usize>) -> Option<&'a [u8]> {
        let mut pieces = self.ends.iter().zip(self.pieces);
        pieces.find_map(|(end, piece)| piece.get(within(&range, end.checked_sub(piece.len())?, piece.len())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(offset: u32, len: u32) -> Tensor {
        Tensor::new(Place::Arena, DType::I8, offset, [1, 1, 1, len])
    }

    #[test]
    fn all_bytes_are_set() {
        for (start, end) in (0..9).flat_map(|start| (start..9).map(move |end| (start, end))) {
            let mut bytes = [1; 9];
            fill(&mut bytes[start..end], -2);
            assert!(bytes.iter().enumerate().all(|(i, byte)| *byte == if (start..end).contains(&i) { -2 } else { 1 }));
        }
    }

    #[test]
    fn casts_refuse_what_is_unaligned_or_broken() {
        let arena = Arena::<16>::new();
        assert_eq!(cast::<f32>(&arena).map(<[f32]>::len), Some(4));
        assert!(cast::<f32>(&arena[1..5]).is_none());
        assert!(cast::<i32>(&arena[..6]).is_none());
        assert_eq!(bytes_of(&[1i32, -1]), [1, 0, 0, 0, 255, 255, 255, 255]);
    }

    #[test]
    fn three_parts_are_those_of_the_standard_library() {
        const LEN: usize = 3;
        let range = |i: usize| (i % 5)..(i / 5);
        for (i, j, k) in (0..25).flat_map(|i| (0..25).flat_map(move |j| (0..25).map(move |k| (i, j, k)))) {
            let ranges = [range(i), range(j), range(k)];
            let (mut bytes, mut same) = ([0u8; LEN], [0u8; LEN]);
            let fill = |[a, b, c]: [&mut [u8]; 3]| {
                a.fill(1);
                b.fill(2);
                c.fill(3);
            };
            let ours = Ram::one(&mut bytes).disjoint(&ranges).map(fill);
            let theirs = same.get_disjoint_mut(ranges.clone()).ok().map(fill);
            assert_eq!((ours, bytes), (theirs, same), "{ranges:?}");
        }
    }

    #[test]
    #[cfg(feature = "regions")]
    fn parts_of_regions_are_those_of_one_piece_unless_they_lie_across() {
        let range = |i: usize| (i % 7)..(i / 7);
        for (i, j) in (0..49).flat_map(|i| (0..49).map(move |j| (i, j))) {
            let ranges = [range(i), range(j), 0..0];
            let (mut first, mut second, mut third, mut same) = ([0u8; 3], [0u8; 2], [0u8; 1], [0u8; 6]);
            let fill = |[a, b, _]: [&mut [u8]; 3]| {
                a.fill(1);
                b.fill(2);
            };
            let mut ram = Ram::new([&mut first[..], &mut second, &mut third], [3, 2, 1]).unwrap();
            let ours = ram.disjoint(&ranges).map(fill);
            let across = |range: &Range<usize>| [3, 5].iter().any(|start| range.start < *start && range.end > *start);
            let theirs = same.get_disjoint_mut(ranges.clone()).ok().filter(|_| !ranges.iter().any(across)).map(fill);
            assert_eq!((ours, [&first[..], &second, &third].concat()), (theirs, same.to_vec()), "{ranges:?}");
        }
    }

    #[test]
    #[cfg(feature = "regions")]
    fn an_output_is_taken_out_of_its_region() {
        let (mut first, mut second) = ([1u8, 2, 3], [4u8, 5, 6, 7]);
        let ram = Ram::new([&mut first[..], &mut second], [3, 4, 0]).unwrap();
        let (out, outside) = ram.around(4..6).unwrap();
        assert_eq!(out, [5, 6]);
        let get = |range: Range<usize>| outside.get(range).unwrap_or_default();
        assert_eq!((get(0..3), get(3..4), get(6..7)), (&[1, 2, 3][..], &[4][..], &[7][..]));
        assert_eq!([get(2..4), get(4..5), get(3..7), get(6..8)], [[]; 4], "across, or the output's");
    }

    #[test]
    fn views_are_disjoint_or_in_place() {
        let mut bytes = Arena::<32>::new();
        let mut memory = Memory::new(Ram::one(&mut bytes), Constants::new(&[]), None);
        assert!(memory.apart::<i8, i8>(&tensor(0, 8), &tensor(8, 8), Span::EMPTY).is_ok());
        assert!(memory.apart::<i8, i8>(&tensor(0, 8), &tensor(7, 8), Span::EMPTY).is_err());
        assert!(memory.apart::<i8, i8>(&tensor(0, 8), &tensor(30, 8), Span::EMPTY).is_err());
        let (a, b, out) = memory.binary::<i8>(&tensor(8, 8), &tensor(16, 8), &tensor(8, 8)).unwrap();
        assert!(a.is_none() && b.is_some() && out.len() == 8);
        assert!(memory.binary::<i8>(&tensor(4, 8), &tensor(16, 8), &tensor(8, 8)).is_err());
        assert!(memory.binary::<i8>(&tensor(0, 8), &tensor(12, 8), &tensor(8, 8)).is_err());
    }
}
