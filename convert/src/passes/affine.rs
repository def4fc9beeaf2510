//! Constant factors and addends, batch normalization among them, folded into convolutions and fully connected layers.
//!
//! Behind a layer, `s (W x + b) + t = (s W) x + (s b + t)`. In front of one, `W (s x + t) + b = (W s) x + (W t + b)`;
//! the addend only where no padding is involved, since padding is zero after it.

use ndarray::{ArrayD, Axis, IxDyn};

use super::SimplifyOptions;
use super::edit::{Edit, each};
use crate::graph::{Binary, Graph, Op, ValueId};

pub(super) fn run(graph: Graph, _: &SimplifyOptions) -> Graph {
    each(graph, |edit, node| {
        if matches!(edit.node(node).op, Op::Binary(_)) {
            fold_behind(edit, node);
        } else {
            while fold_in_front(edit, node).is_some() {}
        }
    })
}

/// A layer's weights `[out][..]` and bias.
struct Weights {
    w: ArrayD<f32>,
    b: Vec<f32>,
    /// The constant that holds `w`, as long as `w` is not changed.
    held: Option<ValueId>,
}

impl Weights {
    fn of(edit: &Edit, node: usize) -> Option<Weights> {
        let node = edit.node(node);
        let w = match node.op {
            Op::Conv { .. } | Op::FullyConnected => edit.graph().constant(node.inputs[1])?.clone(),
            _ => return None,
        };
        let b = match node.inputs.get(2) {
            Some(b) => edit.graph().constant(*b)?.iter().copied().collect(),
            None => vec![0.0; w.shape()[0]],
        };
        Some(Weights { w, b, held: Some(node.inputs[1]) })
    }

    /// Gives the layer these weights, unless they overflowed.
    fn store(self, edit: &mut Edit, node: usize) -> Option<()> {
        if !self.w.iter().chain(&self.b).all(|v| v.is_finite()) {
            return None;
        }
        let bias = ArrayD::from_shape_vec(IxDyn(&[self.b.len()]), self.b).ok()?;
        let (x, op) = (edit.node(node).inputs[0], edit.node(node).op.clone());
        let w = self.held.unwrap_or_else(|| edit.constant(node, "weights", self.w));
        let b = edit.constant(node, "bias", bias);
        edit.replace(node, op, &[x, w, b]);
        Some(())
    }
}

/// The constant operand of a node `x * c` or `x + c`.
fn constant_operand(edit: &Edit, node: usize) -> Option<(Binary, ValueId, ValueId)> {
    let node = edit.node(node);
    match (&node.op, &node.inputs[..]) {
        (Op::Binary(op @ (Binary::Mul | Binary::Add)), &[x, c]) if edit.graph().constant(c).is_some() => {
            Some((*op, x, c))
        }
        _ => None,
    }
}

/// One number for each of the `n` channels along the axis of `layer`'s operand or result, if `c` varies along no other.
fn per_channel(edit: &Edit, c: ValueId, layer: &Op, shape: &[usize]) -> Option<Vec<f32>> {
    let last = shape.len().checked_sub(1)?;
    let axis = if *layer == Op::FullyConnected { last } else { edit.graph().layout.channels() };
    along(edit.graph().constant(c)?, axis, shape)
}

/// `c`, broadcast to `shape`, as a list along `axis`.
pub(super) fn along(c: &ArrayD<f32>, axis: usize, shape: &[usize]) -> Option<Vec<f32>> {
    let missing = shape.len().checked_sub(c.ndim())?;
    let n = shape[axis];
    if c.len() == 1 {
        return Some(vec![c.iter().sum(); n]);
    }
    let own = axis.checked_sub(missing)?;
    (c.len() == n && c.shape()[own] == n).then(|| c.iter().copied().collect())
}

fn fold_behind(edit: &mut Edit, node: usize) -> Option<()> {
    let (op, x, c) = constant_operand(edit, node)?;
    let layer = edit.sole_writer(x)?;
    let mut weights = Weights::of(edit, layer)?;
    let shape = edit.graph().shape(x);
    if shape != edit.graph().shape(edit.output(node)) || edit.node(layer).clamp.is_some() {
        return None;
    }
    let c = per_channel(edit, c, &edit.node(layer).op, shape)?;
    weights.held = weights.held.filter(|_| op == Binary::Add);
    for (o, c) in c.iter().enumerate() {
        match op {
            Binary::Mul => {
                weights.w.index_axis_mut(Axis(0), o).mapv_inplace(|v| v * c);
                weights.b[o] *= c;
            }
            _ => weights.b[o] += c,
        }
    }
    weights.store(edit, layer)?;
    edit.merge(layer, node);
    Some(())
}

