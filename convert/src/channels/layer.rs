//! What is asked of the weights of a convolution or a fully connected layer.

use crate::graph::{Graph, NodeId, Op};
use crate::quantize::{Params, Quantization};

/// Which weights of a layer are 0, and what its sums do with a constant.
pub(crate) struct Layer {
    /// Output channels.
    pub(crate) rows: usize,
    /// Input channels that each reads.
    columns: usize,
    /// Output channels of each group.
    group_rows: usize,
    /// For each row and column, whether all its taps are 0.
    zero: Vec<bool>,
    /// Whether a constant can go into its bias: in an integer program its sums must be integers.
    pub(super) folds: bool,
    /// Whether it reads padding too.
    pads: bool,
    /// The input's params in an integer program.
    input: Option<Params>,
}

impl Layer {
    /// The layer that a node is, if it is one.
    pub(crate) fn of(graph: &Graph, quantization: &Quantization, id: NodeId) -> Option<Layer> {
        let node = &graph.nodes[id.0];
        let (groups, pads) = match &node.op {
            Op::Conv { window, groups } => (*groups, window.pads != [0; 4]),
            Op::FullyConnected => (1, false),
            _ => return None,
        };
        let shape = graph.shape(node.inputs[1]);
        let (rows, columns) = (shape[0], *shape.last()?);
        let mut zero = vec![true; rows * columns];
        let row = shape[1..].iter().product::<usize>().max(1);
        let mut see = |at: usize, is: bool| zero[at / row * columns + at % columns] &= is;
        let weights = quantization.weights(id);
        match weights {
            Some(weights) => weights.ints.iter().enumerate().for_each(|(at, w)| see(at, *w == weights.zero(at / row))),
            None => graph.constant(node.inputs[1])?.iter().enumerate().for_each(|(at, w)| see(at, *w == 0.0)),
        }
        let folds = weights.is_some() || quantization.is_float();
        let input = quantization.params(node.inputs[0]);
        Some(Layer { rows, columns, group_rows: rows / groups.max(1), zero, folds, pads, input })
    }

    /// Whether an output channel has no weight for an input channel of its group.
    pub(super) fn is_zero(&self, row: usize, column: usize) -> bool {
        self.zero[row * self.columns + column]
    }

    /// The input channels that an output channel has weights for.
    pub(super) fn reads(&self, row: usize) -> impl Iterator<Item = usize> {
        let first = row / self.group_rows.max(1) * self.columns;
        (0..self.columns).filter(move |column| !self.is_zero(row, *column)).map(move |column| first + column)
    }

    /// Whether the constant is the same to every sum.
    pub(super) fn is_exact(&self, constant: f32) -> bool {
        !self.pads || self.input.map_or(constant == 0.0, |input| input.integer(constant) == i32::from(input.zero))
    }
}
