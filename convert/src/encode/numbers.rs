//! Real multipliers as integers, for the rounding rules of `lacewing::requant`.

use lacewing::Int;

use crate::quantize::Params;

/// Multipliers of one record and their common shift.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multipliers {
    /// `m` in `0 ≤ m < 2^31`, even for int8; one for all channels if they are equal.
    pub m: Vec<i32>,
    /// Left shift of the sum; of the wide rounding `k`.
    pub shift: u8,
}

/// `m = 2·round(M · 2^(31 − shift))` with the given shift, or the least, that keeps every `m` below 2^31.
///
/// `None` if a real multiplier `M` is not finite, negative or above 2^29.
#[must_use]
pub fn multipliers(reals: &[f64], given: Option<u8>) -> Option<Multipliers> {
    let fits = |shift: u8| reals.iter().all(|real| encode(*real, shift) < 1 << 31);
    if reals.iter().any(|real| !real.is_finite() || *real < 0.0) {
        return None;
    }
    let shift = given.into_iter().chain(0..=30).find(|shift| fits(*shift))?;
    let mut m: Vec<i32> = reals.iter().map(|real| encode(*real, shift) as i32).collect();
    if m.iter().all(|each| *each == m[0]) {
        m.truncate(1);
    }
    Some(Multipliers { m, shift })
}

/// The wide rounding: `m = round(M · 2^k)` with the given shift `k`, or the largest, that keeps every `m` below 2^31 and every product with a sum up to
/// `bounds`, one for each or one for all, below 2^62.
///
/// `None` if a real multiplier `M` is not finite, negative or too large, or a result may be wrong by more than 1/16 step.
#[must_use]
pub fn wide(reals: &[f64], bounds: &[f64], given: Option<u8>) -> Option<Multipliers> {
    let scaled = |real: f64, k: u8| (real * f64::powi(2.0, k.into())).round_ties_even();
    let each = || reals.iter().zip(bounds.iter().cycle());
    let fits = |m: f64, bound: f64| m < 2147483648.0 && m * bound < f64::powi(2.0, 62);
    if reals.iter().any(|real| !real.is_finite() || *real < 0.0) {
        return None;
    }
    let shift = given
        .into_iter()
        .chain((1..=62).rev())
        .find(|k| each().all(|(real, bound)| fits(scaled(*real, *k), *bound)))?;
    let wrong = |bound: &f64| bound * f64::powi(2.0, -1 - i32::from(shift)) > 1.0 / 16.0;
    if bounds.iter().any(wrong) {
        return None;
    }
    let mut m: Vec<i32> = reals.iter().map(|real| scaled(*real, shift) as i32).collect();
    if m.iter().all(|each| *each == m[0]) {
        m.truncate(1);
    }
    Some(Multipliers { m, shift })
}

/// What the two integer types have each of their own.
pub trait Numbers: Int {
    /// No integer of the type is farther from its zero point, nearly.
    const FARTHEST: f64;

    /// The multipliers of real ones for sums up to `bounds`, with that shift if one is given.
    fn multipliers_with(reals: &[f64], bounds: &[f64], shift: Option<u8>) -> Option<Multipliers>;

    /// The multipliers of real ones for sums up to `bounds`.
    fn multipliers(reals: &[f64], bounds: &[f64]) -> Option<Multipliers> {
        Self::multipliers_with(reals, bounds, None)
    }

    /// A bias.
    fn sum(bias: i64) -> Self::Sum;
}

impl Numbers for i8 {
    const FARTHEST: f64 = 128.0;

    fn multipliers_with(reals: &[f64], _bounds: &[f64], shift: Option<u8>) -> Option<Multipliers> {
        multipliers(reals, shift)
    }

    fn sum(bias: i64) -> i32 {
        bias as i32
    }
}

impl Numbers for i16 {
    const FARTHEST: f64 = 32768.0;

    fn multipliers_with(reals: &[f64], bounds: &[f64], shift: Option<u8>) -> Option<Multipliers> {
        wide(reals, bounds, shift)
    }

