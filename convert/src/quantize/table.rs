//! Tables of functions in int16, between whose entries lines are drawn.

use super::Params;
use crate::graph::Function;

/// Intervals of the smallest and of the largest table, as powers of two.
const BITS: std::ops::RangeInclusive<u32> = 9..=12;

/// The smallest table of a function that is within one step of its rounded value everywhere, as `lacewing::ops::TableI16` reads it. `None` if none is: the
/// function is too steep, bends too much or jumps.
pub(crate) fn interpolated_table(function: Function, (lo, hi): (f32, f32), [x, y]: [Params; 2]) -> Option<Vec<i16>> {
    let ends = y.integers();
    let (least, most) = (f64::from(*ends.start()), f64::from(*ends.end()));
    // The last entry stands one step beyond the integers.
    let exact = |q: i32| {
        let real = f64::from(function.eval(x.scale * q as f32).max(lo).min(hi)) / f64::from(y.scale);
        if real.is_nan() { f64::NAN } else { real.clamp(least, most) }
    };
    let wanted: Vec<f64> = (-32768..=32768).map(exact).collect();
    BITS.map(|bits| entries(&wanted, bits)).find(|table| is_near(table, &wanted))
}

fn entries(wanted: &[f64], bits: u32) -> Vec<i16> {
    wanted.iter().step_by(1 << (16 - bits)).map(|x| x.round_ties_even() as i16).collect()
}

fn is_near(table: &[i16], wanted: &[f64]) -> bool {
    let step = 65536 / (table.len() - 1);
    wanted[..65536].chunks(step).zip(table.windows(2)).all(|(wanted, ends)| {
        let (start, end) = (i32::from(ends[0]), i32::from(ends[1]));
        (0i32..).zip(wanted).all(|(r, wanted)| {
            let got = start + ((end - start) * r + step as i32 / 2).div_euclid(step as i32);
            (f64::from(got) - wanted.round_ties_even()).abs() <= 1.0
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_LIMITS: (f32, f32) = (f32::NEG_INFINITY, f32::INFINITY);

    #[test]
    fn tables_are_as_large_as_they_must_be() {
        let unit = Params::int16(1.0 / 32768.0);
        let intervals = |function, range: f32| {
            let x = Params::int16(range / 32768.0);
            interpolated_table(function, NO_LIMITS, [x, unit]).map(|table| table.len() - 1)
        };
        assert_eq!(intervals(Function::LeakyRelu { alpha: 0.1 }, 1.0), Some(512));
        assert_eq!(intervals(Function::Tanh, 1.0), Some(512));
        assert_eq!(intervals(Function::Tanh, 8.0), Some(2048));
        assert_eq!(intervals(Function::Sign, 8.0), None);
        assert_eq!(intervals(Function::Log, 8.0), None);
    }
}
