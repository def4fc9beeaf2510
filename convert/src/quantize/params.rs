//! Scale, zero point and width of a tensor of integers.

use crate::graph::{Grid, Kind};
use lacewing::Int;
use lacewing::ops::quantize::{dequantize, quantize};

/// The integers that a tensor is held in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Width {
    /// int8.
    I8,
    /// int16, whose zero point is 0.
    I16,
}

/// What the integers of one tensor stand for: `real = scale · (q − zero)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Params {
    /// Real value of one step; positive.
    pub scale: f32,
    /// The integer that stands for 0; of int16 it is 0.
    pub zero: i8,
    /// Which integers they are.
    pub width: Width,
}

impl Params {
    /// Params of int8.
    #[must_use]
    pub const fn int8(scale: f32, zero: i8) -> Self {
        Self { scale, zero, width: Width::I8 }
    }

    /// Params of int16.
    #[must_use]
    pub const fn int16(scale: f32) -> Self {
        Self { scale, zero: 0, width: Width::I16 }
    }

    /// The params of the softmax kernels' outputs.
    #[must_use]
    pub const fn softmax(width: Width) -> Self {
        match width {
            Width::I8 => Self::int8(1.0 / 256.0, -128),
            Width::I16 => Self::int16(1.0 / 32768.0),
        }
    }

    /// The params of narrow integers, which stand for themselves.
    #[must_use]
    pub fn of_integers(kind: Kind) -> Option<Self> {
        match kind {
            Kind::I8 => Some(Self::int8(1.0, 0)),
            Kind::U8 => Some(Self::int8(1.0, -128)),
            Kind::I16 => Some(Self::int16(1.0)),
            _ => None,
        }
    }

    /// The params of reals `scale · (q − zero)` whose `q` is of that kind, if it is narrow and has a place for the zero point.
    pub(super) fn of_quantized(kind: Kind, scale: f32, zero: f32) -> Option<Self> {
        let itself = Self::of_integers(kind)?;
        let zero = zero + f32::from(itself.zero);
        match itself.width {
            Width::I8 => (-128.0..=127.0).contains(&zero).then_some(Self { scale, zero: zero as i8, ..itself }),
            Width::I16 => (zero == 0.0).then_some(Self { scale, ..itself }),
        }
    }

    /// The params of a constant with one scale in its file.
    pub(super) fn of_grid(grid: &Grid) -> Option<Self> {
        match (&grid.scales[..], &grid.zeros[..], grid.bits) {
            (&[scale], &[zero], ..=8) => Some(Self::int8(scale, i8::try_from(zero).ok()?)),
            (&[scale], &[0], 16) => Some(Self::int16(scale)),
            _ => None,
        }
    }

    /// Params of a width that cover `lo..=hi` and 0, so that 0 is exact.
    #[must_use]
    pub fn covering(lo: f32, hi: f32, width: Width) -> Self {
        let (lo, hi) = (f64::from(lo.min(0.0)), f64::from(hi.max(0.0)));
        let scale = match width {
            Width::I8 => (hi - lo) / 255.0,
            Width::I16 => hi.max(-lo) / 32767.0,
        } as f32;
        let zero = (-128.0 - lo / f64::from(scale)).round_ties_even();
        match width {
            Width::I8 if scale.is_normal() => Self::int8(scale, zero.clamp(-128.0, 127.0) as i8),
            Width::I8 => Self::int8(1.0, 0),
            Width::I16 => Self::int16(if scale.is_normal() { scale } else { 1.0 }),
        }
    }

    /// Params of another width for the same reals: all int8 are int16 of a scale that is finer by 128, without rounding.
    #[must_use]
    pub fn in_width(self, width: Width) -> Self {
        match (self.width, width) {
            (Width::I8, Width::I16) => Self::int16(self.scale / 128.0),
            (Width::I16, Width::I8) => Self::int8(self.scale * (32767.0 / 127.0), 0),
            _ => self,
        }
    }

    /// Bytes of one element.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self.width {
            Width::I8 => 1,
            Width::I16 => 2,
        }
    }

    /// The least and the largest real number that they hold.
    #[must_use]
    pub fn reach(self) -> (f32, f32) {
        let integers = self.integers();
        (self.real(*integers.start()), self.real(*integers.end()))
    }

    /// The integers of its type.
    #[must_use]
    pub fn integers(self) -> std::ops::RangeInclusive<i32> {
        match self.width {
            Width::I8 => -128..=127,
            Width::I16 => -32768..=32767,
        }
    }

    /// The integer for a real number, as at the door.
    #[must_use]
    pub fn integer(self, x: f32) -> i32 {
        match self.width {
            Width::I8 => quantize(x, self.scale, self.zero).into(),
            Width::I16 => quantize(x, self.scale, i16::from(self.zero)).into(),
        }
    }

    /// The same in its type.
    #[must_use]
    pub fn quantize<T: Int>(self, x: f32) -> T {
        T::saturate(self.integer(x))
    }

    /// The real number of an integer.
    #[must_use]
    pub fn real(self, q: i32) -> f32 {
        dequantize(i16::saturate(q), self.scale, self.zero.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_exact_and_the_ends_are_reached() {
        for (lo, hi) in [(-1.0, 1.0), (0.0, 6.0), (-3.7, 0.2), (2.0, 5.0), (-5.0, -2.0), (0.0, 0.0)] {
            let params = Params::covering(lo, hi, Width::I8);
            assert_eq!(params.real(params.integer(0.0)), 0.0, "{lo} {hi}");
            let half = params.scale * 0.51;
            for x in [lo, hi] {
                assert!((params.real(params.integer(x)) - x).abs() <= half + 1e-6, "{lo} {hi} {params:?}");
            }
        }
    }

    #[test]
    fn every_int8_is_an_int16() {
        for zero in [-128, -3, 127] {
            let narrow = Params::int8(0.37, zero);
            let wide = narrow.in_width(Width::I16);
            for q in narrow.integers() {
                assert_eq!(wide.real(wide.integer(narrow.real(q))), narrow.real(q), "{zero} {q}");
            }
        }
        let wide = Params::int16(0.01);
        assert!((wide.in_width(Width::I8).real(127) - wide.real(32767)).abs() < 1e-3);
    }

    #[test]
    fn zero_points_that_int16_lacks_are_no_params() {
        assert_eq!(Params::of_quantized(Kind::I16, 0.5, 0.0), Some(Params::int16(0.5)));
        assert_eq!(Params::of_quantized(Kind::I16, 0.5, 3.0), None);
        assert_eq!(Params::of_quantized(Kind::U8, 0.5, 3.0), Some(Params::int8(0.5, -125)));
        assert_eq!(Params::of_quantized(Kind::Integer, 0.5, 0.0), None);
    }
}
