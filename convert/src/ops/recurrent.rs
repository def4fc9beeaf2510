//! `LSTM`, `GRU` and `RNN`: directions, lengths of sequences, and where states come from and go to.

use ndarray::{ArrayD, Axis, IxDyn, Slice};

use super::compose::{Compose, Made};
use crate::encode::Writer;
use crate::error::ConvertError;
use crate::graph::{Function, Op, ValueId};
use crate::import::{Lowering, OnnxNode};
use lacewing::format::Tensor;

/// The domain of an `LSTM` that limits its cells by its attribute `cell_clip`, as TFLite has it and ONNX does not.
pub(crate) const BOUNDED: &str = "lacewing";

/// Any of the three; the results are `Y`, `Y_h` and, of an LSTM, `Y_c`.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let directions: &[bool] = match node.string("direction") {
        "" | "forward" => &[false],
        "reverse" => &[true],
        "bidirectional" => &[false, true],
        other => return Err(node.error(format!("direction `{other}` does not exist"))),
    };
    let batch_first = node.flag("layout");
    let mut on = Compose::new(node, to);
    let x = sequence(&mut on, batch_first)?;
    let lengths = lengths(&on, x)?;
    let mut results = [const { Vec::new() }; 3];
    for (number, reversed) in directions.iter().enumerate() {
        let layer = Layer::read(&mut on, x, (number, directions.len()), batch_first)?;
        let parts = layer.sequences(&mut on, x, &lengths, *reversed)?;
        results.iter_mut().zip(parts).for_each(|(all, one)| all.push(one));
    }
    let [rows, h, c] = results;
    let mut outputs = vec![joined_rows(&mut on, &rows, batch_first)?, joined_states(&mut on, &h, batch_first)?];
    if node.op() == "LSTM" {
        outputs.push(joined_states(&mut on, &c, batch_first)?);
    }
    Ok(outputs)
}

/// The sequence as `[t, b, i]`.
fn sequence(on: &mut Compose<'_, '_>, batch_first: bool) -> Made {
    let x = on.input(0)?;
    match on.shape(x).len() {
        3 if batch_first => on.transpose(x, vec![1, 0, 2]),
        3 => Ok(x),
        _ => Err(on.node.error(format!("its sequence {:?} must have three axes", on.shape(x)))),
    }
}

/// The length of each sequence of the batch.
fn lengths(on: &Compose<'_, '_>, x: ValueId) -> Result<Vec<usize>, ConvertError> {
    let shape = on.shape(x);
    let Some(listed) = on.to.integers(on.node, 4)? else { return Ok(vec![shape[0]; shape[1]]) };
    let lengths: Option<Vec<usize>> =
        listed.iter().map(|l| usize::try_from(*l).ok().filter(|l| (1..=shape[0]).contains(l))).collect();
    lengths.filter(|lengths| lengths.len() == shape[1]).ok_or_else(|| {
        let reason = format!("sequence_lens {listed:?} do not fit {} sequences of {} steps", shape[1], shape[0]);
        on.node.error(reason)
    })
}

/// One direction: its operation, its states before the first step, `[b, h]`, and its constants.
struct Layer {
    op: Op,
    states: Vec<ValueId>,
    constants: Vec<ValueId>,
}

impl Layer {
    fn read(
        on: &mut Compose<'_, '_>,
        x: ValueId,
        (number, directions): (usize, usize),
        batch_first: bool,
    ) -> Result<Layer, ConvertError> {
        let (shape, gates) = (on.shape(x), gates(on.node));
        let (w, r) = (weights(on, 1, number)?, weights(on, 2, number)?);
        let units = r.shape().get(1).copied().unwrap_or(0);
        let fits = w.shape() == [gates * units, shape[2]] && r.shape() == [gates * units, units];
        if !fits || on.node.int("hidden_size", units as i64) != units as i64 {
            let reason = format!("weights {:?} and {:?} do not fit {} inputs", w.shape(), r.shape(), shape[2]);
            return Err(on.node.error(reason));
        }
        let b = bias(on, number, gates, units)?;
        let mut constants = vec![on.constant(w)?, on.constant(r)?, on.constant(b)?];
        for i in 1..=2 {
            // The integers of a quantized file, where its scale is one or each row has its own.
            let grid = on.to.grid(on.node, i, 1);
            on.to.set_grid(constants[i - 1], grid);
        }
        if on.node.op() == "LSTM" && on.node.input(7).is_some() {
            let peepholes = weights(on, 7, number)?;
            if peepholes.shape() != [3 * units] {
                return Err(on.node.error(format!("peepholes {:?} do not fit {units} units", peepholes.shape())));
            }
            constants.push(on.constant(peepholes)?);
        }
        let inputs: &[usize] = if on.node.op() == "LSTM" { &[5, 6] } else { &[5] };
        let state = |i: &usize| state(on, *i, (number, batch_first), [shape[1], units]);
        let states = inputs.iter().map(state).collect::<Result<_, _>>()?;
        Ok(Layer { op: operation(on.node, (number, directions))?, states, constants })
    }

