//! A float evaluator written from the equations alone, for tests: the runtime is compared with tract,
//! and the graph is compared with tract through this.

use std::collections::HashMap;

use ndarray::{ArrayD, Axis, Dimension, IxDyn, Slice, Zip};

use super::{Binary, BinaryFunction, Function, Graph, Layout, Node, Op, PoolKind, ValueId, Window};

/// All values of one run.
pub(crate) fn run(graph: &Graph, inputs: &[ArrayD<f32>]) -> HashMap<ValueId, ArrayD<f32>> {
    let mut values = HashMap::new();
    for (id, input) in graph.inputs.iter().zip(inputs) {
        values.insert(*id, reshape(input, graph.shape(*id)));
    }
    for node in &graph.nodes {
        let operands: Vec<ArrayD<f32>> =
            node.inputs.iter().map(|id| graph.constant(*id).cloned().unwrap_or_else(|| values[id].clone())).collect();
        let mut y = step(graph, node, &operands);
        if let Some((lo, hi)) = node.clamp {
            y.mapv_inplace(|v| v.clamp(lo, hi));
        }
        assert_eq!(y.shape(), graph.shape(node.outputs[0]), "{}", node.name);
        values.insert(node.outputs[0], y);
    }
    values
}

/// The outputs of one run.
pub(crate) fn outputs(graph: &Graph, inputs: &[ArrayD<f32>]) -> Vec<ArrayD<f32>> {
    let values = run(graph, inputs);
    graph.outputs.iter().map(|id| values[id].clone()).collect()
}

fn reshape(x: &ArrayD<f32>, shape: &[usize]) -> ArrayD<f32> {
    ArrayD::from_shape_vec(IxDyn(shape), x.iter().copied().collect()).unwrap()
}

