//! Parts of a tensor by their indices, which are constants or were computed.
//!
//! `y[o, j, i] = x[o, index_j, i]` with `x` as `[outer][n][inner]`. An index is truncated, a negative one counts from the end, one outside is the nearest
//! inside.

use super::check_axis;
use super::indices::{self, Indices};
use crate::arena::{Constants, Memory, Pod};
use crate::error::{Fault, Flaw};
use crate::format::{DType, Opcode, Record, Tensor, plain};
use crate::kernels::Kernels;
use crate::rows::{pieces, pieces_mut};

macro_rules! record {
    ($(#[$doc:meta])* $record:ident, $dtype:ident, $element:ty) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        #[repr(C)]
        #[cfg_attr(feature = "encode", derive(serde::Serialize))]
        pub struct $record {
            /// `x`, and the indices, int32 or f32.
            pub inputs: [Tensor; 2],
            /// `y`; scale and zero point of `x`.
            pub output: Tensor,
            /// Elements along the axis that is indexed.
            pub n: u32,
            /// Product of the dimensions after it.
            pub inner: u32,
        }

        plain!($record { inputs, output, n, inner });

        impl Record for $record {
            const OPCODE: Opcode = Opcode::$record;

            fn inputs(&self) -> &[Tensor] {
                &self.inputs
            }

            fn output(&self) -> &Tensor {
                &self.output
            }

            fn check(&self, _constants: Constants<'_>) -> Result<(), Flaw> {
                let [x, indices] = &self.inputs;
                if x.dtype() != Some(DType::$dtype) || self.output.dtype() != Some(DType::$dtype) {
                    return Err(Flaw::Type);
                }
                check_axis(x, &self.output, [self.n, indices::check(indices)?, self.inner])
            }

            fn step<K: Kernels>(&self, _kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
                let [x, indices] = &self.inputs;
                let (others, output) = memory.around::<$element>(&self.output)?;
                let count = indices.len().ok_or(Fault)?;
                run(others.apart(x)?, Indices::of(indices, &others)?, output, [self.n, self.inner, count])
            }
        }
    };
}
record!(
    /// Gather in f32.
    GatherF32, F32, f32
);
record!(
    /// Gather in int8.
    GatherI8, I8, i8
);
record!(
    /// Gather in int16.
    GatherI16, I16, i16
);

fn run<T: Pod>(x: &[T], indices: Indices<'_>, y: &mut [T], [n, inner, count]: [u32; 3]) -> Result<(), Fault> {
    let inner_len = inner as usize;
    let (block, out_block) = (inner_len.wrapping_mul(n as usize), inner_len.wrapping_mul(count as usize));
    for (x, y) in pieces(x, block).zip(pieces_mut(y, out_block)) {
        for (y, index) in pieces_mut(y, inner_len).zip(indices.within(n)) {
            let start = index.wrapping_mul(inner_len);
            let x = x.get(start..start.wrapping_add(inner_len)).ok_or(Fault)?;
            y.iter_mut().zip(x).for_each(|(y, x)| *y = *x);
        }
    }
    Ok(())
}
