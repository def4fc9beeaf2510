//! Softmax and argmax.

use lacewing::format::{DType, Tensor};
use lacewing::ops::{SoftmaxF32, SoftmaxI8, SoftmaxI16};

use super::position::dims;
use super::values::{Answer, Constants, Near, Values};

pub(super) fn softmax_i8(op: &SoftmaxI8, constants: Constants<'_>, x: &[i8]) -> Answer {
    let [.., n] = dims(&op.input);
    let table = constants.u32(op.table);
    let mut output = Vec::new();
    for row in x.chunks(n) {
        let max = row.iter().max().expect("no dimension is 0");
        let power = |x: &i8| {
            let distance = (i32::from(*max) - i32::from(*x)) as usize;
            table.get(distance).map_or(0, |power| i128::from(*power))
        };
        let sum: i128 = row.iter().map(power).sum();
        output.extend(row.iter().map(|x| {
            let share = (2 * 256 * power(x) + sum).div_euclid(2 * sum) - 128;
            i8::try_from(share.min(127)).expect("a share of 256")
        }));
    }
    Values::I8(output).into()
}

pub(super) fn softmax_i16(op: &SoftmaxI16, constants: Constants<'_>, x: &[i16]) -> Answer {
    let [.., n] = dims(&op.input);
    let (coarse, fine) = (constants.u32(op.coarse), constants.u32(op.fine));
    let mut output = Vec::new();
    for row in x.chunks(n) {
        let max = row.iter().max().expect("no dimension is 0");
        let power = |x: &i16| {
            let distance = (i32::from(*max) - i32::from(*x)) as usize;
            let h = coarse.get(distance / 256).map_or(0, |h| i128::from(*h));
            (h * i128::from(fine[distance % 256]) + (1 << 30)).div_euclid(1 << 31)
        };
        let sum: i128 = row.iter().map(power).sum();
        output.extend(row.iter().map(|x| {
            let share = (2 * 32768 * power(x) + sum).div_euclid(2 * sum);
            i16::try_from(share.min(32767)).expect("a share of 32768")
        }));
    }
    Values::I16(output).into()
}

pub(super) fn softmax_f32(op: &SoftmaxF32, x: &[f32]) -> Answer {
    let [.., n] = dims(&op.input);
    let mut output = Vec::new();
    for row in x.chunks(n) {
        let max = row.iter().fold(f64::NEG_INFINITY, |max, x| max.max(f64::from(*x)));
        let sum: f64 = row.iter().map(|x| (f64::from(*x) - max).exp()).sum();
        output.extend(row.iter().map(|x| {
            let value = (f64::from(*x) - max).exp() / sum;
            Near { value, slack: value * 2e-5 + 1e-37 }
        }));
    }
    Answer::Near(output)
}

pub(super) fn argmax<T: Copy + PartialOrd>(n: u32, inner: u32, output: &Tensor, x: &[T]) -> Answer {
    let (n, inner) = (n as usize, inner as usize);
    let mut indices = Vec::new();
    for outer in 0..x.len() / (n * inner) {
        for i in 0..inner {
            let at = |k: usize| x[(outer * n + k) * inner + i];
            let mut best = 0;
            for k in 1..n {
                if at(k) > at(best) {
                    best = k;
                }
            }
            indices.push(best as i32);
        }
    }
    match output.dtype() {
        Some(DType::F32) => Values::F32(indices.into_iter().map(|index| index as f32).collect()).into(),
        _ => Values::I32(indices).into(),
    }
}
