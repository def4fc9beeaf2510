//! int8 and int16: what the integer kernels are written over, once.

use core::ops::RangeInclusive;

use crate::arena::Pod;
use crate::format::Decode;
use crate::kernels::Kernels;
use crate::requant::{Wide, narrow};

/// An integer that activations are held in.
pub trait Int: Pod + Ord + Default + Into<i32> + Decode {
    /// What sums of products are held in.
    type Sum: Sum;

    /// The shifts that its rounding knows.
    const SHIFTS: RangeInclusive<u8>;

    /// The number of the type that is nearest to `x`.
    #[must_use]
    fn saturate(x: i32) -> Self;

    /// `Σ weights[i]·x[i]`.
    #[must_use]
    fn dot<K: Kernels + ?Sized>(kernels: &K, weights: &[i8], x: &[Self]) -> Self::Sum;

    /// A sum by its multiplier and its shift, as [`crate::requant`] rounds for the type; without zero point and limits.
    #[must_use]
    fn rounded(sum: Self::Sum, multiplier: i32, shift: u8) -> i32;
}

/// A sum of products, wrapping.
pub trait Sum: Pod + Default + From<i32> + Into<i64> {
    /// `self + other`.
    #[must_use]
    fn plus(self, other: Self) -> Self;

    /// `self · factor`.
    #[must_use]
    fn times(self, factor: i32) -> Self;
}

impl Int for i8 {
    type Sum = i32;
    const SHIFTS: RangeInclusive<u8> = 0..=30;

    #[inline(always)]
    fn saturate(x: i32) -> Self {
        x.clamp(-128, 127) as Self
    }

    #[inline(always)]
    fn dot<K: Kernels + ?Sized>(kernels: &K, weights: &[i8], x: &[Self]) -> i32 {
        kernels.dot_i8(weights, x)
    }

    #[inline(always)]
    fn rounded(sum: i32, multiplier: i32, shift: u8) -> i32 {
        narrow(sum, multiplier, shift)
    }
}

impl Int for i16 {
    type Sum = i64;
    const SHIFTS: RangeInclusive<u8> = 1..=62;

    #[inline(always)]
    fn saturate(x: i32) -> Self {
        x.clamp(-32768, 32767) as Self
    }

    #[inline(always)]
    fn dot<K: Kernels + ?Sized>(kernels: &K, weights: &[i8], x: &[Self]) -> i64 {
        kernels.dot_i16(weights, x)
    }

    #[inline(always)]
    fn rounded(sum: i64, multiplier: i32, shift: u8) -> i32 {
        Wide { multiplier, shift }.apply(sum)
    }
}

impl Sum for i32 {
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    #[inline(always)]
    fn times(self, factor: i32) -> Self {
        self.wrapping_mul(factor)
    }
}

impl Sum for i64 {
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    #[inline(always)]
    fn times(self, factor: i32) -> Self {
        self.wrapping_mul(Self::from(factor))
    }
}
