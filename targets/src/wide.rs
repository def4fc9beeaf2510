//! How exact sums become int16.

use core::ops::RangeInclusive;

use lacewing::format::Requant;

use crate::wish::rounds;

/// Products of int8 with int16, of any numbers, whose sum fits into 32 bits: `496·2^7·2^15 < 2^31`.
pub(crate) const MOST: usize = 496;

/// Shifts that leave only the upper word of a product.
pub(crate) const SHIFTS: RangeInclusive<u8> = 33..=62;

/// `y = clamp((sum · m + 2^(k − 1)) >> k, lo, hi)` with `33 ≤ k ≤ 62`, so that only the upper word of the product is left to be rounded and
/// shifted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wide {
    shift: u8,
    limits: [i16; 2],
}

impl Wide {
    /// Of a record; `None` if it has a zero point or a smaller shift, which multipliers of ¼ and more ask for.
    pub(crate) fn new(requant: &Requant<i16>) -> Option<Self> {
        let Requant { shift, lo, hi, .. } = *requant;
        rounds(requant).then_some(Self { shift, limits: [lo, hi] })
    }

    /// The output of a sum, for a multiplier that is not negative.
    #[inline(always)]
    pub(crate) fn apply(&self, sum: i64, multiplier: i32) -> i16 {
        let ([lo, hi], [half, shift], m) = (self.limits, self.upper(), multiplier as u32);
        let product = upper(sum as u32, m).wrapping_add(((sum >> 32) as u32).wrapping_mul(m));
        let rounded = (product.wrapping_add(half) as i32).wrapping_shr(shift);
        rounded.max(lo.into()).min(hi.into()) as i16
    }

    /// What is added to the upper word before it is shifted, and by how much that is.
    pub(crate) fn upper(&self) -> [u32; 2] {
        let shift = u32::from(self.shift);
        [1u32.wrapping_shl(shift.wrapping_sub(33)), shift.wrapping_sub(32)]
    }

    /// Smallest and largest output, each in both halves of a word.
    #[cfg(dsp)]
    pub(crate) fn limits(&self) -> [u32; 2] {
        self.limits.map(|limit| u32::from(limit as u16).wrapping_mul(0x1_0001))
    }
}

/// The upper word of a product.
#[cfg(not(thumb = "armv6-m"))]
#[inline(always)]
fn upper(a: u32, b: u32) -> u32 {
    (u64::from(a).wrapping_mul(b.into()) >> 32) as u32
}

/// The upper word of a product, of the products of halves, where those alone are instructions.
#[cfg(any(test, thumb = "armv6-m"))]
fn upper_of_halves(a: u32, b: u32) -> u32 {
    let ([a0, b0], [a1, b1]) = ([a, b].map(|x| x & 0xffff), [a, b].map(|x| x >> 16));
    let middle = a1.wrapping_mul(b0).wrapping_add(a0.wrapping_mul(b0) >> 16);
    let other = a0.wrapping_mul(b1).wrapping_add(middle & 0xffff);
    a1.wrapping_mul(b1).wrapping_add(middle >> 16).wrapping_add(other >> 16)
}
#[cfg(thumb = "armv6-m")]
use upper_of_halves as upper;

#[cfg(test)]
mod tests {
    use super::*;
    use lacewing::format::Span;
    use lacewing::requant;

    #[test]
    fn outputs_are_those_of_the_definition() {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state
        };
        for _ in 0..100_000 {
            let (sum, multiplier, shift) =
                (next() as i64 >> (next() >> 59), (next() >> 33) as i32, (next() >> 32) % 30);
            let wide = Wide { shift: 33 + shift as u8, limits: [-30000, 32767] };
            let wanted = requant::Wide { multiplier, shift: wide.shift }.between(sum, [0, -30000, 32767]);
            assert_eq!(wide.apply(sum, multiplier), wanted, "{sum} {multiplier} {shift}");
            let (a, b) = (sum as u32, multiplier as u32);
            assert_eq!(upper_of_halves(a, b), upper(a, b), "{a} {b}");
        }
    }

    #[test]
    fn only_what_the_upper_word_rounds_is_taken() {
        let of = |shift, zero| Wide::new(&Requant { multipliers: Span::EMPTY, shift, zero, lo: -5, hi: 300 });
        assert!(of(32, 0).is_none() && of(40, 1).is_none());
        let half = of(33, 0).expect("no zero point");
        // Multipliers of an eighth: ties go up.
        assert_eq!([12, 4, -4, -12, 4000].map(|sum| half.apply(sum, 1 << 30)), [2, 1, 0, -1, 300]);
        assert_eq!(half.apply(-4000, 1 << 30), -5);
    }
}
