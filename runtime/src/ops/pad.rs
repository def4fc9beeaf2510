//! Padding with a constant on every side.
//!
//! `y[i] = x[i − before]` where that is inside, else `value`.

use crate::arena::{Constants, Memory, Pod};
use crate::error::{Fault, Flaw};
use crate::format::{DType, Opcode, Record, Span, Tensor, plain};
use crate::kernels::Kernels;
use crate::rows::pieces;

macro_rules! record {
    ($(#[$doc:meta])* $record:ident, $dtype:ident, $element:ty) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        #[repr(C)]
        #[cfg_attr(feature = "encode", derive(serde::Serialize))]
        pub struct $record {
            /// `x`.
            pub input: Tensor,
            /// `y`; scale and zero point of `x`.
            pub output: Tensor,
            /// Elements before `x` along each dimension; those after it follow from the shapes.
            pub before: [u32; 4],
            /// What stands in the padding.
            pub value: $element,
        }

        plain!($record { input, output, before, value });

        impl Record for $record {
            const OPCODE: Opcode = Opcode::$record;

            fn inputs(&self) -> &[Tensor] {
                core::slice::from_ref(&self.input)
            }

            fn output(&self) -> &Tensor {
                &self.output
            }

            fn check(&self, _constants: Constants<'_>) -> Result<(), Flaw> {
                check(&self.input, &self.output, self.before, DType::$dtype)
            }

            fn step<K: Kernels>(&self, _kernels: &K, memory: &mut Memory<'_>) -> Result<(), Fault> {
                let (input, output, _) = memory.apart::<$element, $element>(&self.input, &self.output, Span::EMPTY)?;
                output.fill(self.value);
                copy(input, self.input.shape, output, self.output.shape, self.before)
            }
        }
    };
}
record!(
    /// Padding in int8; `value` is usually the zero point.
    PadI8, I8, i8
);
record!(
    /// Padding in f32.
    PadF32, F32, f32
);
record!(
    /// Padding in int16; `value` is usually 0.
    PadI16, I16, i16
);

fn check(input: &Tensor, output: &Tensor, before: [u32; 4], dtype: DType) -> Result<(), Flaw> {
    if input.dtype() != Some(dtype) || output.dtype() != Some(dtype) {
        return Err(Flaw::Type);
    }
    let fits = |((dim, before), out): ((u32, u32), u32)| dim.checked_add(before).is_some_and(|end| end <= out);
    match input.shape.into_iter().zip(before).zip(output.shape).all(fits) {
        true => Ok(()),
        false => Err(Flaw::Shape),
    }
}

fn copy<T: Pod>(
    input: &[T],
    [n, h, w, c]: [u32; 4],
    output: &mut [T],
    [_, out_h, out_w, out_c]: [u32; 4],
    [bn, bh, bw, bc]: [u32; 4],
) -> Result<(), Fault> {
    let mut rows = pieces(input, (c as usize).max(1));
    for (n, h, w) in (0..n).flat_map(|n| (0..h).flat_map(move |h| (0..w).map(move |w| (n, h, w)))) {
        let line = (n.wrapping_add(bn).wrapping_mul(out_h)).wrapping_add(h.wrapping_add(bh));
        let pixel = line.wrapping_mul(out_w).wrapping_add(w.wrapping_add(bw));
        let start = pixel.wrapping_mul(out_c).wrapping_add(bc) as usize;
        let to = output.get_mut(start..start.wrapping_add(c as usize)).ok_or(Fault)?;
        to.iter_mut().zip(rows.next().ok_or(Fault)?).for_each(|(to, from)| *to = *from);
    }
    Ok(())
}
