//! A graph, and the numbers of its integers, without what goes.

use std::sync::Arc;

use ndarray::{ArrayD, Axis, IxDyn};

use super::{Removal, links};
use crate::graph::{Graph, Grid, Node, NodeId, Op, Value, ValueId};
use crate::ops;
use crate::quantize::{Exact, Quantization};

impl Removal {
    /// Leaves out what goes. The graph is the one that it was found in, or the same before its quantization.
    #[must_use]
    pub fn apply(&self, graph: Graph, quantization: Quantization) -> (Graph, Quantization) {
        let count = graph.values.len();
        let mut apply = Apply { removal: self, graph, quantization };
        if !self.is_empty() {
            (0..apply.graph.nodes.len()).map(NodeId).for_each(|id| apply.node(id));
            let values = self.kept.iter().filter(|(id, _)| id.0 < count);
            values.for_each(|(id, kept)| apply.value(*id, kept));
        }
        (apply.graph, apply.quantization)
    }

    fn kept(&self, id: ValueId) -> Option<&[usize]> {
        self.kept.get(&id).map(Vec::as_slice)
    }
}

struct Apply<'r> {
    removal: &'r Removal,
    graph: Graph,
    quantization: Quantization,
}

impl Apply<'_> {
    fn value(&mut self, id: ValueId, kept: &[usize]) {
        let value = &mut self.graph.values[id.0];
        if let Some(last) = value.shape.last_mut() {
            *last = kept.len();
        }
        let was = value.kept.take();
        value.kept = Some(kept.iter().map(|c| was.as_ref().map_or(*c, |was| was[*c])).collect());
    }

    fn node(&mut self, id: NodeId) {
        let node = self.graph.nodes[id.0].clone();
        let (x, y) = (node.inputs[0], node.outputs[0]);
        let (columns, rows) = (self.removal.kept(x), self.removal.kept(y));
        if columns.is_none() && rows.is_none() {
            return;
        }
        match &node.op {
            Op::Conv { groups, .. } if links::is_depthwise(&self.graph, &node, *groups) => {
                self.layer(id, &node, None, rows);
                self.set_groups(id, columns.map_or(*groups, <[usize]>::len));
            }
            Op::Conv { .. } | Op::FullyConnected => self.layer(id, &node, columns, rows),
            _ => self.follow(id, &node, columns, rows),
        }
    }

    fn set_groups(&mut self, id: NodeId, count: usize) {
        if let Op::Conv { groups, .. } = &mut self.graph.nodes[id.0].op {
            *groups = count;
        }
    }

    /// A layer without the input channels that are not in `columns` and the output channels that are not in `rows`.
    fn layer(&mut self, id: NodeId, node: &Node, columns: Option<&[usize]>, rows: Option<&[usize]>) {
        let Some(weights) = self.graph.constant(node.inputs[1]).cloned() else { return };
        let bias = node.inputs.get(2).and_then(|id| self.graph.constant(*id));
        let mut bias: Vec<f32> = bias.map_or_else(|| vec![0.0; weights.shape()[0]], |b| b.iter().copied().collect());
        let gone = columns.map_or_else(Vec::new, |kept| self.gone(node.inputs[0], &weights, kept));
        self.exact(id, node, &bias, &gone);
        fold(&weights, &mut bias, &gone);
        self.select_integers(id, columns, rows);
        let weights = selected(selected(weights, 0, rows), self.graph.shape(node.inputs[1]).len() - 1, columns);
        let bias = selected(ArrayD::from_shape_vec(IxDyn(&[bias.len()]), bias).unwrap_or_default(), 0, rows);
        let grid = self.graph.value(node.inputs[1]).grid.as_deref().map(|grid| Arc::new(grid_of(grid, rows)));
        let w = self.graph.add(Value { grid, ..Value::constant(&format!("{}.weights", node.name), weights) });
        let b = self.graph.add(Value::constant(&format!("{}.bias", node.name), bias));
        self.graph.nodes[id.0].inputs = vec![node.inputs[0], w, b];
    }

    /// The input channels that go, and their constants.
    fn gone(&self, x: ValueId, weights: &ArrayD<f32>, kept: &[usize]) -> Vec<(usize, f32)> {
        let channels = 0..weights.shape().last().copied().unwrap_or_default();
        let gone = channels.filter(|channel| kept.binary_search(channel).is_err());
        gone.map(|channel| (channel, self.removal.constants.get(x, channel).unwrap_or(0.0))).collect()
    }

    /// Adds the channels that go to the integer bias, and keeps the shift that the multipliers had.
    fn exact(&mut self, id: NodeId, node: &Node, bias: &[f32], gone: &[(usize, f32)]) {
        let params = self.quantization.params(node.inputs[0]).zip(self.quantization.params(node.outputs[0]));
        let Some(((input, output), weights)) = params.zip(self.quantization.weights(id)) else { return };
        let mut steps: Vec<i64> = bias.iter().enumerate().map(|(o, b)| weights.bias_steps(o, *b, input)).collect();
        let shift = ops::layer_shift(weights, bias, input, output);
        for (o, (row, sum)) in weights.ints.axis_iter(Axis(0)).zip(&mut steps).enumerate() {
            for (channel, constant) in gone {
                let taps = row.index_axis(Axis(row.ndim() - 1), *channel);
                let taps: i64 = taps.iter().map(|w| i64::from(*w) - i64::from(weights.zero(o))).sum();
                *sum += taps * i64::from(input.integer(*constant) - i32::from(input.zero));
            }
        }
        if let Some(weights) = self.quantization.weights_mut(id) {
            weights.exact = Some(Exact { bias: steps, shift });
        }
    }

    fn select_integers(&mut self, id: NodeId, columns: Option<&[usize]>, rows: Option<&[usize]>) {
        let Some(weights) = self.quantization.weights_mut(id) else { return };
        let last = weights.ints.ndim() - 1;
        weights.ints = selected(selected(std::mem::take(&mut weights.ints), 0, rows), last, columns);
        let Some(rows) = rows else { return };
        weights.scales = rows.iter().map(|o| weights.scales[*o]).collect();
        weights.zeros = rows.iter().filter_map(|o| weights.zeros.get(*o).copied()).collect();
        if let Some(exact) = &mut weights.exact {
            exact.bias = rows.iter().map(|o| exact.bias[*o]).collect();
        }
    }

    /// An operation whose channels are those of its operands.
    fn follow(&mut self, id: NodeId, node: &Node, columns: Option<&[usize]>, rows: Option<&[usize]>) {
        let rank = self.graph.shape(node.inputs[0]).len();
        match &mut self.graph.nodes[id.0].op {
            Op::Slice { starts, .. } => {
                if let (Some(start), Some(kept)) = (starts.last_mut(), columns) {
                    *start = kept.partition_point(|channel| channel < start);
                }
            }
            Op::Take { axis, indices } if *axis + 1 == rank => {
                let at = |channel: usize| columns.map_or(channel, |kept| kept.partition_point(|c| *c < channel));
                let rows: Vec<usize> = rows.map_or_else(|| (0..indices.len()).collect(), <[usize]>::to_vec);
                *indices = rows.iter().map(|o| at(indices[*o])).collect();
            }
            _ => self.constant_operands(id, node, rows),
        }
    }

    /// Constants that have a number for each channel.
    fn constant_operands(&mut self, id: NodeId, node: &Node, rows: Option<&[usize]>) {
        let Some(rows) = rows else { return };
        let channels = self.graph.shape(node.outputs[0]).last().copied();
        for (operand, value) in node.inputs.iter().enumerate() {
            let of = self.graph.value(*value);
            let Some(constant) = self.graph.constant(*value).filter(|_| of.shape.last().copied() == channels) else {
                continue;
            };
            let chosen = selected(constant.clone(), constant.ndim() - 1, Some(rows));
            let grid = of.grid.as_deref().filter(|grid| grid.scales.len() == 1).map(|grid| Arc::new(grid.clone()));
            let new = Value { grid, ..Value::constant(&of.name.clone(), chosen) };
            let new = self.graph.add(new);
            self.quantization.copy_params(*value, new);
            self.graph.nodes[id.0].inputs[operand] = new;
        }
    }
}

/// `b + Σ w·c` over the channels that go.
fn fold(weights: &ArrayD<f32>, bias: &mut [f32], gone: &[(usize, f32)]) {
    for (row, bias) in weights.axis_iter(Axis(0)).zip(bias) {
        let product = |(channel, constant): &(usize, f32)| {
            let taps = row.index_axis(Axis(row.ndim() - 1), *channel);
            f64::from(*constant) * taps.iter().map(|w| f64::from(*w)).sum::<f64>()
        };
        *bias = (f64::from(*bias) + gone.iter().map(product).sum::<f64>()) as f32;
    }
}

fn selected<T: Clone>(array: ArrayD<T>, axis: usize, kept: Option<&[usize]>) -> ArrayD<T> {
    match kept {
        Some(kept) => array.select(Axis(axis), kept),
        None => array,
    }
}

/// The grid of the rows that stay.
fn grid_of(grid: &Grid, rows: Option<&[usize]>) -> Grid {
    let Some(rows) = rows.filter(|_| grid.scales.len() > 1) else { return grid.clone() };
    let (scales, zeros) = rows.iter().map(|o| (grid.scale(*o), grid.zero(*o))).unzip();
    Grid { scales, zeros, bits: grid.bits }
}
