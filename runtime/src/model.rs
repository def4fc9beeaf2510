//! A file's model, and running it.

mod band;
mod check;
mod frame;
#[cfg(any(feature = "encode", feature = "std"))]
mod program;
mod read;
mod run;
mod session;

use core::marker::PhantomData;
use core::ops::Range;

use crate::arena::{Constants, Ram, cast_mut, fill};
use crate::error::{Flaw, ReadError, RunError};
use crate::format::crc::Crc;
use crate::format::{
    AllOps, DType, HEADER_LEN, Header, MAX_REGIONS, Op, Opcode, Ops, Port, Reader, Segment, Words, regions,
};
use crate::kernels::Kernels;
use crate::profile::{After, Profiler};

pub use frame::Frame;
#[cfg(any(feature = "encode", feature = "std"))]
pub use program::Program;
pub use session::Session;

/// Tensors that may be live at once.
pub const MAX_LIVE: usize = 32;

/// A record that has run.
#[derive(Clone, Copy, Debug)]
pub struct Ran<'a> {
    /// Its number in the program.
    pub record: usize,
    /// Its operation.
    pub opcode: Opcode,
    /// Which turn it had, if it is one of a band.
    pub turn: Option<u32>,
    /// The arena after it.
    pub ram: &'a Ram<'a>,
}

/// A model, checked by [`Model::read`] or taken as it is by [`Model::trusted`]. Borrows the file's bytes; weights and program are read in place.
///
/// `O` is the set of operations that the build links, [`AllOps`] unless `include_model!` says less.
#[derive(Debug)]
pub struct Model<'m, O = AllOps> {
    file: &'m [u8],
    header: &'m Words,
    arena_len: u32,
    constants: Constants<'m>,
    /// Inputs, outputs and states.
    counts: [u8; 3],
    /// The program from the first port on, and from the first segment on.
    ports: &'m [u8],
    segments: &'m [u8],
    ops: PhantomData<O>,
}

impl<O> Clone for Model<'_, O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<O> Copy for Model<'_, O> {}

impl<'m, O: Ops> Model<'m, O> {
    /// CRC-32 of everything that `read` does not look at: constants, metadata, signature.
    ///
    /// # Errors
    /// [`Flaw::Checksum`] if a byte is damaged.
    pub fn verify(&self) -> Result<(), ReadError> {
        let header = self.header();
        let body = self.file.get(HEADER_LEN.saturating_add(header.program_len as usize)..);
        match Crc::new().update(body.unwrap_or_default()).finish() == header.body_crc {
            true => Ok(()),
            false => Err(ReadError::new(56, Flaw::Checksum)),
        }
    }

    /// Gives the model's state its first value, real 0: before the first run, and wherever a sequence starts anew.
    ///
    /// # Errors
    /// [`RunError::ArenaTooSmall`].
    pub fn reset(&self, arena: &mut [u8]) -> Result<(), RunError> {
        self.reset_in(&mut Ram::one(arena))
    }

    #[inline(never)]
    fn reset_in(&self, ram: &mut Ram<'_>) -> Result<(), RunError> {
        let needed = self.arena_len;
        let [_, first, end] = self.doors();
        for index in first..end {
            let port = self.port(index);
            let bytes = port.tensor.span().and_then(|span| ram.get_mut(span)).and_then(cast_mut);
            let bytes = bytes.ok_or(RunError::ArenaTooSmall { needed })?;
            fill(bytes, if port.tensor.dtype() == Some(DType::I8) { port.zero } else { 0 });
        }
        Ok(())
    }

    /// Runs the program once. Inputs are where the ports' tensors say; they are consumed. A model with state reads it from the
    /// arena and leaves the next one there; see [`Model::reset`].
    ///
    /// Takes no memory but `arena` and a small stack.
    ///
    /// # Errors
    /// [`RunError`] for an arena that is too short or not at a multiple of 16, and for a model whose input goes in row by row; see [`Frame`].
    pub fn run<K: Kernels>(&self, kernels: &K, arena: &mut [u8]) -> Result<(), RunError> {
        self.run_profiled(kernels, arena, &mut ())
    }