    fn sum(bias: i64) -> i64 {
        bias
    }
}

/// The zero point of params in a type.
pub fn zero<T: Int>(params: Params) -> T {
    T::saturate(params.zero.into())
}

/// The even integer next to `real · 2^(32 − shift)`, at most 2^62.
fn encode(real: f64, shift: u8) -> i64 {
    let half = (real * f64::powi(2.0, 31 - i32::from(shift))).round_ties_even();
    2 * (half.min(f64::powi(2.0, 61)) as i64)
}

/// The multiplier that turns a sum of `4·q` into `q` exactly; for channels that are constant.
pub const QUARTER: f64 = 0.25;

/// Multipliers and shift of an int8 sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddNumbers {
    /// `ma`, `mb`.
    pub multipliers: [i32; 2],
    /// Added to the products.
    pub bias: i32,
    /// `k`.
    pub shift: u8,
}

/// The numbers of `y = zero + (a − za)·ra + (b − zb)·rb`, as precise as 21 bits allow.
///
/// `None` if a ratio exceeds 2^20.
#[must_use]
pub fn add(ratios: [f64; 2], zeros: [i8; 2]) -> Option<AddNumbers> {
    let largest = ratios.iter().fold(0f64, |largest, ratio| largest.max(ratio.abs()));
    let scaled = |k: u8, ratio: f64| (ratio * f64::powi(2.0, i32::from(k))).round_ties_even();
    let shift = (1..=30u8).rev().find(|k| scaled(*k, largest) <= f64::from(1 << 21))?;
    let multipliers = ratios.map(|ratio| scaled(shift, ratio) as i32);
    let folded = multipliers.iter().zip(zeros).map(|(m, zero)| m * i32::from(zero)).sum::<i32>();
    Some(AddNumbers { multipliers, bias: -folded, shift })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multipliers_are_even_and_precise() {
        for real in [0.0, 1e-9, 0.001, 0.25, 0.499_999, 0.5, 1.0, 3.7, 1000.0] {
            let Multipliers { m, shift } = multipliers(&[real], None).unwrap();
            assert!(m[0] % 2 == 0 && m[0] >= 0);
            let back = f64::from(m[0]) * f64::powi(2.0, i32::from(shift) - 32);
            assert!((back - real).abs() <= f64::powi(2.0, i32::from(shift) - 32), "{real} {m:?} {shift}");
        }
        assert_eq!(multipliers(&[0.25], None).unwrap().shift, 0);
        assert_eq!(multipliers(&[0.5], None).unwrap().shift, 1);
        assert_eq!(multipliers(&[f64::NAN], None), None);
        assert_eq!(multipliers(&[1e30], None), None);
    }

    #[test]
    fn wide_multipliers_fill_what_sums_leave() {
        assert_eq!(wide(&[0.75], &[65536.0], None), Some(Multipliers { m: vec![3 << 29], shift: 31 }));
        let each = Some(Multipliers { m: vec![1 << 26, 1 << 25], shift: 38 });
        assert_eq!(wide(&[f64::powi(2.0, -12), f64::powi(2.0, -13)], &[f64::powi(2.0, 35)], None), each);
        assert_eq!(wide(&[0.0], &[1.0], None), Some(Multipliers { m: vec![0], shift: 62 }));
        assert_eq!(wide(&[f64::INFINITY], &[1.0], None), None);
        assert_eq!(wide(&[0.5], &[f64::powi(2.0, 40)], None), None, "too coarse");
    }

    #[test]
    fn sums_use_21_bits() {
        let AddNumbers { multipliers, bias, shift } = add([0.5, -0.25], [3, -4]).unwrap();
        assert_eq!((multipliers, shift), ([1 << 21, -(1 << 20)], 22));
        assert_eq!(bias, -(3 << 21) - (4 << 20));
        assert_eq!(add([1e7, 1.0], [0, 0]), None);
    }
}
