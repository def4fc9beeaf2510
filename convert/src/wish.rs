//! What the target's kernels want of a node: the order of its weights, and bytes to work in.

use lacewing::format::{DType, Layout, Place, Tensor};
use lacewing_targets::wish::{Family, Wish};

use crate::encode::shape4;
use crate::graph::{Graph, Node, NodeId, Op, ValueId};
use crate::ops::{is_depthwise, window_of};
use crate::quantize::{Bits, Quantization, Width};

/// The wish for a node, as a whole or row by row in a band, in int8 with int8 or int4 weights; `None` for any other, and where the kernels have none.
pub(crate) fn wish(
    graph: &Graph,
    quantization: &Quantization,
    id: NodeId,
    (kernels, banded): (Family, bool),
) -> Option<Wish> {
    let node = &graph.nodes[id.0];
    let weights = quantization.weights(id)?;
    let narrow = |value: &ValueId| quantization.params(*value).is_some_and(|params| params.width == Width::I8);
    if !weights.zeros.is_empty() || !narrow(&node.inputs[0]) || !narrow(&node.outputs[0]) {
        return None;
    }
    // Pairs have no room for a weight of -128 beside a negative one.
    let fits = |wish: &Wish| wish.layout != Layout::PAIRS || weights.ints.iter().all(|w| *w > i8::MIN);
    of(graph, node, weights.bits, (kernels, banded)).filter(fits)
}

fn of(graph: &Graph, node: &Node, bits: Bits, (kernels, banded): (Family, bool)) -> Option<Wish> {
    let tensor = |value: ValueId| Tensor::new(Place::Arena, DType::I8, 0, shape4(graph.shape(value)));
    let (input, mut output) = (tensor(node.inputs[0]), tensor(node.outputs[0]));
    if banded {
        output.shape[1] = 1;
    }
    match &node.op {
        Op::Conv { window, groups } if is_depthwise(*groups, &input) => match bits {
            Bits::Eight => kernels.depthwise_i8(&input, &output, &window_of(window)),
            Bits::Four => kernels.depthwise_w4(&input, &output, &window_of(window)),
        },
        Op::Conv { window, groups: 1 } => match bits {
            Bits::Eight => kernels.conv_i8(&input, &output, &window_of(window)),
            Bits::Four => kernels.conv_w4(&input, &window_of(window)),
        },
        Op::FullyConnected if bits == Bits::Eight => kernels.fully_connected_i8(input.shape[3], output.shape[3]),
        _ => None,
    }
}
