//! Normalizations that exporters spell out: `(x − mean) / √(mean of squares + ε)`, then factors and addends along that axis; and
//! softmax, `e / Σe` with `e = exp(x − max)`.

mod spread;

use ndarray::{ArrayD, IxDyn};

use super::SimplifyOptions;
use super::affine::along;
use super::edit::{Edit, each};
use crate::graph::{Binary, BinaryFunction, Function, Graph, Op, PoolKind, ValueId};
use crate::ops::MEAN;
use spread::{Spread, lies_along, reduces, spread, unshaped};

pub(super) fn run(graph: Graph, _: &SimplifyOptions) -> Graph {
    each(graph, |edit, node| {
        recognize(edit, node).or_else(|| softmax(edit, node)).or_else(|| absorb(edit, node));
    })
}

/// Turns `(x − c) · 1 / √(variance + ε)`, perhaps with factors at the root, into one operation.
fn recognize(edit: &mut Edit, node: usize) -> Option<()> {
    let Quotient { distance, root, factors } = quotient(edit, node)?;
    let (variance, epsilon) = sum(edit, unshaped(edit, root))?;
    let Spread { of, axis, centered } = spread(edit, unshaped(edit, variance))?;
    let from_mean = edit.binary(distance, Binary::Sub).filter(|[x, mean]| reduces(edit, MEAN, *mean, *x) == Some(axis));
    let x = from_mean.map_or(distance, |[x, _]| x);
    let shape = edit.graph().shape(x).to_vec();
    let fits = of == if centered { x } else { distance };
    if !fits || (centered && from_mean.is_none()) || !lies_along(edit, root, &shape, axis) {
        return None;
    }
    if edit.graph().shape(edit.output(node)) != shape {
        return None;
    }
    let ones = || vec![1.0; shape[axis]];
    let factors = factors.map_or_else(|| Some(ones()), |id| along(edit.graph().constant(id)?, axis, &shape))?;
    let gamma = edit.constant(node, "factors", ArrayD::from_shape_vec(IxDyn(&[shape[axis]]), factors).ok()?);
    let beta = edit.constant(node, "bias", ArrayD::zeros(IxDyn(&[shape[axis]])));
    edit.replace(node, Op::Normalize { axis, epsilon, centered: from_mean.is_some() }, &[x, gamma, beta]);
    Some(())
}

/// Turns `e / Σe` along an axis into one operation.
fn softmax(edit: &mut Edit, node: usize) -> Option<()> {
    let Op::Binary(Binary::Function(BinaryFunction::Div)) = edit.node(node).op else { return None };
    let &[e, sum] = &edit.node(node).inputs[..] else { return None };
    let (Function::Exp, moved) = edit.unary(e)? else { return None };
    let axis = reduces(edit, PoolKind::Sum, sum, e)?;
    let most = |[x, most]: &[ValueId; 2]| reduces(edit, PoolKind::Max, *most, *x) == Some(axis);
    let x = edit.binary(moved, Binary::Sub).filter(most).map_or(moved, |[x, _]| x);
    edit.replace(node, Op::Softmax { axis }, &[x]);
    Some(())
}

/// `v` and `ε` if the value is `v + ε`.
fn sum(edit: &Edit, id: ValueId) -> Option<(ValueId, f32)> {
    let [a, b] = edit.binary(id, Binary::Add)?;
    edit.number(b).map(|epsilon| (a, epsilon)).or_else(|| edit.number(a).map(|epsilon| (b, epsilon)))
}

/// `distance · factors / √root`, without factors where there are none.
struct Quotient {
    distance: ValueId,
    root: ValueId,
    factors: Option<ValueId>,
}

fn quotient(edit: &Edit, node: usize) -> Option<Quotient> {
    let &[a, b] = &edit.node(node).inputs[..] else { return None };
    match edit.node(node).op {
        Op::Binary(Binary::Function(BinaryFunction::Div)) => {
            Some(Quotient { distance: a, root: operand(edit, Function::Sqrt, b)?, factors: None })
        }
        Op::Binary(Binary::Mul) => [(a, b), (b, a)].into_iter().find_map(|(distance, inverse)| {
            let scaled = edit.binary(inverse, Binary::Mul).filter(|[_, c]| edit.graph().constant(*c).is_some());
            let (inverse, factors) = scaled.map_or((inverse, None), |[inverse, c]| (inverse, Some(c)));
            let deviation = operand(edit, Function::Reciprocal, inverse)?;
            Some(Quotient { distance, root: operand(edit, Function::Sqrt, deviation)?, factors })
        }),
        _ => None,
    }
}

