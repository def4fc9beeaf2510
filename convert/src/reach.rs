//! What a layer's outputs meet of its input.

use lacewing_numeric::{Window, centered};
use ndarray::ArrayD;

use crate::graph::{Graph, Node, Op};

/// Which elements of its input a layer's output meets.
pub(crate) struct Reach {
    /// Over an input `[1][h][w][c]`; of a fully connected layer over its rows as the pixels of one line.
    window: Window,
    groups: usize,
    /// Height and width.
    output: [usize; 2],
}

/// What outputs meet, one row for each, less its mean.
pub(crate) struct Rows {
    /// The mean of all rows.
    pub(crate) mean: Vec<f64>,
    /// Rows of as many elements as the mean.
    pub(crate) centered: Vec<f64>,
}

impl Reach {
    /// Of a convolution or fully connected layer, and its groups.
    pub(crate) fn of(graph: &Graph, node: &Node) -> (Self, usize) {
        match (&node.op, graph.shape(node.inputs[0]), graph.shape(node.outputs[0])) {
            (Op::Conv { window, groups }, &[_, h, w, c], &[_, height, width, _]) => {
                let [top, left, ..] = window.pads;
                let (kernel, strides, dilations) = (window.kernel, window.strides, window.dilations);
                let window = Window { kernel, strides, dilations, pads: [top, left], shape: [h, w, c], channels: 0..c };
                (Self { window, groups: *groups, output: [height, width] }, *groups)
            }
            (_, shape, _) => {
                let c = shape.last().copied().unwrap_or(1);
                let rows = shape.iter().product::<usize>() / c.max(1);
                let [kernel, strides, dilations] = [[1; 2]; 3];
                let window = Window { kernel, strides, dilations, pads: [0; 2], shape: [1, rows, c], channels: 0..c };
                (Self { window, groups: 1, output: [1, rows] }, 1)
            }
        }
    }

    /// What outputs of group `group` meet in the layer's input, sample by sample, whose elements are in row-major order: at most as many as
    /// `most` says for a depth, thinned out evenly.
    pub(crate) fn rows(&self, inputs: &[&ArrayD<f32>], group: usize, most: impl Fn(usize) -> usize) -> Rows {
        let channels = self.window.shape[2] / self.groups.max(1);
        let window = Window { channels: group * channels..(group + 1) * channels, ..self.window.clone() };
        let images: Vec<&[f32]> = inputs.iter().filter_map(|input| input.as_slice()).collect();
        let depth = window.depth();
        let (mean, centered) = centered(window.gather_evenly(&images, self.output, most(depth)), depth);
        Rows { mean, centered }
    }
}
