//! Structured pruning: the channels that matter least are left out, with all that shares them, and each layer behind them is fitted anew.
//!
//! A channel matters as much as its part in what the layers behind it compute: `‖w_i‖²·Var(x_i)` as a share of the sum over the channels
//! that such a layer still reads. Channels go one after the other, the least share per multiply-accumulate saved first, until the share
//! of multiply-accumulates that was asked for is saved. Then each layer that lost inputs gets the weights and the bias of least squares:
//! `Σ ‖W·x + b − W'·x' − b'‖²` over the samples, with `x` of the original and `x'` of the pruned network, as pruned and fitted so far.

mod choose;
mod fit;

use ndarray::{Array1, Axis};

use crate::Sample;
use crate::channels::{Groups, Removal};
use crate::error::ConvertError;
use crate::graph::{Graph, Layout, Node, Op, ValueId};
use crate::parallel;
use crate::quantize::{Quantization, is_quantized, nodes};
use crate::reference::FloatProgram;

/// Leaves out channels of a float graph until `share` of its multiply-accumulates, above 0 and below 1, is saved.
///
/// # Errors
/// [`ConvertError::Prune`] if the model is quantized, there are no samples, or its channels do not save that much.
pub fn prune(graph: &Graph, share: f64, samples: &[Sample]) -> Result<Graph, ConvertError> {
    let refused = |reason: &str| Err(ConvertError::Prune { reason: reason.into() });
    if is_quantized(graph) {
        return refused("the model is quantized already; prune the float model it came from");
    }
    if samples.is_empty() {
        return refused("needs samples of real inputs to see which channels matter: --calib samples.npz");
    }
    if !(share > 0.0 && share < 1.0) || graph.layout != Layout::Nhwc {
        return refused("the share of multiply-accumulates to save must be above 0 and below 1");
    }
    let energies = energies(graph, samples)?;
    let groups = Groups::of(graph, |_, _| true);
    let kept = choose::choose(graph, groups, &energies, share)?;
    let removal = Removal::of(kept);
    let mut pruned = removal.apply(graph.clone(), Quantization::none()).0;
    for (id, _) in nodes(graph).filter(|(_, node)| is_dense(&node.op) && removal.kept.contains_key(&node.inputs[0])) {
        fit::fit(graph, &mut pruned, id, &removal, samples)?;
    }
    Ok(pruned)
}

/// Whether an operation has weights from every input channel to every output channel.
fn is_dense(op: &Op) -> bool {
    matches!(op, Op::FullyConnected | Op::Conv { groups: 1, .. })
}

/// The value in whose elements a value lies: reshapes run nothing.
fn behind_reshapes(graph: &Graph, mut id: ValueId) -> ValueId {
    while let Some(node) = graph.nodes.iter().find(|node| node.outputs[0] == id && node.op == Op::Reshape) {
        id = node.inputs[0];
    }
    id
}

/// For each layer, `‖w_i‖²·Var(x_i)` of every input channel; nothing for other nodes.
fn energies(graph: &Graph, samples: &[Sample]) -> Result<Vec<Vec<f64>>, ConvertError> {
    let dense: Vec<&Node> = graph.nodes.iter().filter(|node| is_dense(&node.op)).collect();
    let sources: Vec<ValueId> = dense.iter().map(|node| behind_reshapes(graph, node.inputs[0])).collect();
    let mut moments: Vec<[Array1<f64>; 2]> =
        dense.iter().map(|node| [0, 1].map(|_| Array1::zeros(crate::channels::count(graph, node.inputs[0])))).collect();
    let mut rows = vec![0.0; dense.len()];
    let mut workers = parallel::workers(FloatProgram::new(graph)?, !graph.states.is_empty());
    let work = |program: &mut FloatProgram, sample: &Sample| {
        let mut seen: Vec<Vec<f32>> = vec![Vec::new(); sources.len()];
        program.run(graph, sample, |id, numbers| {
            sources
                .iter()
                .zip(&mut seen)
                .filter(|(source, _)| **source == id)
                .for_each(|(_, to)| to.clone_from(&numbers));
        })?;
        Ok(seen)
    };
    parallel::each(&mut workers, samples, work, |seen: Vec<Vec<f32>>| {
        for ((numbers, [sums, squares]), rows) in seen.iter().zip(&mut moments).zip(&mut rows) {
            for row in numbers.chunks(sums.len()) {
                for ((x, sum), square) in row.iter().map(|x| f64::from(*x)).zip(&mut *sums).zip(&mut *squares) {
                    (*sum, *square) = (*sum + x, *square + x * x);
                }
                *rows += 1.0;
            }
        }
        Ok::<_, ConvertError>(())
    })?;
    let mut variances = moments.into_iter().zip(rows).map(|([sums, squares], n)| {
        let (means, squares) = (sums / n, squares / n);
        (&squares - &(&means * &means)).mapv(|v| v.max(0.0))
    });
    let energy = |node: &Node| {
        let weights = node.inputs.get(1).filter(|_| is_dense(&node.op)).and_then(|w| graph.constant(*w));
        let (Some(w), Some(variances)) = (weights, weights.and_then(|_| variances.next())) else { return Vec::new() };
        let norm = |i: usize| w.index_axis(Axis(w.ndim() - 1), i).iter().map(|w| f64::from(w * w)).sum::<f64>();
        variances.iter().enumerate().map(|(i, variance)| norm(i) * variance).collect()
    };
    Ok(graph.nodes.iter().map(energy).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Binary, Window};
    use crate::passes::tests::{Build, random};

    fn conv(kernel: usize, groups: usize) -> Op {
        Op::Conv { window: Window { kernel: [kernel; 2], pads: [kernel / 2; 4], ..Window::default() }, groups }
    }

    /// A network whose second half of channels is the first half once more, a residual sum in it.
    fn doubled() -> Graph {
        let mut b = Build::nhwc();
        let mut x = b.input(&[1, 6, 6, 2]);
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
        let whole = doubled();
        let pruned = prune(&whole, 0.4, &samples(20)).unwrap();
        assert_eq!(pruned.check(), Ok(()));
        let removed = crate::channels::Removed::between(&whole, &pruned, false);
        let all = crate::channels::Removed::between(&whole, &Graph::default(), false);
        assert!(removed.macs as f64 >= 0.4 * all.macs as f64 && removed.channels < all.channels, "{removed:?}");
        let unseen = &vec![random(&[1, 6, 6, 2], 7)];
        let (a, b) = (output(&whole, unseen), output(&pruned, unseen));
        let energy = |x: &mut dyn Iterator<Item = f32>| x.map(|x| f64::from(x * x)).sum::<f64>();
        let noise = energy(&mut a.iter().zip(&b).map(|(a, b)| a - b));
        assert!(noise < 1e-2 * energy(&mut a.iter().copied()), "{noise}");
        assert_eq!(output(&pruned, unseen), output(&prune(&whole, 0.4, &samples(20)).unwrap(), unseen));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let said = |share, count| prune(&doubled(), share, &samples(count)).unwrap_err().to_string();
        assert!(said(0.3, 0).contains("--calib"));
        assert!(said(1.5, 2).contains("below 1"));
        assert!(said(0.999, 2).contains("ask for less"));
    }
}