/// `v` if the value is `f(v)`.
fn operand(edit: &Edit, f: Function, id: ValueId) -> Option<ValueId> {
    edit.unary(id).and_then(|(function, v)| (function == f).then_some(v))
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

    /// The sum along the middle axis times `factor`, without that axis.
    fn middle(b: &mut Build, x: ValueId, factor: f32) -> ValueId {
        let turned = b.op(Op::Transpose { perm: vec![0, 2, 1] }, &[x]);
        let plane = b.shaped(Op::Reshape, &[turned], &[1, 8, 3, 1]);
        let window = Window { kernel: [3, 1], strides: [1, 1], dilations: [1, 1], pads: [0; 4] };
        let y = b.shaped(Op::Pool { window, kind: PoolKind::Sum }, &[plane], &[1, 8, 1, 1]);
        let y = b.shaped(Op::Reshape, &[y], &[2, 4]);
        let factor = b.number(factor);
        b.op(Op::Binary(Binary::Mul), &[y, factor])
    }

    /// As Flax has it: the variance from the mean of squares, the factors at the root; means stand as `kept` says.
    fn along_the_middle(factor: f32, kept: &[usize]) -> Graph {
        let mut b = Build::new();
        let x = b.input(&[2, 3, 4]);
        let m = middle(&mut b, x, factor);
        let squares = b.op(Op::Unary(Function::Square), &[x]);
        let squares = middle(&mut b, squares, factor);
        let square = b.op(Op::Binary(Binary::Mul), &[m, m]);
        let variance = b.op(Op::Binary(Binary::Sub), &[squares, square]);
        let variance = b.op(Op::Unary(Function::Clip { lo: 0.0, hi: f32::INFINITY }), &[variance]);
        let (variance, m) = (b.shaped(Op::Reshape, &[variance], kept), b.shaped(Op::Reshape, &[m], kept));
        let (epsilon, gamma, beta) = (b.number(1e-3), b.random(&[1, 3, 1]), b.random(&[3, 1]));
        let spread = b.op(Op::Binary(Binary::Add), &[variance, epsilon]);
        let deviation = b.op(Op::Unary(Function::Sqrt), &[spread]);
        let inverse = b.op(Op::Unary(Function::Reciprocal), &[deviation]);
        let factors = b.op(Op::Binary(Binary::Mul), &[inverse, gamma]);
        let distance = b.op(Op::Binary(Binary::Sub), &[x, m]);
        let y = b.op(Op::Binary(Binary::Mul), &[distance, factors]);
        let y = b.op(Op::Binary(Binary::Add), &[y, beta]);
        b.output(y)
    }

    #[test]
    fn any_axis_may_be_normalized() {
        let after = simplified(&along_the_middle(1.0 / 3.0, &[2, 1, 4]));
        let ops: Vec<_> = after.nodes.iter().map(|node| &node.op).collect();
        assert_eq!(ops, [&Op::Normalize { axis: 1, epsilon: 1e-3, centered: true }]);
    }

    #[test]
    fn what_is_no_mean_of_that_axis_is_left_alone() {
        let other = simplified(&along_the_middle(1.0 / 4.0, &[2, 1, 4]));
        assert!(!other.nodes.iter().any(|node| matches!(node.op, Op::Normalize { .. })));
        let mut b = Build::new();
        let x = b.input(&[3, 3, 3]);
        let m = mean(&mut b, x, &[3, 3, 3]);
        let m = b.shaped(Op::Reshape, &[m], &[3, 3]);
        let d = b.op(Op::Binary(Binary::Sub), &[x, m]);
        let e = b.op(Op::Unary(Function::Exp), &[d]);
        let sum = pooled(&mut b, PoolKind::Sum, e, &[3, 3, 3]);
        let sum = b.shaped(Op::Reshape, &[sum], &[3, 3]);
        let y = b.op(Op::Binary(Binary::Function(BinaryFunction::Div)), &[e, sum]);
        let other = simplified(&b.output(y));
        assert!(!other.nodes.iter().any(|node| matches!(node.op, Op::Softmax { .. })));
    }

    #[test]
    fn squares_of_something_else_are_no_variance() {
        let after = simplified(&written_out(|x, _| x));
        assert!(!after.nodes.iter().any(|node| matches!(node.op, Op::Normalize { .. })));
    }
}
