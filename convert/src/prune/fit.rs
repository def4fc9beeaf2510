//! A layer's weights and bias by least squares.

use std::sync::Arc;

use lacewing_numeric::{Square, add, dot};
use ndarray::ArrayD;

use super::behind_reshapes;
use crate::Sample;
use crate::channels::{Removal, count};
use crate::error::ConvertError;
use crate::graph::{Graph, NodeId, Op, Window};
use crate::parallel;
use crate::reference::FloatProgram;

/// Positions that are looked at for each unknown, and at most.
const POSITIONS: (usize, usize) = (16, 16384);
/// Samples that are looked at, at least and at most; as many as have these positions.
const SAMPLES: (usize, usize) = (32, 256);
/// What holds the weights where the samples do not, as a part of the mean of the squares.
const RIDGE: f64 = 1e-3;

/// Fits layer `id` of `pruned` to what it computes in `whole`: `(A + λ)·Δ = B` with `A = Σ p'·p'ᵀ`, `B = Σ p'·rᵀ`, of each position what
/// the kernel sees and 1, `p'`, and what is missing, `r`.
pub(super) fn fit(
    whole: &Graph,
    pruned: &mut Graph,
    id: NodeId,
    removal: &Removal,
    samples: &[Sample],
) -> Result<(), ConvertError> {
    let output = whole.nodes[id.0].outputs[0];
    let rows = match removal.kept.get(&output) {
        Some(kept) => kept.clone(),
        None => (0..count(whole, output)).collect(),
    };
    let (target, layer) = (Layer::of(whole, id).rows(&rows), Layer::of(pruned, id));
    let unknowns = layer.unknowns;
    let positions = (POSITIONS.0 * unknowns).min(POSITIONS.1);
    let each = whole.shape(output).iter().product::<usize>() / count(whole, output);
    let enough = positions.div_ceil(each).clamp(SAMPLES.0, SAMPLES.1);
    let samples: Vec<Sample> = samples.iter().step_by(samples.len().div_ceil(enough)).cloned().collect();
    let positions = positions.div_ceil(samples.len());
    let programs = (FloatProgram::new(whole)?, FloatProgram::new(pruned)?);
    let mut workers = parallel::workers(programs, !whole.states.is_empty());
    let work = |(original, program): &mut (FloatProgram, FloatProgram), sample: &Sample| {
        let wanted = target.seen(whole, original, sample, positions)?;
        let found = layer.seen(pruned, program, sample, positions)?;
        let missing = target.outputs(&wanted).zip(layer.outputs(&found)).map(|(wanted, found)| wanted - found);
        let missing: Vec<f64> = missing.collect();
        Ok::<_, ConvertError>((found, missing))
    };
    let (mut a, mut b) = (Square::zeros(unknowns), vec![0.0; unknowns * rows.len()]);
    parallel::each(&mut workers, &samples, work, |(found, missing)| {
        for (seen, missing) in found.chunks(unknowns).zip(missing.chunks(rows.len())) {
            (0..unknowns).for_each(|i| add(&mut a.row_mut(i)[..=i], seen[i], seen));
            b.chunks_mut(unknowns).zip(missing).for_each(|(b, missing)| add(b, *missing, seen));
        }
        Ok(())
    })?;
    let lambda = RIDGE * a.mean_diagonal();
    if let Some(root) = a.damped(lambda).cholesky() {
        let mut weights = layer.weights;
        for (row, change) in weights.chunks_mut(unknowns).zip(b.chunks_mut(unknowns)) {
            root.solve(change);
            add(row, 1.0, change);
        }
        store(pruned, id, &weights, unknowns);
    }
    Ok(())
}

/// A layer as a matrix.
struct Layer {
    id: NodeId,
    /// `[out][kernel · in]`, row-major, and behind each row the bias.
    weights: Vec<f64>,
    /// The length of a row with its bias.
    unknowns: usize,
}

