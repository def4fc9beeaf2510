//! Outputs over the rows of their input that are read no more: which, how far, and no further than the arena gains by it.

use lacewing::format::{DType, Place, SafeOverlap, Tensor};

use super::place::live_bytes;
use super::{Optimize, Overlap, Placement, Request, Sharing, place};
use crate::encode::shape4;
use crate::graph::{Graph, Node, Op, ValueId};
use crate::ops::window_of;

/// Rows of an output of so many that are to be written at once.
fn rows_at_once(optimize: Optimize, rows: u32) -> u32 {
    match optimize {
        Optimize::Ram => 1,
        Optimize::Balanced => (rows / 6).clamp(1, 4),
        Optimize::Speed => rows,
    }
}

impl Sharing<'_> {
    /// Outputs and the inputs that die where they are born, if one may lie over the other.
    pub(super) fn overlaps(&self, storages: &[usize], optimize: Optimize) -> Vec<Overlap> {
        let position = |value: ValueId| storages.binary_search(&self.storage[value.0]).ok();
        let born =
            |value: ValueId, step: usize| self.lives[self.storage[value.0]].is_some_and(|(first, _)| first == step);
        let pair = |(step, node): (usize, &Node)| {
            let [input, output] = [node.inputs[0], node.outputs[0]];
            let SafeOverlap { below, above } = safe_overlap(self.graph, node, self.bytes, optimize)?;
            let (from, to) = (position(input)?, position(output)?);
            let both = [
                Overlap { below: to, above: from, bytes: below as usize },
                Overlap { below: from, above: to, bytes: above as usize },
            ];
            Some(both).filter(|_| self.dies_at(input.0, step) && born(output, step))
        };
        let plain = self.graph.nodes.iter().enumerate().filter(|(node, _)| self.band_of(*node).is_none());
        let banded = self.bands.iter().flat_map(|band| band.overlaps.iter().map(move |pair| (&band.nodes, pair)));
        let banded = banded.filter_map(|(nodes, (output, input, bytes))| {
            let life = |value: &ValueId| self.lives[self.storage[value.0]];
            let (born, dies) = (life(output)?.0, life(input)?.1);
            let overlap = Overlap { below: position(*output)?, above: position(*input)?, bytes: *bytes };
            Some(overlap).filter(|_| nodes.contains(&born) && nodes.contains(&dies))
        });
        plain.filter_map(pair).flatten().chain(banded).collect()
    }
}

/// A value as the program has it, but for its place.
pub(super) fn tensor(graph: &Graph, value: ValueId, bytes: &[usize]) -> Tensor {
    let shape = graph.shape(value);
    let dtype = match bytes[value.0] / shape.iter().product::<usize>().max(1) {
        1 => DType::I8,
        2 => DType::I16,
        _ => DType::F32,
    };
    Tensor::new(Place::Arena, dtype, 0, shape4(shape))
}

/// How far a node's output may lie over its first input if as many rows are to be written at once.
fn safe_overlap(graph: &Graph, node: &Node, bytes: &[usize], optimize: Optimize) -> Option<SafeOverlap> {
    let (Op::Conv { window, .. } | Op::Pool { window, .. }) = &node.op else { return None };
    let [input, output] = [node.inputs[0], node.outputs[0]].map(|value| tensor(graph, value, bytes));
    let SafeOverlap { below, above } = SafeOverlap::of_rows(&input, &output, &window_of(window));
    let [_, rows, ..] = output.shape;
    let spare = (rows_at_once(optimize, rows) - 1) * (output.span()?.len / rows.max(1));
    Some(SafeOverlap { below: below.saturating_sub(spare), above: above.saturating_sub(spare) })
}

/// Places the requests in the arena that all overlaps make possible, and then with no more overlap than that arena needs: what is farther
/// apart is written in fewer goes.
pub(super) fn place_with(requests: &[Request], overlaps: &[Overlap]) -> Placement {
    let smallest = place(requests, overlaps);
    let live = live_bytes(requests, &[]);
    let needed = |overlap: &Overlap| {
        let excess = live[overlap.step(requests)].saturating_sub(smallest.arena_bytes);
        Overlap { bytes: overlap.bytes.min(excess), ..*overlap }
    };
    let needed: Vec<Overlap> = overlaps.iter().map(needed).collect();
    if needed == overlaps {
        return smallest;
    }
    let Placement { offsets, arena_bytes, .. } = place(requests, &needed);
    if arena_bytes > smallest.arena_bytes { smallest } else { Placement { offsets, arena_bytes, ..smallest } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(bytes: usize, first: usize) -> Request {
        Request { bytes, first, last: first + 1, align: 1 }
    }

    #[test]
    fn nothing_overlaps_that_need_not() {
        let requests = [request(100, 0), request(100, 1), request(40, 2), request(40, 3)];
        let both = |i: usize| [(i, i - 1), (i - 1, i)].map(|(below, above)| Overlap { below, above, bytes: 30 });
        let overlaps: Vec<Overlap> = (1..4).flat_map(both).collect();
        let placement = place_with(&requests, &overlaps);
        assert_eq!((placement.arena_bytes, placement.lower_bound), (170, 170));
        let [_, b, c, d] = placement.offsets[..] else { panic!("four offsets") };
        assert!(b + 100 <= c || c + 40 <= b, "{b} {c}");
        assert!(c.abs_diff(d) >= 40, "{c} {d}");
    }
}
