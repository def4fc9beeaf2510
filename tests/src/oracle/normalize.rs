//! Layer normalization.

use lacewing::ops::{NormalizeF32, NormalizeI8};

use super::position::dims;
use super::values::{Answer, Constants, Near, Values};

pub(super) fn normalize_i8(op: &NormalizeI8, constants: Constants<'_>, x: &[i8]) -> Answer {
    let [.., n] = dims(&op.input);
    let (factors, bias) = (constants.i32(op.factors), constants.i32(op.bias));
    let mut output = Vec::new();
    for row in x.chunks(n) {
        let center = if op.centered { total(row, |x| x) } else { n as i128 * i128::from(op.input_zero) };
        let distance = |x: i8| n as i128 * i128::from(x) - center;
        let squares: i128 = row.iter().map(|x| distance(*x) * distance(*x)).sum();
        assert_eq!(squares % n as i128, 0, "an exact integer");
        let (inverse, e) = inverse_root(squares / n as i128 + i128::from(op.epsilon));
        output.extend(row.iter().enumerate().map(|(i, x)| {
            let normal = rounded(distance(*x) * inverse, 45 - e);
            let sum = i128::from(factors[i]) * normal + (i128::from(bias[i]) << op.shift);
            let y = i128::from(op.zero) + rounded(sum, u32::from(op.shift) + 16);
            i8::try_from(y.clamp(-128, 127)).expect("within int8")
        }));
    }
    Values::I8(output).into()
}

fn total(row: &[i8], of: impl Fn(i128) -> i128) -> i128 {
    row.iter().map(|x| of(i128::from(*x))).sum()
}

/// `⌊x / 2^shift + 1/2⌋`.
fn rounded(x: i128, shift: u32) -> i128 {
    (2 * x + (1 << shift)).div_euclid(2 << shift)
}

fn inverse_root(v: i128) -> (i128, u32) {
    if v == 0 {
        return (0, 0);
    }
    let e = (0..=31).find(|e| v << (2 * e) >= 1 << 60).expect("V is at least 1");
    let (mut low, mut high) = (1i128 << 30, 1i128 << 31);
    while high - low > 1 {
        let middle = (low + high) / 2;
        if middle * middle <= v << (2 * e) { low = middle } else { high = middle }
    }
    ((1 << 61) / low, e)
}

pub(super) fn normalize_f32(op: &NormalizeF32, constants: Constants<'_>, x: &[f32]) -> Answer {
    let [.., n] = dims(&op.input);
    let (factors, bias) = (constants.f32(op.factors), constants.f32(op.bias));
    let mut output = Vec::new();
    for row in x.chunks(n) {
        let row: Vec<f64> = row.iter().map(|x| f64::from(*x)).collect();
        let size = row.iter().fold(0f64, |size, x| size.max(x.abs()));
        let mean = if op.centered { row.iter().sum::<f64>() / n as f64 } else { 0.0 };
        let spread = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n as f64;
        let inverse = 1.0 / (spread + f64::from(op.epsilon)).sqrt();
        output.extend(row.iter().enumerate().map(|(i, x)| {
            let (factor, bias) = (f64::from(factors[i]), f64::from(bias[i]));
            let slack = 2e-5 * (1.0 + n as f64 / 2e3) * ((size * inverse).max(1.0) * factor.abs() + bias.abs());
            Near { value: (x - mean) * inverse * factor + bias, slack }
        }));
    }
    Answer::Near(output)
}