fn step(graph: &Graph, node: &Node, x: &[ArrayD<f32>]) -> ArrayD<f32> {
    let shape = graph.shape(node.outputs[0]);
    match &node.op {
        Op::Conv { window, groups } => spatial(graph.layout, &x[0], shape, |x, y| {
            let w = channels_first(graph.layout, graph.constant(node.inputs[1]).unwrap());
            conv(x, &w, node.inputs.get(2).map(|b| graph.constant(*b).unwrap()), window, *groups, y);
        }),
        Op::Pool { window, kind } => spatial(graph.layout, &x[0], shape, |x, y| pool(x, window, *kind, y)),
        Op::FullyConnected => fully_connected(&x[0], &x[1], x.get(2), shape),
        Op::Binary(op) => {
            let (a, b) = (x[0].broadcast(shape).unwrap(), x[1].broadcast(shape).unwrap());
            Zip::from(a).and(b).map_collect(|a, b| match op {
                Binary::Add => a + b,
                Binary::Sub => a - b,
                Binary::Mul => a * b,
                Binary::Function(f) => binary(*f, *a, *b),
            })
        }
        Op::Select => {
            let [c, a, b] = [0, 1, 2].map(|i| x[i].broadcast(shape).unwrap());
            Zip::from(c).and(a).and(b).map_collect(|c, a, b| if *c == 0.0 { *b } else { *a })
        }
        Op::MatMul { transposed } => matmul(&x[0], &x[1], *transposed, shape),
        Op::Cumulative { axis, product, exclusive, reverse } => {
            let mut y = x[0].clone();
            for mut lane in y.lanes_mut(Axis(*axis)) {
                if *reverse {
                    lane.invert_axis(Axis(0));
                }
                let mut total = f32::from(u8::from(*product));
                lane.iter_mut().for_each(|v| {
                    let next = if *product { total * *v } else { total + *v };
                    *v = if *exclusive { total } else { next };
                    total = next;
                });
            }
            y
        }
        Op::Lstm { activations, clip, bound, coupled } => lstm(x, *activations, [*clip, *bound], *coupled, shape),
        Op::Gru { activations, clip, reset_last } => gru(x, *activations, *clip, *reset_last, shape),
        Op::Rnn { activation, clip } => {
            let state = |t: usize, b: usize, h: &[f32]| {
                (0..h.len())
                    .map(|u| unary(*activation, Gate { x, first: 2, t, b }.sum(0, u, h).clamp(-clip, *clip)))
                    .collect()
            };
            sequence(x, shape, state)
        }
        Op::Unary(f) => x[0].mapv(|v| unary(*f, v)),
        Op::Pad { pads, value } => {
            let mut y = ArrayD::from_elem(IxDyn(shape), *value);
            y.slice_each_axis_mut(|a| {
                let (before, after) = pads[a.axis.index()];
                Slice::from(before..a.len - after)
            })
            .assign(&x[0]);
            y
        }
        Op::Concat { axis } => {
            let views: Vec<_> = x.iter().map(|v| v.view()).collect();
            ndarray::concatenate(Axis(*axis), &views).unwrap()
        }
        Op::Transpose { perm } => x[0].view().permuted_axes(IxDyn(perm)).as_standard_layout().into_owned(),
        Op::Reshape => reshape(&x[0], shape),
        Op::Slice { starts, steps } => ArrayD::from_shape_fn(IxDyn(shape), |i| {
            let at: Vec<usize> =
                (0..shape.len()).map(|a| (starts[a] as isize + steps[a] * i[a] as isize) as usize).collect();
            x[0][IxDyn(&at)]
        }),
        Op::Take { axis, indices } => x[0].select(Axis(*axis), indices),
        Op::Gather { axis } => {
            let n = x[0].shape()[*axis] as isize;
            let place = |i: &f32| (if *i < 0.0 { *i as isize + n } else { *i as isize }).clamp(0, n - 1) as usize;
            let places: Vec<usize> = x[1].iter().map(place).collect();
            reshape(&x[0].select(Axis(*axis), &places), shape)
        }
        Op::Scatter { how, places } => {
            let n = x[0].shape()[0] as isize;
            let place = |i: &f32| (if *i < 0.0 { *i as isize + n } else { *i as isize }).clamp(0, n - 1) as usize;
            let places = places.as_deref().map_or_else(|| x[2].iter().map(place).collect(), <[usize]>::to_vec);
            let mut y = x[0].clone();
            for (place, u) in places.iter().zip(x[1].outer_iter()) {
                Zip::from(y.index_axis_mut(Axis(0), *place)).and(u).for_each(|y, u| *y = how.apply(*y, *u));
            }
            y
        }
        Op::Resample { axis, table } => {
            let mut y = ArrayD::zeros(IxDyn(shape));
            for (j, mut y) in y.axis_iter_mut(Axis(*axis)).enumerate() {
                for t in 0..table.taps {
                    let w = table.weights[j * table.taps + t];
                    y.scaled_add(w, &x[0].index_axis(Axis(*axis), table.first[j] + t));
                }
            }
            y
        }
        Op::TopK { k, largest } => {
            let rows = x[0].as_slice().unwrap().chunks(x[0].shape()[shape.len() - 1]);
            let first = rows.flat_map(|row| {
                let mut order: Vec<usize> = (0..row.len()).collect();
                order.sort_by(|a, b| if *largest { row[*b].total_cmp(&row[*a]) } else { row[*a].total_cmp(&row[*b]) });
                order.into_iter().take(*k).map(|i| i as f32)
            });
            ArrayD::from_shape_vec(IxDyn(shape), first.collect()).unwrap()
        }
        Op::Normalize { axis, epsilon, centered } => {
            let mut y = x[0].clone();
            for mut lane in y.lanes_mut(Axis(*axis)) {
                let mean = if *centered { lane.sum() / lane.len() as f32 } else { 0.0 };
                lane.mapv_inplace(|v| v - mean);
                let spread = lane.mapv(|v| v * v).sum() / lane.len() as f32 + epsilon;
                lane.iter_mut().zip(&x[1]).zip(&x[2]).for_each(|((v, g), b)| *v = *v / spread.sqrt() * g + b);
            }
            y
        }
        Op::Softmax { axis } => {
            let top = x[0].fold_axis(Axis(*axis), f32::NEG_INFINITY, |m, v| m.max(*v)).insert_axis(Axis(*axis));
            let e = (&x[0] - &top).mapv(f32::exp);
            let sum = e.sum_axis(Axis(*axis)).insert_axis(Axis(*axis));
            e / sum
        }
        Op::ArgMax { axis } => {
            let best = x[0].map_axis(Axis(*axis), |lane| {
                let mut best = 0;
                (0..lane.len()).for_each(|i| best = if lane[i] > lane[best] { i } else { best });
                best as f32
            });
            reshape(&best, shape)
        }
        Op::Quantize | Op::Dequantize | Op::Rescale => x[0].clone(),
    }
}

