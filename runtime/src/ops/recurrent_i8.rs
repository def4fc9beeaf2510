//! What recurrent layers in integers share: sums of gates, and functions by tables.
//!
//! With `x` in int8, states `h` in int16 and rows of int8 weights, for each gate and unit in exact integers:
//!
//! `A = b + Σ w·x_t` and `B = Σ r·h_{t−1}` in i32, `S = sat16(⌊(A·m + B·n + 2^(shift−1)) / 2^shift⌋)` in i64
//!
//! A function has a table of 513 numbers, `2^7` steps of its argument apart: with `q + 2^15 = 128·j + k`, `0 ≤ k < 128`,
//! `φ(q) = ⌊(t[j]·(128 − k) + t[j+1]·k + 64) / 128⌋`. Gates are in units of `2^−15`.

use super::recurrent::{Sizes, exactly, line};
use crate::arena::Constants;
use crate::error::{Fault, Flaw};
use crate::format::{Span, plain};
use crate::kernels::Kernels;

/// Entries of the table of a function.
pub const TABLE: u32 = 513;

/// 1 as the gates have it.
pub(super) const ONE: i64 = 1 << 15;

/// The weights of a layer's gates, and how their sums become arguments of functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
#[cfg_attr(feature = "encode", derive(serde::Serialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct GatesI8 {
    /// `w`: `[g][h][i]` of i8.
    pub weights: Span,
    /// `r`: `[g][h][h]` of i8.
    pub recurrence: Span,
    /// `b`: `[g][h]` of i32, one row more in a GRU.
    pub bias: Span,
    /// `m`, then `n`: `[2][g][h]` of i32, not negative.
    pub multipliers: Span,
    /// Right shift of the sum of products, 1..=40.
    pub shift: u8,
}

plain!(GatesI8 { weights, recurrence, bias, multipliers, shift });

impl GatesI8 {
    /// Checks the lengths for a number of gates and of rows of biases.
    pub(super) fn check(
        &self,
        constants: Constants<'_>,
        Sizes { inputs, units, .. }: Sizes,
        [gates, biases]: [usize; 2],
    ) -> Result<(), Flaw> {
        if !(1..=40).contains(&self.shift) {
            return Err(Flaw::Parameter);
        }
        exactly::<i8>(constants, self.weights, [gates, units, inputs])?;
        exactly::<i8>(constants, self.recurrence, [gates, units, units])?;
        exactly::<i32>(constants, self.bias, [biases, units, 1])?;
        exactly::<i32>(constants, self.multipliers, [2, gates, units])
    }

    /// The numbers in the constants.
    pub(super) fn sums<'a>(&self, constants: Constants<'a>, sizes: Sizes) -> Result<Sums<'a>, Fault> {
        let multipliers: &[i32] = constants.get(self.multipliers)?;
        Ok(Sums {
            weights: constants.get(self.weights)?,
            recurrence: constants.get(self.recurrence)?,
            bias: constants.get(self.bias)?,
            multipliers: multipliers.split_at_checked(multipliers.len() / 2).ok_or(Fault)?,
            shift: self.shift.into(),
            sizes,
        })
    }
}

/// The sums of all gates.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sums<'a> {
    weights: &'a [i8],
    recurrence: &'a [i8],
    bias: &'a [i32],
    multipliers: (&'a [i32], &'a [i32]),
    shift: u32,
    sizes: Sizes,
}

impl Sums<'_> {
    fn row(&self, gate: usize, unit: usize) -> usize {
        gate.wrapping_mul(self.sizes.units).wrapping_add(unit)
    }

    /// `b[number][unit]`.
    pub(super) fn bias(&self, number: usize, unit: usize) -> Result<i32, Fault> {
        self.bias.get(self.row(number, unit)).copied().ok_or(Fault)
    }

    /// `A·m`.
    pub(super) fn of_input<K: Kernels>(&self, kernels: &K, gate: usize, unit: usize, x: &[i8]) -> Result<i64, Fault> {
        let row = self.row(gate, unit);
        let sum = kernels.dot_i8(line(self.weights, row, self.sizes.inputs)?, x).wrapping_add(self.bias(gate, unit)?);
        let m = self.multipliers.0.get(row).ok_or(Fault)?;
        Ok(i64::from(sum).wrapping_mul(i64::from(*m)))
    }

    /// `(B + bias)·n`.
    pub(super) fn of_state<K: Kernels>(
        &self,
        kernels: &K,
        gate: usize,
        unit: usize,
        h: &[i16],
        bias: i32,
    ) -> Result<i64, Fault> {
        let row = self.row(gate, unit);
        let sum = (kernels.dot_i16(line(self.recurrence, row, self.sizes.units)?, h) as i32).wrapping_add(bias);
        let n = self.multipliers.1.get(row).ok_or(Fault)?;
        Ok(i64::from(sum).wrapping_mul(i64::from(*n)))
    }

    /// `S` of `A·m + B·n`.
    pub(super) fn argument(&self, sum: i64) -> i16 {
        rounded(sum, self.shift)
    }

    /// `S` of a gate.
    pub(super) fn sum<K: Kernels>(
        &self,
        kernels: &K,
        gate: usize,
        unit: usize,
        (x, h): (&[i8], &[i16]),
    ) -> Result<i16, Fault> {
        let (a, b) = (self.of_input(kernels, gate, unit, x)?, self.of_state(kernels, gate, unit, h, 0)?);
        Ok(self.argument(a.wrapping_add(b)))
    }
}

/// `sat16(⌊(sum + 2^(shift−1)) / 2^shift⌋)` for a shift of 1..=40.
pub(super) fn rounded(sum: i64, shift: u32) -> i16 {
    let half = 1i64.wrapping_shl(shift.wrapping_sub(1));
    let q = sum.wrapping_add(half).wrapping_shr(shift);
    q.max(i16::MIN.into()).min(i16::MAX.into()) as i16
}

/// A function of one number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table<'a>(&'a [i16]);

impl<'a> Table<'a> {
    /// Checks the length of a table.
    pub(super) fn check(constants: Constants<'_>, span: Span) -> Result<(), Flaw> {
        Ok(constants.check::<i16>(span, TABLE)?)
    }

    pub(super) fn new(constants: Constants<'a>, span: Span) -> Result<Self, Fault> {
        Ok(Self(constants.exactly(span, TABLE)?))
    }

    /// `φ(q)`.
    pub(super) fn eval(&self, q: i16) -> Result<i64, Fault> {
        let at = i32::from(q).wrapping_add(1 << 15);
        let (j, k) = ((at >> 7) as usize, at & 127);
        let &[left, right] = self.0.get(j..j.wrapping_add(2)).ok_or(Fault)? else { return Err(Fault) };
        let sum = i32::from(left).wrapping_mul(128i32.wrapping_sub(k)).wrapping_add(i32::from(right).wrapping_mul(k));
        Ok((sum.wrapping_add(64) >> 7).into())
    }
}
