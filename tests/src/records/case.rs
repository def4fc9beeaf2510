//! One record in a file of its own, with what it is fed.

use std::fmt;

use lacewing::format::encode::Builder;
use lacewing::format::{Header, Op, Place, Port, Span, Tensor, Window};
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
    /// A record that runs in no other way is a band by itself.
    pub(super) fn new(builder: Builder, op: Op, inputs: Vec<Values>, arena_len: u32) -> Self {
        let turns = match op {
            Op::AverageRowsI8(_) | Op::AverageRowsI16(_) => op.turns().map(|turns| turns.count),
            _ => None,
        };
        Self::in_turns(builder, op, inputs, (arena_len, turns))
    }

    fn in_turns(mut builder: Builder, op: Op, inputs: Vec<Values>, (arena_len, turns): (u32, Option<u32>)) -> Self {
        builder.push(&op).expect("one record fits");
        if let Some(turns) = turns {
            builder.end_band(&vec![0; 2 * turns as usize]);
        }
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

    /// The same record with its input and its output elsewhere, its scratch behind both; `None` if it is not computed row by row.
    ///
    /// # Panics
    /// If the file has no constants section.
    #[must_use]
    pub fn placed(&self, input_at: u32, output_at: u32) -> Option<Self> {
        let mut op = self.op.clone();
        let Spatial { input, output, scratch, .. } = spatial(&mut op)?;
        (input.offset, output.offset) = (input_at, output_at);
        let end = |tensor: &Tensor| tensor.span().map_or(0, |span| span.offset + span.len);
        let mut arena_len = end(input).max(end(output));
        if let Some(scratch) = scratch {
            scratch.offset = arena_len;
            arena_len += scratch.len;
        }
        let mut builder = Builder::default();
        builder.constant(constants(&self.file));
        Some(Self::new(builder, op, self.inputs.clone(), arena_len))
    }

    /// The same record as a band by itself; `None` if it cannot be one.
    #[must_use]
    pub fn by_turns(&self) -> Option<Self> {
        let output = self.op.output().span()?;
        let shared =
            |input: &Tensor| input.place() == Place::Arena && input.span().is_some_and(|at| at.overlaps(output));
        let turns = self.op.turns().filter(|_| !self.op.inputs().iter().any(shared))?.count;
        let mut builder = Builder::default();
        builder.constant(constants(&self.file));
        let arena_len = Header::parse(&self.file).ok()?.arena_len;
        Some(Self::in_turns(builder, self.op.clone(), self.inputs.clone(), (arena_len, Some(turns))))
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
    pub fn changes(&self) -> [Span; 3] {
        let sums = self.op.turns().map_or(Span::EMPTY, |turns| turns.sums);
        [self.op.scratch(), sums, self.op.output().span().unwrap_or(Span::EMPTY)]
    }
}

/// What records that compute row by row have in common.
#[derive(Debug)]
pub struct Spatial<'a> {
    /// Taps, strides, dilation, padding.
    pub window: Window,
    /// What they read.
    pub input: &'a mut Tensor,
    /// What they write.
    pub output: &'a mut Tensor,
    /// What they work in, if their kind has that.
    pub scratch: Option<&'a mut Span>,
}

/// The parts of a record that computes row by row.
pub fn spatial(op: &mut Op) -> Option<Spatial<'_>> {
    macro_rules! parts {
        ($op:expr, $scratch:expr) => {
            Some(Spatial { window: $op.window, input: &mut $op.input, output: &mut $op.output, scratch: $scratch })
        };
    }
    match op {
        Op::ConvI8(op) => parts!(op, Some(&mut op.scratch)),
        Op::ConvI16(op) => parts!(op, Some(&mut op.scratch)),
        Op::ConvW4(op) => parts!(op.0, Some(&mut op.0.scratch)),
        Op::ConvF32(op) => parts!(op, Some(&mut op.scratch)),
        Op::DepthwiseI8(op) => parts!(op, Some(&mut op.scratch)),
        Op::DepthwiseI16(op) => parts!(op, Some(&mut op.scratch)),
        Op::DepthwiseW4(op) => parts!(op.0, Some(&mut op.0.scratch)),
        Op::DepthwiseF32(op) => parts!(op, Some(&mut op.scratch)),
        Op::AveragePoolI8(op) => parts!(op, None),
        Op::AveragePoolI16(op) => parts!(op, None),
        Op::AveragePoolF32(op) => parts!(op, None),
        Op::MaxPoolI8(op) => parts!(op, None),
        Op::MaxPoolI16(op) => parts!(op, None),
        Op::MaxPoolF32(op) => parts!(op, None),
        _ => None,
    }
}

/// The constants section, found from the header's byte table.
///
/// # Panics
/// If the file has none.
#[must_use]
pub fn constants(file: &[u8]) -> &[u8] {
    let field = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes")) as usize;
    let start = (64 + field(32)).next_multiple_of(16);
    &file[start..start + field(36)]
}

fn range(tensor: &Tensor) -> std::ops::Range<usize> {
    tensor.span().and_then(Span::range).expect("a small tensor")
}

fn port(tensor: Tensor) -> Port<'static> {
    let [n, h, w, c] = tensor.shape;
    Port { name: b"door", tensor, rank: 4, dims: [n, h, w, c, 0, 0], scale: 0.5, zero: 3 }
}