impl Layer {
    fn of(graph: &Graph, id: NodeId) -> Layer {
        let node = &graph.nodes[id.0];
        let numbers = |at: usize| node.inputs.get(at).and_then(|id| graph.constant(*id)).into_iter().flatten();
        let rows = graph.shape(node.inputs[1])[0];
        let depth = graph.shape(node.inputs[1])[1..].iter().product::<usize>();
        let w: Vec<f64> = numbers(1).map(|w| f64::from(*w)).collect();
        let biases = numbers(2).map(|b| f64::from(*b)).chain(std::iter::repeat(0.0)).take(rows);
        let weights = w.chunks(depth).zip(biases).flat_map(|(row, bias)| row.iter().copied().chain([bias])).collect();
        Layer { id, weights, unknowns: depth + 1 }
    }

    /// Some of its output channels.
    fn rows(self, kept: &[usize]) -> Layer {
        let row = |o: &usize| self.weights[o * self.unknowns..][..self.unknowns].iter().copied();
        Layer { weights: kept.iter().flat_map(row).collect(), ..self }
    }

    /// Its results at positions, before a fused activation.
    fn outputs<'p>(&'p self, seen: &'p [f64]) -> impl Iterator<Item = f64> + 'p {
        seen.chunks(self.unknowns).flat_map(|seen| self.weights.chunks(self.unknowns).map(move |row| dot(row, seen)))
    }

    /// What the kernel sees at some positions, and 1 behind each.
    fn seen(
        &self,
        graph: &Graph,
        program: &mut FloatProgram,
        sample: &Sample,
        positions: usize,
    ) -> Result<Vec<f64>, ConvertError> {
        let node = &graph.nodes[self.id.0];
        let (x, mut numbers) = (behind_reshapes(graph, node.inputs[0]), Vec::new());
        program.run(graph, sample, |id, seen| {
            if id == x {
                numbers = seen;
            }
        })?;
        let channels = count(graph, node.inputs[0]);
        let outputs = graph.shape(node.outputs[0]);
        let all = outputs.iter().product::<usize>() / count(graph, node.outputs[0]);
        let (shape, window, width) = match (&node.op, graph.shape(node.inputs[0])) {
            (Op::Conv { window, .. }, &[_, h, w, c]) => ([h, w, c], window.clone(), outputs[2]),
            _ => ([1, all, channels], Window::default(), all),
        };
        let chosen = (0..all).step_by(all.div_ceil(positions));
        let at = |position: usize| patch(&numbers, shape, &window, [position / width, position % width]).chain([1.0]);
        Ok(chosen.flat_map(at).collect())
    }
}

/// What the kernel sees at an output position: rows, columns, channels; 0 in the padding.
fn patch<'n>(
    numbers: &'n [f32],
    [height, width, channels]: [usize; 3],
    window: &'n Window,
    at: [usize; 2],
) -> impl Iterator<Item = f64> + 'n {
    let inside = move |axis: usize, tap: usize, size: usize| {
        let padded = at[axis] * window.strides[axis] + tap * window.dilations[axis];
        padded.checked_sub(window.pads[axis]).filter(|i| *i < size)
    };
    let taps = (0..window.kernel[0]).flat_map(move |y| (0..window.kernel[1]).map(move |x| (y, x)));
    taps.flat_map(move |(y, x)| {
        let first = inside(0, y, height).zip(inside(1, x, width)).map(|(y, x)| (y * width + x) * channels);
        (0..channels).map(move |c| first.map_or(0.0, |first| f64::from(numbers[first + c])))
    })
}

/// Gives a layer, which has its constants for itself, new ones.
fn store(graph: &mut Graph, id: NodeId, weights: &[f64], unknowns: usize) {
    let inputs = graph.nodes[id.0].inputs.clone();
    let rows = || weights.chunks(unknowns).filter_map(<[f64]>::split_last);
    let w: Vec<f32> = rows().flat_map(|(_, row)| row).map(|w| *w as f32).collect();
    let b: Vec<f32> = rows().map(|(bias, _)| *bias as f32).collect();
    for (value, numbers) in inputs[1..].iter().zip([w, b]) {
        let shaped = ArrayD::from_shape_vec(graph.shape(*value), numbers);
        graph.values[value.0].constant = shaped.ok().map(Arc::new);
    }
}
