//! Weights fitted to what a layer is to compute: layer by layer, on what the quantized program before it gives on the samples.
//!
//! A layer of weights `W` and bias `b` has inputs `t` in the float program, cut to what their integers hold, and `x` in the quantized one:
//! what ranges were chosen to cut off is not to be made up for. Its integers `Ŵ` and its new bias `b̂` are chosen to make the mean of `(W·t + b − Ŵ·x − b̂)²` small: `b̂ = b + W·E[t] − Ŵ·E[x]`, and `Ŵ` near, in the sense of [`lacewing_numeric::Form`],
//! to `W' = (W·E[t·xᵀ] + λ·W)·(E[x·xᵀ] + λ)⁻¹` of the centered inputs, which makes up for the error of the layers before.

mod moments;

use lacewing_numeric::{Form, Square, add, bands, dot};
use ndarray::{ArrayD, Axis};

use crate::Sample;
use crate::error::ConvertError;
use crate::front::{Front, some};
use crate::graph::{Graph, Node, NodeId, ValueId};
use crate::quantize::{Bits, Quantization, Weights, nodes};
use crate::reach::Reach;
use moments::Moments;

/// How weights become integers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rounding {
    /// Each to the nearest; nothing is fitted.
    Nearest,
    /// So that the layer's output on the samples is near, one weight after another: see [`lacewing_numeric::Form`]. Without samples, and
    /// for models with state, each to the nearest.
    #[default]
    Gptq,
    /// To the same end, whether each goes down or up by gradient descent: see [`lacewing_numeric::Form::adaround`]. Slower, and seldom
    /// as good.
    Adaround,
}

impl Rounding {
    /// The name that options have.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nearest => "nearest",
            Self::Gptq => "gptq",
            Self::Adaround => "adaround",
        }
    }
}

/// `λ` as a part of the mean square of an input.
const DAMPING: f64 = 0.01;

/// Outputs of a layer times the square of its inputs up to which it is fitted, in about half a minute.
const MOST: usize = 1 << 31;

/// Outputs that are fitted together.
const TOGETHER: usize = 4;

/// The layers with integers of our own.
fn own<'g>(graph: &'g Graph, quantization: &Quantization) -> impl Iterator<Item = (NodeId, &'g Node)> {
    let own = |node: &Node| graph.value(node.inputs[1]).grid.is_none();
    nodes(graph).filter(move |(id, node)| quantization.weights(*id).is_some() && own(node))
}

/// Whether a layer is too large to be fitted.
fn is_too_large(graph: &Graph, node: &Node) -> bool {
    let (outputs, inputs) = graph.shape(node.inputs[1]).split_at(1);
    let inputs: usize = inputs.iter().product();
    outputs[0].saturating_mul(inputs).saturating_mul(inputs) > MOST
}

/// The names of the layers that are too large to be fitted: each of their weights is rounded to the nearest.
#[must_use]
pub fn too_large(graph: &Graph, quantization: &Quantization) -> Vec<String> {
    let large = own(graph, quantization).filter(|(_, node)| is_too_large(graph, node));
    large.map(|(_, node)| node.name.clone()).collect()
}

/// Chooses integers and biases of all layers anew. `float` is the graph that was quantized; `progress` is called after each layer with the
/// number of all.
///
/// # Errors
/// [`ConvertError`] if a part of a program cannot be encoded or run.
pub fn reconstruct(
    float: &Graph,
    mut graph: Graph,
    mut quantization: Quantization,
    samples: &[Sample],
    rounding: Rounding,
    mut progress: impl FnMut(usize),
) -> Result<(Graph, Quantization), ConvertError> {
    let fitted = own(&graph, &quantization).filter(|(_, node)| !is_too_large(&graph, node));
    let layers: Vec<NodeId> = fitted.map(|(id, _)| id).collect();
    let samples = some(float, samples)?;
    let (mut ahead, mut behind) = (Front::new(float, &samples), Front::new(&graph, &samples));
    behind.round(&quantization);
    for id in &layers {
        let node = graph.nodes[id.0].clone();
        let Some(original) = float.nodes.iter().position(|float| float.outputs == node.outputs) else { continue };
        ahead.advance(float, &Quantization::none(), original)?;
        ahead.clamp(&quantization);
        behind.advance(&graph, &quantization, id.0)?;
        let (x, t) = (node.inputs[0], float.nodes[original].inputs[0]);
        let layer = Layer { rounding, ..Layer::new(&graph, &node, &quantization, *id) };
        let fit = layer.fit(|reach, group| Moments::new(reach, group, layer.bits, (&behind.of(x), &ahead.of(t))));
        if let Some(Fit { weights, bias }) = fit {
            quantization.refit(&mut graph, *id, weights, bias);
        }
        progress(layers.len());
    }
    Ok((graph, quantization))
}

