//! Average and max pools.

use lacewing::format::{Tensor, Window};
use lacewing::ops::pool::{AveragePool, MaxPool};
use lacewing::ops::{AveragePoolF32, MaxPoolF32};

use super::position::{dims, index, positions, taps};
use super::requant::{Integer, channel};
use super::values::{Answer, Constants, Near, Values};

pub(super) fn average_int<T: Integer>(op: &AveragePool<T>, constants: Constants<'_>, x: &Values) -> Answer {
    let value = |inside: Vec<T>| {
        let sum = inside.iter().map(|x| (*x).into() - op.input_zero.into()).sum();
        channel(sum, inside.len().max(1) - 1, &op.requant, constants)
    };
    T::answer(each(&op.input, &op.output, &op.window, T::of(x), value))
}

pub(super) fn average_f32(op: &AveragePoolF32, x: &[f32]) -> Answer {
    let value = |inside: Vec<f32>| {
        let divisor = if op.divisor == 0 { inside.len().max(1) as f64 } else { f64::from(op.divisor) };
        let sum: f64 = inside.iter().map(|x| f64::from(*x)).sum();
        let size: f64 = inside.iter().map(|x| f64::from(x.abs())).sum();
        Near { value: sum / divisor, slack: size / divisor * 1e-5 }.clamp(op.lo, op.hi)
    };
    Answer::Near(each(&op.input, &op.output, &op.window, x, value))
}

pub(super) fn max_int<T: Integer>(op: &MaxPool<T>, x: &Values) -> Answer {
    let value = |inside: Vec<T>| inside.into_iter().chain([op.lo]).max().map_or(op.lo, |max| max.min(op.hi));
    T::answer(each(&op.input, &op.output, &op.window, T::of(x), value))
}

pub(super) fn max_f32(op: &MaxPoolF32, x: &[f32]) -> Answer {
    let value = |inside: Vec<f32>| {
        let max = inside.into_iter().fold(op.lo, f32::max).min(op.hi);
        Near { value: max.into(), slack: 0.0 }
    };
    Answer::Near(each(&op.input, &op.output, &op.window, x, value))
}

/// `value(the elements inside the window)` for every output position.
fn each<T: Copy, U>(input: &Tensor, output: &Tensor, window: &Window, x: &[T], value: impl Fn(Vec<T>) -> U) -> Vec<U> {
    let inside = |[n, oy, ox, c]: [usize; 4]| {
        let taps = taps(window, input, [oy, ox]).into_iter().flatten();
        taps.map(|[y, ix]| x[index(dims(input), [n, y, ix, c])]).collect()
    };
    positions(dims(output)).into_iter().map(|at| value(inside(at))).collect()
}