fn channels_first(layout: Layout, x: &ArrayD<f32>) -> ArrayD<f32> {
    match layout {
        Layout::Nchw => x.clone(),
        Layout::Nhwc => x.view().permuted_axes(IxDyn(&[0, 3, 1, 2])).as_standard_layout().into_owned(),
    }
}

/// Runs an NCHW function in either layout.
fn spatial(
    layout: Layout,
    x: &ArrayD<f32>,
    shape: &[usize],
    f: impl Fn(&ArrayD<f32>, &mut ArrayD<f32>),
) -> ArrayD<f32> {
    let x = channels_first(layout, x);
    let mut y = channels_first(layout, &ArrayD::zeros(IxDyn(shape)));
    f(&x, &mut y);
    match layout {
        Layout::Nchw => y,
        Layout::Nhwc => y.view().permuted_axes(IxDyn(&[0, 2, 3, 1])).as_standard_layout().into_owned(),
    }
}

/// Positions of a window's taps on one axis that lie inside.
fn taps(window: &Window, axis: usize, out: usize, size: usize) -> impl Iterator<Item = (usize, usize)> {
    let (first, dilation) = (out * window.strides[axis], window.dilations[axis]);
    let before = window.pads[axis];
    let inside = move |k: usize| Some((k, (first + k * dilation).checked_sub(before).filter(|p| *p < size)?));
    (0..window.kernel[axis]).filter_map(inside)
}

fn conv(
    x: &ArrayD<f32>,
    w: &ArrayD<f32>,
    b: Option<&ArrayD<f32>>,
    window: &Window,
    groups: usize,
    y: &mut ArrayD<f32>,
) {
    let (rows, columns) = (x.shape()[2], x.shape()[3]);
    let (inputs, outputs) = (x.shape()[1] / groups, y.shape()[1] / groups);
    let (xs, ws) = (x.as_slice().unwrap(), w.as_slice().unwrap());
    let (kh, kw) = (window.kernel[0], window.kernel[1]);
    for (index, sum) in y.indexed_iter_mut() {
        let (o, group) = (index[1], index[1] / outputs);
        let mut total = b.map_or(0.0, |b| f64::from(b[[o]]));
        for (i, r) in taps(window, 0, index[2], rows) {
            for (j, c) in taps(window, 1, index[3], columns) {
                for k in 0..inputs {
                    let xv = xs[(((index[0] * groups + group) * inputs + k) * rows + r) * columns + c];
                    total += f64::from(xv) * f64::from(ws[((o * inputs + k) * kh + i) * kw + j]);
                }
            }
        }
        *sum = total as f32;
    }
}

