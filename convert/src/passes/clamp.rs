//! Limits on a result, taken into the operation that computes it.
//!
//! Reshapes, transpositions, slices and maxima commute with limits, so these are taken in across them.

use super::SimplifyOptions;
use super::edit::{Edit, each};
use crate::graph::{Function, Graph, Op, PoolKind};

pub(super) fn run(graph: Graph, _: &SimplifyOptions) -> Graph {
    each(graph, |edit, node| {
        if let Op::Unary(Function::Clip { lo, hi }) = edit.node(node).op {
            fuse(edit, node, lo, hi);
        }
    })
}

fn fuse(edit: &mut Edit, node: usize, lo: f32, hi: f32) -> Option<()> {
    let last = edit.sole_writer(edit.node(node).inputs[0])?;
    let mut passed = vec![last];
    while commutes(&edit.node(*passed.last()?).op) {
        passed.push(edit.sole_writer(edit.node(*passed.last()?).inputs[0])?);
    }
    let computing = *passed.last()?;
    if !can_clamp(&edit.node(computing).op) {
        return None;
    }
    let (lower, upper) = edit.node(computing).clamp.unwrap_or((f32::NEG_INFINITY, f32::INFINITY));
    edit.node_mut(computing).clamp = Some((lower.clamp(lo, hi), upper.clamp(lo, hi)));
    for writer in passed {
        edit.forget_original(edit.output(writer));
    }
    edit.merge(last, node);
    Some(())
}

fn commutes(op: &Op) -> bool {
    matches!(op, Op::Reshape | Op::Transpose { .. } | Op::Slice { .. } | Op::Pool { kind: PoolKind::Max, .. })
}

fn can_clamp(op: &Op) -> bool {
    let average = matches!(op, Op::Pool { kind: PoolKind::Average { .. } | PoolKind::Sum, .. });
    let binary = matches!(op, Op::Binary(_));
    average || binary || matches!(op, Op::Conv { .. } | Op::FullyConnected)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Build, equivalent};
    use super::*;
    use crate::graph::Binary;

    #[test]
    fn limits_reach_the_sum_through_a_reshape() {
        let mut b = Build::new();
        let x = b.input(&[1, 4]);
        let y = b.op(Op::Binary(Binary::Add), &[x, x]);
        let y = b.op(Op::Unary(Function::Clip { lo: -0.5, hi: f32::INFINITY }), &[y]);
        let y = b.shaped(Op::Reshape, &[y], &[2, 2]);
        let y = b.op(Op::Unary(Function::Clip { lo: f32::NEG_INFINITY, hi: 0.5 }), &[y]);
        let graph = b.output(y);
        let after = run(graph.clone(), &SimplifyOptions::default());
        equivalent(&graph, &after);
        assert_eq!((after.nodes.len(), after.nodes[0].clamp), (2, Some((-0.5, 0.5))));
    }

    #[test]
    fn limits_on_a_value_with_another_reader_stay() {
        let mut b = Build::new();
        let x = b.input(&[1, 4]);
        let y = b.op(Op::Binary(Binary::Add), &[x, x]);
        let z = b.op(Op::Unary(Function::Clip { lo: 0.0, hi: 6.0 }), &[y]);
        let y = b.op(Op::Binary(Binary::Sub), &[y, z]);
        let after = run(b.output(y), &SimplifyOptions::default());
        assert_eq!(after.nodes.len(), 3);
    }
}
