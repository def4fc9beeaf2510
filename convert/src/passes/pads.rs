//! Padding that a convolution or a pool can do itself.

use super::SimplifyOptions;
use super::edit::{Edit, each};
use crate::graph::{Function, Graph, Layout, Op, PoolKind, ValueId, Window};

pub(super) fn run(graph: Graph, _: &SimplifyOptions) -> Graph {
    each(graph, |edit, node| {
        if let Some((op, x)) = absorbed(edit, node) {
            edit.node_mut(node).op = op;
            edit.read(node, 0, x);
        }
    })
}

/// Whether a window pads no further than its kernel reaches, as a record needs it.
fn reaches(window: &Window) -> bool {
    (0..4).all(|side| window.pads[side] <= window.reach(side % 2))
}

/// The operation with the padding in front of it taken in, and what it then reads.
fn absorbed(edit: &Edit, node: usize) -> Option<(Op, ValueId)> {
    let pad = edit.node(edit.writer(*edit.node(node).inputs.first()?)?);
    let Op::Pad { pads, value } = &pad.op else { return None };
    let (rows, columns) = match (&pads[..], edit.graph().layout) {
        ([(0, 0), (0, 0), rows, columns], Layout::Nchw) | ([(0, 0), rows, columns, (0, 0)], Layout::Nhwc) => {
            (rows, columns)
        }
        _ => return None,
    };
    let x = pad.inputs[0];
    let widened = |window: &Window| {
        let [top, left, bottom, right] = window.pads;
        Window { pads: [top + rows.0, left + columns.0, bottom + rows.1, right + columns.1], ..window.clone() }
    };
    let op = match &edit.node(node).op {
        Op::Conv { window, .. } | Op::Pool { window, .. } if !reaches(&widened(window)) => return None,
        Op::Conv { window, groups } if *value == 0.0 => Op::Conv { window: widened(window), groups: *groups },
        Op::Pool { window, kind: PoolKind::Max } if never_wins(edit, x, *value, &widened(window)) => {
            Op::Pool { window: widened(window), kind: PoolKind::Max }
        }
        Op::Pool { window, kind: PoolKind::Average { count_include_pad } }
            if *value == 0.0 && (*count_include_pad || window.pads == [0; 4]) =>
        {
            Op::Pool { window: widened(window), kind: PoolKind::Average { count_include_pad: true } }
        }
        _ => return None,
    };
    Some((op, x))
}

/// Whether every window of a maximum holds an element at least as large as the padding, which reaches no further than the kernel.
fn never_wins(edit: &Edit, x: ValueId, value: f32, window: &Window) -> bool {
    let least = match edit.unary(x) {
        Some((Function::Clip { lo, .. }, _)) => lo,
        Some((Function::Sigmoid | Function::HardSigmoid { .. } | Function::Square | Function::Abs, _)) => 0.0,
        _ => f32::NEG_INFINITY,
    };
    window.dilations == [1, 1] && value <= least.max(f32::MIN)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Build, equivalent};
    use super::*;

    fn after(value: f32, op: Op, relu: bool, weights: Option<&[usize]>) -> (Graph, Graph) {
        let mut b = Build::new();
        let mut x = b.input(&[1, 2, 5, 6]);
        if relu {
            x = b.op(Op::Unary(Function::Clip { lo: 0.0, hi: f32::INFINITY }), &[x]);
        }
        let x = b.op(Op::Pad { pads: vec![(0, 0), (0, 0), (1, 2), (0, 1)], value }, &[x]);
        let mut inputs = vec![x];
        inputs.extend(weights.map(|shape| b.random(shape)));
        let y = b.op(op, &inputs);
        let graph = b.output(y);
        let options = SimplifyOptions::default();
        let after = super::super::dead::run(run(graph.clone(), &options), &options);
        equivalent(&graph, &after);
        (graph, after)
    }

    fn window(pads: [usize; 4]) -> Window {
        Window { kernel: [3; 2], strides: [2; 2], dilations: [1; 2], pads }
    }

    #[test]
    fn a_convolution_pads_with_zeros() {
        let conv = |pads| Op::Conv { window: window(pads), groups: 1 };
        assert_eq!(after(0.0, conv([1, 0, 0, 1]), false, Some(&[3, 2, 3, 3])).1.nodes.len(), 1);
        assert_eq!(after(0.5, conv([1, 0, 0, 1]), false, Some(&[3, 2, 3, 3])).1.nodes.len(), 2);
        let beyond_its_kernel = [1; 4];
        assert_eq!(after(0.0, conv(beyond_its_kernel), false, Some(&[3, 2, 3, 3])).1.nodes.len(), 2);
    }

    #[test]
    fn an_average_counts_the_padding_it_takes_in() {
        let average =
            |include, pads| Op::Pool { window: window(pads), kind: PoolKind::Average { count_include_pad: include } };
        assert_eq!(after(0.0, average(false, [0; 4]), false, None).1.nodes.len(), 1);
        assert_eq!(after(0.0, average(true, [1, 0, 0, 1]), false, None).1.nodes.len(), 1);
        assert_eq!(after(0.0, average(false, [1; 4]), false, None).1.nodes.len(), 2);
    }

    #[test]
    fn a_maximum_takes_in_padding_that_cannot_win() {
        let max = || Op::Pool { window: window([0; 4]), kind: PoolKind::Max };
        assert_eq!(after(0.0, max(), true, None).1.nodes.len(), 2);
        assert_eq!(after(0.0, max(), false, None).1.nodes.len(), 2);
        assert_eq!(after(f32::NEG_INFINITY, max(), false, None).1.nodes.len(), 1);
    }
}
