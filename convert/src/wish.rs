//! What the target's kernels want of a node: the order of its weights, and bytes to work in.

use lacewing::format::{DType, Layout, Place, Tensor};
use lacewing_targets::wish::{Family, Wish};

use crate::encode::shape4;
use crate::graph::{Graph, Node, NodeId, Op, ValueId};
use crate::ops::{is_depthwise, window_of};
use crate::quantize::{Bits, Quantization, Width};

/// The wish for a node, as a whole or row by row in a band; `None` for one without weights, and where the kernels have none.
pub(crate) fn wish(
    graph: &Graph,
    quantization: &Quantization,
    id: NodeId,
    (kernels, banded): (Family, bool),
) -> Option<Wish> {
    let node = &graph.nodes[id.0];
    let width = |value: ValueId| quantization.params(value).map(|params| params.width);
    let [input, output] = [node.inputs[0], node.outputs[0]].map(width);
    if [input, output] == [None; 2] {
        return of_reals(graph, node, kernels);
    }
    let weights = quantization.weights(id)?;
    let width = input.filter(|input| Some(*input) == output)?;
    if !weights.zeros.is_empty() {
        return None;
    }
    // Pairs have no room for a weight of -128 beside a negative one.
    let fits = |wish: &Wish| wish.layout != Layout::PAIRS || weights.ints.iter().all(|w| *w > i8::MIN);
    of(graph, node, (width, weights.bits), (kernels, banded)).filter(fits)
}

/// The same in f32.
fn of_reals(graph: &Graph, node: &Node, kernels: Family) -> Option<Wish> {
    let tensor = |value: ValueId| Tensor::new(Place::Arena, DType::F32, 0, shape4(graph.shape(value)));
    let (input, output) = (tensor(*node.inputs.first()?), tensor(node.outputs[0]));
    match &node.op {
        Op::Conv { window, groups } if is_depthwise(*groups, &input) => {
            kernels.depthwise_f32(&input, &output, &window_of(window))
        }
        Op::Conv { window, groups: 1 } => kernels.conv_f32(&input, &window_of(window)),
        Op::FullyConnected => kernels.fully_connected_f32(),
        _ => None,
    }
}

fn of(graph: &Graph, node: &Node, (width, bits): (Width, Bits), (kernels, banded): (Family, bool)) -> Option<Wish> {
    let dtype = if width == Width::I16 { DType::I16 } else { DType::I8 };
    let tensor = |value: ValueId| Tensor::new(Place::Arena, dtype, 0, shape4(graph.shape(value)));
    let (input, mut output) = (tensor(node.inputs[0]), tensor(node.outputs[0]));
    if banded {
        output.shape[1] = 1;
    }
    match &node.op {
        Op::Conv { window, groups } if is_depthwise(*groups, &input) => match (width, bits) {
            (Width::I8, Bits::Eight) => kernels.depthwise_i8(&input, &output, &window_of(window)),
            (Width::I8, Bits::Four) => kernels.depthwise_w4(&input, &output, &window_of(window)),
            (Width::I16, _) => kernels.depthwise_i16(&input, &output, &window_of(window)),
        },
        Op::Conv { window, groups: 1 } => match (width, bits) {
            (Width::I8, Bits::Eight) => kernels.conv_i8(&input, &output, &window_of(window)),
            (Width::I8, Bits::Four) => kernels.conv_w4(&input, &window_of(window)),
            (Width::I16, _) => kernels.conv_i16(&input, &window_of(window)),
        },
        Op::FullyConnected => match (width, bits) {
            (Width::I8, Bits::Eight) => kernels.fully_connected_i8(input.shape[3], output.shape[3]),
            (Width::I8, Bits::Four) => kernels.fully_connected_w4(input.shape[3]),
            (Width::I16, _) => kernels.fully_connected_i16(input.shape[3]),
        },
        _ => None,
    }
}