    /// As [`Model::run`], and calls `after` when each record has run, in a band when it had a turn: for tools that look at every layer.
    ///
    /// # Errors
    /// As [`Model::run`].
    pub fn run_with<K: Kernels>(
        &self,
        kernels: &K,
        arena: &mut [u8],
        after: impl FnMut(Ran<'_>),
    ) -> Result<(), RunError> {
        self.run_profiled(kernels, arena, &mut After(after))
    }

    /// As [`Model::run`], and tells `profiler` of each record, in a band at each of its turns.
    ///
    /// # Errors
    /// As [`Model::run`].
    pub fn run_profiled<K: Kernels, P: Profiler>(
        &self,
        kernels: &K,
        arena: &mut [u8],
        profiler: &mut P,
    ) -> Result<(), RunError> {
        self.run_in(kernels, &mut Ram::one(arena), profiler)
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> Header {
        Header::of(self.header)
    }

    /// Bytes of arena that `run` needs: inputs, outputs and scratch included.
    #[must_use]
    pub const fn arena_len(&self) -> usize {
        self.arena_len as usize
    }

    /// Bytes of arena that `run` needs in each region of memory, the fastest first: all of them in the first, unless the plan is for several.
    #[must_use]
    pub const fn regions(&self) -> [usize; MAX_REGIONS] {
        regions(&self.header(), self.file)
    }

    /// The inputs, in ONNX's order.
    pub fn inputs(&self) -> impl Iterator<Item = Port<'m>> + use<'m, O> {
        let [end, ..] = self.doors();
        self.ports(0..end)
    }

    /// The outputs, in ONNX's order.
    pub fn outputs(&self) -> impl Iterator<Item = Port<'m>> + use<'m, O> {
        let [first, end, _] = self.doors();
        self.ports(first..end)
    }

    /// What is kept in the arena from one run to the next.
    pub fn states(&self) -> impl Iterator<Item = Port<'m>> + use<'m, O> {
        let [_, first, end] = self.doors();
        self.ports(first..end)
    }

    /// The numbers of the ports behind the last input, output and state.
    fn doors(&self) -> [u32; 3] {
        let [inputs, outputs, states] = self.counts;
        let first = u32::from(inputs).wrapping_add(outputs.into());
        [inputs.into(), first, first.wrapping_add(states.into())]
    }

    /// The operations, in order, for tools.
    pub fn ops(&self) -> impl Iterator<Item = Op> + use<'m, O> {
        self.records().map(|(op, _)| op)
    }

    /// The operations, and the bytes of each.
    pub fn records(&self) -> impl Iterator<Item = (Op, &'m [u8])> + use<'m, O> {
        let mut at = self.segments;
        let mut left = 0u16;
        core::iter::from_fn(move || {
            while left == 0 {
                let (segment, rest) = segment(at).ok()?;
                (left, at) = (segment.records(), rest);
            }
            let (op, rest) = Op::read_in::<O>(at).ok()?;
            let (record, _) = at.split_at_checked(at.len().wrapping_sub(rest.len()))?;
            (left, at) = (left.wrapping_sub(1), rest);
            Some((op, record))
        })
    }

    /// The records that run together row by row, and their turns as [`Segment::Band`] has them, for tools.
    pub fn bands(&self) -> impl Iterator<Item = (Range<usize>, &'m [u8])> + use<'m, O> {
        let mut at = self.segments;
        let mut end = 0usize;
        core::iter::from_fn(move || {
            let (segment, mut rest) = segment(at).ok()?;
            let start = end;
            for _ in 0..segment.records() {
                (rest, end) = (Op::read_in::<O>(rest).ok()?.1, end.wrapping_add(1));
            }
            at = rest;
            Some((segment, start..end))
        })
        .filter_map(|(segment, records)| match segment {
            Segment::Band { turns, .. } => Some((records, turns)),
            _ => None,
        })
    }

    /// The constants section.
    #[must_use]
    pub const fn constants(&self) -> Constants<'m> {
        self.constants
    }

    /// The metadata section.
    #[must_use]
    pub fn metadata_bytes(&self) -> &'m [u8] {
        let header = self.header();
        section(self.file, header.metadata_at(), header.metadata_len)
    }

    fn ports(&self, range: Range<u32>) -> impl Iterator<Item = Port<'m>> + use<'m, O> {
        let model = *self;
        range.map(move |index| model.port(index))
    }

    /// Input `index`.
    fn input(&self, index: usize) -> Option<Port<'m>> {
        let [end, ..] = self.doors();
        (0..end).nth(index).map(|index| self.port(index))
    }

    /// Output `index`.
    fn output(&self, index: usize) -> Option<Port<'m>> {
        let [first, end, _] = self.doors();
        (first..end).nth(index).map(|index| self.port(index))
    }

    /// Port `index`. A firmware holds what reads one once.
    #[inline(never)]
    fn port(&self, index: u32) -> Port<'m> {
        let mut reader = Reader::new(self.ports);
        for _ in 0..index {
            Port::decode(&mut reader);
        }
        Port::decode(&mut reader)
    }

    /// Where in the file the end part `rest` of the program starts.
    fn position(&self, rest: &[u8]) -> u32 {
        (HEADER_LEN as u32).wrapping_add(self.header().program_len).wrapping_sub(rest.len() as u32)
    }
}

fn section(file: &[u8], at: usize, len: u32) -> &[u8] {
    file.get(at..at.saturating_add(len as usize)).unwrap_or_default()
}

/// The segment at the front of `bytes`, and its records.
fn segment(bytes: &[u8]) -> Result<(Segment<'_>, &[u8]), Flaw> {
    let mut reader = Reader::new(bytes);
    let segment = Segment::decode(&mut reader);
    Ok((segment, reader.end()?))
}
