//! A factor and an addend per channel that no layer took in: a 1x1 depthwise convolution, which has both in one step.

use ndarray::{ArrayD, IxDyn};

use super::SimplifyOptions;
use super::affine::along;
use super::edit::{Edit, each};
use crate::graph::{Binary, Graph, Op, ValueId, Window};

pub(super) fn run(graph: Graph, _: &SimplifyOptions) -> Graph {
    each(graph, |edit, node| {
        if let Some((x, factor, addend)) = matched(edit, node) {
            let channels = factor.len();
            let w = edit.constant(node, "weights", shaped(factor, &[channels, 1, 1, 1]));
            let b = edit.constant(node, "bias", shaped(addend, &[channels]));
            let window = Window { kernel: [1; 2], strides: [1; 2], dilations: [1; 2], pads: [0; 4] };
            edit.replace(node, Op::Conv { window, groups: channels }, &[x, w, b]);
        }
    })
}

/// `x`, factors and addends of a node `x * factor + addend` over an image.
fn matched(edit: &Edit, node: usize) -> Option<(ValueId, Vec<f32>, Vec<f32>)> {
    let [scaled, addend] = edit.binary(edit.output(node), Binary::Add)?;
    edit.sole_writer(scaled)?;
    let [x, factor] = edit.binary(scaled, Binary::Mul)?;
    let shape = edit.graph().shape(x);
    let image = shape.len() == 4 && shape[0] == 1 && shape == edit.graph().shape(edit.output(node));
    let list = |id| along(edit.graph().constant(id)?, edit.graph().layout.channels(), shape);
    if image { Some((x, list(factor)?, list(addend)?)) } else { None }
}

fn shaped(elements: Vec<f32>, shape: &[usize]) -> ArrayD<f32> {
    let flat = ndarray::Array1::from(elements).into_dyn();
    flat.to_shape(IxDyn(shape)).map(|a| a.into_owned()).unwrap_or(flat)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Build, equivalent};
    use super::*;

    #[test]
    fn a_factor_and_an_addend_become_a_depthwise_convolution() {
        let mut b = Build::new();
        let x = b.input(&[1, 3, 2, 2]);
        let (factor, addend) = (b.random(&[1, 3, 1, 1]), b.random(&[3, 1, 1]));
        let y = b.op(Op::Binary(Binary::Mul), &[x, factor]);
        let y = b.op(Op::Binary(Binary::Add), &[y, addend]);
        let graph = b.output(y);
        let options = SimplifyOptions::default();
        let after = super::super::dead::run(run(graph.clone(), &options), &options);
        equivalent(&graph, &after);
        assert!(matches!(after.nodes[..], [ref n] if matches!(n.op, Op::Conv { groups: 3, .. })));
    }

    #[test]
    fn an_addend_for_every_element_stays() {
        let mut b = Build::new();
        let x = b.input(&[1, 3, 2, 2]);
        let (factor, addend) = (b.random(&[3, 1, 1]), b.random(&[3, 2, 2]));
        let y = b.op(Op::Binary(Binary::Mul), &[x, factor]);
        let y = b.op(Op::Binary(Binary::Add), &[y, addend]);
        assert_eq!(run(b.output(y), &SimplifyOptions::default()).nodes.len(), 2);
    }
}