fn pool(x: &ArrayD<f32>, window: &Window, kind: PoolKind, y: &mut ArrayD<f32>) {
    let (rows, columns) = (x.shape()[2], x.shape()[3]);
    for (index, result) in y.indexed_iter_mut() {
        let taps = taps(window, 0, index[2], rows)
            .flat_map(|(_, r)| taps(window, 1, index[3], columns).map(move |(_, c)| (r, c)));
        let seen: Vec<f32> = taps.map(|(r, c)| x[[index[0], index[1], r, c]]).collect();
        let area = window.kernel[0] * window.kernel[1];
        *result = match kind {
            PoolKind::Max => seen.iter().copied().fold(f32::NEG_INFINITY, f32::max),
            PoolKind::Sum => seen.iter().sum(),
            PoolKind::Average { count_include_pad: true } => seen.iter().sum::<f32>() / area as f32,
            PoolKind::Average { .. } => seen.iter().sum::<f32>() / seen.len() as f32,
        };
    }
}

fn matmul(a: &ArrayD<f32>, b: &ArrayD<f32>, transposed: bool, shape: &[usize]) -> ArrayD<f32> {
    let k = a.shape()[a.ndim() - 1];
    let at = |x: &ArrayD<f32>, i: &[usize], r: usize, c: usize| {
        let batch = x.ndim() - 2;
        let mut index: Vec<usize> =
            (0..batch).map(|axis| i[shape.len() - 2 - batch + axis].min(x.shape()[axis] - 1)).collect();
        index.extend([r, c]);
        x[IxDyn(&index)]
    };
    ArrayD::from_shape_fn(IxDyn(shape), |i| {
        let i = i.as_array_view().to_vec();
        let (r, c) = (i[i.len() - 2], i[i.len() - 1]);
        let b = |l: usize| if transposed { at(b, &i, c, l) } else { at(b, &i, l, c) };
        (0..k).map(|l| f64::from(at(a, &i, r, l)) * f64::from(b(l))).sum::<f64>() as f32
    })
}

/// Runs `step(t, b, h)` over a sequence; rows behind its steps are 0.
fn sequence(x: &[ArrayD<f32>], shape: &[usize], step: impl Fn(usize, usize, &[f32]) -> Vec<f32>) -> ArrayD<f32> {
    let mut y = ArrayD::zeros(IxDyn(shape));
    for b in 0..shape[1] {
        let mut h: Vec<f32> = (0..shape[2]).map(|u| x[1][[b, u]]).collect();
        for t in 0..x[0].shape()[0] {
            h = step(t, b, &h);
            (0..shape[2]).for_each(|u| y[[t, b, u]] = h[u]);
        }
    }
    y
}

/// The sums of gates at one step; the weights are operands from `first` on.
struct Gate<'a> {
    x: &'a [ArrayD<f32>],
    first: usize,
    t: usize,
    b: usize,
}

impl Gate<'_> {
    fn input(&self, gate: usize, unit: usize, units: usize) -> f32 {
        let (x, w) = (&self.x[0], &self.x[self.first]);
        (0..x.shape()[2]).map(|k| w[[gate * units + unit, k]] * x[[self.t, self.b, k]]).sum()
    }

    fn state(&self, gate: usize, unit: usize, h: &[f32]) -> f32 {
        (0..h.len()).map(|k| self.x[self.first + 1][[gate * h.len() + unit, k]] * h[k]).sum()
    }

    fn bias(&self, gate: usize, unit: usize, units: usize) -> f32 {
        self.x[self.first + 2][[gate * units + unit]]
    }

    fn sum(&self, gate: usize, unit: usize, h: &[f32]) -> f32 {
        self.input(gate, unit, h.len()) + self.state(gate, unit, h) + self.bias(gate, unit, h.len())
    }
}

