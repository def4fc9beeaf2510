//! Where values lie in the GPU's memory.
//!
//! The file's own offsets do not serve: its plan lets an output lie over rows of the input that are not read any more, and keeps a few lines of
//! what a band passes on, which holds when rows follow each other in time. Here all rows of a layer are made at once. So values are
//! found by following the program, and are placed anew: none shares a byte with another that is there at the same time.

use std::collections::HashMap;

use lacewing::format::{Op, Place, Span, Tensor};
use lacewing::{Model, Ops};

/// Values begin at multiples of 16 bytes.
const ALIGN: u32 = 16;

/// One value of the program: from the moment at which it is made to that of its last use. The inputs are there at 0, record `i` runs at
/// `i + 1`, and behind the last states are put back and outputs are read.
#[derive(Debug)]
struct Value {
    bytes: u32,
    from: usize,
    to: usize,
}

/// Numbers of the values that a record reads and writes.
#[derive(Debug)]
struct Uses {
    inputs: Vec<usize>,
    output: usize,
}

/// The program's values and where they lie.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Byte offset of each value.
    offsets: Vec<u32>,
    records: Vec<Uses>,
    inputs: Vec<usize>,
    outputs: Vec<usize>,
    /// Of each state the value that the run begins with, and that which it leaves.
    states: Vec<[usize; 2]>,
    /// Constants that records read as values, and where they lie in the file.
    pub(crate) constants: Vec<(u32, Span)>,
    /// Bytes of all values together.
    pub(crate) len: u64,
}

impl Plan {
    /// Follows the program.
    ///
    /// # Errors
    /// The number of the record that reads what is no value, and why.
    pub(crate) fn new<O: Ops>(model: &Model<'_, O>) -> Result<Self, (usize, &'static str)> {
        let mut walk = Walk::default();
        walk.begun = model.states().map(|port| (port.tensor, walk.make(&port.tensor, 0))).collect();
        let inputs: Vec<_> = model.inputs().map(|port| walk.make(&port.tensor, 0)).collect();
        let records: Vec<_> =
            model.ops().enumerate().map(|(index, op)| walk.record(index, &op)).collect::<Result<_, _>>()?;
        let end = records.len() + 1;
        let states = walk.put_back(end);
        let missing = (records.len().saturating_sub(1), NO_VALUE);
        let outputs = model.outputs().map(|port| walk.read(&port.tensor, end).ok_or(missing));
        let outputs: Vec<_> = outputs.collect::<Result<_, _>>()?;
        walk.constants.iter().for_each(|(value, _)| walk.values[*value].to = end);
        let (offsets, len) = place(&walk.values);
        let constants = walk.constants.iter().map(|(value, span)| (offsets[*value], *span)).collect();
        Ok(Self { offsets, records, inputs, outputs, states, constants, len })
    }

    /// Byte offsets of what a record reads.
    pub(crate) fn read_by(&self, record: usize) -> Vec<u32> {
        self.records[record].inputs.iter().map(|value| self.offsets[*value]).collect()
    }

    /// Byte offset of what a record writes.
    pub(crate) fn written_by(&self, record: usize) -> u32 {
        self.offsets[self.records[record].output]
    }

    /// Byte offsets of the model's inputs.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = u32> {
        self.inputs.iter().map(|value| self.offsets[*value])
    }

    /// Byte offsets of the model's states, at the beginning of a run.
    pub(crate) fn states(&self) -> impl Iterator<Item = u32> {
        self.states.iter().map(|[first, _]| self.offsets[*first])
    }

    /// Byte offsets of what must be copied behind the last record: of states from where the run left them to where the next begins.
    pub(crate) fn put_back(&self) -> impl Iterator<Item = Option<[u32; 2]>> {
        let moved =
            |[first, last]: &[usize; 2]| (first != last).then(|| [*last, *first].map(|value| self.offsets[value]));
        self.states.iter().map(moved)
    }

    /// Byte offsets of the model's outputs.
    pub(crate) fn outputs(&self) -> impl Iterator<Item = u32> {
        self.outputs.iter().map(|value| self.offsets[*value])
    }
}

const PART: &str = "it writes a part of a state";
const NO_VALUE: &str = "it reads bytes that were not written as one tensor";

/// The values so far.
#[derive(Default)]
struct Walk {
    values: Vec<Value>,
    /// The latest value of each place in the arena, whole or a ring of lines.
    latest: HashMap<(u8, u32, u32), usize>,
    constants: Vec<(usize, Span)>,
    /// The states, and their values when a run begins.
    begun: Vec<(Tensor, usize)>,
}

