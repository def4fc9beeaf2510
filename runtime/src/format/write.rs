//! Writing the values of a program, as [`Decode`](super::Decode) reads them.

use alloc::vec::Vec;

/// What is written to a program.
pub trait Encode {
    /// Appends the value to bytes, of which the first stands at a multiple of four of the program.
    fn encode(&self, to: &mut Vec<u8>);
}

/// Appends zeros up to a multiple of `to`.
pub(crate) fn align(bytes: &mut Vec<u8>, to: usize) {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
}

macro_rules! numbers {
    ($($type:ty),*) => {
        $(impl Encode for $type {
            fn encode(&self, to: &mut Vec<u8>) {
                align(to, size_of::<Self>());
                to.extend(self.to_le_bytes());
            }
        })*
    };
}
numbers!(u8, i8, u16, i16, u32, i32, f32);

impl Encode for bool {
    fn encode(&self, to: &mut Vec<u8>) {
        u8::from(*self).encode(to);
    }
}

impl Encode for u64 {
    fn encode(&self, to: &mut Vec<u8>) {
        [*self as u32, (*self >> 32) as u32].encode(to);
    }
}

impl<T: Encode, const N: usize> Encode for [T; N] {
    fn encode(&self, to: &mut Vec<u8>) {
        self.iter().for_each(|value| value.encode(to));
    }
}

impl<T: Encode, const N: usize> Encode for heapless::Vec<T, N> {
    fn encode(&self, to: &mut Vec<u8>) {
        self.as_slice().encode(to);
    }
}

/// A count, then the values.
impl<T: Encode> Encode for [T] {
    fn encode(&self, to: &mut Vec<u8>) {
        (self.len() as u32).encode(to);
        self.iter().for_each(|value| value.encode(to));
    }
}
