//! Square roots of sums of squares, which run in f32 in an integer program too, as `ReduceL2` does: a square takes twice the bits of
//! what it is the square of, and a root doubles the error of what is small.

use super::SimplifyOptions;
use super::edit::{Edit, each};
use crate::graph::{Binary, Function, Graph, Op, PoolKind, ValueId};

pub(super) fn run(graph: Graph, _: &SimplifyOptions) -> Graph {
    each(graph, |edit, node| {
        let Some((Function::Sqrt, sum)) = edit.unary(edit.output(node)) else { return };
        let mut nodes = vec![node];
        if squares(edit, sum, &mut nodes).is_some_and(|count| count > 0) {
            nodes.into_iter().for_each(|node| edit.node_mut(node).float = true);
        }
    })
}

/// Of how many squares a value is the sum, if it is one; the nodes that make it are added to `nodes`.
fn squares(edit: &Edit, id: ValueId, nodes: &mut Vec<usize>) -> Option<usize> {
    if edit.number(id).is_some() {
        return Some(0);
    }
    let writer = edit.writer(id)?;
    nodes.push(writer);
    let node = edit.node(writer);
    match (&node.op, &node.inputs[..]) {
        (Op::Unary(Function::Square), _) => Some(1),
        (Op::Binary(Binary::Mul), [a, b]) if a == b => Some(1),
        (Op::Binary(Binary::Add), [a, b]) => Some(squares(edit, *a, nodes)? + squares(edit, *b, nodes)?),
        (Op::Reshape | Op::Transpose { .. }, [x]) => squares(edit, *x, nodes),
        (Op::Pool { kind, .. }, [x]) if *kind != PoolKind::Max => squares(edit, *x, nodes),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Build;
    use super::*;

    /// Which nodes of `√(f(x) + x² + ε)` and of `−x` beside it run in f32.
    fn floats(f: Op) -> Vec<bool> {
        let mut b = Build::new();
        let x = b.input(&[1, 4]);
        let (first, second) = (b.op(f, &[x]), b.op(Op::Unary(Function::Square), &[x]));
        let sum = b.op(Op::Binary(Binary::Add), &[first, second]);
        let epsilon = b.number(1e-6);
        let sum = b.op(Op::Binary(Binary::Add), &[sum, epsilon]);
        let root = b.op(Op::Unary(Function::Sqrt), &[sum]);
        let negative = b.op(Op::Unary(Function::Neg), &[x]);
        let y = b.op(Op::Binary(Binary::Add), &[root, negative]);
        let graph = run(b.output(y), &SimplifyOptions::default());
        graph.nodes.iter().map(|node| node.float).collect()
    }

    #[test]
    fn all_that_makes_a_magnitude_is_f32() {
        assert_eq!(floats(Op::Unary(Function::Square)), [true, true, true, true, true, false, false]);
    }

    #[test]
    fn a_root_of_anything_else_is_left_alone() {
        assert_eq!(floats(Op::Unary(Function::Abs)), [false; 7]);
    }
}
