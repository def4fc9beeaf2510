//! Indices that a program reads, whether it was written with them or has computed them.

use crate::arena::Others;
use crate::error::{Fault, Flaw};
use crate::format::{DType, Tensor};

/// Indices of either type.
#[derive(Clone, Copy)]
pub(super) enum Indices<'a> {
    Whole(&'a [i32]),
    Real(&'a [f32]),
}

/// Checks the type and gives the number of indices.
pub(super) fn check(indices: &Tensor) -> Result<u32, Flaw> {
    match indices.dtype() {
        Some(DType::I32 | DType::F32) => indices.len().ok_or(Flaw::Shape),
        _ => Err(Flaw::Type),
    }
}

impl<'a> Indices<'a> {
    pub(super) fn of(tensor: &Tensor, others: &Others<'a>) -> Result<Self, Fault> {
        match tensor.dtype() {
            Some(DType::I32) => others.apart(tensor).map(Self::Whole),
            _ => others.apart(tensor).map(Self::Real),
        }
    }

    /// Each as a place in `0..n`: a negative one counts from the end, one outside is the nearest inside.
    pub(super) fn within(self, n: u32) -> impl Iterator<Item = usize> {
        let (whole, real) = match self {
            Self::Whole(whole) => (whole, &[][..]),
            Self::Real(real) => (&[][..], real),
        };
        let numbers = whole.iter().copied().chain(real.iter().map(|x| *x as i32));
        numbers.map(move |index| place(index, n))
    }
}

fn place(index: i32, n: u32) -> usize {
    let from_start = if index < 0 { i64::from(index).wrapping_add(i64::from(n)) } else { i64::from(index) };
    from_start.min(i64::from(n).wrapping_sub(1)).max(0) as usize
}

#[cfg(test)]
mod tests {
    use super::Indices;

    #[test]
    fn every_index_is_a_place() {
        let whole = [0, 2, 3, i32::MAX, -1, -3, -4, i32::MIN];
        assert!(Indices::Whole(&whole).within(3).eq([0, 2, 2, 2, 2, 0, 0, 0]));
        let real = [1.9, -0.5, -1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
        assert!(Indices::Real(&real).within(3).eq([1, 0, 2, 0, 2, 0]));
    }
}
