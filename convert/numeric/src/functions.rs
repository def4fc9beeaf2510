//! Functions of many numbers at once: a few additions and products each and no branch, so that the compiler makes vectors of them; the same
//! bits on every machine.

/// `2^x` for `|x| ≤ 125`, beyond that of the nearest such x; to two units of the last place.
///
/// `2^x = 2^k · 2^f` with the integer `k` nearest to x; `2^f` by its Taylor polynomial of degree 7 at 0, where `|f| ≤ 1/2`.
#[inline]
fn exp2(x: f32) -> f32 {
    /// 1.5·2^23: a sum with it has no bits behind the point.
    const WHOLE: f32 = 12_582_912.0;
    /// `ln(2)^i / i!`
    const TAYLOR: [f32; 8] = [
        1.0,
        std::f32::consts::LN_2,
        0.240_226_5,
        0.055_504_11,
        0.009_618_129,
        0.001_333_355_8,
        0.000_154_035_3,
        0.000_015_252_734,
    ];
    let x = x.clamp(-125.0, 125.0);
    let whole = x + WHOLE;
    let f = x - (whole - WHOLE);
    let part = TAYLOR.iter().rev().fold(0.0, |sum, c| sum * f + c);
    let k = whole.to_bits().wrapping_sub(WHOLE.to_bits());
    f32::from_bits(part.to_bits().wrapping_add(k << 23))
}

/// `log2(x)` for normal numbers above 0; to a few units of the last place of the result, or of 1 if that is smaller.
///
/// `x = 2^e · m` with `√½ ≤ m < √2`, and `ln(m) = 2·artanh(s)` with `s = (m − 1) / (m + 1)`, by its series to `s^9`.
#[inline]
pub(crate) fn log2(x: f32) -> f32 {
    /// `√½`, below which a number is taken for half of one twice as large.
    const HALF: u32 = 0x3f35_04f3;
    let bits = x.to_bits().wrapping_sub(HALF);
    let e = (bits as i32 >> 23) as f32;
    let m = f32::from_bits((bits & 0x007f_ffff).wrapping_add(HALF));
    let s = (m - 1.0) / (m + 1.0);
    let t = s * s;
    let series = [1.0 / 9.0, 1.0 / 7.0, 0.2, 1.0 / 3.0, 1.0].iter().fold(0.0, |sum, c| sum * t + c);
    e + 2.0 * std::f32::consts::LOG2_E * s * series
}

/// `x^y` for `0 ≤ x ≤ 1` and `0 < y`; 0 for what is smaller than `2^-125`.
#[inline]
pub(crate) fn power(x: f32, y: f32) -> f32 {
    exp2(y * log2(x.max(f32::MIN_POSITIVE)))
}

/// `1 / (1 + e^-x)`
#[inline]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp2(-x * std::f32::consts::LOG2_E))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relative(ours: f32, wanted: f64) -> f64 {
        (f64::from(ours) - wanted).abs() / wanted.abs()
    }

    #[test]
    fn functions_are_near() {
        for i in -4000..4000 {
            let x = i as f32 / 40.0;
            assert!(relative(exp2(x), f64::from(x).exp2()) < 3e-7, "exp2({x})");
            let wanted = 1.0 / (1.0 + (-f64::from(x)).exp());
            assert!((f64::from(sigmoid(x)) - wanted).abs() < 3e-7, "sigmoid({x})");
            let y = (x / 3.0).exp2();
            let wanted = f64::from(y).log2();
            assert!((f64::from(log2(y)) - wanted).abs() < 3e-7 * wanted.abs().max(1.0), "log2({y})");
        }
    }

    #[test]
    fn powers_of_parts() {
        for (x, y) in [(0.0, 19.0), (0.5, 1.0), (0.9, 19.0), (1.0, 7.5), (1e-3, 1.5)] {
            assert!((f64::from(power(x, y)) - f64::from(x).powf(y.into())).abs() < 1e-6, "{x}^{y}");
        }
    }
}