/// One layer before it is fitted.
struct Layer<'a> {
    reach: Reach,
    groups: usize,
    weights: &'a ArrayD<f32>,
    bias: Vec<f64>,
    bits: Bits,
    rounding: Rounding,
}

/// Its integers and its bias.
struct Fit {
    weights: Weights,
    bias: ArrayD<f32>,
}

impl<'a> Layer<'a> {
    fn new(graph: &'a Graph, node: &'a Node, quantization: &Quantization, id: NodeId) -> Self {
        let weights = graph.constant(node.inputs[1]).expect("weights are constants after import");
        let outputs = weights.shape()[0];
        let bias = node.inputs.get(2).and_then(|bias: &ValueId| graph.constant(*bias));
        let bias = bias.map_or_else(|| vec![0.0; outputs], |bias| bias.iter().map(|b| f64::from(*b)).collect());
        let bits = quantization.weights(id).map_or(Bits::Eight, |weights| weights.bits);
        let (reach, groups) = Reach::of(graph, node);
        Self { reach, groups, weights, bias, bits, rounding: Rounding::default() }
    }

    fn fit(&self, moments: impl Fn(&Reach, usize) -> Moments) -> Option<Fit> {
        let outputs = self.weights.shape()[0];
        let rows: Vec<Vec<f64>> =
            self.weights.axis_iter(Axis(0)).map(|row| row.iter().map(|w| f64::from(*w)).collect()).collect();
        let mut fitted = vec![Row::default(); outputs];
        let each = outputs / self.groups;
        for (group, to) in fitted.chunks_mut(each.max(1)).enumerate() {
            let target = Target::new(moments(&self.reach, group))?;
            bands(to, TOGETHER, |band, to| {
                let first = group * each + band * TOGETHER;
                let outputs = first..first + to.len();
                let (rows, bias) = (&rows[outputs.clone()], &self.bias[outputs]);
                to.iter_mut().zip(target.fit(rows, bias, self.bits, self.rounding)).for_each(|(to, row)| *to = row);
            });
        }
        let ints = fitted.iter().flat_map(|row| row.ints.iter().map(|q| *q as i8)).collect();
        let ints = ArrayD::from_shape_vec(self.weights.raw_dim(), ints).ok()?;
        let scales = fitted.iter().map(|row| row.scale).collect();
        let bias = fitted.iter().map(|row| row.bias as f32).collect();
        let bias = ArrayD::from_shape_vec(vec![outputs], bias).ok()?;
        Some(Fit { weights: Weights { ints, scales, zeros: Vec::new(), bits: self.bits, exact: None }, bias })
    }
}

/// What all outputs of a group have in common.
struct Target {
    form: Form,
    moments: Moments,
    /// The Cholesky factor of `E[x·xᵀ] + λ`.
    damped: Square,
    lambda: f64,
}

impl Target {
    fn new(moments: Moments) -> Option<Self> {
        let lambda = DAMPING * moments.xx.mean_diagonal() + f64::MIN_POSITIVE.sqrt();
        let damped = moments.xx.clone().damped(lambda);
        Some(Self { form: Form::new(&damped)?, damped: damped.cholesky()?, moments, lambda })
    }

    /// `W'` of some outputs.
    fn wanted(&self, rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let mut wanted = self.moments.xt.times_each(rows);
        wanted.iter_mut().zip(rows).for_each(|(wanted, w)| add(wanted, self.lambda, w));
        self.damped.solve_each(&mut wanted.iter_mut().map(Vec::as_mut_slice).collect::<Vec<_>>());
        wanted
    }

