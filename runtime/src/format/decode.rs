//! Reading the values of a program; `FORMAT.md` says how they stand in bytes.
//!
//! What is plain is used where it stands. Where a record has a choice, a list or a truth value, it is read field by field.

use heapless::Vec;

use crate::arena::{Plain, view, zeroed};
use crate::error::Flaw;
use crate::outline::outlined;

/// What segments, ports and records begin at multiples of, in bytes: the largest alignment of a plain value.
pub(crate) const WORD: usize = 4;

/// A place in a program that is read value by value. The program begins at a multiple of four bytes.
///
/// Where the bytes are no value, this one and all that follow are 0, and [`Reader::end`] says so: a record is read without a branch after each
/// of its fields.
#[derive(Clone, Debug)]
pub struct Reader<'m> {
    rest: &'m [u8],
    failed: bool,
}

impl<'m> Reader<'m> {
    /// A reader at the first of these bytes.
    #[must_use]
    pub const fn new(bytes: &'m [u8]) -> Self {
        Self { rest: bytes, failed: false }
    }

    /// What follows the values that were read, from the next multiple of four bytes on.
    ///
    /// # Errors
    /// [`Flaw::Record`] if one of them was none.
    pub fn end(&self) -> Result<&'m [u8], Flaw> {
        if self.failed { Err(Flaw::Record) } else { aligned(self.rest, WORD).ok_or(Flaw::Record) }
    }

    /// Says that what was read is none of its type.
    #[inline(never)]
    pub(crate) const fn fail(&mut self) {
        (self.rest, self.failed) = (&[], true);
    }

    /// A plain value where it stands.
    #[inline(always)]
    pub(crate) fn view<T: Plain>(&mut self) -> Result<&'m T, Flaw> {
        let found = aligned(self.rest, align_of::<T>()).and_then(view);
        let (value, rest) = found.ok_or(Flaw::Record)?;
        self.rest = rest;
        Ok(value)
    }

    outlined! {
        /// A plain value.
        pub(crate) fn plain<T: Plain>(&mut self) -> T {
            self.view().cloned().unwrap_or_else(|_| {
                self.fail();
                zeroed()
            })
        }
    }

    /// A count, then as many bytes.
    pub(crate) fn bytes(&mut self) -> &'m [u8] {
        let len = u32::decode(self);
        let Some((bytes, rest)) = self.rest.split_at_checked(len as usize) else {
            self.fail();
            return &[];
        };
        self.rest = rest;
        bytes
    }
}

/// The bytes from a multiple of `align` on.
#[inline(always)]
fn aligned(bytes: &[u8], align: usize) -> Option<&[u8]> {
    bytes.get(bytes.as_ptr().addr().wrapping_neg() & align.wrapping_sub(1)..)
}

