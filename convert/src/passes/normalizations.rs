//! Normalizations that exporters spell out: `(x − mean) / √(mean of squares + ε)`, then factors and addends along the last axis; and
//! softmax, `e / Σe` with `e = exp(x − max)`.

use ndarray::{ArrayD, IxDyn};

use super::SimplifyOptions;
use super::affine::along;
use super::edit::{Edit, each};
use crate::graph::{Binary, BinaryFunction, Function, Graph, Node, Op, PoolKind, ValueId};
use crate::ops::MEAN;

pub(super) fn run(graph: Graph, _: &SimplifyOptions) -> Graph {
    each(graph, |edit, node| {
        recognize(edit, node).or_else(|| softmax(edit, node)).or_else(|| absorb(edit, node));
    })
}

/// Turns the quotient into one operation.
fn recognize(edit: &mut Edit, node: usize) -> Option<()> {
    let (distance, spread) = quotient(edit, node)?;
    let (variance, epsilon) = sum(edit, spread)?;
    let squares = pooled(edit, variance)?;
    let (Function::Square, squared) = edit.unary(squares)? else { return None };
    let centered = edit.binary(distance, Binary::Sub).filter(|[x, mean]| averages(edit, *mean, *x)).map(|[x, _]| x);
    let x = centered.unwrap_or(distance);
    let shape = edit.graph().shape(x).to_vec();
    if squared != distance || edit.graph().shape(edit.output(node)) != shape || !averages(edit, variance, squares) {
        return None;
    }
    let axis = shape.len().checked_sub(1)?;
    let gamma = edit.constant(node, "factors", ArrayD::ones(IxDyn(&shape[axis..])));
    let beta = edit.constant(node, "bias", ArrayD::zeros(IxDyn(&shape[axis..])));
    edit.replace(node, Op::Normalize { axis, epsilon, centered: centered.is_some() }, &[x, gamma, beta]);
    Some(())
}

/// Turns `e / Σe` along the last axis into one operation.
fn softmax(edit: &mut Edit, node: usize) -> Option<()> {
    let Op::Binary(Binary::Function(BinaryFunction::Div)) = edit.node(node).op else { return None };
    let &[e, sum] = &edit.node(node).inputs[..] else { return None };
    let (Function::Exp, moved) = edit.unary(e)? else { return None };
    if !pools(edit, PoolKind::Sum, sum, e) || edit.graph().shape(edit.output(node)) != edit.graph().shape(e) {
        return None;
    }
    let unmoved = edit.binary(moved, Binary::Sub).filter(|[x, most]| pools(edit, PoolKind::Max, *most, *x));
    let x = unmoved.map_or(moved, |[x, _]| x);
    let axis = edit.graph().shape(x).len().checked_sub(1)?;
    edit.replace(node, Op::Softmax { axis }, &[x]);
    Some(())
}

/// `v` and `ε` if the value is `v + ε`.
fn sum(edit: &Edit, id: ValueId) -> Option<(ValueId, f32)> {
    let [a, b] = edit.binary(id, Binary::Add)?;
    edit.number(b).map(|epsilon| (a, epsilon)).or_else(|| edit.number(a).map(|epsilon| (b, epsilon)))
}

/// `d` and `v` if the node is `d / √v` or `d · (1 / √v)`.
fn quotient(edit: &Edit, node: usize) -> Option<(ValueId, ValueId)> {
    let inputs = &edit.node(node).inputs;
    match edit.node(node).op {
        Op::Binary(Binary::Function(BinaryFunction::Div)) => Some((inputs[0], root(edit, inputs[1])?)),
        Op::Binary(Binary::Mul) => [(0, 1), (1, 0)].into_iter().find_map(|(distance, inverse)| {
            let (Function::Reciprocal, deviation) = edit.unary(inputs[inverse])? else { return None };
            Some((inputs[distance], root(edit, deviation)?))
        }),
        _ => None,
    }
}

/// `v` if the value is `√v`.
fn root(edit: &Edit, id: ValueId) -> Option<ValueId> {
    match edit.unary(id)? {
        (Function::Sqrt, v) => Some(v),
        _ => None,
    }
}

/// Whether a value is the mean of `x` along its last axis, in any shape.
fn averages(edit: &Edit, id: ValueId, x: ValueId) -> bool {
    pools(edit, MEAN, id, x)
}

/// Whether a value is what such a pool makes of `x` along its last axis, in any shape.
fn pools(edit: &Edit, wanted: PoolKind, id: ValueId, x: ValueId) -> bool {
    let mut chain = std::iter::successors(pool(edit, id).map(|pool| pool.inputs[0]), |id| unshaped(edit, *id));
    let Some((n, rows)) = edit.graph().shape(x).split_last() else { return false };
    let Some(Op::Pool { window, kind }) = pool(edit, id).map(|pool| &pool.op) else { return false };
    let [height, width] = window.kernel;
    let whole = chain.clone().next().map_or(&[][..], |id| edit.graph().shape(id));
    let means = edit.graph().shape(id).iter().product::<usize>() == rows.iter().product::<usize>();
    means
        && *kind == wanted
        && height * width == *n
        && whole.len() == 4
        && whole[2..] == [height, width]
        && chain.any(|id| id == x)
}

/// What a value is a pool of, behind any reshapes.
fn pooled(edit: &Edit, id: ValueId) -> Option<ValueId> {
    let input = pool(edit, id)?.inputs[0];
    std::iter::successors(Some(input), |id| unshaped(edit, *id)).last()
}

/// The pool that writes a value, before any reshapes.
fn pool(edit: &Edit, id: ValueId) -> Option<&Node> {
    let id = std::iter::successors(Some(id), |id| unshaped(edit, *id)).last()?;
    Some(edit.node(edit.writer(id)?)).filter(|node| matches!(node.op, Op::Pool { .. }))
}

