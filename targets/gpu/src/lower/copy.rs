//! Elements that are moved, of whatever size.

use lacewing::format::{DType, Tensor};

use super::{Context, Dispatch, Reason};
use crate::kernel::{Family, Kernel};

/// What a record of `copy.wgsl` is, and what it says: `first, outer, parts, inner`, the vectors of pad, those of strided, those of concat.
#[derive(Default)]
pub(super) struct Moved {
    kind: u32,
    scalars: [u32; 4],
    pad: [[u32; 4]; 3],
    dims: [u32; 8],
    strides: [u32; 8],
    parts: [u32; 16],
}

/// A record that moves elements.
pub(super) trait Moves {
    fn output(&self) -> &Tensor;
    /// What it says, when its inputs are at these addresses.
    fn moved(&self, inputs: &[u32]) -> Moved;
}

macro_rules! moves {
    ($pad:ident, $concat:ident, $strided:ident, $bits:expr) => {
        impl Moves for lacewing::ops::$pad {
            fn output(&self) -> &Tensor {
                &self.output
            }

            fn moved(&self, _: &[u32]) -> Moved {
                let pad = [self.output.shape, self.input.shape, self.before];
                Moved { scalars: [$bits(self.value), 0, 0, 0], pad, ..Moved::default() }
            }
        }

        impl Moves for lacewing::ops::$concat {
            fn output(&self) -> &Tensor {
                &self.output
            }

            fn moved(&self, inputs: &[u32]) -> Moved {
                concat(&self.inputs, &self.output, self.outer, inputs)
            }
        }

        impl Moves for lacewing::ops::$strided {
            fn output(&self) -> &Tensor {
                &self.output
            }

            fn moved(&self, _: &[u32]) -> Moved {
                strided(self.start, self.dims, self.strides)
            }
        }
    };
}
moves!(PadI8, ConcatI8, StridedCopyI8, |value: i8| value as u8 as u32);
moves!(PadI16, ConcatI16, StridedCopyI16, |value: i16| value as u16 as u32);
moves!(PadF32, ConcatF32, StridedCopyF32, f32::to_bits);

fn concat(inputs: &[Tensor], output: &Tensor, outer: u32, addresses: &[u32]) -> Moved {
    let lens = inputs.iter().map(|input| input.len().unwrap_or(0) / outer);
    let mut parts = [0; 16];
    for (part, (address, len)) in parts.chunks_mut(2).zip(addresses.iter().zip(lens)) {
        part.copy_from_slice(&[*address, len]);
    }
    let scalars = [0, outer, inputs.len() as u32, output.len().unwrap_or(0) / outer];
    Moved { kind: 1, scalars, parts, ..Moved::default() }
}

fn strided(start: u32, dims: [u32; 6], strides: [i32; 6]) -> Moved {
    let mut moved = Moved { kind: 2, scalars: [start, 0, 0, 0], dims: [1; 8], ..Moved::default() };
    moved.dims[..6].copy_from_slice(&dims);
    moved.strides[..6].copy_from_slice(&strides.map(|stride| stride as u32));
    moved
}

/// All bytes of a value, to another place.
pub(super) fn whole(from: u32, to: u32, bytes: u32) -> Dispatch {
    let words = bytes.div_ceil(4);
    dispatch([from, to], &strided(0, [1, 1, 1, 1, 1, words], [1; 6]), 4, words)
}

fn dispatch([input, output]: [u32; 2], moved: &Moved, size: u32, count: u32) -> Dispatch {
    let mut params = vec![input, output];
    params.extend(moved.scalars);
    params.extend(moved.pad.as_flattened());
    params.extend(moved.dims.iter().chain(&moved.strides).chain(&moved.parts));
    Dispatch { kernel: Kernel::words(Family::Copy, &[("SIZE", size), ("KIND", moved.kind)]), params, count }
}

impl Context<'_> {
    /// Parts of the first input by the indices that are the second.
    pub(super) fn gathered(
        &self,
        inputs: &[Tensor; 2],
        output: &Tensor,
        n: u32,
        inner: u32,
    ) -> Result<Dispatch, Reason> {
        let [_, indices] = inputs;
        let kind = if indices.dtype() == Some(DType::F32) { 4 } else { 3 };
        let scalars = [n, self.inputs[1], indices.len().unwrap_or(1), inner];
        let size = output.dtype().map_or(4, DType::size);
        let moved = Moved { kind, scalars, ..Moved::default() };
        Ok(dispatch([self.inputs[0], self.output], &moved, size, output.bytes().unwrap_or(0).div_ceil(4)))
    }

    pub(super) fn moved(&mut self, op: &impl Moves) -> Result<Dispatch, Reason> {
        let size = op.output().dtype().map_or(4, DType::size);
        let words = op.output().bytes().unwrap_or(0).div_ceil(4);
        Ok(dispatch([self.input(), self.output], &op.moved(&self.inputs), size, words))
    }
}