    /// Rows `[t, b, h]` and the last states `[1, b, h]` of all sequences; behind the end of a sequence the rows are 0.
    fn sequences(
        &self,
        on: &mut Compose<'_, '_>,
        x: ValueId,
        lengths: &[usize],
        reversed: bool,
    ) -> Result<Vec<ValueId>, ConvertError> {
        let steps = on.shape(x)[0];
        if lengths.windows(2).all(|pair| pair[0] == pair[1]) {
            return self.run(on, x, &self.states, (lengths[0], steps), reversed);
        }
        let mut all: Vec<Vec<ValueId>> = Vec::new();
        for (b, length) in lengths.iter().enumerate() {
            let one = on.slice(x, 1, b, 1)?;
            let states: Vec<ValueId> =
                self.states.iter().map(|state| on.slice(*state, 0, b, 1)).collect::<Result<_, _>>()?;
            let parts = self.run(on, one, &states, (*length, steps), reversed)?;
            all.resize(parts.len(), Vec::new());
            all.iter_mut().zip(parts).for_each(|(all, part)| all.push(part));
        }
        all.iter().map(|parts| on.concat(parts, 1)).collect()
    }

    /// The same of sequences of one length.
    fn run(
        &self,
        on: &mut Compose<'_, '_>,
        x: ValueId,
        states: &[ValueId],
        (length, steps): (usize, usize),
        reversed: bool,
    ) -> Result<Vec<ValueId>, ConvertError> {
        let mut x = on.slice(x, 0, 0, length)?;
        if reversed {
            x = on.reversed(x, 0)?;
        }
        let inputs = [&[x], states, &self.constants[..]].concat();
        let y = on.op(self.op.clone(), &inputs)?;
        let mut rows = on.slice(y, 0, 0, length)?;
        let mut results = vec![on.slice(y, 0, length - 1, 1)?];
        if matches!(self.op, Op::Lstm { .. }) {
            results.push(on.slice(y, 0, length, 1)?);
        }
        if reversed {
            rows = on.reversed(rows, 0)?;
        }
        if length < steps {
            let pads = vec![(0, steps - length), (0, 0), (0, 0)];
            rows = on.op(Op::Pad { pads, value: 0.0 }, &[rows])?;
        }
        results.insert(0, rows);
        Ok(results)
    }
}

fn gates(node: &OnnxNode<'_>) -> usize {
    match node.op() {
        "LSTM" => 4,
        "GRU" => 3,
        _ => 1,
    }
}

/// The part of constant input `i` that is for one direction.
fn weights(on: &Compose<'_, '_>, i: usize, direction: usize) -> Result<ArrayD<f32>, ConvertError> {
    let all = on.to.weights(on.node, i)?;
    match all.shape().first() {
        Some(directions) if direction < *directions => Ok(all.index_axis(Axis(0), direction).into_owned()),
        _ => Err(on.node.error(format!("input {i} of shape {:?} lacks direction {direction}", all.shape()))),
    }
}

/// The biases of input and state added up, but for the candidate of a GRU, whose are kept apart.
fn bias(on: &Compose<'_, '_>, direction: usize, gates: usize, units: usize) -> Result<ArrayD<f32>, ConvertError> {
    let both = match on.node.input(3) {
        Some(_) => weights(on, 3, direction)?,
        None => ArrayD::zeros(IxDyn(&[2 * gates * units])),
    };
    if both.shape() != [2 * gates * units] {
        return Err(on.node.error(format!("biases {:?} do not fit {units} units", both.shape())));
    }
    let part = |from: usize, to: usize| both.slice_axis(Axis(0), Slice::from(from * units..to * units)).to_owned();
    let (input, state) = (part(0, gates), part(gates, 2 * gates));
    if gates != 3 {
        return Ok(input + state);
    }
    let mut kept = ArrayD::zeros(IxDyn(&[4 * units]));
    kept.slice_axis_mut(Axis(0), Slice::from(..2 * units)).assign(&(part(0, 2) + part(3, 5)));
    kept.slice_axis_mut(Axis(0), Slice::from(2 * units..3 * units)).assign(&part(2, 3));
    kept.slice_axis_mut(Axis(0), Slice::from(3 * units..)).assign(&part(5, 6));
    Ok(kept)
}

/// The state of input `i` before the first step, or zeros.
fn state(on: &mut Compose<'_, '_>, i: usize, (direction, batch_first): (usize, bool), shape: [usize; 2]) -> Made {
    if on.node.input(i).is_none() {
        return on.constant(ArrayD::zeros(IxDyn(&shape)));
    }
    let axis = usize::from(batch_first);
    if on.to.constant(on.node, i).is_some() {
        return constant_state(on, i, (direction, axis), shape);
    }
    let all = on.input(i)?;
    let known = on.shape(all);
    let fits = known.len() == 3 && direction < known[axis] && [known[1 - axis], known[2]] == shape;
    if !fits {
        return Err(on.node.error(format!("its state {known:?} does not fit {shape:?}")));
    }
    let one = on.slice(all, axis, direction, 1)?;
    on.reshape(one, shape.to_vec())
}

