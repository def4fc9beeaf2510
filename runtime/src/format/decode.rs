//! Reading the numbers of a program; `FORMAT.md` says how they stand in bytes.
//!
//! A record is read each time that it runs. Where code has room all of that is one function, else every reader is one of its own.

use heapless::Vec;

use crate::error::Flaw;
use crate::outline::outlined;

/// A place in a program that is read number by number.
///
/// Where the bytes are no number, this one and all that follow are 0, and [`Reader::end`] says so: a record is read without a branch after each
/// of its numbers.
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

    /// What follows the numbers that were read.
    ///
    /// # Errors
    /// [`Flaw::Record`] if one of them was none.
    pub fn end(&self) -> Result<&'m [u8], Flaw> {
        if self.failed { Err(Flaw::Record) } else { Ok(self.rest) }
    }

    /// Says that what was read is none of its type.
    #[inline(never)]
    pub(crate) const fn fail(&mut self) {
        (self.rest, self.failed) = (&[], true);
    }

    outlined! {
        /// One byte.
        pub(crate) fn byte(&mut self) -> u8 {
            let Some((byte, rest)) = self.rest.split_first() else {
                self.fail();
                return 0;
            };
            self.rest = rest;
            *byte
        }
    }

    outlined! {
        /// Two unsigned numbers of at most 32 bits. Most take one byte, so two of those are the short way.
        pub(crate) fn pair(&mut self) -> (u32, u32) {
            if let [first, second, rest @ ..] = self.rest
                && first | second < 0x80
            {
                self.rest = rest;
                return (u32::from(*first), u32::from(*second));
            }
            self.long_pair()
        }
    }

    outlined! {
        fn long_pair(&mut self) -> (u32, u32) {
            (self.number(), self.number())
        }
    }

    outlined! {
        /// An unsigned number of at most 32 bits; one of a byte is the short way.
        pub(crate) const fn number(&mut self) -> u32 {
            if let [byte, rest @ ..] = self.rest
                && *byte < 0x80
            {
                self.rest = rest;
                return *byte as u32;
            }
            self.long_number()
        }
    }

    outlined! {
        const fn long_number(&mut self) -> u32 {
            let (mut number, mut shift) = (0u32, 0u32);
            while let Some((byte, rest)) = self.rest.split_first() {
                self.rest = rest;
                number |= ((*byte & 0x7f) as u32).wrapping_shl(shift);
                if *byte < 0x80 && (shift < 28 || *byte < 16) {
                    return number;
                }
                shift = shift.wrapping_add(7);
                if shift > 28 {
                    break;
                }
            }
            self.fail();
            0
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

/// What is read from a program.
pub trait Decode: Sized {
    /// The value at the reader's place.
    fn decode(reader: &mut Reader<'_>) -> Self;
}

/// Reads structs field by field, in the order in which they are named, which is the file's.
macro_rules! decode {
    ($($name:ident $(<$($type:ident),+>)? { $($field:tt),* $(,)? })*) => {
        $(impl $(<$($type: $crate::format::Decode),+>)? $crate::format::Decode for $name $(<$($type),+>)? {
            $crate::outline::outlined! {
                fn decode(reader: &mut $crate::format::Reader<'_>) -> Self {
                    Self { $($field: $crate::format::Decode::decode(reader)),* }
                }
            }
        })*
    };
}
pub(crate) use decode;

/// Reads enums: the number of the variant, then its fields. The first variant has none, and stands for a number that is none.
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
    };
}
pub(crate) use decode_enum;

impl Decode for u8 {
    #[inline(always)]
    fn decode(reader: &mut Reader<'_>) -> Self {
        reader.byte()
    }
}

impl Decode for i8 {
    #[inline(always)]
    fn decode(reader: &mut Reader<'_>) -> Self {
        reader.byte() as Self
    }
}

impl Decode for bool {
    #[inline(always)]
    fn decode(reader: &mut Reader<'_>) -> Self {
        let byte = reader.byte();
        if byte > 1 {
            reader.fail();
        }
        byte == 1
    }
}

impl Decode for u16 {
    #[inline(always)]
    fn decode(reader: &mut Reader<'_>) -> Self {
        narrow(reader)
    }
}

outlined! {
    /// A number of 16 bits.
    fn narrow(reader: &mut Reader<'_>) -> u16 {
        let number = u32::decode(reader);
        u16::try_from(number).unwrap_or_else(|_| {
            reader.fail();
            0
        })
    }
}

impl Decode for u32 {
    #[inline(always)]
    fn decode(reader: &mut Reader<'_>) -> Self {
        reader.number()
    }
}

impl Decode for u64 {
    outlined! {
        fn decode(reader: &mut Reader<'_>) -> Self {
            let (mut number, mut shift) = (0, 0u32);
            loop {
                let byte = reader.byte();
                number |= Self::from(byte & 0x7f).wrapping_shl(shift);
                if byte < 0x80 && (shift < 63 || byte < 2) {
                    return number;
                }
                shift = shift.wrapping_add(7);
                if shift > 63 {
                    reader.fail();
                    return 0;
                }
            }
        }
    }
}

impl Decode for i16 {
    #[inline(always)]
    fn decode(reader: &mut Reader<'_>) -> Self {
        let zigzag = narrow(reader);
        (zigzag >> 1) as Self ^ ((zigzag & 1) as Self).wrapping_neg()
    }
}

impl Decode for i32 {
    #[inline(always)]
    fn decode(reader: &mut Reader<'_>) -> Self {
        let zigzag = u32::decode(reader);
        (zigzag >> 1) as Self ^ ((zigzag & 1) as Self).wrapping_neg()
    }
}

impl Decode for f32 {
    outlined! {
        fn decode(reader: &mut Reader<'_>) -> Self {
            Self::from_le_bytes(core::array::from_fn(|_| reader.byte()))
        }
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

    fn read<T: Decode>(bytes: &[u8]) -> Option<(T, usize)> {
        let mut reader = Reader::new(bytes);
        let value = T::decode(&mut reader);
        Some((value, reader.end().ok()?.len()))
    }

    #[test]
    fn numbers_are_read_up_to_the_limits_of_their_types() {
        assert_eq!(read::<u32>(&[0x7f, 9]), Some((127, 1)));
        assert_eq!(read::<u32>(&[0xff, 0xff, 0xff, 0xff, 0x0f]), Some((u32::MAX, 0)));
        assert_eq!(read::<u32>(&[0xff, 0xff, 0xff, 0xff, 0x1f]), None, "33 bits");
        assert_eq!(read::<u32>(&[0x80, 0x80, 0x80, 0x80, 0x80, 0]), None, "six bytes");
        assert_eq!(read::<u32>(&[0x80]), None, "no end");
        assert_eq!(read::<u16>(&[0xff, 0xff, 3]), Some((u16::MAX, 0)));
        assert_eq!(read::<u16>(&[0x80, 0x80, 4]), None, "17 bits");
        let most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert_eq!(read::<u64>(&most), Some((u64::MAX, 0)));
        assert_eq!(read::<u64>(&most.map(|byte| byte | 2)), None, "65 bits");
        assert_eq!(read::<i32>(&[0xff, 0xff, 0xff, 0xff, 0x0f]), Some((i32::MIN, 0)));
        assert_eq!(read::<i16>(&[0xfe, 0xff, 3]), Some((i16::MAX, 0)));
        assert_eq!(read::<i8>(&[0x80]), Some((-128, 0)));
        assert_eq!((read::<bool>(&[1]), read::<bool>(&[2])), (Some((true, 0)), None));
        assert_eq!(read::<f32>(&1.5f32.to_le_bytes()), Some((1.5, 0)));
        assert_eq!(read::<f32>(&[0, 0, 0]), None);
    }

    #[test]
    fn pairs_are_read_whatever_their_lengths() {
        for (bytes, wanted) in [
            (&[1, 2][..], Some((1, 2))),
            (&[0x81, 1, 2], Some((129, 2))),
            (&[1, 0x82, 1], Some((1, 130))),
            (&[1], None),
            (&[1, 0x82], None),
        ] {
            let mut reader = Reader::new(bytes);
            let pair = reader.pair();
            assert_eq!(reader.end().ok().map(|_| pair), wanted, "{bytes:?}");
        }
    }

    #[test]
    fn behind_what_is_no_number_there_are_none() {
        let mut reader = Reader::new(&[2, 1, 1]);
        let numbers = (bool::decode(&mut reader), u32::decode(&mut reader), reader.bytes());
        assert_eq!(numbers, (false, 0, &[][..]));
        assert_eq!(reader.end(), Err(Flaw::Record));
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
        assert_eq!(read::<Shade>(&[0]), Some((Shade::Black, 0)));
        assert_eq!(read::<Shade>(&[1, 200, 7]), Some((Shade::Gray { level: 200 }, 1)));
        assert_eq!(read::<Shade>(&[2]), Some((Shade::White, 0)));
        assert_eq!((read::<Shade>(&[3]), read::<Shade>(&[1])), (None, None));
    }

    #[test]
    fn lists_have_their_count_and_no_more_than_fits() {
        let list = |bytes| read::<Vec<u8, 2>>(bytes).map(|(list, rest)| (list.as_slice() == [7, 8], rest));
        assert_eq!(list(&[2, 7, 8, 9]), Some((true, 1)));
        assert_eq!((list(&[3, 7, 8, 9]), list(&[2, 7])), (None, None));
        assert_eq!(Reader::new(&[2, 7, 8, 9]).bytes(), [7, 8]);
    }
}