    /// Some outputs, of these weights and biases.
    fn fit(&self, rows: &[Vec<f64>], bias: &[f64], bits: Bits, rounding: Rounding) -> Vec<Row> {
        let ratios = ratios(bits, self.moments.x.len());
        let (wanted, limits) = (self.wanted(rows), bits.limits());
        let rounded = |wanted: &Vec<f64>| self.form.rounded(wanted, limits, ratios.clone());
        let mut fitted: Vec<(f64, Vec<f64>)> = wanted.iter().map(rounded).collect();
        if rounding == Rounding::Adaround {
            // Weights that are all 0 have the scale 0.
            let scale = |(scale, _): &(f64, Vec<f64>)| scale.max(f64::MIN_POSITIVE);
            let outputs: Vec<(&[f64], f64)> = wanted.iter().map(Vec::as_slice).zip(fitted.iter().map(scale)).collect();
            let found = self.form.adaround(&outputs, limits);
            fitted.iter_mut().zip(found).for_each(|((_, ints), found)| *ints = found);
        }
        let row = |(o, (scale, ints)): (usize, (f64, Vec<f64>))| {
            let bias = bias[o] + dot(&rows[o], &self.moments.t) - scale * dot(&ints, &self.moments.x);
            Row { ints, scale, bias }
        };
        fitted.into_iter().enumerate().map(row).collect()
    }
}

/// Multiply-accumulates of the roundings of one output, in each of which a weight meets all others.
const TRIES: usize = 1 << 22;

/// The scales to try, as parts of that of the largest weight: the fewer the integers, the more one gains that cuts it. Those of int4 lie
/// closer where a try is cheap, up to six times.
fn ratios(bits: Bits, depth: usize) -> impl Iterator<Item = f64> + Clone {
    let (tries, finer) = match bits {
        Bits::Eight => (4, 1),
        Bits::Four => (14, (TRIES / (14 * depth * depth).max(1)).clamp(1, 6)),
    };
    (0..tries * finer).map(move |step| 1.0 - 0.04 / finer as f64 * step as f64)
}

/// One output's integers, scale and bias.
#[derive(Clone, Default)]
struct Row {
    ints: Vec<f64>,
    scale: f64,
    bias: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibrate::{Calibrator, calibrate};
    use crate::graph::{Kind, Op, Value};
    use crate::quantize::{Policy, quantize};
    use ndarray::IxDyn;

    #[test]
    fn a_layer_is_too_large_by_the_square_of_its_inputs() {
        for (shape, large) in [([1024, 1024], false), ([2048, 1024], false), ([1024, 2048], true)] {
            let mut graph = Graph::default();
            let x = graph.add(Value::activation("x", &[1, shape[1]], Kind::F32));
            let w = graph.add(Value::constant("w", ArrayD::zeros(IxDyn(&shape))));
            let y = graph.add(Value::activation("y", &[1, shape[0]], Kind::F32));
            assert_eq!(is_too_large(&graph, &Node::new("fc", Op::FullyConnected, &[x, w], y)), large, "{shape:?}");
        }
    }

    /// A number that is far out of the range, and says so in a second input: made up for, that input's weight would be large.
    #[test]
    fn what_a_range_cuts_off_is_not_made_up_for() {
        let mut graph = Graph::default();
        let x = graph.add(Value::activation("x", &[1, 2], Kind::F32));
        let w = graph.add(Value::constant("w", ArrayD::from_shape_vec(IxDyn(&[1, 2]), vec![1.0, 0.1]).unwrap()));
        let y = graph.add(Value::activation("y", &[1, 1], Kind::F32));
        graph.nodes.push(Node::new("fc", Op::FullyConnected, &[x, w], y));
        (graph.inputs, graph.outputs) = (vec![x], vec![y]);
        let numbers =
            |i: u16| if i == 0 { [100.0, 1.0] } else { [f32::from(i % 7) / 3.0 - 1.0, f32::from(i % 5) / 10.0] };
        let sample = |i| vec![ArrayD::from_shape_vec(IxDyn(&[1, 2]), numbers(i).to_vec()).unwrap()];
        let samples: Vec<Sample> = (0..40).map(sample).collect();
        let ranges = calibrate(&graph, &samples, Calibrator::Percentile(95.0), |_| {}).unwrap();
        let (program, numbers) = quantize(&graph, &ranges, &Policy::default()).unwrap();
        let (_, fitted) = reconstruct(&graph, program, numbers, &samples, Rounding::Gptq, |_| {}).unwrap();
        let weights = fitted.weights(NodeId(0)).unwrap();
        let reals: Vec<f64> = weights.ints.iter().map(|q| weights.scales[0] * f64::from(*q)).collect();
        assert!((reals[0] - 1.0).abs() < 0.1 && (reals[1] - 0.1).abs() < 0.2, "{reals:?}");
    }
}