fn constant_state(on: &mut Compose<'_, '_>, i: usize, (direction, axis): (usize, usize), shape: [usize; 2]) -> Made {
    let all = on.to.weights(on.node, i)?;
    let known = all.shape().to_vec();
    match known.len() == 3 && direction < known[axis] && [known[1 - axis], known[2]] == shape {
        true => on.constant(all.index_axis(Axis(axis), direction).into_owned()),
        false => Err(on.node.error(format!("its state {known:?} does not fit {shape:?}"))),
    }
}

/// The operation with its activations, which are listed for one direction after the other.
fn operation(node: &OnnxNode<'_>, (number, directions): (usize, usize)) -> Result<Op, ConvertError> {
    let clip = node.float("clip", f32::INFINITY)?;
    let usual: &[&str] = match node.op() {
        "LSTM" => &["Sigmoid", "Tanh", "Tanh"],
        "GRU" => &["Sigmoid", "Tanh"],
        _ => &["Tanh"],
    };
    let mut names = node.strings("activations");
    if names.is_empty() {
        names = usual.repeat(directions);
    }
    if names.len() != usual.len() * directions {
        return Err(node.error(format!("activations {names:?} do not fit {directions} directions")));
    }
    let all = activations(node, &names)?;
    match all[number * usual.len()..][..usual.len()] {
        [gate, candidate, cell] => {
            let bound = if node.pb.domain == BOUNDED { node.float("cell_clip", f32::INFINITY)? } else { f32::INFINITY };
            Ok(Op::Lstm { activations: [gate, candidate, cell], clip, bound, coupled: node.flag("input_forget") })
        }
        [gate, candidate] => {
            Ok(Op::Gru { activations: [gate, candidate], clip, reset_last: node.flag("linear_before_reset") })
        }
        _ => Ok(Op::Rnn { activation: all[number], clip }),
    }
}

/// The functions of these names; those that have parameters take them off the lists.
fn activations(node: &OnnxNode<'_>, names: &[&str]) -> Result<Vec<Function>, ConvertError> {
    let floats = |name| node.floats(name).unwrap_or_default().iter().copied();
    let (mut alphas, mut betas) = (floats("activation_alpha"), floats("activation_beta"));
    let mut alpha = |usual: f32| alphas.next().unwrap_or(usual);
    let mut beta = |usual: f32| betas.next().unwrap_or(usual);
    let mut function = |name: &&str| {
        Ok(match name.to_lowercase().as_str() {
            "relu" => Function::Clip { lo: 0.0, hi: f32::INFINITY },
            "tanh" => Function::Tanh,
            "sigmoid" => Function::Sigmoid,
            "softsign" => Function::Softsign,
            "softplus" => Function::Softplus,
            "affine" => Function::Affine { alpha: alpha(1.0), beta: beta(0.0) },
            "leakyrelu" => Function::LeakyRelu { alpha: alpha(0.01) },
            "thresholdedrelu" => Function::ThresholdedRelu { alpha: alpha(1.0) },
            "scaledtanh" => Function::ScaledTanh { alpha: alpha(1.0), beta: beta(1.0) },
            "hardsigmoid" => Function::HardSigmoid { alpha: alpha(0.2), beta: beta(0.5) },
            "elu" => Function::Elu { alpha: alpha(1.0) },
            _ => return Err(node.error(format!("activation `{name}` does not exist"))),
        })
    };
    names.iter().map(&mut function).collect()
}

/// `Y`: `[t, d, b, h]`, or `[b, t, d, h]`.
fn joined_rows(on: &mut Compose<'_, '_>, rows: &[ValueId], batch_first: bool) -> Made {
    let mut parts = Vec::new();
    for part in rows {
        let shape = on.shape(*part);
        parts.push(on.reshape(*part, vec![shape[0], 1, shape[1], shape[2]])?);
    }
    let y = on.concat(&parts, 1)?;
    if batch_first { on.transpose(y, vec![2, 0, 1, 3]) } else { Ok(y) }
}

/// `Y_h` or `Y_c`: `[d, b, h]`, or `[b, d, h]`.
fn joined_states(on: &mut Compose<'_, '_>, states: &[ValueId], batch_first: bool) -> Made {
    let y = on.concat(states, 0)?;
    if batch_first { on.transpose(y, vec![1, 0, 2]) } else { Ok(y) }
}

/// The computed operands of a recurrent record and its output.
pub(super) fn tensors<const N: usize>(to: &mut Writer<'_>) -> ([Tensor; N], Tensor) {
    (std::array::from_fn(|i| to.input(i)), to.output())
}