/// The value that a reshape makes this one from.
fn unshaped(edit: &Edit, id: ValueId) -> Option<ValueId> {
    let node = edit.node(edit.writer(id)?);
    (node.op == Op::Reshape).then(|| node.inputs[0])
}

/// Takes a factor or an addend behind a normalization into it.
fn absorb(edit: &mut Edit, node: usize) -> Option<()> {
    let Op::Binary(op @ (Binary::Mul | Binary::Add)) = edit.node(node).op else { return None };
    let &[a, b] = &edit.node(node).inputs[..] else { return None };
    let (x, c) = if edit.graph().constant(b).is_some() { (a, b) } else { (b, a) };
    let normal = edit.sole_writer(x)?;
    let (Op::Normalize { axis, .. }, shape) = (&edit.node(normal).op, edit.graph().shape(x)) else { return None };
    if edit.graph().shape(edit.output(node)) != shape {
        return None;
    }
    let c = ArrayD::from_shape_vec(IxDyn(&[shape[*axis]]), along(edit.graph().constant(c)?, *axis, shape)?).ok()?;
    let &[x, gamma, beta] = &edit.node(normal).inputs[..] else { return None };
    let (old, shift) = (edit.graph().constant(gamma)?.clone(), edit.graph().constant(beta)?.clone());
    let (gamma, beta) = if op == Binary::Mul { (old * &c, shift * c) } else { (old, shift + c) };
    if !gamma.iter().chain(&beta).all(|v| v.is_finite()) {
        return None;
    }
    let (gamma, beta) = (edit.constant(normal, "factors", gamma), edit.constant(normal, "bias", beta));
    let op = edit.node(normal).op.clone();
    edit.replace(normal, op, &[x, gamma, beta]);
    edit.merge(normal, node);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Build, equivalent};
    use super::super::{dead, identities};
    use super::*;
    use crate::graph::Window;

    fn mean(b: &mut Build, x: ValueId, shape: &[usize]) -> ValueId {
        pooled(b, MEAN, x, shape)
    }

    fn pooled(b: &mut Build, kind: PoolKind, x: ValueId, shape: &[usize]) -> ValueId {
        let [rows, n] = [shape[0] * shape[1], shape[2]];
        let plane = b.shaped(Op::Reshape, &[x], &[1, rows, n, 1]);
        let window = Window { kernel: [n, 1], strides: [1, 1], dilations: [1, 1], pads: [0; 4] };
        let y = b.shaped(Op::Pool { window, kind }, &[plane], &[1, rows, 1, 1]);
        b.shaped(Op::Reshape, &[y], &[shape[0], shape[1], 1])
    }

    fn written_out(squared: impl Fn(ValueId, ValueId) -> ValueId) -> Graph {
        let mut b = Build::new();
        let shape = [2, 3, 4];
        let x = b.input(&shape);
        let m = mean(&mut b, x, &shape);
        let d = b.op(Op::Binary(Binary::Sub), &[x, m]);
        let squares = b.op(Op::Unary(Function::Square), &[squared(x, d)]);
        let (variance, epsilon) = (mean(&mut b, squares, &shape), b.number(1e-3));
        let spread = b.op(Op::Binary(Binary::Add), &[variance, epsilon]);
        let deviation = b.op(Op::Unary(Function::Sqrt), &[spread]);
        let y = b.op(Op::Binary(Binary::Function(BinaryFunction::Div)), &[d, deviation]);
        let (gamma, beta) = (b.random(&[4]), b.random(&[4]));
        let y = b.op(Op::Binary(Binary::Mul), &[gamma, y]);
        let y = b.op(Op::Binary(Binary::Add), &[y, beta]);
        b.output(y)
    }

    fn simplified(graph: &Graph) -> Graph {
        let options = SimplifyOptions::default();
        let after = dead::run(identities::run(run(graph.clone(), &options), &options), &options);
        equivalent(graph, &after);
        after
    }

    #[test]
    fn what_is_written_out_becomes_one_node() {
        let after = simplified(&written_out(|_, distance| distance));
        let ops: Vec<_> = after.nodes.iter().map(|node| &node.op).collect();
        assert_eq!(ops, [&Op::Normalize { axis: 2, epsilon: 1e-3, centered: true }]);
    }

    /// `exp(x − max)` over the sum of what `summed` chooses of that and of x.
    fn quotient_of_exponentials(summed: impl Fn(ValueId, ValueId) -> ValueId) -> Graph {
        let mut b = Build::new();
        let shape = [2, 3, 4];
        let x = b.input(&shape);
        let most = pooled(&mut b, PoolKind::Max, x, &shape);
        let moved = b.op(Op::Binary(Binary::Sub), &[x, most]);
        let e = b.op(Op::Unary(Function::Exp), &[moved]);
        let sum = pooled(&mut b, PoolKind::Sum, summed(e, x), &shape);
        let y = b.op(Op::Binary(Binary::Function(BinaryFunction::Div)), &[e, sum]);
        b.output(y)
    }

    #[test]
    fn softmax_is_recognized() {
        let after = simplified(&quotient_of_exponentials(|e, _| e));
        let ops: Vec<_> = after.nodes.iter().map(|node| &node.op).collect();
        assert_eq!(ops, [&Op::Softmax { axis: 2 }]);
        let other = simplified(&quotient_of_exponentials(|_, x| x));
        assert!(!other.nodes.iter().any(|node| matches!(node.op, Op::Softmax { .. })));
    }

    #[test]
    fn squares_of_something_else_are_no_variance() {
        let after = simplified(&written_out(|x, _| x));
        assert!(!after.nodes.iter().any(|node| matches!(node.op, Op::Normalize { .. })));
    }
}
