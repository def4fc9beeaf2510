//! Layer normalization as one operation; what other normalizations are made of is in `norm`.

use crate::encode::Writer;
use crate::error::ConvertError;
use crate::quantize::{Params, Width};
use lacewing::ops::normalize::MAX_ROW;
use lacewing::ops::{NormalizeF32, NormalizeI8, NormalizeI16};

/// Writes a normalization along the last axis.
pub(crate) fn encode(axis: usize, epsilon: f32, centered: bool, to: &mut Writer<'_>) -> Result<(), ConvertError> {
    let shape = to.shape(to.node().inputs[0]);
    if shape[axis + 1..].iter().any(|dim| *dim != 1) {
        return Err(to.error("its axis is not the last; the pass `nhwc` brings it there"));
    }
    let n = shape[axis];
    let rows = [1, 1, (shape.iter().product::<usize>() / n) as u32, n as u32];
    let (mut input, mut output) = (to.input(0), to.output());
    (input.shape, output.shape) = (rows, rows);
    let Some((x, y)) = to.integers() else {
        let (factors, bias) = (to.float_constant(1, n), to.float_constant(2, n));
        return to.push(NormalizeF32 { input, output, factors, bias, centered, epsilon });
    };
    let numbers = Numbers::new([&to.floats(1, n), &to.floats(2, n)], epsilon, [x, y]);
    let Some(Numbers { factors, bias, shift, epsilon }) = numbers else {
        return Err(to.error("its rows are too long, or its output range too small, for integers"));
    };
    let (factors, bias) = (to.constant(&factors), to.constant(&bias));
    if x.width == Width::I16 {
        return to.push(NormalizeI16 { input, output, factors, bias, shift, centered, epsilon });
    }
    let (input_zero, zero) = (x.zero, y.zero);
    to.push(NormalizeI8 { input, output, factors, bias, shift, centered, input_zero, zero, epsilon })
}

/// `round(ε·n² / s²)`, if rows of `n` can be normalized in integers.
fn spread(epsilon: f32, n: usize, x: Params) -> Option<u64> {
    let steps = n as f64 / f64::from(x.scale);
    let spread = (f64::from(epsilon) * steps * steps).round_ties_even();
    (n <= MAX_ROW as usize && (0.0..f64::powi(2.0, 60)).contains(&spread)).then_some(spread as u64)
}

/// The record's integers.
pub(crate) struct Numbers {
    factors: Vec<i32>,
    bias: Vec<i32>,
    shift: u8,
    epsilon: u64,
}

impl Numbers {
    /// `γ / s · 2^shift` with the largest shift that i32 holds, `β / s · 2^16`; `None` where that does not fit the record.
    pub(crate) fn new([gamma, beta]: [&[f32]; 2], epsilon: f32, [x, y]: [Params; 2]) -> Option<Self> {
        let scaled = |numbers: &[f32], unit: f64| -> Option<Vec<i32>> {
            let int = |v: &f32| {
                let int = (f64::from(*v) / f64::from(y.scale) * unit).round_ties_even();
                (int.abs() < f64::powi(2.0, 31)).then_some(int as i32)
            };
            numbers.iter().map(int).collect()
        };
        let powers = (0u8..=30).rev().map(|shift| (shift, f64::from(1u32 << shift)));
        let (shift, factors) = powers.into_iter().find_map(|(shift, unit)| Some((shift, scaled(gamma, unit)?)))?;
        let (bias, epsilon) = (scaled(beta, 65536.0)?, spread(epsilon, gamma.len(), x)?);
        Some(Self { factors, bias, shift, epsilon })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_take_all_the_bits_there_are() {
        let y = Params::int8(0.25, 0);
        let numbers = Numbers::new([&[1.0, -3.0], &[0.5, 0.0]], 0.0, [y; 2]).unwrap();
        assert_eq!((numbers.shift, numbers.factors), (27, vec![4 << 27, -(12 << 27)]));
        assert_eq!(numbers.bias, [2 << 16, 0]);
        assert!(Numbers::new([&[f32::MAX], &[0.0]], 0.0, [y; 2]).is_none());
    }

    #[test]
    fn epsilon_is_in_steps_of_the_row() {
        assert_eq!(spread(1e-2, 10, Params::int8(0.5, 3)), Some(4));
        assert_eq!(spread(1e-2, 1 << 16, Params::int8(0.5, 3)), None);
    }
}
