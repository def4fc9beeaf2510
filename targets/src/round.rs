//! The way from sums to int8, `q = clamp(zero + ((i64(sum)·m + 2^31) >> 32), lo, hi)`, and to int16, that of [`Wide`].

use lacewing::arena::Constants;
use lacewing::format::Requant;

use crate::wide::Wide;

/// How the outputs of a layer are rounded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rounding<'a> {
    /// `m` of each output, or the same of all.
    pub(crate) multipliers: &'a [i32],
    pub(crate) zero: i32,
    pub(crate) lo: i32,
    pub(crate) hi: i32,
}

impl<'a> Rounding<'a> {
    /// Of a record; `None` if its sums are shifted.
    pub(crate) fn new(requant: &Requant, constants: Constants<'a>) -> Option<Self> {
        let Requant { multipliers, shift, zero, lo, hi } = *requant;
        let multipliers = constants.get::<i32>(multipliers).ok()?;
        (shift == 0).then_some(Self { multipliers, zero: zero.into(), lo: lo.into(), hi: hi.into() })
    }

    /// `m` of an output.
    #[inline(always)]
    pub(crate) fn multiplier(&self, output: usize) -> Option<i32> {
        of(self.multipliers, output)
    }

    /// The same from an output on.
    pub(crate) fn from(&self, output: usize) -> Option<Self> {
        let multipliers =
            if self.multipliers.len() == 1 { self.multipliers } else { self.multipliers.get(output..)? };
        Some(Self { multipliers, ..*self })
    }

    /// Whether there is a multiplier for each of `outputs`, or one for all.
    pub(crate) fn fits(&self, outputs: usize) -> bool {
        self.multipliers.len() == 1 || self.multipliers.len() >= outputs
    }

    /// The multipliers, and the bytes from one to the next.
    #[cfg(any(thumb, rvv))]
    pub(crate) fn steps(&self) -> (*const i32, usize) {
        (self.multipliers.as_ptr(), if self.multipliers.len() == 1 { 0 } else { 4 })
    }

    /// The output of a sum.
    #[inline(always)]
    pub(crate) fn apply(&self, sum: i32, multiplier: i32) -> i8 {
        self.zero.wrapping_add(high(sum, multiplier)).max(self.lo).min(self.hi) as i8
    }
}

/// How the outputs of a layer in int16 are rounded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WideRounding<'a> {
    /// `m` of each output, or the same of all.
    pub(crate) multipliers: &'a [i32],
    pub(crate) wide: Wide,
}

/// That of an output, if there is not one for all.
#[inline(always)]
pub(crate) fn of(multipliers: &[i32], output: usize) -> Option<i32> {
    match *multipliers {
        [one] => Some(one),
        ref each => each.get(output).copied(),
    }
}

/// `(i64(a)·m + 2^31) >> 32` for `0 ≤ m < 2^31`.
#[cfg(not(thumb = "armv6-m"))]
#[inline(always)]
pub(crate) fn high(a: i32, m: i32) -> i32 {
    (i64::from(a).wrapping_mul(i64::from(m)).wrapping_add(1 << 31) >> 32) as i32
}

/// The same on Armv6-M, whose products have 32 bits: with `a = a₁·2^16 + a₀` and `m` alike, the four products of halves, none of which overflows,
/// are added from the lowest bits up.
#[cfg(any(test, thumb = "armv6-m"))]
pub(crate) fn high_of_halves(a: i32, m: i32) -> i32 {
    let [a0, m0] = [a, m].map(|x| x & 0xffff);
    let [a1, m1] = [a >> 16, m >> 16];
    let low = (a0 as u32).wrapping_mul(m0 as u32) >> 16;
    let middle = a1.wrapping_mul(m0).wrapping_add(low as i32);
    let rounded = (a0.wrapping_mul(m1).wrapping_add(middle & 0xffff) >> 15).wrapping_add(1);
    a1.wrapping_mul(m1).wrapping_add(middle >> 16).wrapping_add(rounded >> 1)
}
#[cfg(thumb = "armv6-m")]
pub(crate) use high_of_halves as high;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_halves_are_the_product() {
        let corners = [0, 1, -1, 0x7fff, 0x8000, -0x8000, 0xffff, 0x1_0000, i32::MAX, i32::MIN, -0x1_0001, 0x1234_5678];
        let multipliers = [0, 2, 0x7ffe, 0x8000, 0xfffe, 0x1_0000, 0x7fff_fffe, 0x7fff_0000, 0x5555_5556];
        for (a, m) in corners.iter().flat_map(|a| multipliers.iter().map(move |m| (*a, *m))) {
            assert_eq!(high_of_halves(a, m), high(a, m), "{a} {m}");
        }
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state as i32
        };
        for _ in 0..100_000 {
            let (a, m) = (next(), next() & 0x7fff_fffe);
            assert_eq!(high_of_halves(a, m), high(a, m), "{a} {m}");
        }
    }
}
