//! A `.lace` file on the host: what it needs, and what it must answer.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use lacewing::{Model, Portable, Session};
use lacewing_targets::Board;

use crate::feed;

/// A model's file at a multiple of 16 in memory, as `Model::read` wants it.
pub(super) struct ModelFile {
    aligned: Aligned,
}

/// RAM that a firmware needs beside the arena: statics and the deepest stack that is reasonable.
const STACK_AND_STATICS: u64 = 2 * 1024;
/// Flash that a firmware needs beside the model, at the least.
const CODE: u64 = 4 * 1024;

impl ModelFile {
    /// Reads the file and checks the model.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::new(&bytes).with_context(|| format!("{} is not a model", path.display()))
    }

    /// Checks the model in these bytes.
    pub(super) fn new(bytes: &[u8]) -> Result<Self> {
        let file = Self { aligned: Aligned::new(bytes) };
        file.model()?;
        Ok(file)
    }

    /// The file's bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        self.aligned.bytes()
    }

    /// The model in them.
    pub(super) fn model(&self) -> Result<Model<'_>> {
        Ok(Model::read(self.bytes())?)
    }

    /// Multiply-accumulates of one inference.
    pub(super) fn macs(&self) -> Result<u64> {
        Ok(self.model()?.ops().map(|op| op.macs()).sum())
    }

    /// An error that says what is too large, unless the model fits the board.
    pub(super) fn check_fits(&self, board: &Board) -> Result<()> {
        let Board { name, flash, ram, .. } = board;
        let arena = self.model()?.arena_len() as u64;
        ensure!(
            arena + STACK_AND_STATICS <= u64::from(ram.len),
            "the model needs an arena of {arena} bytes; {name} has {} bytes of RAM, \
             of which {STACK_AND_STATICS} are for the stack",
            ram.len
        );
        let file = self.bytes().len() as u64;
        ensure!(
            file + CODE <= u64::from(flash.len),
            "the model's file has {file} bytes; {name} has {} bytes of flash for it and the code",
            flash.len
        );
        Ok(())
    }

    /// An arena with the inputs in it, as a session leaves it.
    pub(super) fn filled(&self, inputs: &mut impl Iterator<Item = u8>) -> Result<Vec<u8>> {
        let model = self.model()?;
        let mut arena = Aligned::new(&vec![0; model.arena_len()]);
        let mut session = Session::new(model, Portable, arena.bytes_mut())?;
        for index in 0..session.model().inputs().count() {
            let input = session.input_bytes(index).context("an input is missing")?;
            input.fill_with(|| inputs.next().unwrap_or_default());
        }
        Ok(arena.bytes().to_vec())
    }

    /// All outputs in order, as they lie in an arena.
    pub(super) fn outputs(&self, arena: &[u8]) -> Result<Vec<u8>> {
        let model = self.model()?;
        let outputs = model.outputs().map(|port| {
            let (start, len) = (port.tensor.offset as usize, port.tensor.bytes()? as usize);
            arena.get(start..start + len)
        });
        Ok(outputs.collect::<Option<Vec<_>>>().context("an output is not in the arena")?.concat())
    }

    /// Runs the portable kernels on the host: all outputs in order, one inference after the other.
    ///
    /// `inputs` yields the bytes of every input in order; it is asked for `inferences` sets.
    pub(super) fn run(&self, inferences: usize, inputs: &mut impl Iterator<Item = u8>) -> Result<Vec<u8>> {
        let model = self.model()?;
        let mut arena = Aligned::new(&vec![0; model.arena_len()]);
        let mut session = Session::new(model, Portable, arena.bytes_mut())?;
        let mut outputs = Vec::new();
        for _ in 0..inferences {
            feed(&mut session, |input| input.fill_with(|| inputs.next().unwrap_or_default()))?;
            for index in 0..model.outputs().count() {
                let output = session.output_bytes(index);
                outputs.extend(output.context("an output is missing")?);
            }
        }
        Ok(outputs)
    }
}

/// Bytes that start at a multiple of 16.
struct Aligned {
    storage: Vec<u8>,
    start: usize,
    len: usize,
}

impl Aligned {
    fn new(bytes: &[u8]) -> Self {
        let mut storage = vec![0; bytes.len() + 15];
        let start = storage.as_ptr().align_offset(16);
        let len = bytes.len();
        storage[start..start + len].copy_from_slice(bytes);
        Self { storage, start, len }
    }

    fn bytes(&self) -> &[u8] {
        &self.storage[self.start..self.start + self.len]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.storage[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_aligned() {
        for len in [0, 1, 15, 16, 100] {
            let aligned = Aligned::new(&vec![7; len]);
            assert!(aligned.bytes().as_ptr().addr().is_multiple_of(16));
            assert_eq!(aligned.bytes(), vec![7; len]);
        }
    }
}