fn lstm(
    x: &[ArrayD<f32>],
    [f, g, r]: [Function; 3],
    [clip, bound]: [f32; 2],
    coupled: bool,
    shape: &[usize],
) -> ArrayD<f32> {
    let cells = std::cell::RefCell::new(x[2].clone());
    let peep = |i: usize, u: usize, c: f32| x.get(6).map_or(0.0, |p| p[[i * shape[2] + u]] * c);
    let mut y = sequence(x, shape, |t, b, h| {
        let gates = Gate { x, first: 3, t, b };
        let unit = |u: usize| {
            let c = cells.borrow()[[b, u]];
            let limited = |sum: f32| sum.clamp(-clip, clip);
            let input = unary(f, limited(gates.sum(0, u, h) + peep(0, u, c)));
            let forget = if coupled { 1.0 - input } else { unary(f, limited(gates.sum(2, u, h) + peep(2, u, c))) };
            let c = (forget * c + input * unary(g, limited(gates.sum(3, u, h)))).clamp(-bound, bound);
            cells.borrow_mut()[[b, u]] = c;
            unary(f, limited(gates.sum(1, u, h) + peep(1, u, c))) * unary(r, c)
        };
        (0..h.len()).map(unit).collect()
    });
    y.index_axis_mut(Axis(0), shape[0] - 1).assign(&cells.borrow());
    y
}

fn gru(x: &[ArrayD<f32>], [f, g]: [Function; 2], clip: f32, reset_last: bool, shape: &[usize]) -> ArrayD<f32> {
    sequence(x, shape, |t, b, h| {
        let gates = Gate { x, first: 2, t, b };
        let open = |gate: usize, u: usize| unary(f, gates.sum(gate, u, h).clamp(-clip, clip));
        let reset: Vec<f32> = (0..h.len()).map(|u| open(1, u) * h[u]).collect();
        let unit = |u: usize| {
            let bias = gates.bias(3, u, h.len());
            let state =
                if reset_last { open(1, u) * (gates.state(2, u, h) + bias) } else { gates.state(2, u, &reset) + bias };
            let candidate = gates.input(2, u, h.len()) + gates.bias(2, u, h.len()) + state;
            let z = open(0, u);
            (1.0 - z) * unary(g, candidate.clamp(-clip, clip)) + z * h[u]
        };
        (0..h.len()).map(unit).collect()
    })
}

fn fully_connected(x: &ArrayD<f32>, w: &ArrayD<f32>, b: Option<&ArrayD<f32>>, shape: &[usize]) -> ArrayD<f32> {
    let (n, k) = (w.shape()[0], w.shape()[1]);
    let rows = reshape(x, &[x.len() / k, k]);
    let y = ArrayD::from_shape_fn(IxDyn(&[x.len() / k, n]), |i| {
        let products = (0..k).map(|j| f64::from(rows[[i[0], j]]) * f64::from(w[[i[1], j]]));
        (products.sum::<f64>() + b.map_or(0.0, |b| f64::from(b[[i[1]]]))) as f32
    });
    reshape(&y, shape)
}

fn binary(f: BinaryFunction, a: f32, b: f32) -> f32 {
    let truth = |truth: bool| f32::from(u8::from(truth));
    match f {
        BinaryFunction::Div => a / b,
        BinaryFunction::Pow => a.powf(b),
        BinaryFunction::Min => a.min(b),
        BinaryFunction::Max => a.max(b),
        BinaryFunction::Mod => a - b * (a / b).floor(),
        BinaryFunction::Fmod => a % b,
        BinaryFunction::Equal => truth(a == b),
        BinaryFunction::NotEqual => truth(a != b),
        BinaryFunction::Less => truth(a < b),
        BinaryFunction::LessOrEqual => truth(a <= b),
        BinaryFunction::BitAnd => (a as i64 & b as i64) as f32,
        BinaryFunction::BitOr => (a as i64 | b as i64) as f32,
        BinaryFunction::BitXor => (a as i64 ^ b as i64) as f32,
        BinaryFunction::Shift => (a * b.exp2()).floor(),
    }
}

