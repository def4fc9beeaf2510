//! The rounding rules, by exact division.

use lacewing::format::{Requant, Span};

use super::values::{Answer, Constants, Values};

/// A sum as 32-bit hardware has it.
pub(super) fn wrap(sum: i128) -> i128 {
    (sum + (1 << 31)).rem_euclid(1 << 32) - (1 << 31)
}

/// int8 and int16, each with its rounding.
pub(super) trait Integer: Copy + Ord + Into<i128> + TryFrom<i128> {
    /// `(acc, m, shift)` without zero point and limits.
    fn scaled(acc: i128, m: i32, shift: u8) -> i128;

    /// The biases in the constants.
    fn biases(constants: Constants<'_>, span: Span) -> Vec<i128>;

    fn of(values: &Values) -> &[Self];

    fn answer(numbers: Vec<Self>) -> Answer;
}

impl Integer for i8 {
    /// `⌊(a·m + 2^31) / 2^32⌋` with `a = clamp(acc, …)·2^shift`.
    fn scaled(acc: i128, m: i32, shift: u8) -> i128 {
        let limit = 1i128 << (31 - shift);
        let a = wrap(acc).max(-limit).min(limit - 1) * (1 << shift);
        (a * i128::from(m) + (1 << 31)).div_euclid(1 << 32)
    }

    fn biases(constants: Constants<'_>, span: Span) -> Vec<i128> {
        constants.i32(span).into_iter().map(i128::from).collect()
    }

    fn of(values: &Values) -> &[Self] {
        values.i8()
    }

    fn answer(numbers: Vec<Self>) -> Answer {
        Values::I8(numbers).into()
    }
}

impl Integer for i16 {
    fn scaled(acc: i128, m: i32, shift: u8) -> i128 {
        wide(acc, m, shift)
    }

    fn biases(constants: Constants<'_>, span: Span) -> Vec<i128> {
        constants.i64(span).into_iter().map(i128::from).collect()
    }

    fn of(values: &Values) -> &[Self] {
        values.i16()
    }

    fn answer(numbers: Vec<Self>) -> Answer {
        Values::I16(numbers).into()
    }
}

pub(super) fn saturate<T: Integer>(q: i128, lo: T, hi: T) -> T {
    let q = q.max(lo.into()).min(hi.into());
    T::try_from(q).ok().expect("between two of the type")
}

/// `clamp(zero + scaled(acc), lo, hi)`.
pub(super) fn round<T: Integer>(acc: i128, m: i32, shift: u8, [zero, lo, hi]: [T; 3]) -> T {
    saturate(T::scaled(acc, m, shift) + zero.into(), lo, hi)
}

/// `⌊(acc·m + 2^(k−1)) / 2^k⌋` with 64 bits for the sum and the product.
pub(super) fn wide(acc: i128, m: i32, shift: u8) -> i128 {
    let wrap = |x: i128| (x + (1 << 63)).rem_euclid(1 << 64) - (1 << 63);
    wrap(wrap(acc) * i128::from(m) + (1 << (shift - 1))).div_euclid(1 << shift)
}

/// The rounding of channel `channel`, its multiplier read from the constants.
pub(super) fn channel<T: Integer>(acc: i128, channel: usize, requant: &Requant<T>, constants: Constants<'_>) -> T {
    let multipliers = constants.i32(requant.multipliers);
    let m = if multipliers.len() == 1 { multipliers[0] } else { multipliers[channel] };
    round(acc, m, requant.shift, [requant.zero, requant.lo, requant.hi])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_up_and_sums_wrap() {
        let half = |acc| round(acc, 1 << 30, 1, [0i8, -128, 127]);
        assert_eq!([3, 1, -1, -3].map(half), [2, 1, 0, -1]);
        let half = |acc| round(acc, 1 << 30, 31, [0i16, -9, 9]);
        assert_eq!([3, 1, -1, -3, 99, -99].map(half), [2, 1, 0, -1, 9, -9]);
        assert_eq!(wrap(1 << 31), -(1 << 31));
        assert_eq!(wrap(-(1 << 31) - 1), (1 << 31) - 1);
    }
}
