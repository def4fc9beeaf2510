//! The rounding rules, by exact division.

use lacewing::format::Requant;

use super::values::Constants;

/// A sum as 32-bit hardware has it.
pub(super) fn wrap(sum: i128) -> i128 {
    (sum + (1 << 31)).rem_euclid(1 << 32) - (1 << 31)
}

pub(super) fn saturate(q: i128, lo: i8, hi: i8) -> i8 {
    let q = q.max(i128::from(lo)).min(i128::from(hi));
    i8::try_from(q).expect("between two i8")
}

/// `clamp(zero + ⌊(a·m + 2^31) / 2^32⌋, lo, hi)` with `a = clamp(acc, …)·2^shift`.
pub(super) fn round(acc: i128, m: i32, shift: u8, [zero, lo, hi]: [i8; 3]) -> i8 {
    let limit = 1i128 << (31 - shift);
    let a = wrap(acc).max(-limit).min(limit - 1) * (1 << shift);
    let rounded = (a * i128::from(m) + (1 << 31)).div_euclid(1 << 32);
    saturate(rounded + i128::from(zero), lo, hi)
}

/// `clamp(zero + ⌊(acc·m + 2^(k−1)) / 2^k⌋, lo, hi)` with 64 bits for the sum and the product.
pub(super) fn wide(acc: i128, m: i32, shift: u8, [zero, lo, hi]: [i128; 3]) -> i128 {
    let wrap = |x: i128| (x + (1 << 63)).rem_euclid(1 << 64) - (1 << 63);
    let product = wrap(wrap(acc) * i128::from(m) + (1 << (shift - 1)));
    (product.div_euclid(1 << shift) + zero).max(lo).min(hi)
}

/// The rounding of channel `channel`, its multiplier read from the constants.
pub(super) fn channel(acc: i128, channel: usize, requant: &Requant, constants: Constants<'_>) -> i8 {
    let multipliers = constants.i32(requant.multipliers);
    let m = if multipliers.len() == 1 { multipliers[0] } else { multipliers[channel] };
    round(acc, m, requant.shift, [requant.zero, requant.lo, requant.hi])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_up_and_sums_wrap() {
        let half = |acc| round(acc, 1 << 30, 1, [0, -128, 127]);
        assert_eq!([3, 1, -1, -3].map(half), [2, 1, 0, -1]);
        let half = |acc| wide(acc, 1 << 30, 31, [0, -9, 9]);
        assert_eq!([3, 1, -1, -3, 99, -99].map(half), [2, 1, 0, -1, 9, -9]);
        assert_eq!(wrap(1 << 31), -(1 << 31));
        assert_eq!(wrap(-(1 << 31) - 1), (1 << 31) - 1);
    }
}
