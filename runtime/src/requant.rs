//! The rounding rules: from a sum in i32 to an int8 value, and from one in i64 to an int16 value.
//!
//! With a real multiplier `M = m · 2^(shift − 32)`:
//!
//! `a = clamp(acc, −2^(31−shift), 2^(31−shift) − 1) << shift`
//! `q = clamp(zero + ((i64(a)·m + 2^31) >> 32), lo, hi)`
//!
//! `m` is even and in `0 ≤ m < 2^31`; `>>` floors, so ties go up. With shift 0 it is SMMLAR and SSAT on
//! Cortex-M4 and SQRDMULH by `m/2` on NEON.
//!
//! Wide, wherever int16 is read or written, with `M = m · 2^−k` and the exact sum in i64:
//!
//! `q = clamp(zero + ⌊(acc·m + 2^(k−1)) / 2^k⌋, lo, hi)`

use crate::arena::Constants;
use crate::error::{Fault, Flaw};
use crate::format::Requant;
use crate::int::Int;

/// How the results of one channel are rounded, see the module's equations.
#[derive(Clone, Copy, Debug)]
pub struct Rounding<T = i8> {
    /// `m`.
    pub multiplier: i32,
    /// Left shift of the sum, 0..=30; to int16 `k`.
    pub shift: u8,
    /// Output zero point.
    pub zero: T,
    /// Smallest result.
    pub lo: T,
    /// Largest result.
    pub hi: T,
}

impl<T: Int> Rounding<T> {
    /// The rounded, clamped result for the sum `acc`. Any numbers are safe; the equations hold for those in range.
    #[inline(always)]
    #[must_use]
    pub fn apply(self, acc: T::Sum) -> T {
        let q = T::rounded(acc, self.multiplier, self.shift).saturating_add(self.zero.into());
        T::saturate(q.max(self.lo.into()).min(self.hi.into()))
    }
}

/// The first equation without zero point and limits.
#[inline(always)]
pub(crate) fn narrow(acc: i32, multiplier: i32, shift: u8) -> i32 {
    let shift = u32::from(shift);
    let limit = i32::MAX.wrapping_shr(shift);
    let a = acc.max(!limit).min(limit).wrapping_shl(shift);
    let product = i64::from(a).wrapping_mul(i64::from(multiplier));
    (product.wrapping_add(1 << 31) >> 32) as i32
}

/// How a sum in i64 is rounded, see the module's second equation.
#[derive(Clone, Copy, Debug)]
pub struct Wide {
    /// `m`.
    pub multiplier: i32,
    /// `k`, 1..=62.
    pub shift: u8,
}

impl Wide {
    /// Checks the shift.
    pub(crate) fn check(shift: u8) -> Result<(), Flaw> {
        if (1..=62).contains(&shift) { Ok(()) } else { Err(Flaw::Parameter) }
    }

    /// The rounded result for the sum `acc` without zero point and limits, saturated to 32 bits. Any numbers are safe; the equation holds
    /// for products below 2^62.
    #[inline(always)]
    #[must_use]
    pub fn apply(self, acc: i64) -> i32 {
        let shift = u32::from(self.shift);
        let half = 1i64.wrapping_shl(shift.wrapping_sub(1));
        let product = acc.wrapping_mul(i64::from(self.multiplier)).wrapping_add(half);
        product.wrapping_shr(shift).clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
    }

    /// The result with its zero point, between its limits.
    #[inline(always)]
    #[must_use]
    pub fn between<T: Int>(self, acc: i64, [zero, lo, hi]: [T; 3]) -> T {
        T::saturate(self.apply(acc).saturating_add(zero.into())).max(lo).min(hi)
    }
}

impl<T: Int> Requant<T> {
    /// Checks the shift and that there is one multiplier, or one for each of `channels`.
    pub(crate) fn check(&self, constants: Constants<'_>, channels: u32) -> Result<(), Flaw> {
        let count = self.multipliers.len / 4;
        constants.check::<i32>(self.multipliers, count)?;
        match T::SHIFTS.contains(&self.shift) && (count == 1 || count == channels) {
            true => Ok(()),
            false => Err(Flaw::Parameter),
        }
    }

    /// The rounding of each channel.
    ///
    /// # Errors
    /// [`Fault`] if the multipliers are not in the constants.
    #[inline(always)]
    pub fn channels<'a>(&self, constants: Constants<'a>) -> Result<Channels<'a, T>, Fault> {
        let Self { multipliers, shift, zero, lo, hi } = *self;
        let multipliers = constants.get(multipliers)?;
        Ok(Channels { multipliers, rounding: Rounding { multiplier: 0, shift, zero, lo, hi } })
    }
}

/// The roundings of all channels of one record.
#[derive(Clone, Copy, Debug)]
pub struct Channels<'a, T = i8> {
    multipliers: &'a [i32],
    rounding: Rounding<T>,
}

impl<T: Int> Channels<'_, T> {
    /// The rounding of one channel.
    ///
    /// # Errors
    /// [`Fault`] if there is no such channel.
    #[inline(always)]
    pub fn channel(&self, channel: u32) -> Result<Rounding<T>, Fault> {
        let multiplier = match *self.multipliers {
            [one] => one,
            ref each => *each.get(channel as usize).ok_or(Fault)?,
        };
        Ok(Rounding { multiplier, ..self.rounding })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounding(multiplier: i32, shift: u8) -> Rounding {
        Rounding { multiplier, shift, zero: 0, lo: -128, hi: 127 }
    }

    #[test]
    fn ties_go_up() {
        let half = rounding(1 << 30, 1);
        assert_eq!([3, 1, -1, -3].map(|acc| half.apply(acc)), [2, 1, 0, -1]);
    }

    #[test]
    fn wide_sums_are_rounded_alike() {
        let half = Wide { multiplier: 1 << 30, shift: 31 };
        assert_eq!([3, 1, -1, -3].map(|acc| half.apply(acc)), [2, 1, 0, -1]);
        let one = Wide { multiplier: 1 << 20, shift: 20 };
        assert_eq!([1 << 40, -(1 << 40)].map(|acc| one.between(acc, [0, i16::MIN, i16::MAX])), [32767, -32768]);
        assert_eq!(one.between(i64::from(i32::MAX), [127, -128, 100]), 100i8);
    }

    #[test]
    fn saturates_before_the_shift_and_after_the_product() {
        let one = rounding(1 << 30, 2);
        assert_eq!(one.apply(100), 100);
        assert_eq!(one.apply(i32::MAX), 127);
        assert_eq!(one.apply(i32::MIN), -128);
        assert_eq!(Rounding { zero: 127, ..one }.apply(i32::MAX), 127);
    }
}
