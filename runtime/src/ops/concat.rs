//! Concatenation along one axis: `y[o] = [x₀[o], x₁[o], …]` for each of `outer` positions before the axis.

use crate::arena::{Constants, Memory};
use crate::error::{Fault, Flaw};
use crate::format::{DType, Opcode, Record, Span, Tensor, decode};
use crate::kernels::Kernels;
use crate::rows::{pieces, pieces_mut};
use heapless::Vec;

/// Inputs of one record; more are joined by several records.
pub const MAX_INPUTS: usize = 8;

macro_rules! record {
    ($(#[$doc:meta])* $record:ident, $dtype:ident, $element:ty) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        #[cfg_attr(feature = "encode", derive(serde::Serialize))]
        pub struct $record {
            /// `x₀, x₁, …`, all of the output's scale and zero point.
            pub inputs: Vec<Tensor, MAX_INPUTS>,
            /// `y`.
            pub output: Tensor,
            /// Product of the dimensions before the axis.
            pub outer: u32,
        }

        decode!($record { inputs, output, outer });

        impl Record for $record {
            const OPCODE: Opcode = Opcode::$record;

            fn inputs(&self) -> &[Tensor] {
                &self.inputs
            }

            fn output(&self) -> &Tensor {
                &self.output
            }

            fn check(&self, _constants: Constants<'_>) -> Result<(), Flaw> {
                check(&self.inputs, &self.output, self.outer, DType::$dtype)
            }

            fn step<K: Kernels>(&self, _kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
                let mut start = 0;
                for tensor in &self.inputs {
                    let (input, output, _) = memory.apart::<$element, $element>(tensor, &self.output, Span::EMPTY)?;
                    start = copy(input, output, self.outer as usize, start)?;
                }
                Ok(())
            }
        }
    };
}
record!(
    /// Concatenation in int8.
    ConcatI8, I8, i8
);
record!(
    /// Concatenation in f32.
    ConcatF32, F32, f32
);
record!(
    /// Concatenation in int16.
    ConcatI16, I16, i16
);

fn check(inputs: &[Tensor], output: &Tensor, outer: u32, dtype: DType) -> Result<(), Flaw> {
    let typed = |tensor: &Tensor| tensor.dtype() == Some(dtype);
    if !inputs.iter().all(typed) || !typed(output) {
        return Err(Flaw::Type);
    }
    let mut total = 0u32;
    for input in inputs {
        let len = input.len().filter(|len| outer > 0 && len.is_multiple_of(outer)).ok_or(Flaw::Shape)?;
        total = total.checked_add(len).ok_or(Flaw::Shape)?;
    }
    if Some(total) == output.len() { Ok(()) } else { Err(Flaw::Shape) }
}

/// Copies one input to position `start` of every output chunk; gives the position after it.
fn copy<T: Copy>(input: &[T], output: &mut [T], outer: usize, start: usize) -> Result<usize, Fault> {
    let len = |whole: usize| whole.checked_div(outer).filter(|len| *len > 0).ok_or(Fault);
    let (chunk, out_chunk) = (len(input.len())?, len(output.len())?);
    let end = start.wrapping_add(chunk);
    for (from, to) in pieces(input, chunk).zip(pieces_mut(output, out_chunk)) {
        let to = to.get_mut(start..end).ok_or(Fault)?;
        to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    }
    Ok(end)
}
