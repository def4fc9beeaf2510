//! Layer normalization.

use lacewing::ops::{NormalizeF32, NormalizeI8, NormalizeI16};

use super::position::dims;
use super::values::{Answer, Constants, Near, Values};

pub(super) fn normalize_i8(op: &NormalizeI8, constants: Constants<'_>, x: &[i8]) -> Answer {
    let [.., n] = dims(&op.input);
    let row = Row {
        numbers: [constants.i32(op.factors), constants.i32(op.bias)],
        shift: op.shift.into(),
        center: (!op.centered).then_some(n as i128 * i128::from(op.input_zero)),
        epsilon: op.epsilon.into(),
    };
    let exact = x.chunks(n).flat_map(|x| row.run(x)).map(|y| (y + i128::from(op.zero)).clamp(-128, 127));
    Values::I8(exact.map(|y| i8::try_from(y).expect("within int8")).collect()).into()
}

pub(super) fn normalize_i16(op: &NormalizeI16, constants: Constants<'_>, x: &[i16]) -> Answer {
    let [.., n] = dims(&op.input);
    let row = Row {
        numbers: [constants.i32(op.factors), constants.i32(op.bias)],
        shift: op.shift.into(),
        center: (!op.centered).then_some(0),
        epsilon: op.epsilon.into(),
    };
    let exact = x.chunks(n).flat_map(|x| row.run(x)).map(|y| y.clamp(-32768, 32767));
    Values::I16(exact.map(|y| i16::try_from(y).expect("within int16")).collect()).into()
}

struct Row {
    /// Factors and biases.
    numbers: [Vec<i32>; 2],
    shift: u32,
    /// `n` times what is taken off; the row's sum if nothing is given.
    center: Option<i128>,
    epsilon: i128,
}

impl Row {
    /// Results without zero point and limits.
    fn run<T: Copy + Into<i128>>(&self, x: &[T]) -> Vec<i128> {
        let x: Vec<i128> = x.iter().map(|x| (*x).into()).collect();
        let n = x.len() as i128;
        let center = self.center.unwrap_or_else(|| x.iter().sum());
        let distance = |x: i128| n * x - center;
        let squares: i128 = x.iter().map(|x| distance(*x) * distance(*x)).sum();
        assert_eq!(squares % n, 0, "an exact integer");
        let (inverse, e) = inverse_root(squares / n + self.epsilon);
        let [factors, bias] = &self.numbers;
        let result = |(i, x): (usize, &i128)| {
            let normal = rounded(distance(*x) * inverse, 45 - e);
            rounded(i128::from(factors[i]) * normal + (i128::from(bias[i]) << self.shift), self.shift + 16)
        };
        x.iter().enumerate().map(result).collect()
    }
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
