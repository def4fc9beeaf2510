//! Copies by strides, which slices, transpositions and reshapes become.

use lacewing::ops::{StridedCopyF32, StridedCopyI8, StridedCopyI16};

use crate::encode::Writer;
use crate::error::ConvertError;
use crate::quantize::Width;

/// Row-major strides, in elements.
pub(super) fn strides(shape: &[usize]) -> Vec<i64> {
    (0..shape.len()).map(|axis| shape[axis + 1..].iter().product::<usize>() as i64).collect()
}

/// Writes a copy whose output axes are `(dimension, stride in the input)`; neighbors that step alike are joined.
pub(super) fn copy(start: i64, axes: &[(usize, i64)], to: &mut Writer<'_>) -> Result<(), ConvertError> {
    let mut joined: Vec<(usize, i64)> = Vec::new();
    for (dim, stride) in axes.iter().copied().filter(|(dim, _)| *dim != 1) {
        match joined.last_mut() {
            Some(last) if last.1 == stride * dim as i64 => *last = (last.0 * dim, stride),
            _ => joined.push((dim, stride)),
        }
    }
    if joined.len() > 6 {
        return Err(to.error("it moves elements along more than six dimensions; reshape to fewer"));
    }
    let (mut dims, mut strides) = ([1; 6], [0; 6]);
    for ((dim, stride), axis) in joined.iter().rev().zip((0..6).rev()) {
        (dims[axis], strides[axis]) = (*dim as u32, *stride as i32);
    }
    let (input, output, start) = (to.input(0), to.output(), start as u32);
    match to.moved() {
        Some(Width::I8) => to.push(StridedCopyI8 { input, output, start, dims, strides }),
        Some(Width::I16) => to.push(StridedCopyI16 { input, output, start, dims, strides }),
        None => to.push(StridedCopyF32 { input, output, start, dims, strides }),
    }
}
