//! How often values of a tensor occur, in the float original and in the program.

use lacewing_numeric::count;
use serde::Serialize;

use crate::quantize::Params;

/// Bins within what the integers reach, and on each side of that.
const WITHIN: usize = 64;
const BEYOND: usize = 8;

/// Counts of values in equal bins, 64 over what the tensor's integers reach and 8 on each side; those at both ends hold all beyond.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The real numbers at which the first bin begins and the last one ends.
    pub ends: [f32; 2],
    /// Counts in the original.
    pub float: Vec<u64>,
    /// Counts in the program.
    pub program: Vec<u64>,
}

impl Spread {
    /// Nothing counted yet of a tensor of these integers.
    #[must_use]
    pub fn new(params: Params) -> Spread {
        let (least, most) = params.integers().into_inner();
        let width = f64::from(most - least + 1) / WITHIN as f64;
        let real = |bins: f64| {
            let q = f64::from(least) - 0.5 + bins * width - f64::from(params.zero);
            (f64::from(params.scale) * q) as f32
        };
        let ends = [real(-(BEYOND as f64)), real((WITHIN + BEYOND) as f64)];
        let [float, program] = [(); 2].map(|()| vec![0; WITHIN + 2 * BEYOND]);
        Spread { ends, float, program }
    }

    /// Counts the values of a tensor.
    pub fn see(&mut self, float: &[f32], program: &[f32]) {
        let [lo, hi] = self.ends.map(f64::from);
        for (counts, values) in [(&mut self.float, float), (&mut self.program, program)] {
            // NaN and what lies below count in the first.
            count(values, lo, (hi - lo) / counts.len() as f64, counts);
        }
    }

    /// Counts what another one has counted of the same tensor.
    pub fn include(&mut self, other: &Spread) {
        for (to, from) in [(&mut self.float, &other.float), (&mut self.program, &other.program)] {
            to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_fall_within_and_the_rest_beyond() {
        let params = Params::int8(0.5, -28);
        let mut spread = Spread::new(params);
        let integers: Vec<f32> = params.integers().map(|q| params.real(q)).collect();
        spread.see(&[-1e9, f32::NAN, 1e9, f32::INFINITY], &integers);
        assert_eq!((spread.float[0], spread.float[WITHIN + 2 * BEYOND - 1]), (2, 2));
        assert!(spread.program[..BEYOND].iter().chain(&spread.program[WITHIN + BEYOND..]).all(|count| *count == 0));
        assert!(spread.program[BEYOND..][..WITHIN].iter().all(|count| *count == 4), "{:?}", spread.program);
        let mut twice = spread.clone();
        twice.include(&spread);
        assert_eq!(twice.program.iter().sum::<u64>(), 512);
    }
}
