//! Channels that are the same whatever the input, and channels that nobody reads: found, folded into the biases behind them, left out.
//!
//! A channel is an index along the last axis. It depends on no input if its weights are 0 or meet such channels alone; what it then holds
//! is seen in one run of the program itself, integers of an integer program, so that no rounding is repeated here. A convolution or fully
//! connected layer does without a channel of the constant `c` by adding `Σ w·c` to its bias. Where it pads, and the padding is not `c`, the
//! border sees something else, and the channel stays. A channel goes from all values that share it, or from none.

mod apply;
mod constants;
mod groups;
mod layer;
mod links;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;

use crate::Sample;
use crate::calibrate::{Calibrator, calibrate};
use crate::error::ConvertError;
use crate::graph::{Graph, Layout, Op, ValueId};
use crate::quantize::{Policy, Quantization, is_quantized, nodes, quantize};
use constants::Constants;
pub(crate) use groups::{Groups, shared};
pub(crate) use layer::Layer;

/// What goes, and what is known of it.
#[derive(Clone, Debug, Default)]
pub struct Removal {
    /// The channels that stay, of each value that loses some.
    pub(crate) kept: BTreeMap<ValueId, Vec<usize>>,
    /// The real numbers of what goes.
    constants: Constants,
}

/// How much went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Output channels of convolutions and fully connected layers.
    pub channels: usize,
    /// Multiply-accumulates of one run.
    pub macs: u64,
    /// Weights, biases and multipliers in the file.
    pub bytes: usize,
}

/// Finds all channels that can go without a change of the outputs: of not one bit in an integer program, up to rounding in f32.
///
/// # Errors
/// [`ConvertError`] if the graph cannot be encoded.
pub fn find(graph: &Graph, quantization: &Quantization) -> Result<Removal, ConvertError> {
    if graph.layout != Layout::Nhwc {
        return Ok(Removal::default());
    }
    let layers: Vec<Option<Layer>> = nodes(graph).map(|(id, _)| Layer::of(graph, quantization, id)).collect();
    let constants = Constants::of(graph, quantization, &layers)?;
    let (shared, mut gone) = (shared(graph), Groups::none(graph));
    loop {
        let mut groups = Groups::of(graph, &shared, |node, channel| {
            let Some(layer) = &layers[node.0] else { return false };
            let output = graph.nodes[node.0].outputs[0];
            let unread = (0..layer.rows).all(|o| gone.goes(output, o) || layer.is_zero(o, channel));
            let input = graph.nodes[node.0].inputs[0];
            layer.folds && (unread || constants.get(input, channel).is_some_and(|c| layer.is_exact(c)))
        });
        groups.leave_one(graph);
        // Where one channel must be left, more that goes elsewhere may keep others: what went before is no reason then.
        if !groups.exceeds(&gone) {
            break;
        }
        gone = groups;
    }
    Ok(Removal { kept: gone.kept(graph), constants })
}

/// The graph of a finished program without all that can go.
///
/// # Errors
/// As [`find`].
pub fn remove(graph: Graph, quantization: Quantization) -> Result<(Graph, Quantization), ConvertError> {
    Ok(find(&graph, &quantization)?.apply(graph, quantization))
}

/// A simplified graph without what its conversion leaves out: of a quantized model, whose integers decide, and of any other.
///
/// # Errors
/// [`ConvertError`] if the graph cannot be quantized or encoded, or a sample does not fit.
pub fn written(graph: &Graph, integers: bool, samples: &[Sample]) -> Result<Graph, ConvertError> {
    let removal = if integers && is_quantized(graph) {
        let ranges = calibrate(graph, samples, Calibrator::MinMax, |_| {})?;
        let (graph, quantization) = quantize(graph, &ranges, &Policy::default())?;
        find(&graph, &quantization)?
    } else {
        find(graph, &Quantization::none())?
    };
    Ok(removal.apply(graph.clone(), Quantization::none()).0)
}

impl Removal {
    /// Channels that are not constant: `kept` stay of each value that loses some.
    pub(crate) fn of(kept: BTreeMap<ValueId, Vec<usize>>) -> Self {
        Self { kept, constants: Constants::default() }
    }

    /// Whether nothing goes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}

impl Removed {
    /// What `after` has less than `before`, in bytes of a program in integers or in f32.
    #[must_use]
    pub fn between(before: &Graph, after: &Graph, integers: bool) -> Self {
        let [before, after] = [before, after].map(size);
        let (weight, channel) = if integers { (1, 8) } else { (4, 4) };
        let [channels, weights] = [before.0 - after.0, before.1 - after.1];
        Self { channels, macs: before.2 - after.2, bytes: weight * weights + channel * channels }
    }
}

/// Output channels, weights and multiply-accumulates of all layers.
fn size(graph: &Graph) -> (usize, usize, u64) {
    let layers = graph.nodes.iter().filter(|node| matches!(node.op, Op::Conv { .. } | Op::FullyConnected));
    layers.fold((0, 0, 0), |(channels, weights, macs), node| {
        let (rows, w) = (graph.shape(node.inputs[1])[0], graph.shape(node.inputs[1]).iter().product::<usize>());
        let outputs = graph.shape(node.outputs[0]).iter().product::<usize>();
        (channels + rows, weights + w, macs + (outputs / rows.max(1) * w) as u64)
    })
}

/// The length of the last axis.
pub(crate) fn count(graph: &Graph, value: ValueId) -> usize {
    graph.shape(value).last().copied().unwrap_or(1)
}