/// Abramowitz and Stegun 7.1.26, to 1.5e-7.
fn erf(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.327_591_1 * x.abs());
    let poly =
        ((((1.061_405_429 * t - 1.453_152_027) * t + 1.421_413_741) * t - 0.284_496_736) * t + 0.254_829_592) * t;
    (1.0 - poly * (-x * x).exp()) * x.signum()
}

fn unary(f: Function, x: f32) -> f32 {
    let sigmoid = |x: f32| 1.0 / (1.0 + (-x).exp());
    let truth = |truth: bool| f32::from(u8::from(truth));
    let softplus = |x: f32| x.max(0.0) + (-x.abs()).exp().ln_1p();
    match f {
        Function::Identity => x,
        Function::Clip { lo, hi } => x.clamp(lo, hi),
        Function::LeakyRelu { alpha } => x.max(0.0) + alpha * x.min(0.0),
        Function::Elu { alpha } => x.max(0.0) + alpha * x.min(0.0).exp_m1(),
        Function::Selu { alpha, gamma } => gamma * (x.max(0.0) + alpha * x.min(0.0).exp_m1()),
        Function::Sigmoid => sigmoid(x),
        Function::HardSigmoid { alpha, beta } => (alpha * x + beta).clamp(0.0, 1.0),
        Function::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
        Function::Silu => x * sigmoid(x),
        Function::Tanh => x.tanh(),
        Function::Gelu => (f64::from(x) / 2.0 * (1.0 + erf(f64::from(x) / 2f64.sqrt()))) as f32,
        Function::GeluTanh => {
            x / 2.0 * (1.0 + (std::f32::consts::FRAC_2_PI.sqrt() * (x + 0.044_715 * x.powi(3))).tanh())
        }
        Function::Exp => x.exp(),
        Function::Log => x.ln(),
        Function::Sqrt => x.sqrt(),
        Function::Reciprocal => 1.0 / x,
        Function::Abs => x.abs(),
        Function::Neg => -x,
        Function::Erf => erf(f64::from(x)) as f32,
        Function::Softplus => softplus(x),
        Function::Softsign => x / (1.0 + x.abs()),
        Function::Mish => x * softplus(x).tanh(),
        Function::Square => x * x,
        Function::Floor => x.floor(),
        Function::Ceil => x.ceil(),
        Function::Round => x.round_ties_even(),
        Function::Sin => x.sin(),
        Function::Cos => x.cos(),
        Function::Tan => x.tan(),
        Function::Asin => x.asin(),
        Function::Acos => x.acos(),
        Function::Atan => x.atan(),
        Function::Sinh => x.sinh(),
        Function::Cosh => x.cosh(),
        Function::Asinh => x.asinh(),
        Function::Acosh => x.acosh(),
        Function::Atanh => x.atanh(),
        Function::Sign => x.partial_cmp(&0.0).map_or(x, |order| f32::from(order as i8)),
        Function::Trunc => x.trunc(),
        Function::IsNan => truth(x.is_nan()),
        Function::IsInf { negative, positive } => truth(x.is_infinite() && if x < 0.0 { negative } else { positive }),
        Function::Not => truth(x == 0.0),
        Function::ThresholdedRelu { alpha } => x * truth(x > alpha),
        Function::Shrink { lambda, bias } => (x + bias) * truth(x < -lambda) + (x - bias) * truth(x > lambda),
        Function::Celu { alpha } => x.max(0.0) + (alpha * (x / alpha).exp_m1()).min(0.0),
        Function::Swish { alpha } => x * sigmoid(alpha * x),
        Function::Power { exponent } => x.powf(exponent),
        Function::Affine { alpha, beta } => alpha * x + beta,
        Function::ScaledTanh { alpha, beta } => alpha * (beta * x).tanh(),
        Function::Quantize { scale, zero, lo, hi } => ((x / scale).round_ties_even() + zero).clamp(lo, hi),
        Function::Dequantize { scale, zero } => (x - zero) * scale,
    }
}
