//! int8 weights of recurrent layers: a scale for each row of each gate, apart for what comes from the sequence and from the state.

use ndarray::{ArrayD, Axis};

use super::weights::{Bits, Weights, round_weight};
use super::{Params, activation_operands};
use crate::error::ConvertError;
use crate::graph::{Function, Graph, Node, Op, Value, ValueId};

/// A sum of products with its bias stays below it, in i32.
const LARGEST_SUM: f64 = (1u32 << 31) as f64;

/// Whether a recurrent layer can be computed in integers: gates that stay within ±1, and no weights from the cells.
pub(super) fn have_integers(op: &Op) -> bool {
    match op {
        Op::Lstm { activations: [gate, ..], .. } | Op::Gru { activations: [gate, ..], .. } => is_gate(*gate),
        Op::Rnn { .. } => true,
        _ => false,
    }
}

/// Whether one such layer cannot: for weights from its cells, and weights of a quantized file that are not within int8.
pub(super) fn need_floats(graph: &Graph, node: &Node) -> bool {
    let first = activation_operands(node).len();
    let peepholes = matches!(node.op, Op::Lstm { .. }) && node.inputs.len() > first + 3;
    peepholes || have_integers(&node.op) && node.inputs[first..][..2].iter().any(|id| exceed_int8(graph.value(*id)))
}

fn exceed_int8(weights: &Value) -> bool {
    let (Some(grid), Some(floats)) = (&weights.grid, &weights.constant) else { return false };
    let row = |row, floats: ndarray::ArrayViewD<'_, f32>| {
        floats.iter().any(|w| !(-128.0..=127.0).contains(&(w / grid.scale(row)).round_ties_even()))
    };
    floats.axis_iter(Axis(0)).enumerate().any(|(number, floats)| row(number, floats))
}

fn is_gate(function: Function) -> bool {
    matches!(function, Function::Sigmoid | Function::HardSigmoid { .. } | Function::Tanh | Function::Softsign)
}

/// What meets the weights: the value of one step, and the integers that it takes.
#[derive(Clone, Copy)]
struct Operand {
    scale: f64,
    zero: f64,
    reach: f64,
}

/// The weights of all gates for the sequence, which has the params `x`, and for the state.
pub(super) fn gates(graph: &Graph, node: &Node, x: Params, state: Params) -> Result<[Weights; 2], ConvertError> {
    let first = activation_operands(node).len();
    let bias: Vec<f64> = constant(graph, node.inputs[first + 2]).iter().map(|b| f64::from(*b)).collect();
    let (rows, units) = (constant(graph, node.inputs[first]).shape()[0], graph.shape(node.outputs[0])[2]);
    // The candidate of a GRU has a bias beside its state.
    let apart = |row: usize| bias.get(row + units).filter(|_| bias.len() > rows && row + units >= rows);
    let x = Operand { scale: x.scale.into(), zero: x.zero.into(), reach: 128.0 };
    let state = Operand { scale: state.scale.into(), zero: 0.0, reach: 32768.0 };
    Ok([
        weights(graph, node, node.inputs[first], x, |row| bias[row])?,
        weights(graph, node, node.inputs[first + 1], state, |row| apart(row).copied().unwrap_or(0.0))?,
    ])
}

fn constant(graph: &Graph, id: ValueId) -> &ArrayD<f32> {
    graph.constant(id).expect("weights are constants after import")
}

/// Rounds each row to −127..=127, and coarser where the sum would be too large. The integers of a quantized file stay, and are refused
/// where they are too large.
fn weights(
    graph: &Graph,
    node: &Node,
    id: ValueId,
    operand: Operand,
    bias: impl Fn(usize) -> f64,
) -> Result<Weights, ConvertError> {
    let (floats, grid) = (constant(graph, id), graph.value(id).grid.as_deref());
    let mut ints = ArrayD::zeros(floats.raw_dim());
    let mut scales = Vec::with_capacity(floats.shape()[0]);
    for (row, (from, mut to)) in floats.axis_iter(Axis(0)).zip(ints.axis_iter_mut(Axis(0))).enumerate() {
        let largest = from.iter().fold(0f64, |most, w| most.max(f64::from(w.abs())));
        let given = grid.map(|grid| f64::from(grid.scale(row)));
        let given = given.filter(|_| largest > 0.0);
        // A bias beside small weights asks for a step in which it can be written.
        let least = bias(row).abs() / (operand.scale * LARGEST_SUM / 8.0);
        let mut scale = given.unwrap_or((largest / 127.0).max(least));
        loop {
            to.zip_mut_with(&from, |q, w| *q = round_weight(*w, scale, 0, if given.is_some() { -128 } else { -127 }));
            let sum = largest_sum(to.iter().copied(), bias(row), scale, operand);
            if scale == 0.0 || sum < LARGEST_SUM {
                break;
            }
            if given.is_some() {
                return Err(too_large(node, row, sum));
            }
            scale *= 1.01 * sum / LARGEST_SUM;
        }
        scales.push(scale);
    }
    Ok(Weights { ints, scales, zeros: Vec::new(), bits: Bits::Eight, exact: None })
}

/// `|b| + reach·Σ|w|` with the bias in steps of the sum, the zero point folded in.
fn largest_sum(weights: impl Iterator<Item = i8>, bias: f64, scale: f64, operand: Operand) -> f64 {
    let (sum, absolute) = weights.fold((0.0, 0.0), |(sum, absolute), w| {
        let w = f64::from(w);
        (sum + w, absolute + w.abs())
    });
    let folded = if bias == 0.0 { 0.0 } else { bias / (operand.scale * scale) };
    (folded - operand.zero * sum).abs() + operand.reach * absolute
}

fn too_large(node: &Node, row: usize, sum: f64) -> ConvertError {
    let reason = format!(
        "row {row} of its integer weights and bias sums up to {sum:.3e}, beyond {LARGEST_SUM:.3e}, what an i32 holds; quantize the float \
         model instead"
    );
    ConvertError::Node { op: crate::encode::name(&node.op).into(), node: node.name.clone(), reason }
}