impl Walk {
    fn record(&mut self, index: usize, op: &Op) -> Result<Uses, (usize, &'static str)> {
        let inputs = op.inputs().iter().map(|tensor| self.read(tensor, index + 1).ok_or((index, NO_VALUE)));
        let inputs = inputs.collect::<Result<_, _>>()?;
        let output = key(op.output());
        if op.output().place() == Place::State && !self.begun.iter().any(|(state, _)| key(state) == output) {
            return Err((index, PART));
        }
        Ok(Uses { inputs, output: self.make(op.output(), index + 1) })
    }

    /// The values that states have at the beginning, and at the end. Those of the beginning keep their bytes from run to run.
    fn put_back(&mut self, end: usize) -> Vec<[usize; 2]> {
        let begun = std::mem::take(&mut self.begun);
        let both = begun.into_iter().map(|(tensor, first)| {
            let last = self.read(&tensor, end).unwrap_or(first);
            self.values[first].to = end;
            [first, last]
        });
        both.collect()
    }

    /// A new value in a tensor's place, even if it is written over one that it is made of.
    fn make(&mut self, tensor: &Tensor, at: usize) -> usize {
        let value = self.value(tensor, at);
        key(tensor).into_iter().for_each(|key| {
            self.latest.insert(key, value);
        });
        value
    }

    fn read(&mut self, tensor: &Tensor, at: usize) -> Option<usize> {
        let value = match tensor.place() {
            Place::Constant => self.constant(tensor)?,
            _ => *self.latest.get(&key(tensor)?)?,
        };
        self.values[value].to = at;
        Some(value)
    }

    /// Constants are there from the start, and stay.
    fn constant(&mut self, tensor: &Tensor) -> Option<usize> {
        let span = tensor.span()?;
        if let Some((value, _)) = self.constants.iter().find(|(_, known)| *known == span) {
            return Some(*value);
        }
        let value = self.value(tensor, 0);
        self.constants.push((value, span));
        Some(value)
    }

    fn value(&mut self, tensor: &Tensor, at: usize) -> usize {
        self.values.push(Value { bytes: tensor.bytes().unwrap_or(u32::MAX), from: at, to: at });
        self.values.len() - 1
    }
}

/// What tells a place of the arena from others: which place, and its bytes.
fn key(tensor: &Tensor) -> Option<(u8, u32, u32)> {
    let span = tensor.span()?;
    Some((tensor.place() as u8, span.offset, span.len))
}

/// Offsets of the values, the largest placed first, each as low as those before it let it; and the end of all.
fn place(values: &[Value]) -> (Vec<u32>, u64) {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by_key(|value| (std::cmp::Reverse(values[*value].bytes), values[*value].from));
    let mut placed: Vec<usize> = Vec::new();
    let mut offsets = vec![0u64; values.len()];
    for value in order {
        let beside =
            |other: &&usize| values[**other].from <= values[value].to && values[value].from <= values[**other].to;
        let mut taken: Vec<_> = placed
            .iter()
            .filter(beside)
            .map(|other| (offsets[*other], end(offsets[*other], &values[*other])))
            .collect();
        taken.sort_unstable();
        offsets[value] = first_gap(&taken, values[value].bytes.into());
        placed.push(value);
    }
    let len = offsets.iter().zip(values).map(|(offset, value)| end(*offset, value)).max().unwrap_or(0);
    // Beyond 32 bits the length says that it is too long, and no offset is used.
    (offsets.into_iter().map(|offset| u32::try_from(offset).unwrap_or(u32::MAX)).collect(), len)
}

fn end(offset: u64, value: &Value) -> u64 {
    (offset + u64::from(value.bytes)).next_multiple_of(ALIGN.into())
}

/// The lowest offset at which so many bytes are free, of what is taken in its order.
fn first_gap(taken: &[(u64, u64)], bytes: u64) -> u64 {
    taken
        .iter()
        .fold((0, false), |(at, found), (start, end)| match found || at + bytes <= *start {
            true => (at, true),
            false => (at.max(*end), false),
        })
        .0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_there_together_share_no_byte() {
        let value = |bytes, from, to| Value { bytes, from, to };
        let values = [value(100, 0, 1), value(50, 1, 3), value(30, 2, 3), value(96, 2, 4), value(7, 4, 5)];
        let (offsets, len) = place(&values);
        let bytes = |i: usize| u64::from(offsets[i])..u64::from(offsets[i] + values[i].bytes);
        for (i, a) in values.iter().enumerate() {
            for (j, b) in values.iter().enumerate().skip(i + 1).filter(|(_, b)| a.from <= b.to && b.from <= a.to) {
                let (x, y) = (bytes(i), bytes(j));
                assert!(x.end <= y.start || y.end <= x.start, "{a:?} at {x:?} and {b:?} at {y:?}");
            }
        }
        assert_eq!(len, 112 + 64 + 32, "three are there together, the first makes room for one of them");
    }
}
