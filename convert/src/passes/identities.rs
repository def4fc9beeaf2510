//! Drops nodes that change nothing. A pool of single elements is a slice.

use super::SimplifyOptions;
use super::edit::{Edit, each};
use crate::graph::{Binary, Function, Graph, Kind, Layout, Node, Op};

pub(super) fn run(graph: Graph, _: &SimplifyOptions) -> Graph {
    each(graph, |edit, node| {
        if changes_nothing(edit, edit.node(node)) {
            edit.bypass(node);
        } else if let Some(slice) = as_slice(edit.graph(), edit.node(node)) {
            edit.node_mut(node).op = slice;
        }
    })
}

fn changes_nothing(edit: &Edit, node: &Node) -> bool {
    let graph = edit.graph();
    let same_shape = graph.shape(node.inputs[0]) == graph.shape(node.outputs[0]);
    let second = || edit.number(node.inputs[1]);
    let nothing = match &node.op {
        Op::Unary(Function::Identity) => same_numbers(graph, node),
        Op::Reshape => true,
        Op::Unary(Function::Clip { lo, hi }) => *lo == f32::NEG_INFINITY && *hi == f32::INFINITY,
        Op::Binary(Binary::Add | Binary::Sub) => second() == Some(0.0),
        Op::Binary(Binary::Mul) => second() == Some(1.0),
        Op::Pad { .. } => true,
        Op::Slice { steps, .. } => steps.iter().all(|s| *s == 1),
        Op::Transpose { perm } => perm.is_sorted(),
        Op::Concat { .. } => node.inputs.len() == 1,
        Op::Pool { window, .. } => window.kernel == [1, 1] && window.pads == [0; 4],
        _ => false,
    };
    nothing && same_shape && node.clamp.is_none()
}

/// Whether what is written may stand for what is read: narrow integers are reals as well, wider ones are not quantized.
fn same_numbers(graph: &Graph, node: &Node) -> bool {
    let (from, to) = (graph.value(node.inputs[0]).kind, graph.value(node.outputs[0]).kind);
    from == to || (matches!(from, Kind::I8 | Kind::U8 | Kind::I16) && to == Kind::F32)
}

/// A pool whose kernel is one element keeps every stride-th.
fn as_slice(graph: &Graph, node: &Node) -> Option<Op> {
    let Op::Pool { window, .. } = &node.op else { return None };
    if window.kernel != [1, 1] || window.pads != [0; 4] {
        return None;
    }
    let strides = window.strides.map(usize::cast_signed);
    let steps = match graph.layout {
        Layout::Nchw => vec![1, 1, strides[0], strides[1]],
        Layout::Nhwc => vec![1, strides[0], strides[1], 1],
    };
    Some(Op::Slice { starts: vec![0; 4], steps })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Build, equivalent};
    use super::*;
    use crate::graph::{PoolKind, Window};

    #[test]
    fn nothing_remains_of_nodes_that_change_nothing() {
        let mut b = Build::new();
        let x = b.input(&[1, 2, 3]);
        let one = b.number(1.0);
        let y = b.op(Op::Binary(Binary::Mul), &[x, one]);
        let y = b.op(Op::Unary(Function::Identity), &[y]);
        let y = b.op(Op::Pad { pads: vec![(0, 0); 3], value: 0.0 }, &[y]);
        let y = b.op(Op::Unary(Function::Exp), &[y]);
        let y = b.op(Op::Unary(Function::Identity), &[y]);
        let graph = b.output(y);
        let after = run(graph.clone(), &SimplifyOptions::default());
        equivalent(&graph, &after);
        assert_eq!(after.nodes.len(), 1);
    }

    #[test]
    fn an_output_that_is_an_input_stays_a_copy() {
        let mut b = Build::new();
        let x = b.input(&[1, 2]);
        let y = b.op(Op::Unary(Function::Identity), &[x]);
        let graph = b.output(y);
        let after = run(graph.clone(), &SimplifyOptions::default());
        equivalent(&graph, &after);
        assert_eq!(after.nodes.len(), 1);
    }

    #[test]
    fn a_strided_pool_of_one_element_is_a_slice() {
        let mut b = Build::new();
        let x = b.input(&[1, 2, 5, 4]);
        let window = Window { kernel: [1; 2], strides: [2; 2], dilations: [1; 2], pads: [0; 4] };
        let y = b.op(Op::Pool { window, kind: PoolKind::Max }, &[x]);
        let graph = b.output(y);
        let after = run(graph.clone(), &SimplifyOptions::default());
        equivalent(&graph, &after);
        assert!(matches!(after.nodes[0].op, Op::Slice { .. }));
    }
}