/// What is read from a program.
pub trait Decode: Sized {
    /// The value at the reader's place.
    fn decode(reader: &mut Reader<'_>) -> Self;

    /// Shows the value at the reader's place, in the file itself if it is plain.
    ///
    /// # Errors
    /// [`Flaw::Record`] if there is none, and those of `then`.
    fn show<T>(reader: &mut Reader<'_>, then: impl FnOnce(&Self) -> Result<T, Flaw>) -> Result<T, Flaw> {
        let value = Self::decode(reader);
        reader.end()?;
        then(&value)
    }
}

/// Says of structs that they are plain, which must be `repr(C)`: the file has what memory has.
macro_rules! plain {
    ($($name:ident $(<$($type:ident),+>)? { $($field:tt),* $(,)? })*) => {
        $(
            $crate::arena::all_plain!($name $(<$($type),+>)? { $($field),* });

            impl $(<$($type: $crate::arena::Plain),+>)? $crate::format::Decode for $name $(<$($type),+>)? {
                #[inline(always)]
                fn decode(reader: &mut $crate::format::Reader<'_>) -> Self {
                    reader.plain()
                }

                #[inline(always)]
                fn show<R>(
                    reader: &mut $crate::format::Reader<'_>,
                    then: impl FnOnce(&Self) -> Result<R, $crate::error::Flaw>,
                ) -> Result<R, $crate::error::Flaw> {
                    then(reader.view()?)
                }
            }

            #[cfg(feature = "encode")]
            impl $(<$($type: $crate::arena::Plain + $crate::format::Encode),+>)? $crate::format::Encode
                for $name $(<$($type),+>)?
            {
                fn encode(&self, to: &mut alloc::vec::Vec<u8>) {
                    $crate::format::align(to, align_of::<Self>());
                    $($crate::format::Encode::encode(&self.$field, to);)*
                    $crate::format::align(to, align_of::<Self>());
                }
            }
        )*
    };
}
pub(crate) use plain;

/// Reads and writes structs field by field, in the order in which they are named, which is the file's.
macro_rules! decode {
    ($($name:ident $(<$($type:ident),+>)? { $($field:tt),* $(,)? })*) => {
        $(
            impl $(<$($type: $crate::format::Decode),+>)? $crate::format::Decode for $name $(<$($type),+>)? {
                $crate::outline::outlined! {
                    fn decode(reader: &mut $crate::format::Reader<'_>) -> Self {
                        Self { $($field: $crate::format::Decode::decode(reader)),* }
                    }
                }
            }

            #[cfg(feature = "encode")]
            impl $(<$($type: $crate::format::Encode),+>)? $crate::format::Encode for $name $(<$($type),+>)? {
                fn encode(&self, to: &mut alloc::vec::Vec<u8>) {
                    $($crate::format::Encode::encode(&self.$field, to);)*
                }
            }
        )*
    };
}
pub(crate) use decode;

/// Reads and writes enums: the number of the variant, then its fields. The first variant has none, and stands for a number that is none.
macro_rules! decode_enum {
    ($name:ident { $first:ident, $($variant:ident $({ $($field:ident),+ })?),* $(,)? }) => {
        impl $crate::format::Decode for $name {
            $crate::outline::outlined! {
                fn decode(reader: &mut $crate::format::Reader<'_>) -> Self {
                    let number = u32::decode(reader);
                    let mut next = 0u32;
                    $(
                        next = next.wrapping_add(1);
                        if number == next {
                            return Self::$variant $({ $($field: $crate::format::Decode::decode(reader)),+ })?;
                        }
                    )*
                    if number > 0 {
                        reader.fail();
                    }
                    Self::$first
                }
            }
        }

        #[cfg(feature = "encode")]
        impl $crate::format::Encode for $name {
            fn encode(&self, to: &mut alloc::vec::Vec<u8>) {
                let mut next = 0u32;
                $(
                    next = next.wrapping_add(1);
                    if let Self::$variant $({ $($field),+ })? = self {
                        $crate::format::Encode::encode(&next, to);
                        $($($crate::format::Encode::encode($field, to);)+)?
                        return;
                    }
                )*
                $crate::format::Encode::encode(&0u32, to);
            }
        }
    };
}
pub(crate) use decode_enum;

macro_rules! numbers {
    ($($type:ty),*) => {
        $(impl Decode for $type {
            #[inline(always)]
            fn decode(reader: &mut Reader<'_>) -> Self {
                reader.plain()
            }
        })*
    };
}
numbers!(u8, i8, u16, i16, u32, i32, f32);

impl Decode for bool {
    #[inline(always)]
    fn decode(reader: &mut Reader<'_>) -> Self {
        let byte = u8::decode(reader);
        if byte > 1 {
            reader.fail();
        }
        byte == 1
    }
}

impl Decode for u64 {
    #[inline(always)]
    fn decode(reader: &mut Reader<'_>) -> Self {
        let [low, high] = <[u32; 2]>::decode(reader).map(Self::from);
        low | high << 32
    }
}

impl<T: Decode, const N: usize> Decode for [T; N] {
    #[inline(always)]
    fn decode(reader: &mut Reader<'_>) -> Self {
        core::array::from_fn(|_| T::decode(reader))
    }
}

impl<T: Decode, const N: usize> Decode for Vec<T, N> {
    fn decode(reader: &mut Reader<'_>) -> Self {
        let len = u32::decode(reader);
        let mut list = Self::new();
        for _ in 0..len {
            if list.push(T::decode(reader)).is_err() {
                reader.fail();
                break;
            }
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes from a multiple of four on.
    #[repr(align(4))]
    struct Words<const N: usize>([u8; N]);

    fn read<T: Decode, const N: usize>(bytes: [u8; N]) -> Option<(T, usize)> {
        let bytes = Words(bytes);
        let mut reader = Reader::new(&bytes.0);
        let value = T::decode(&mut reader);
        Some((value, reader.end().ok()?.len()))
    }

    #[test]
    fn numbers_take_their_size_and_the_next_item_begins_at_a_word() {
        assert_eq!(read::<u32, 6>([1, 2, 3, 0x84, 5, 6]), Some((0x8403_0201, 2)));
        assert_eq!(read::<u32, 3>([1, 2, 3]), None);
        assert_eq!(read::<i16, 4>([0xfe, 0xff, 7, 7]), Some((-2, 0)));
        assert_eq!(read::<i8, 2>([0x80, 0]), None, "no word after it");
        assert_eq!(read::<u64, 8>([1, 0, 0, 0, 2, 0, 0, 0]), Some((1 | 2 << 32, 0)));
        assert_eq!((read::<bool, 4>([1, 0, 0, 0]), read::<bool, 4>([2, 0, 0, 0])), (Some((true, 0)), None));
        assert_eq!(read::<f32, 4>(1.5f32.to_le_bytes()), Some((1.5, 0)));
    }

    #[test]
    fn each_number_begins_at_a_multiple_of_its_size() {
        let bytes = Words([1, 9, 2, 0, 3, 0, 0, 0, 4]);
        let mut reader = Reader::new(&bytes.0);
        let numbers = (u8::decode(&mut reader), u16::decode(&mut reader), u8::decode(&mut reader));
        assert_eq!(numbers, (1, 2, 3));
        assert_eq!(u32::decode(&mut reader), 0, "nothing is left of it");
        assert_eq!(reader.end(), Err(Flaw::Record));
    }

    #[test]
    fn behind_what_is_no_value_there_are_none() {
        let bytes = Words([2, 1, 0, 0, 1, 0, 0, 0]);
        let mut reader = Reader::new(&bytes.0);
        let values = (bool::decode(&mut reader), u32::decode(&mut reader), reader.bytes());
        assert_eq!(values, (false, 0, &[][..]));
        assert_eq!(reader.end(), Err(Flaw::Record));
    }

    #[derive(Clone, Debug, PartialEq)]
    #[repr(C)]
    struct Mixed {
        byte: u8,
        half: i16,
        words: [u32; 2],
        last: i8,
    }
    plain!(Mixed { byte, half, words, last });

    #[test]
    fn plain_values_are_shown_where_they_stand() {
        let bytes = Words([1, 0, 0xfe, 0xff, 3, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0]);
        let wanted = Mixed { byte: 1, half: -2, words: [3, 4], last: 5 };
        let mut reader = Reader::new(&bytes.0);
        let place = Mixed::show(&mut reader, |mixed| {
            assert_eq!(*mixed, wanted);
            Ok(core::ptr::from_ref(mixed).addr())
        });
        assert_eq!((place, reader.end()), (Ok(bytes.0.as_ptr().addr()), Ok(&[6, 0, 0, 0][..])));
        assert_eq!(Mixed::show(&mut Reader::new(&bytes.0[5..]), |_| Ok(())), Err(Flaw::Record), "a byte too few");
        assert_eq!(read::<Mixed, 20>(bytes.0), Some((wanted, 4)));
    }

    #[derive(Debug, PartialEq)]
    enum Shade {
        Black,
        Gray { level: u8 },
        White,
    }
    decode_enum!(Shade { Black, Gray { level }, White });

    #[test]
    fn enums_have_the_number_of_a_variant() {
        assert_eq!(read::<Shade, 4>([0, 0, 0, 0]), Some((Shade::Black, 0)));
        assert_eq!(read::<Shade, 8>([1, 0, 0, 0, 200, 0, 0, 0]), Some((Shade::Gray { level: 200 }, 0)));
        assert_eq!(read::<Shade, 4>([2, 0, 0, 0]), Some((Shade::White, 0)));
        assert_eq!((read::<Shade, 4>([3, 0, 0, 0]), read::<Shade, 4>([1, 0, 0, 0])), (None, None));
    }

    #[test]
    fn lists_have_their_count_and_no_more_than_fits() {
        let list = |bytes| read::<Vec<u8, 2>, 8>(bytes).map(|(list, rest)| (list.as_slice() == [7, 8], rest));
        assert_eq!(list([2, 0, 0, 0, 7, 8, 9, 9]), Some((true, 0)));
        assert_eq!(list([3, 0, 0, 0, 7, 8, 9, 9]), None);
        assert_eq!(read::<Vec<u8, 2>, 5>([2, 0, 0, 0, 7]).map(|_| ()), None);
        assert_eq!(Reader::new(&Words([2, 0, 0, 0, 7, 8, 9]).0).bytes(), [7, 8]);
    }

    #[test]
    #[cfg(feature = "encode")]
    fn what_is_written_is_read() {
        use crate::format::Encode;
        let mut bytes = alloc::vec::Vec::new();
        let mixed = Mixed { byte: 1, half: -2, words: [3, 4], last: 5 };
        7u8.encode(&mut bytes);
        Shade::Gray { level: 9 }.encode(&mut bytes);
        mixed.encode(&mut bytes);
        u64::MAX.encode(&mut bytes);
        let words: Words<36> = Words(bytes.try_into().unwrap());
        let mut reader = Reader::new(&words.0);
        assert_eq!((u8::decode(&mut reader), Shade::decode(&mut reader)), (7, Shade::Gray { level: 9 }));
        assert_eq!((Mixed::decode(&mut reader), u64::decode(&mut reader)), (mixed, u64::MAX));
        assert_eq!(reader.end(), Ok(&[][..]));
    }
}
