//! Index of the largest element along one axis; the first of equals.
//!
//! `y[o, i] = argmax_k x[o, k, i]` with `x` as `[outer][n][inner]`. An f32 output is for what computes with the index.

use crate::arena::{Constants, Memory, Pod};
use crate::error::{Fault, Flaw};
use crate::format::{DType, Opcode, Record, Span, Tensor, plain};
use crate::kernels::Kernels;
use crate::rows::{pieces, pieces_mut};

macro_rules! record {
    ($(#[$doc:meta])* $record:ident, $dtype:ident, $element:ty) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        #[repr(C)]
        #[cfg_attr(feature = "encode", derive(serde::Serialize))]
        pub struct $record {
            /// `x`.
            pub input: Tensor,
            /// `y`, `i32` or f32.
            pub output: Tensor,
            /// Elements along the axis.
            pub n: u32,
            /// Product of the dimensions after the axis.
            pub inner: u32,
        }

        plain!($record { input, output, n, inner });

        impl Record for $record {
            const OPCODE: Opcode = Opcode::$record;

            fn inputs(&self) -> &[Tensor] {
                core::slice::from_ref(&self.input)
            }

            fn output(&self) -> &Tensor {
                &self.output
            }

            fn work(&self) -> u64 {
                u64::from(self.input.len().unwrap_or(u32::MAX))
            }

            fn check(&self, _constants: Constants<'_>) -> Result<(), Flaw> {
                if self.input.dtype() != Some(DType::$dtype) || !matches!(self.output.dtype(), Some(DType::I32 | DType::F32)) {
                    return Err(Flaw::Type);
                }
                let len = self.output.len().and_then(|len| len.checked_mul(self.n));
                let outer = self.output.len().is_some_and(|len| self.inner > 0 && len.is_multiple_of(self.inner));
                match outer && (1..=i32::MAX as u32).contains(&self.n) && len == self.input.len() {
                    true => Ok(()),
                    false => Err(Flaw::Shape),
                }
            }

            fn step<K: Kernels>(&self, _kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
                let (input, output) = (&self.input, &self.output);
                if output.dtype() == Some(DType::I32) {
                    let (x, y, _) = memory.apart::<$element, i32>(input, output, Span::EMPTY)?;
                    return run(self.n, self.inner, x, y, |index| index);
                }
                let (x, y, _) = memory.apart::<$element, f32>(input, output, Span::EMPTY)?;
                run(self.n, self.inner, x, y, |index| index as f32)
            }
        }
    };
}
record!(
    /// Index of the largest int8 element.
    ArgMaxI8, I8, i8
);
record!(
    /// Index of the largest f32 element.
    ArgMaxF32, F32, f32
);
record!(
    /// Index of the largest int16 element.
    ArgMaxI16, I16, i16
);

fn run<T: Pod + PartialOrd, I>(
    n: u32,
    inner: u32,
    input: &[T],
    output: &mut [I],
    index: impl Fn(i32) -> I,
) -> Result<(), Fault> {
    let inner = (inner as usize).max(1);
    let block = inner.wrapping_mul(n as usize).max(1);
    for (x, y) in pieces(input, block).zip(pieces_mut(output, inner)) {
        for (i, y) in y.iter_mut().enumerate() {
            let mut column = (0..).zip(x.iter().skip(i).step_by(inner.max(1)));
            let first = column.next().ok_or(Fault)?;
            let (largest, _) = column.fold(first, |best, next| if next.1 > best.1 { next } else { best });
            *y = index(largest);
        }
    }
    Ok(())
}
