//! One reshape where there were several, and no transposition that moves nothing.

use super::SimplifyOptions;
use super::edit::{Edit, each};
use crate::graph::{Graph, Op};

pub(super) fn run(graph: Graph, _: &SimplifyOptions) -> Graph {
    each(graph, |edit, node| {
        merge_transposes(edit, node);
        if let Op::Transpose { perm } = &edit.node(node).op
            && moves_nothing(perm, edit.graph().shape(edit.node(node).inputs[0]))
        {
            edit.node_mut(node).op = Op::Reshape;
        }
        merge_reshapes(edit, node);
    })
}

/// Whether a permutation of axes leaves the elements where they are: axes of size 1 may go anywhere.
pub(super) fn moves_nothing(perm: &[usize], shape: &[usize]) -> bool {
    perm.iter().filter(|axis| shape[**axis] != 1).is_sorted()
}

fn merge_transposes(edit: &mut Edit, node: usize) {
    let Op::Transpose { perm } = &edit.node(node).op else { return };
    let Some(first) = edit.writer(edit.node(node).inputs[0]).map(|w| edit.node(w)) else { return };
    let Op::Transpose { perm: inner } = &first.op else { return };
    let (perm, x) = (perm.iter().map(|p| inner[*p]).collect(), first.inputs[0]);
    edit.replace(node, Op::Transpose { perm }, &[x]);
}

fn merge_reshapes(edit: &mut Edit, node: usize) {
    if edit.node(node).op != Op::Reshape {
        return;
    }
    let x = edit.node(node).inputs[0];
    if let Some(first) = edit.writer(x).filter(|w| edit.node(*w).op == Op::Reshape) {
        let source = edit.node(first).inputs[0];
        edit.read(node, 0, source);
    }
    // The index of the largest element has whatever shape its reader wants.
    let x = edit.node(node).inputs[0];
    if let Some(first) = edit.sole_writer(x).filter(|w| matches!(edit.node(*w).op, Op::ArgMax { .. })) {
        edit.merge(first, node);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Build, equivalent};
    use super::super::{dead, identities};
    use super::*;

    fn after(graph: &Graph) -> Graph {
        let options = SimplifyOptions::default();
        let passed = dead::run(identities::run(run(graph.clone(), &options), &options), &options);
        equivalent(graph, &passed);
        passed
    }

    #[test]
    fn a_chain_of_reshapes_that_ends_where_it_began_vanishes() {
        let mut b = Build::new();
        let x = b.input(&[1, 6]);
        let y = b.op(Op::Unary(crate::graph::Function::Exp), &[x]);
        let y = b.shaped(Op::Reshape, &[y], &[2, 3]);
        let y = b.op(Op::Transpose { perm: vec![0, 1] }, &[y]);
        let y = b.shaped(Op::Reshape, &[y], &[1, 6]);
        assert_eq!(after(&b.output(y)).nodes.len(), 1);
    }

    #[test]
    fn transpositions_join_and_those_of_single_axes_are_reshapes() {
        let mut b = Build::new();
        let x = b.input(&[2, 3, 1]);
        let y = b.op(Op::Transpose { perm: vec![1, 2, 0] }, &[x]);
        let y = b.op(Op::Transpose { perm: vec![1, 2, 0] }, &[y]);
        let graph = after(&b.output(y));
        assert!(matches!(graph.nodes[..], [ref n] if n.op == Op::Reshape));
    }

    #[test]
    fn an_index_takes_the_shape_it_is_read_in() {
        let mut b = Build::new();
        let x = b.input(&[2, 3]);
        let y = b.shaped(Op::ArgMax { axis: 1 }, &[x], &[2, 1]);
        let y = b.shaped(Op::Reshape, &[y], &[2]);
        assert_eq!(after(&b.output(y)).nodes.len(), 1);
    }
}
