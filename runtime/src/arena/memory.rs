//! What a record reads and writes: typed views of the arena and of the constants.

#![deny(unsafe_code)]

use core::ops::Range;

use super::{Constants, Outside, Pod, Ram, cast, cast_mut};
use crate::error::Fault;
use crate::format::{Place, Span, Tensor};

/// An operand that may be the output's own bytes: `None` then.
pub type Operand<'a, T> = Option<&'a [T]>;

/// Two operands and the output of an elementwise operation.
pub type Operands<'a, T> = (Operand<'a, T>, Operand<'a, T>, &'a mut [T]);

/// Input, output and scratch, with no byte in common.
pub type Apart<'a, T, U> = (&'a [T], &'a mut [U], &'a mut [u8]);

/// What a record runs in: the arena, and the constants beside it.
#[derive(Debug)]
pub struct Memory<'a> {
    ram: Ram<'a>,
    /// The file's constants.
    pub constants: Constants<'a>,
    /// In a band, the turn that the record has.
    pub turn: Option<u32>,
}

impl<'a> Memory<'a> {
    pub(crate) fn new(ram: Ram<'a>, constants: Constants<'a>, turn: Option<u32>) -> Self {
        Self { ram, constants, turn }
    }

    /// The numbers of `input`, apart from those of `output`, and the scratch bytes.
    ///
    /// # Errors
    /// [`Fault`] if they overlap or lie outside.
    pub fn apart<T: Pod, U: Pod>(
        &mut self,
        input: &Tensor,
        output: &Tensor,
        scratch: Span,
    ) -> Result<Apart<'_, T, U>, Fault> {
        self.typed([input.known_span(), output.known_span()], input.place(), scratch)
    }

    /// As [`Memory::apart`], of a part of the input and a part of the output, whose bytes count from the tensor's first.
    ///
    /// # Errors
    /// [`Fault`] if the parts overlap or lie outside.
    pub fn parts<T: Pod, U: Pod>(
        &mut self,
        [(input, reads), (output, writes)]: [(&Tensor, Span); 2],
        scratch: Span,
    ) -> Result<Apart<'_, T, U>, Fault> {
        self.typed([part(input, reads)?, part(output, writes)?], input.place(), scratch)
    }

    #[inline(always)]
    fn typed<T: Pod, U: Pod>(
        &mut self,
        spans: [Span; 2],
        place: Place,
        scratch: Span,
    ) -> Result<Apart<'_, T, U>, Fault> {
        let (input, output, scratch) = self.bytes(&spans, place, scratch)?;
        Ok((cast(input).ok_or(Fault)?, cast_mut(output).ok_or(Fault)?, scratch))
    }

    /// The bytes of input, which is in `place`, output and scratch. Not generic, so that a firmware holds it once.
    #[inline(never)]
    fn bytes(&mut self, [input, output]: &[Span; 2], place: Place, scratch: Span) -> Result<Apart<'_, u8, u8>, Fault> {
        let (read, constant) = (input.range().ok_or(Fault)?, place == Place::Constant);
        let ranges =
            [if constant { 0..0 } else { read.clone() }, output.range().ok_or(Fault)?, scratch_range(scratch)?];
        let [i, o, s] = self.ram.disjoint(&ranges).ok_or(Fault)?;
        let input = if constant { self.constants.0.get(read).ok_or(Fault)? } else { i };
        Ok((input, o, s))
    }

    /// The row of `input` whose turn it is, apart from all of `output`, and the scratch bytes.
    ///
    /// # Errors
    /// [`Fault`] if they overlap or lie outside, or outside a band.
    pub fn row<T: Pod>(&mut self, input: &Tensor, output: &Tensor, scratch: Span) -> Result<Apart<'_, T, T>, Fault> {
        let row = input.row(self.turn.ok_or(Fault)?).ok_or(Fault)?;
        let row = Span { offset: row.offset.wrapping_sub(input.offset), ..row };
        let whole = Span { offset: 0, len: output.known_span().len };
        self.parts([(input, row), (output, whole)], scratch)
    }

    /// The operand of an elementwise operation, `None` if it is the output itself, and the output.
    ///
    /// # Errors
    /// [`Fault`] if they overlap in part or lie outside.
    pub fn unary<T: Pod>(&mut self, input: &Tensor, output: &Tensor) -> Result<(Operand<'_, T>, &mut [T]), Fault> {
        let (a, _, output) = self.binary(input, input, output)?;
        Ok((a, output))
    }

    /// Two operands of an elementwise operation, each `None` if it is the output itself, and the output.
    ///
    /// # Errors
    /// [`Fault`] if they overlap in part or lie outside.
    pub fn binary<T: Pod>(&mut self, a: &Tensor, b: &Tensor, output: &Tensor) -> Result<Operands<'_, T>, Fault> {
        let ([a, b], output) = self.operands(&[*a, *b], output)?;
        Ok((a, b, output))
    }

    /// Any number of operands of one type, each `None` if it is the output itself, and the output.
    ///
    /// # Errors
    /// [`Fault`] if they overlap in part or lie outside.
    pub fn operands<T: Pod, const N: usize>(
        &mut self,
        inputs: &[Tensor; N],
        output: &Tensor,
    ) -> Result<([Operand<'_, T>; N], &mut [T]), Fault> {
        let (others, output) = self.around(output)?;
        let mut operands = [None; N];
        for (to, input) in operands.iter_mut().zip(inputs) {
            *to = others.operand(input)?;
        }
        Ok((operands, output))
    }

    /// The output, and where any number of operands of any types are found.
    ///
    /// # Errors
    /// [`Fault`] if it lies outside.
    pub fn around<T: Pod>(&mut self, output: &Tensor) -> Result<(Others<'_>, &mut [T]), Fault> {
        let turn = self.turn;
        let (bytes, arena) = self.ram.reborrow().around(now(output, turn)?).ok_or(Fault)?;
        Ok((Others { arena, constants: self.constants, output: *output, turn }, cast_mut(bytes).ok_or(Fault)?))
    }
}

