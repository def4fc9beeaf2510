//! Operations that find elements by indices.

use lacewing::ops::{ResampleF32, ResampleI8, ResampleI16, ScatterF32, TopKF32, Update};

use super::requant::{Integer, wrap};
use super::values::{Answer, Constants, Near, Values};

/// The place in `0..n` that each index means.
fn places(indices: &Values, n: usize) -> Vec<usize> {
    let whole: Vec<i128> = match indices {
        Values::I32(numbers) => numbers.iter().map(|i| i128::from(*i)).collect(),
        Values::F32(numbers) => numbers.iter().map(|x| truncated(*x)).collect(),
        Values::I8(_) | Values::I16(_) => panic!("{:?} is no index", indices.dtype()),
    };
    let n = n as i128;
    let place = |index: i128| (if index < 0 { index + n } else { index }).clamp(0, n - 1) as usize;
    whole.into_iter().map(place).collect()
}

fn truncated(x: f32) -> i128 {
    if x.is_nan() { 0 } else { x.trunc().clamp(-2_147_483_648.0, 2_147_483_648.0) as i128 }
}

pub(super) fn gather<T: Copy>(n: u32, inner: u32, x: &[T], indices: &Values) -> Vec<T> {
    let (n, inner) = (n as usize, inner as usize);
    let mut output = Vec::new();
    for outer in 0..x.len() / (n * inner) {
        for index in places(indices, n) {
            output.extend((0..inner).map(|i| x[(outer * n + index) * inner + i]));
        }
    }
    output
}

pub(super) fn scatter_f32(op: &ScatterF32, inputs: &[Values]) -> Answer {
    let inner = op.inner as usize;
    let (mut y, updates) = (inputs[0].f32().to_vec(), inputs[2].f32());
    let places = places(&inputs[1], y.len() / inner);
    for (j, place) in places.into_iter().enumerate() {
        for i in 0..inner {
            let (at, u) = (place * inner + i, updates[j * inner + i]);
            y[at] = match op.how {
                Update::Set => u,
                Update::Add => y[at] + u,
                Update::Mul => y[at] * u,
                Update::Min => [y[at], u][usize::from(u < y[at])],
                Update::Max => [y[at], u][usize::from(u > y[at])],
            };
        }
    }
    Values::F32(y).into()
}

/// For each output, the elements under its taps.
fn taps<T: Copy>([n, inner, taps]: [u32; 3], first: &[u32], x: &[T]) -> Vec<Vec<T>> {
    let (n, inner) = (n as usize, inner as usize);
    let mut output = Vec::new();
    for outer in 0..x.len() / (n * inner) {
        for first in first {
            for i in 0..inner {
                let place = |t: u32| (u64::from(*first) + u64::from(t)).min(n as u64 - 1) as usize;
                output.push((0..taps).map(|t| x[(outer * n + place(t)) * inner + i]).collect());
            }
        }
    }
    output
}

pub(super) fn resample_f32(op: &ResampleF32, constants: Constants<'_>, x: &[f32]) -> Answer {
    let (first, weights) = (constants.u32(op.first), constants.f32(op.weights));
    let rows = weights.chunks(op.taps as usize);
    let rows: Vec<&[f32]> = rows.flat_map(|row| vec![row; op.inner as usize]).collect();
    let sums = taps([op.n, op.inner, op.taps], &first, x).into_iter().zip(rows.into_iter().cycle()).map(|(x, w)| {
        let products: Vec<f64> = x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w)).collect();
        let size: f64 = products.iter().map(|product| product.abs()).sum();
        Near { value: products.iter().sum(), slack: size * 1e-6 }
    });
    Answer::Near(sums.collect())
}

pub(super) fn resample_i8(op: &ResampleI8, constants: Constants<'_>, x: &[i8]) -> Answer {
    let axis = [op.n, op.inner, op.taps];
    Values::I8(resampled(axis, constants.u32(op.first), constants.i16(op.weights), x)).into()
}

pub(super) fn resample_i16(op: &ResampleI16, constants: Constants<'_>, x: &[i16]) -> Answer {
    let axis = [op.n, op.inner, op.taps];
    Values::I16(resampled(axis, constants.u32(op.first), constants.i16(op.weights), x)).into()
}

fn resampled<T: Integer>([n, inner, t]: [u32; 3], first: Vec<u32>, weights: Vec<i16>, x: &[T]) -> Vec<T> {
    let rows = weights.chunks(t as usize);
    let rows: Vec<&[i16]> = rows.flat_map(|row| vec![row; inner as usize]).collect();
    let sums = taps([n, inner, t], &first, x).into_iter().zip(rows.into_iter().cycle()).map(|(x, w)| {
        let sum: i128 = x.iter().zip(w).map(|(x, w)| (*x).into() * i128::from(*w)).sum();
        let rounded = wrap(sum + (1 << 13)).div_euclid(1 << 14);
        let half = 1 << (8 * size_of::<T>() - 1);
        T::try_from(rounded.clamp(-half, half - 1)).ok().expect("in the type")
    });
    sums.collect()
}

pub(super) fn top_k_f32(op: &TopKF32, x: &[f32]) -> Answer {
    let mut output = Vec::new();
    for row in x.chunks(op.n as usize) {
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|a, b| {
            let [a, b] = [row[*a], row[*b]];
            let ascending = a.partial_cmp(&b).unwrap_or(a.is_nan().cmp(&b.is_nan()));
            if op.largest { ascending.reverse() } else { ascending }
        });
        output.extend(order.iter().take(op.k as usize).map(|index| *index as f32));
    }
    Values::F32(output).into()
}
