//! Structured pruning: the channels that matter least are left out, with all that shares them, and each layer behind them is fitted anew.
//!
//! What the loss of a channel means to a layer that reads it is what remains of its part in the layer's outputs when the other channels
//! make up for it as well as they can: the least `E[(W·x − W'·x)²]` as a share of the outputs' variance, of [`lacewing_numeric::Surgeon`]. What such a share means to
//! the model is measured where it is lost: see `prune/weigh.rs`. Channels go one after the other, the least
//! loss per multiply-accumulate saved first, until the share of multiply-accumulates that was asked for is saved. Then each layer from the first that reads
//! less gets the weights and the bias of least squares: `Σ ‖W·t + b − W'·x − b'‖²` over the samples, with `t` of the original and `x` of
//! the pruned network, as pruned and fitted so far.

mod candidates;
mod choose;
mod fit;
mod weigh;

use lacewing_numeric::{Surgeon, dot, products};

use crate::Sample;
use crate::channels::{Groups, Removal, shared};
use crate::error::ConvertError;
use crate::front::{Front, some};
use crate::graph::{Graph, Layout, Node, NodeId, Op};
use crate::quantize::{Quantization, is_quantized, nodes};
use crate::reach::Reach;
use candidates::{Candidate, candidates, families};

/// A float graph, and what its channels mean to it: looked at once for any number of shares.
pub struct Pruner<'g> {
    graph: &'g Graph,
    groups: Groups,
    candidates: Vec<Candidate>,
    layers: Vec<Option<Layer>>,
    samples: Vec<Sample>,
    steps: usize,
}

impl<'g> Pruner<'g> {
    /// Looks at every channel. `progress` is called after each step with the number of all, those of one pruning among them.
    ///
    /// # Errors
    /// [`ConvertError::Prune`] if the model is quantized, there are no samples, or a layer meets what is not finite.
    pub fn new(graph: &'g Graph, samples: &[Sample], progress: &mut impl FnMut(usize)) -> Result<Self, ConvertError> {
        check(graph, samples)?;
        let groups = Groups::of(graph, &shared(graph), |_, _| true);
        let mut candidates = candidates(graph, &groups);
        let of = |layers: fn(&Op) -> bool| graph.nodes.iter().filter(|node| layers(&node.op)).count();
        let steps = of(is_dense) + families(&candidates).len() + of(is_layer);
        let mut step = || progress(steps);
        let seen = some(graph, samples)?;
        let layers = layers(graph, &seen, &mut step)?;
        weigh::weigh(graph, &mut candidates, &layers, samples, &mut step)?;
        Ok(Self { graph, groups, candidates, layers, samples: seen, steps })
    }

    /// As [`prune`].
    ///
    /// # Errors
    /// As [`prune`].
    pub fn prune(&self, share: f64, progress: &mut impl FnMut(usize)) -> Result<Graph, ConvertError> {
        let (groups, candidates, layers) = (self.groups.clone(), self.candidates.clone(), self.layers.clone());
        let kept = choose::choose(self.graph, groups, candidates, layers, share)?;
        fit::fit(self.graph, &Removal::of(kept), &self.samples, &mut || progress(self.steps))
    }
}

/// Leaves out channels of a float graph until `share` of its multiply-accumulates, above 0 and below 1, is saved. `progress` is called
/// after each step with the number of all.
///
/// # Errors
/// [`ConvertError::Prune`] if the model is quantized, there are no samples, or its channels do not save that much.
pub fn prune(
    graph: &Graph,
    share: f64,
    samples: &[Sample],
    mut progress: impl FnMut(usize),
) -> Result<Graph, ConvertError> {
    check(graph, samples)?;
    if !(share > 0.0 && share < 1.0) {
        return refused(SHARE);
    }
    Pruner::new(graph, samples, &mut progress)?.prune(share, &mut progress)
}

const SHARE: &str = "the share of multiply-accumulates to save must be above 0 and below 1";

fn refused<T>(reason: &str) -> Result<T, ConvertError> {
    Err(ConvertError::Prune { reason: reason.into() })
}

fn check(graph: &Graph, samples: &[Sample]) -> Result<(), ConvertError> {
    if is_quantized(graph) {
        return refused("the model is quantized already; prune the float model it came from");
    }
    if samples.is_empty() {
        return refused("needs samples of real inputs to see which channels matter: --calib samples.npz");
    }
    if graph.layout != Layout::Nhwc { refused(SHARE) } else { Ok(()) }
}

fn is_layer(op: &Op) -> bool {
    matches!(op, Op::FullyConnected | Op::Conv { .. })
}

/// Whether an operation has weights from every input channel to every output channel.
fn is_dense(op: &Op) -> bool {
    matches!(op, Op::FullyConnected | Op::Conv { groups: 1, .. })
}

/// A dense layer whose inputs go.
#[derive(Clone)]
struct Layer {
    surgeon: Surgeon,
    /// The variance of its outputs, summed.
    variance: f64,
    /// The mean of its inputs.
    mean: Vec<f64>,
}

impl Layer {
    /// The share of its outputs' variance that it loses without these inputs.
    fn loss(&self, inputs: &[usize]) -> f64 {
        self.surgeon.loss(inputs) / self.variance.max(f64::MIN_POSITIVE)
    }
}

/// What holds the weights where the samples do not, as a part of the mean of the squares.
const RIDGE: f64 = 1e-3;
/// Windows of a layer that are looked at, for each element of one and at least.
const WINDOWS: (usize, usize) = (16, 16384);

