//! One record in a file of its own, with what it is fed.

use std::fmt;

use lacewing::format::encode::Builder;
use lacewing::format::{Op, Place, Port, Span, Tensor};
use lacewing::owned::Aligned;

use super::fill::Fill;
use crate::oracle::Values;

/// A record, the file that holds it alone, and the numbers of its inputs.
#[derive(Clone)]
pub struct Case {
    /// The record.
    pub op: Op,
    /// The numbers of each input of the record.
    pub inputs: Vec<Values>,
    /// The file.
    pub file: Aligned,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("op", &self.op).field("inputs", &self.inputs).finish_non_exhaustive()
    }
}

impl Case {
    pub(super) fn new(mut builder: Builder, op: Op, inputs: Vec<Values>, arena_len: u32) -> Self {
        builder.push(&op).expect("one record fits");
        let mut doors: Vec<Tensor> = Vec::new();
        for input in op.inputs().iter().filter(|input| input.place() == Place::Arena) {
            if doors.iter().all(|door| door.span() != input.span()) {
                doors.push(*input);
            }
        }
        let inputs_at: Vec<_> = doors.into_iter().map(port).collect();
        let file = builder.finish(&inputs_at, &[port(*op.output())], arena_len, &[]).expect("a small file");
        Self { file: Aligned::from(&file[..]), op, inputs }
    }

    /// An arena of arbitrary bytes in which the inputs stand.
    ///
    /// # Panics
    /// If an input is not of its tensor's length.
    #[must_use]
    pub fn arena(&self, len: usize) -> Aligned {
        let garbage: Vec<u8> = Fill(0xA5A5).bytes(len).collect();
        let mut arena = Aligned::from(&garbage[..]);
        for (tensor, values) in self.op.inputs().iter().zip(&self.inputs) {
            if tensor.place() == Place::Arena {
                arena[range(tensor)].copy_from_slice(&values.bytes());
            }
        }
        arena
    }

    /// What the record left in an arena.
    ///
    /// # Panics
    /// If the arena is too short.
    #[must_use]
    pub fn output(&self, arena: &[u8]) -> Values {
        let output = self.op.output();
        Values::from_bytes(output.dtype().expect("a typed output"), &arena[range(output)])
    }

    /// The bytes that the record may change.
    #[must_use]
    pub fn changes(&self) -> [Span; 2] {
        let scratch = match &self.op {
            Op::ConvI8(op) => op.scratch,
            Op::DepthwiseI8(op) => op.scratch,
            Op::FullyConnectedI8(op) => op.scratch,
            Op::ConvI16(op) => op.scratch,
            Op::DepthwiseI16(op) => op.scratch,
            Op::FullyConnectedI16(op) => op.scratch,
            Op::ConvW4(op) => op.0.scratch,
            Op::DepthwiseW4(op) => op.0.scratch,
            Op::FullyConnectedW4(op) => op.0.scratch,
            _ => Span::EMPTY,
        };
        [scratch, self.op.output().span().unwrap_or(Span::EMPTY)]
    }
}

fn range(tensor: &Tensor) -> std::ops::Range<usize> {
    tensor.span().and_then(Span::range).expect("a small tensor")
}

fn port(tensor: Tensor) -> Port<'static> {
    let [n, h, w, c] = tensor.shape;
    Port { name: b"door", tensor, rank: 4, dims: [n, h, w, c, 0, 0], scale: 0.5, zero: 3 }
}
