//! Operands that are repeated along dimensions of 1, as NumPy and ONNX do.

use crate::arena::{Operand, Pod};
use crate::error::{Fault, Flaw};
use crate::format::{DType, Tensor};
use crate::rows::pieces_mut;

/// Checks types, and that each dimension of the operands is 1 or the output's.
pub(super) fn check(inputs: &[Tensor], output: &Tensor, dtype: DType) -> Result<(), Flaw> {
    let typed = |tensor: &Tensor| tensor.dtype() == Some(dtype);
    if !inputs.iter().all(typed) || !typed(output) {
        return Err(Flaw::Type);
    }
    let fits = |input: &Tensor| input.shape.iter().zip(output.shape).all(|(dim, out)| *dim == 1 || *dim == out);
    if inputs.iter().all(fits) { Ok(()) } else { Err(Flaw::Shape) }
}

/// `output[i] = value(a[i], b[i])`, dimensions of 1 repeated.
#[inline(always)]
pub(super) fn run<T: Pod>(
    inputs: &[Tensor; 2],
    shape: [u32; 4],
    operands: [Operand<'_, T>; 2],
    output: &mut [T],
    value: impl Fn(T, T) -> T,
) -> Result<(), Fault> {
    let [a, b] = operands;
    if inputs.iter().all(|input| input.shape == shape) {
        row([Line::whole(a), Line::whole(b)], output, value);
        return Ok(());
    }
    let [sa, sb] = inputs.each_ref().map(|input| strides(input.shape));
    let [n, h, w, c] = shape;
    let mut rows = pieces_mut(output, (c as usize).max(1));
    for at in positions([n, h, w]) {
        let lines = [Line::at(a, sa, at, c)?, Line::at(b, sb, at, c)?];
        row(lines, rows.next().ok_or(Fault)?, &value);
    }
    Ok(())
}

/// `output[i] = value(a[i], b[i], c[i])`, dimensions of 1 repeated.
pub(super) fn run_three<T: Pod>(
    inputs: &[Tensor; 3],
    shape: [u32; 4],
    operands: [Operand<'_, T>; 3],
    output: &mut [T],
    value: impl Fn(T, T, T) -> T,
) -> Result<(), Fault> {
    let [a, b, c] = operands;
    let [sa, sb, sc] = inputs.each_ref().map(|input| strides(input.shape));
    let [n, h, w, len] = shape;
    let mut rows = pieces_mut(output, (len as usize).max(1));
    for at in positions([n, h, w]) {
        let [a, b, c] = [Line::at(a, sa, at, len)?, Line::at(b, sb, at, len)?, Line::at(c, sc, at, len)?];
        for (i, y) in rows.next().ok_or(Fault)?.iter_mut().enumerate() {
            *y = value(a.get(i, *y)?, b.get(i, *y)?, c.get(i, *y)?);
        }
    }
    Ok(())
}

fn positions([n, h, w]: [u32; 3]) -> impl Iterator<Item = [u32; 3]> {
    (0..n).flat_map(move |n| (0..h).flat_map(move |h| (0..w).map(move |w| [n, h, w])))
}

/// One row of an operand.
enum Line<'a, T> {
    /// The output's own numbers.
    Output,
    Each(&'a [T]),
    Repeated(T),
}

impl<'a, T: Pod> Line<'a, T> {
    fn whole(operand: Operand<'a, T>) -> Self {
        operand.map_or(Self::Output, Self::Each)
    }

    fn at(operand: Operand<'a, T>, strides: [u32; 4], at: [u32; 3], len: u32) -> Result<Self, Fault> {
        let Some(numbers) = operand else { return Ok(Self::Output) };
        let [.., step] = strides;
        let start = at.iter().zip(strides).fold(0u32, |sum, (i, s)| sum.wrapping_add(i.wrapping_mul(s))) as usize;
        match step {
            0 => numbers.get(start).copied().map(Self::Repeated),
            _ => numbers.get(start..start.wrapping_add(len as usize)).map(Self::Each),
        }
        .ok_or(Fault)
    }

    fn get(&self, i: usize, output: T) -> Result<T, Fault> {
        match self {
            Self::Output => Ok(output),
            Self::Each(numbers) => numbers.get(i).copied().ok_or(Fault),
            Self::Repeated(number) => Ok(*number),
        }
    }
}

#[inline(always)]
fn row<T: Pod>(lines: [Line<'_, T>; 2], output: &mut [T], value: impl Fn(T, T) -> T) {
    match lines {
        [Line::Each(a), Line::Each(b)] => {
            output.iter_mut().zip(a).zip(b).for_each(|((y, a), b)| *y = value(*a, *b));
        }
        [Line::Each(a), Line::Repeated(b)] => output.iter_mut().zip(a).for_each(|(y, a)| *y = value(*a, b)),
        [Line::Repeated(a), Line::Each(b)] => output.iter_mut().zip(b).for_each(|(y, b)| *y = value(a, *b)),
        [Line::Repeated(a), Line::Repeated(b)] => output.iter_mut().for_each(|y| *y = value(a, b)),
        [Line::Output, Line::Each(b)] => output.iter_mut().zip(b).for_each(|(y, b)| *y = value(*y, *b)),
        [Line::Each(a), Line::Output] => output.iter_mut().zip(a).for_each(|(y, a)| *y = value(*a, *y)),
        [Line::Output, Line::Output] => output.iter_mut().for_each(|y| *y = value(*y, *y)),
        [Line::Output, Line::Repeated(b)] => output.iter_mut().for_each(|y| *y = value(*y, b)),
        [Line::Repeated(a), Line::Output] => output.iter_mut().for_each(|y| *y = value(a, *y)),
    }
}

/// Row-major strides, 0 along dimensions of 1.
fn strides(shape: [u32; 4]) -> [u32; 4] {
    let [n, h, w, c] = shape;
    let of = |dim: u32, stride: u32| if dim == 1 { 0 } else { stride };
    let (row, image) = (w.wrapping_mul(c), h.wrapping_mul(w).wrapping_mul(c));
    [of(n, image), of(h, row), of(w, c), of(c, 1)]
}
