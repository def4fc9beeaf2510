//! Operations that move elements.

use lacewing::format::Tensor;

use super::position::{dims, index, positions};

pub(super) fn pad<T: Copy>(input: &Tensor, output: &Tensor, before: [u32; 4], value: T, x: &[T]) -> Vec<T> {
    let from = |at: [usize; 4]| {
        let mut source = [0; 4];
        for axis in 0..4 {
            source[axis] = at[axis].checked_sub(before[axis] as usize).filter(|i| *i < dims(input)[axis])?;
        }
        Some(x[index(dims(input), source)])
    };
    positions(dims(output)).into_iter().map(|at| from(at).unwrap_or(value)).collect()
}

pub(super) fn concat<'a, T: Copy + 'a>(outer: u32, inputs: impl Iterator<Item = &'a [T]>) -> Vec<T> {
    let inputs: Vec<_> = inputs.collect();
    let mut output = Vec::new();
    for part in 0..outer as usize {
        for input in &inputs {
            let len = input.len() / outer as usize;
            output.extend_from_slice(&input[part * len..(part + 1) * len]);
        }
    }
    output
}

pub(super) fn strided<T: Copy>(start: u32, dims: [u32; 6], strides: [i32; 6], x: &[T]) -> Vec<T> {
    let count: u32 = dims.iter().product();
    let element = |number: u32| {
        let mut rest = number;
        let mut at = i64::from(start);
        for axis in (0..6).rev() {
            at += i64::from(rest % dims[axis]) * i64::from(strides[axis]);
            rest /= dims[axis];
        }
        x[usize::try_from(at).expect("inside the input")]
    };
    (0..count).map(element).collect()
}
