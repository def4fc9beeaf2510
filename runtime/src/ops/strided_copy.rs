//! Copies by strides: transposition, slices with steps, repetition, in one operation.
//!
//! `y[i₀, …, i₅] = x[start + Σ_k i_k · strides[k]]` in row-major order of `i`.

use crate::arena::{Constants, Memory, Pod};
use crate::error::{Fault, Flaw};
use crate::format::{DType, Opcode, Record, Span, Tensor, plain};
use crate::kernels::Kernels;
use crate::rows::pieces_mut;

macro_rules! record {
    ($(#[$doc:meta])* $record:ident, $dtype:ident, $element:ty, $method:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        #[repr(C)]
        #[cfg_attr(feature = "encode", derive(serde::Serialize))]
        pub struct $record {
            /// `x`.
            pub input: Tensor,
            /// `y`; scale and zero point of `x`.
            pub output: Tensor,
            /// Element of `x` that is `y[0, …, 0]`.
            pub start: u32,
            /// Dimensions of `y`, ones in front.
            pub dims: [u32; 6],
            /// Elements of `x` from one index to the next, for each dimension; negative goes back, 0 repeats.
            pub strides: [i32; 6],
        }

        plain!($record { input, output, start, dims, strides });

        impl Record for $record {
            const OPCODE: Opcode = Opcode::$record;

            fn inputs(&self) -> &[Tensor] {
                core::slice::from_ref(&self.input)
            }

            fn output(&self) -> &Tensor {
                &self.output
            }

            fn check(&self, _constants: Constants<'_>) -> Result<(), Flaw> {
                let typed = |tensor: &Tensor| tensor.dtype() == Some(DType::$dtype);
                if !typed(&self.input) || !typed(&self.output) {
                    return Err(Flaw::Type);
                }
                check(&self.input, &self.output, self.start, self.dims, self.strides)
            }

            fn step<K: Kernels>(&self, kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
                let (input, output, _) = memory.apart::<$element, $element>(&self.input, &self.output, Span::EMPTY)?;
                kernels.$method(self, input, output)
            }
        }
    };
}
record!(
    /// Copy by strides in int8.
    StridedCopyI8, I8, i8, strided_copy_i8
);
record!(
    /// Copy by strides in f32.
    StridedCopyF32, F32, f32, strided_copy_f32
);
record!(
    /// Copy by strides in int16.
    StridedCopyI16, I16, i16, strided_copy_i16
);

fn check(input: &Tensor, output: &Tensor, start: u32, dims: [u32; 6], strides: [i32; 6]) -> Result<(), Flaw> {
    let count = dims.iter().try_fold(1u32, |count, dim| count.checked_mul(*dim)).filter(|count| *count > 0);
    if count.is_none() || count != output.len() {
        return Err(Flaw::Shape);
    }
    let (mut least, mut most) = (i64::from(start), i64::from(start));
    for (dim, stride) in dims.into_iter().zip(strides) {
        let reach = i64::from(dim - 1).saturating_mul(i64::from(stride));
        least = least.saturating_add(reach.min(0));
        most = most.saturating_add(reach.max(0));
    }
    let len = i64::from(input.len().ok_or(Flaw::Shape)?);
    if least >= 0 && most < len { Ok(()) } else { Err(Flaw::Shape) }
}

/// Writes all elements of `output`.
///
/// # Errors
/// A fault if one of them is none of `input`.
pub fn run<T: Pod>(input: &[T], output: &mut [T], start: u32, dims: [u32; 6], strides: [i32; 6]) -> Result<(), Fault> {
    let [mut outer @ .., inner] = dims;
    let [mut steps @ .., step] = strides;
    outer.reverse();
    steps.reverse();
    let mut index = [0u32; 5];
    let mut base = start;
    for row in pieces_mut(output, (inner as usize).max(1)) {
        let mut at = base;
        for to in row {
            *to = *input.get(at as usize).ok_or(Fault)?;
            at = at.wrapping_add_signed(step);
        }
        for ((i, dim), stride) in index.iter_mut().zip(outer).zip(steps) {
            *i = i.wrapping_add(1);
            base = base.wrapping_add_signed(stride);
            if *i < dim {
                break;
            }
            base = base.wrapping_add_signed(stride.wrapping_mul(dim.wrapping_neg() as i32));
            *i = 0;
        }
    }
    Ok(())
}