fn fold_in_front(edit: &mut Edit, layer: usize) -> Option<()> {
    let mut weights = Weights::of(edit, layer)?;
    let x = edit.node(layer).inputs[0];
    let front = edit.sole_writer(x)?;
    let (op, source, c) = constant_operand(edit, front)?;
    let shape = edit.graph().shape(x);
    if shape != edit.graph().shape(source) || edit.node(front).clamp.is_some() {
        return None;
    }
    let c = per_channel(edit, c, &edit.node(layer).op, shape)?;
    let (groups, axis) = match &edit.node(layer).op {
        Op::Conv { window, .. } if op == Binary::Add && window.pads != [0; 4] => return None,
        Op::Conv { groups, .. } => (*groups, edit.graph().layout.channels()),
        _ => (1, 1),
    };
    weights.apply_in_front(op, &c, groups, axis);
    weights.store(edit, layer)?;
    edit.read(layer, 0, source);
    Some(())
}

impl Weights {
    /// `axis` is that of the input channels in the weights.
    fn apply_in_front(&mut self, op: Binary, c: &[f32], groups: usize, axis: usize) {
        let (outputs, per_group) = (self.w.shape()[0] / groups, self.w.shape()[axis]);
        self.held = self.held.filter(|_| op == Binary::Add);
        for (o, mut filter) in self.w.axis_iter_mut(Axis(0)).enumerate() {
            let first = o / outputs * per_group;
            for (i, mut tap) in filter.axis_iter_mut(Axis(axis - 1)).enumerate() {
                match op {
                    Binary::Mul => tap.mapv_inplace(|v| v * c[first + i]),
                    _ => self.b[o] += tap.sum() * c[first + i],
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Build, equivalent};
    use super::*;
    use crate::graph::Window;

    fn conv(kernel: usize, pad: usize, groups: usize) -> Op {
        let window = Window { kernel: [kernel; 2], strides: [1; 2], dilations: [1; 2], pads: [pad; 4] };
        Op::Conv { window, groups }
    }

    /// Nodes left of `[x * c, x + c, conv, y * d, y + d]` over 4 channels in, 6 out.
    fn left(op: &Op, weights: &[usize], c: &[usize], d: &[usize], shape: &[usize]) -> usize {
        let mut b = Build::new();
        let x = b.input(shape);
        let (c0, c1, d0, d1) = (b.random(c), b.random(c), b.random(d), b.random(d));
        let (w, bias) = (b.random(weights), b.random(&weights[..1]));
        let x = b.op(Op::Binary(Binary::Mul), &[x, c0]);
        let x = b.op(Op::Binary(Binary::Add), &[x, c1]);
        let y = b.op(op.clone(), &[x, w, bias]);
        let y = b.op(Op::Binary(Binary::Mul), &[y, d0]);
        let y = b.op(Op::Binary(Binary::Add), &[y, d1]);
        let graph = b.output(y);
        let options = SimplifyOptions::default();
        let left = |graph: &Graph| {
            let after = super::super::dead::run(run(graph.clone(), &options), &options);
            equivalent(graph, &after);
            after.nodes.len()
        };
        let doors = SimplifyOptions { input_layout_nhwc: true, ..SimplifyOptions::default() };
        let last = super::super::nhwc::run(graph.clone(), &doors);
        let transposed = last.nodes.iter().filter(|n| matches!(n.op, Op::Transpose { .. })).count();
        assert_eq!(left(&last) - transposed, left(&graph));
        left(&graph)
    }

    #[test]
    fn both_sides_fold_into_a_convolution_without_padding() {
        assert_eq!(left(&conv(3, 0, 1), &[6, 4, 3, 3], &[4, 1, 1], &[1, 6, 1, 1], &[1, 4, 5, 5]), 1);
        assert_eq!(left(&conv(3, 0, 2), &[6, 2, 3, 3], &[4, 1, 1], &[1], &[1, 4, 5, 5]), 1);
    }

    #[test]
    fn an_addend_in_front_of_padding_stays() {
        assert_eq!(left(&conv(3, 1, 1), &[6, 4, 3, 3], &[4, 1, 1], &[6, 1, 1], &[1, 4, 5, 5]), 3);
    }

    #[test]
    fn both_sides_fold_into_a_fully_connected_layer() {
        assert_eq!(left(&Op::FullyConnected, &[6, 4], &[4], &[1, 6], &[3, 4]), 1);
    }

    #[test]
    fn factors_along_another_axis_stay() {
        assert_eq!(left(&Op::FullyConnected, &[6, 4], &[3, 1], &[3, 1], &[3, 4]), 5);
    }
}
