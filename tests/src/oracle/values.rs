//! Numbers of tensors and of constants, and what is close enough to them.

use lacewing::format::{DType, Span};

/// The numbers of one tensor.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// `i8` elements.
    I8(Vec<i8>),
    /// `i16` elements.
    I16(Vec<i16>),
    /// `i32` elements.
    I32(Vec<i32>),
    /// `f32` elements.
    F32(Vec<f32>),
}

impl Values {
    /// The numbers in these little-endian bytes.
    #[must_use]
    pub fn from_bytes(dtype: DType, bytes: &[u8]) -> Self {
        match dtype {
            DType::I8 => Self::I8(bytes.iter().map(|byte| *byte as i8).collect()),
            DType::I32 => Self::I32(words(bytes).map(i32::from_le_bytes).collect()),
            DType::F32 => Self::F32(words(bytes).map(f32::from_le_bytes).collect()),
            DType::I16 => Self::I16(halves(bytes).collect()),
        }
    }

    /// The numbers as little-endian bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::I8(numbers) => numbers.iter().map(|x| *x as u8).collect(),
            Self::I16(numbers) => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::I32(numbers) => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::F32(numbers) => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
        }
    }

    /// Their type.
    #[must_use]
    pub const fn dtype(&self) -> DType {
        match self {
            Self::I8(_) => DType::I8,
            Self::I16(_) => DType::I16,
            Self::I32(_) => DType::I32,
            Self::F32(_) => DType::F32,
        }
    }

    /// The numbers.
    ///
    /// # Panics
    /// If they are not `i8`.
    #[must_use]
    pub fn i8(&self) -> &[i8] {
        let Self::I8(numbers) = self else { panic!("{:?} where i8 is wanted", self.dtype()) };
        numbers
    }

    /// The numbers.
    ///
    /// # Panics
    /// If they are not `i16`.
    #[must_use]
    pub fn i16(&self) -> &[i16] {
        let Self::I16(numbers) = self else { panic!("{:?} where i16 is wanted", self.dtype()) };
        numbers
    }

    /// The numbers.
    ///
    /// # Panics
    /// If they are not `f32`.
    #[must_use]
    pub fn f32(&self) -> &[f32] {
        let Self::F32(numbers) = self else { panic!("{:?} where f32 is wanted", self.dtype()) };
        numbers
    }
}

/// The constants section of a file.
#[derive(Clone, Copy, Debug)]
pub struct Constants<'a>(pub &'a [u8]);

impl Constants<'_> {
    pub(super) fn i8(&self, span: Span) -> Vec<i8> {
        self.bytes(span).iter().map(|byte| *byte as i8).collect()
    }

    /// Two to a byte, the first in the low half.
    pub(super) fn i4(&self, span: Span) -> Vec<i8> {
        let halves = |byte: &u8| [byte & 15, byte >> 4].map(|half| (half as i8 ^ 8) - 8);
        self.bytes(span).iter().flat_map(halves).collect()
    }

    pub(super) fn i16(&self, span: Span) -> Vec<i16> {
        halves(self.bytes(span)).collect()
    }

    pub(super) fn i32(&self, span: Span) -> Vec<i32> {
        words(self.bytes(span)).map(i32::from_le_bytes).collect()
    }

    pub(super) fn i64(&self, span: Span) -> Vec<i64> {
        let words: Vec<_> = words(self.bytes(span)).map(u32::from_le_bytes).collect();
        words.chunks_exact(2).map(|pair| i64::from(pair[1]) << 32 | i64::from(pair[0])).collect()
    }

    pub(super) fn u32(&self, span: Span) -> Vec<u32> {
        words(self.bytes(span)).map(u32::from_le_bytes).collect()
    }

    pub(super) fn f32(&self, span: Span) -> Vec<f32> {
        words(self.bytes(span)).map(f32::from_le_bytes).collect()
    }

    fn bytes(&self, span: Span) -> &[u8] {
        &self.0[span.offset as usize..][..span.len as usize]
    }
}

fn halves(bytes: &[u8]) -> impl Iterator<Item = i16> {
    bytes.chunks_exact(2).map(|half| i16::from_le_bytes([half[0], half[1]]))
}

fn words(bytes: &[u8]) -> impl Iterator<Item = [u8; 4]> {
    bytes.chunks_exact(4).map(|word| [word[0], word[1], word[2], word[3]])
}

/// A real number and how far an f32 result may be from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Near {
    /// The exact result.
    pub value: f64,
    /// Largest distance that rounding in f32 explains.
    pub slack: f64,
}

impl Near {
    pub(super) fn clamp(self, lo: f32, hi: f32) -> Self {
        Self { value: self.value.max(lo.into()).min(hi.into()), ..self }
    }

    fn holds(self, got: f32) -> bool {
        let want = self.value as f32;
        want.to_bits() == got.to_bits() || want.is_nan() && got.is_nan() || {
            let distance = (f64::from(got) - self.value).abs();
            distance <= self.slack || want.is_infinite() && got == want
        }
    }
}

/// What an operation must answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// These bits.
    Exact(Values),
    /// f32 within these bounds.
    Near(Vec<Near>),
}

impl From<Values> for Answer {
    fn from(values: Values) -> Self {
        Self::Exact(values)
    }
}

impl Answer {
    /// Compares with what a kernel gave.
    ///
    /// # Errors
    /// The first difference, in words.
    pub fn check(&self, got: &Values) -> Result<(), String> {
        match self {
            Self::Exact(want) if want.bytes() == got.bytes() => Ok(()),
            Self::Exact(want) => Err(format!("want {want:?}\n got {got:?}")),
            Self::Near(want) if want.len() != got.f32().len() => Err(format!("{} numbers wanted", want.len())),
            Self::Near(want) => match want.iter().zip(got.f32()).position(|(want, got)| !want.holds(*got)) {
                Some(i) => Err(format!("number {i}: want {:?}, got {:e}", want[i], got.f32()[i])),
                None => Ok(()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_number_is_found() {
        let near = Answer::Near(vec![Near { value: 1.0, slack: 1e-6 }]);
        assert!(near.check(&Values::F32(vec![1.000_000_5])).is_ok());
        assert!(near.check(&Values::F32(vec![1.000_01])).is_err());
        assert!(near.check(&Values::F32(vec![f32::NAN])).is_err());
        assert!(near.check(&Values::F32(vec![])).is_err());
        let exact = Answer::Exact(Values::I8(vec![1, 2]));
        assert!(exact.check(&Values::I8(vec![1, 2])).is_ok());
        assert!(exact.check(&Values::I8(vec![1, 3])).is_err());
    }
}
