//! Running any file on the machine that the tools run on.
//!
//! A firmware compiles the operations that it names into its own code. Tools run every operation, and calling [`run`] they share the one
//! copy of them that is compiled with this crate, at its optimization level; so do they with what passes the doors.

#[cfg(doc)]
use lacewing::Model;
use lacewing::arena::{Pod, cast, cast_mut};
use lacewing::format::{DType, Span};
use lacewing::ops::quantize::{dequantize, quantize};
use lacewing::profile::After;
use lacewing::{Kernels, Program, Ran, RunError};

/// The operations that are linked: without the feature `float` those in integers.
#[cfg(feature = "float")]
pub type Linked = lacewing::AllOps;
/// The operations that are linked: without the feature `float` those in integers.
#[cfg(not(feature = "float"))]
pub type Linked = lacewing::Int8Ops;

/// Runs a program, and calls `after` when each record has run, in a band when it had a turn. `rows` are the bytes of an
/// input that goes in row by row; all others are in the arena already.
///
/// # Errors
/// As [`Model::run`] and [`Model::push_row`].
pub fn run<K: Kernels>(
    program: &Program<'_, Linked>,
    kernels: &K,
    (arena, rows): (&mut [u8], &[u8]),
    after: &mut dyn FnMut(Ran<'_>),
) -> Result<(), RunError> {
    let model = program.model();
    let Some(mut frame) = model.frame() else { return program.run_profiled(kernels, arena, &mut After(after)) };
    let mut rows = rows;
    while let Some(range) = frame.row().and_then(Span::range) {
        let (row, rest) = rows.split_at_checked(range.len()).ok_or(RunError::Rows)?;
        let needed = model.header().arena_len;
        arena.get_mut(range).ok_or(RunError::ArenaTooSmall { needed })?.copy_from_slice(row);
        model.push_row_profiled(kernels, arena, &mut frame, &mut After(&mut *after))?;
        rows = rest;
    }
    Ok(())
}

/// The real numbers that a tensor's bytes stand for, `scale · (q − zero)` of int8 and int16, into the first elements of `to`.
pub fn reals(bytes: &[u8], dtype: DType, (scale, zero): (f32, i8), to: &mut [f32]) {
    match dtype {
        DType::I8 => each(bytes, to, |q: &i8| dequantize(*q, scale, zero)),
        DType::I16 => each(bytes, to, |q: &i16| dequantize(*q, scale, zero.into())),
        DType::I32 => each(bytes, to, |q: &i32| *q as f32),
        DType::F32 => each(bytes, to, |x: &f32| *x),
    }
}

fn each<T: Pod>(bytes: &[u8], to: &mut [f32], real: impl Fn(&T) -> f32) {
    cast::<T>(bytes).unwrap_or_default().iter().zip(to).for_each(|(q, x)| *x = real(q));
}

/// The bytes of a tensor that stands for real numbers, rounded as at every door.
pub fn integers(numbers: &[f32], dtype: DType, (scale, zero): (f32, i8), bytes: &mut [u8]) {
    match dtype {
        DType::I8 => each_mut(numbers, bytes, |x| quantize(x, scale, zero)),
        DType::I16 => each_mut(numbers, bytes, |x| quantize(x, scale, i16::from(zero))),
        DType::I32 => each_mut(numbers, bytes, |x| x as i32),
        DType::F32 => each_mut(numbers, bytes, |x| x),
    }
}

fn each_mut<T: Pod>(numbers: &[f32], bytes: &mut [u8], integer: impl Fn(f32) -> T) {
    numbers.iter().zip(cast_mut::<T>(bytes).unwrap_or_default()).for_each(|(x, q)| *q = integer(*x));
}

#[cfg(test)]
mod tests {
    use super::*;
    use lacewing::Arena;

    #[test]
    fn every_type_goes_in_and_out() {
        for (dtype, wanted) in [
            (DType::I8, [-63.5, 0.0, 1.5, 64.0]),
            (DType::I16, [-100.0, 0.0, 1.5, 100.0]),
            (DType::I32, [-100.0, 0.0, 1.0, 100.0]),
            (DType::F32, [-100.0, 0.0, 1.5, 100.0]),
        ] {
            let (mut bytes, mut back) = (Arena::<16>::new(), [0.0; 4]);
            let bytes = &mut bytes[..4 * dtype.size() as usize];
            integers(&[-100.0, 0.0, 1.5, 100.0], dtype, (0.5, -1), bytes);
            reals(bytes, dtype, (0.5, -1), &mut back);
            assert_eq!(back, wanted, "{dtype:?}");
        }
    }
}