fn windows(depth: usize) -> usize {
    (WINDOWS.0 * depth).max(WINDOWS.1)
}

/// For each node the dense layer that it is, on what it meets in the float program.
fn layers(graph: &Graph, samples: &[Sample], step: &mut impl FnMut()) -> Result<Vec<Option<Layer>>, ConvertError> {
    let mut front = Front::new(graph, samples);
    let layer = |(id, node): (NodeId, &Node)| {
        if !is_dense(&node.op) {
            return Ok(None);
        }
        front.advance(graph, &Quantization::none(), id.0)?;
        let rows = Reach::of(graph, node).0.rows(&front.of(node.inputs[0]), 0, windows);
        step();
        let not_finite = || ConvertError::Prune { reason: format!("`{}` meets what is not finite", node.name) };
        let weights = graph.constant(node.inputs[1]).into_iter().flatten().map(|w| f64::from(*w)).collect::<Vec<_>>();
        let h = products(&rows.centered, &rows.centered, rows.mean.len());
        let variance = weights.chunks(rows.mean.len().max(1)).map(|w| dot(&h.times(w), w)).sum();
        let lambda = RIDGE * h.mean_diagonal() + f64::MIN_POSITIVE.sqrt();
        let surgeon = Surgeon::new(h.damped(lambda), &weights).ok_or_else(not_finite)?;
        Ok(Some(Layer { surgeon, variance, mean: rows.mean }))
    };
    nodes(graph).map(layer).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::Axis;

    use super::*;
    use crate::graph::{Binary, Kind, State, Value, ValueId, Window};
    use crate::passes::tests::{Build, random};
    use crate::reference::FloatProgram;

    fn conv(kernel: usize, groups: usize) -> Op {
        Op::Conv { window: Window { kernel: [kernel; 2], pads: [kernel / 2; 4], ..Window::default() }, groups }
    }

    /// The input and what a state holds of those before it.
    fn with_state(b: &mut Build, x: ValueId) -> ValueId {
        let held = b.graph_mut().add(Value::activation("held", &[1, 6, 6, 2], Kind::F32));
        let sum = b.op(Op::Binary(Binary::Add), &[x, held]);
        let store = Op::Slice { starts: vec![0; 4], steps: vec![1; 4] };
        let next = b.shaped(store, &[sum], &[1, 6, 6, 2]);
        b.graph_mut().states.push(State { input: held, output: next });
        sum
    }

    /// A network whose second half of channels is the first half once more, a residual sum in it.
    fn doubled(has_state: bool) -> Graph {
        let mut b = Build::nhwc();
        let mut x = b.input(&[1, 6, 6, 2]);
        if has_state {
            x = with_state(&mut b, x);
        }
        let twice = |b: &mut Build, shape: [usize; 4], x| {
            let half = random(&[shape[0] / 2, shape[1], shape[2], shape[3]], shape[3] as u32 + 9);
            let w = ndarray::concatenate(Axis(0), &[half.view(), half.view()]).unwrap();
            let w = b.constant(w);
            b.op(conv(shape[1], if shape[3] == 1 { shape[0] } else { 1 }), &[x, w])
        };
        x = twice(&mut b, [8, 3, 3, 2], x);
        let y = twice(&mut b, [8, 3, 3, 1], x);
        let y = twice(&mut b, [8, 1, 1, 8], y);
        let x = b.op(Op::Binary(Binary::Add), &[x, y]);
        let w = b.random(&[3, 1, 1, 8]);
        let y = b.op(conv(1, 1), &[x, w]);
        b.output(y)
    }

    fn samples(count: u32) -> Vec<Sample> {
        (0..count).map(|seed| vec![random(&[1, 6, 6, 2], 50 + seed)]).collect()
    }

    fn output(graph: &Graph, sample: &Sample) -> Vec<f32> {
        let mut found = Vec::new();
        let mut program = FloatProgram::new(graph).unwrap();
        program
            .run(graph, sample, |id, numbers| {
                if id == graph.outputs[0] {
                    found = numbers
                }
            })
            .unwrap();
        found
    }

    #[test]
    fn what_others_know_too_goes_and_the_rest_makes_up_for_it() {
        for whole in [false, true].map(doubled) {
            let mut steps = (0, 0);
            let pruned = prune(&whole, 0.4, &samples(20), |of| steps = (steps.0 + 1, of)).unwrap();
            assert_eq!((pruned.check(), steps.0), (Ok(()), steps.1));
            let removed = crate::channels::Removed::between(&whole, &pruned, false);
            let all = crate::channels::Removed::between(&whole, &Graph::default(), false);
            assert!(removed.macs as f64 >= 0.4 * all.macs as f64 && removed.channels < all.channels, "{removed:?}");
            let unseen = &vec![random(&[1, 6, 6, 2], 7)];
            let (a, b) = (output(&whole, unseen), output(&pruned, unseen));
            let energy = |x: &mut dyn Iterator<Item = f32>| x.map(|x| f64::from(x * x)).sum::<f64>();
            let noise = energy(&mut a.iter().zip(&b).map(|(a, b)| a - b));
            assert!(noise < 1e-4 * energy(&mut a.iter().copied()), "{noise}");
            assert_eq!(output(&pruned, unseen), output(&prune(&whole, 0.4, &samples(20), |_| ()).unwrap(), unseen));
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let said = |share, count| prune(&doubled(false), share, &samples(count), |_| ()).unwrap_err().to_string();
        assert!(said(0.3, 0).contains("--calib"));
        assert!(said(1.5, 2).contains("below 1"));
        assert!(said(0.999, 2).contains("ask for less"));
    }
}