/// Everything that a record may read beside its output.
#[derive(Clone, Copy, Debug)]
pub struct Others<'a> {
    arena: Outside<'a>,
    constants: Constants<'a>,
    output: Tensor,
    turn: Option<u32>,
}

impl<'a> Others<'a> {
    /// An operand, `None` if it is the output itself.
    ///
    /// # Errors
    /// [`Fault`] if it overlaps the output in part or lies outside.
    pub fn operand<T: Pod>(&self, input: &Tensor) -> Result<Operand<'a, T>, Fault> {
        let same = input.place() != Place::Constant && input.known_span() == self.output.known_span();
        match (same, self.constants.instead(input)?) {
            (true, _) => Ok(None),
            (false, Some(bytes)) => cast(bytes).map(Some).ok_or(Fault),
            (false, None) => self.arena.get(now(input, self.turn)?).and_then(cast).map(Some).ok_or(Fault),
        }
    }

    /// An operand that is never the output itself.
    ///
    /// # Errors
    /// As [`Others::operand`], and [`Fault`] if it is.
    pub fn apart<T: Pod>(&self, input: &Tensor) -> Result<&'a [T], Fault> {
        self.operand(input)?.ok_or(Fault)
    }
}

/// The range of a tensor, or of its row in a band.
fn now(tensor: &Tensor, turn: Option<u32>) -> Result<Range<usize>, Fault> {
    match turn {
        None => tensor.known_span().range(),
        Some(turn) => tensor.row(turn).and_then(Span::range),
    }
    .ok_or(Fault)
}

/// A part of a tensor, in its place.
#[inline(never)]
fn part(tensor: &Tensor, part: Span) -> Result<Span, Fault> {
    let whole = tensor.known_span();
    let inside = part.offset.checked_add(part.len).is_some_and(|end| end <= whole.len);
    let offset = whole.offset.wrapping_add(part.offset);
    if inside { Ok(Span { offset, ..part }) } else { Err(Fault) }
}

fn scratch_range(scratch: Span) -> Result<Range<usize>, Fault> {
    if scratch.len == 0 { Ok(0..0) } else { scratch.range().ok_or(Fault) }
}
