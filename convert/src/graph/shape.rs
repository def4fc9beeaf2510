//! The shape equation of every operation: said once, used at import and by [`Graph::check`](super::Graph::check).

use super::{Layout, Op, Resampling, Window};

/// The output's shape under `op`, or why the inputs do not fit.
///
/// `Ok(None)` where the inputs alone do not fix it: reshapes, slices and the axis that an arg-max keeps or drops.
pub(crate) fn infer(op: &Op, inputs: &[&[usize]], layout: Layout) -> Result<Option<Vec<usize>>, String> {
    match op {
        Op::Conv { window, groups } => conv(inputs, window, *groups, layout).map(Some),
        Op::FullyConnected => fully_connected(inputs).map(Some),
        Op::Pool { window, .. } => pool(one(inputs)?, window, layout).map(Some),
        Op::Binary(_) => match inputs {
            [a, b] => broadcast(a, b).map(Some),
            _ => Err(format!("takes two inputs, not {}", inputs.len())),
        },
        Op::Select => match inputs {
            [c, a, b] => broadcast(&broadcast(c, a)?, b).map(Some),
            _ => Err(format!("takes three inputs, not {}", inputs.len())),
        },
        Op::Unary(_) | Op::Quantize | Op::Dequantize | Op::Rescale => Ok(Some(one(inputs)?.to_vec())),
        Op::Pad { pads, .. } => pad(one(inputs)?, pads).map(Some),
        Op::Concat { axis } => concat(inputs, *axis).map(Some),
        Op::Transpose { perm } => transpose(one(inputs)?, perm).map(Some),
        Op::MatMul { transposed } => match inputs {
            [a, b] => matmul(a, b, *transposed).map(Some),
            _ => Err(format!("takes two inputs, not {}", inputs.len())),
        },
        Op::Cumulative { axis, .. } => with_axis(one(inputs)?, *axis).map(Some),
        Op::Lstm { .. } => recurrent(inputs, 2, 1).map(Some),
        Op::Gru { reset_last, .. } => recurrent(inputs, 1, usize::from(!reset_last)).map(Some),
        Op::Rnn { .. } => recurrent(inputs, 1, 0).map(Some),
        Op::Normalize { axis, .. } => normalize(inputs, *axis).map(Some),
        Op::Softmax { axis } => with_axis(one(inputs)?, *axis).map(Some),
        Op::ArgMax { axis } => with_axis(one(inputs)?, *axis).map(|_| None),
        Op::Reshape => one(inputs).map(|_| None),
        Op::Take { axis, indices } => take(one(inputs)?, *axis, indices).map(Some),
        Op::Gather { axis } => match inputs {
            [x, indices] => with_axis(x, *axis).map(|x| Some([&x[..*axis], indices, &x[axis + 1..]].concat())),
            _ => Err(format!("takes two inputs, not {}", inputs.len())),
        },
        Op::Scatter { places, .. } => scatter(inputs, places.as_deref()).map(Some),
        Op::Resample { axis, table } => resample(one(inputs)?, *axis, table).map(Some),
        Op::TopK { k, .. } => top_k(one(inputs)?, *k).map(Some),
        Op::Slice { starts, steps } => slice(one(inputs)?, starts, steps).map(|()| None),
    }
}

fn normalize(inputs: &[&[usize]], axis: usize) -> Result<Vec<usize>, String> {
    let [x, gamma, beta] = inputs else { return Err(format!("takes three inputs, not {}", inputs.len())) };
    let shape = with_axis(x, axis)?;
    match *gamma == [x[axis]] && gamma == beta {
        true => Ok(shape),
        false => Err(format!("factors {gamma:?} and addends {beta:?} do not fit axis {axis} of {x:?}")),
    }
}

/// NumPy's broadcast of two shapes.
pub(crate) fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, String> {
    let rank = a.len().max(b.len());
    let at = |s: &[usize], i: usize| (i + s.len()).checked_sub(rank).map_or(1, |j| s[j]);
    (0..rank)
        .map(|i| match (at(a, i), at(b, i)) {
            (x, y) if x == y => Ok(x),
            (1, y) => Ok(y),
            (x, 1) => Ok(x),
            _ => Err(format!("shapes {a:?} and {b:?} do not broadcast")),
        })
        .collect()
}

/// Output length of one axis: `floor((x + before + after - dilation * (kernel - 1) - 1) / stride) + 1`.
pub(crate) fn windowed(x: usize, window: &Window, axis: usize) -> Result<usize, String> {
    let (kernel, stride) = (window.kernel[axis], window.strides[axis]);
    if kernel == 0 || stride == 0 || window.dilations[axis] == 0 {
        return Err(format!("kernel, strides and dilations must be positive, not {window:?}"));
    }
    let reach = window.reach(axis) + 1;
    let padded = x + window.pads[axis] + window.pads[axis + 2];
    match padded.checked_sub(reach) {
        Some(rest) => Ok(rest / stride + 1),
        None => Err(format!("a kernel that reaches over {reach} does not fit into {padded} padded elements")),
    }
}

fn one<'a>(inputs: &[&'a [usize]]) -> Result<&'a [usize], String> {
    match inputs {
        [x] => Ok(x),
        _ => Err(format!("takes one input, not {}", inputs.len())),
    }
}

/// `[batch, channels, rows, columns]` of a rank-4 shape.
fn image(x: &[usize], layout: Layout) -> Result<[usize; 4], String> {
    match (x, layout) {
        (&[n, c, h, w], Layout::Nchw) | (&[n, h, w, c], Layout::Nhwc) => Ok([n, c, h, w]),
        _ => Err(format!("needs a rank-4 input, not shape {x:?}")),
    }
}

fn laid(n: usize, c: usize, h: usize, w: usize, layout: Layout) -> Vec<usize> {
    match layout {
        Layout::Nchw => vec![n, c, h, w],
        Layout::Nhwc => vec![n, h, w, c],
    }
}

fn conv(inputs: &[&[usize]], window: &Window, groups: usize, layout: Layout) -> Result<Vec<usize>, String> {
    let (x, w, b) = weighted(inputs)?;
    let [n, c, rows, columns] = image(x, layout)?;
    let [out, per_group, kh, kw] = image(w, layout)?;
    if [kh, kw] != window.kernel {
        return Err(format!("weights {w:?} do not have the kernel {:?}", window.kernel));
    }
    if groups == 0 || per_group.checked_mul(groups) != Some(c) || out % groups != 0 {
        return Err(format!("weights {w:?} in {groups} groups do not fit {c} input channels"));
    }
    bias(b, out)?;
    Ok(laid(n, out, windowed(rows, window, 0)?, windowed(columns, window, 1)?, layout))
}

fn fully_connected(inputs: &[&[usize]]) -> Result<Vec<usize>, String> {
    let (x, w, b) = weighted(inputs)?;
    match (x, w) {
        ([lead @ .., k], [out, columns]) if k == columns => {
            bias(b, *out)?;
            Ok(lead.iter().chain([out]).copied().collect())
        }
        _ => Err(format!("weights {w:?} do not fit the input {x:?}")),
    }
}

fn matmul(a: &[usize], b: &[usize], transposed: bool) -> Result<Vec<usize>, String> {
    let error = || format!("matrices {a:?} and {b:?} do not fit each other");
    let ([a_batch @ .., m, k], [b_batch @ .., first, second]) = (a, b) else { return Err(error()) };
    let (depth, n) = if transposed { (second, first) } else { (first, second) };
    if k != depth {
        return Err(error());
    }
    Ok([&broadcast(a_batch, b_batch)?[..], &[*m, *n]].concat())
}

/// `[t + more, b, h]` of a recurrent layer with so many states.
fn recurrent(inputs: &[&[usize]], states: usize, more: usize) -> Result<Vec<usize>, String> {
    let (Some([t, b, _]), Some([_, h])) = (inputs.first(), inputs.get(1)) else {
        return Err(format!("needs a sequence and states, not shapes {inputs:?}"));
    };
    match inputs[1..=states].iter().all(|state| *state == [*b, *h]) {
        true => Ok(vec![t + more, *b, *h]),
        false => Err(format!("states {:?} do not fit the sequence {:?}", &inputs[1..=states], inputs[0])),
    }
}

type Weighted<'a> = (&'a [usize], &'a [usize], Option<&'a [usize]>);

fn weighted<'a>(inputs: &[&'a [usize]]) -> Result<Weighted<'a>, String> {
    match inputs {
        [x, w] => Ok((x, w, None)),
        [x, w, b] => Ok((x, w, Some(b))),
        _ => Err(format!("takes two or three inputs, not {}", inputs.len())),
    }
}

fn bias(b: Option<&[usize]>, out: usize) -> Result<(), String> {
    match b {
        Some(b) if b != [out] => Err(format!("the bias has shape {b:?}, not [{out}]")),
        _ => Ok(()),
    }
}

fn pool(x: &[usize], window: &Window, layout: Layout) -> Result<Vec<usize>, String> {
    let [n, c, rows, columns] = image(x, layout)?;
    Ok(laid(n, c, windowed(rows, window, 0)?, windowed(columns, window, 1)?, layout))
}

fn pad(x: &[usize], pads: &[(usize, usize)]) -> Result<Vec<usize>, String> {
    if pads.len() != x.len() {
        return Err(format!("pads for {} axes on shape {x:?}", pads.len()));
    }
    Ok(x.iter().zip(pads).map(|(d, (before, after))| d + before + after).collect())
}

fn concat(inputs: &[&[usize]], axis: usize) -> Result<Vec<usize>, String> {
    let first = inputs.first().ok_or("takes at least one input")?;
    let mut shape = with_axis(first, axis)?;
    shape[axis] = 0;
    for x in inputs {
        let fits = x.len() == shape.len() && (0..x.len()).all(|i| i == axis || x[i] == first[i]);
        if !fits {
            return Err(format!("shapes {first:?} and {x:?} cannot be joined along axis {axis}"));
        }
        shape[axis] += x[axis];
    }
    Ok(shape)
}

fn transpose(x: &[usize], perm: &[usize]) -> Result<Vec<usize>, String> {
    let mut sorted = perm.to_vec();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..x.len()) {
        return Err(format!("{perm:?} does not permute the axes of shape {x:?}"));
    }
    Ok(perm.iter().map(|&p| x[p]).collect())
}

fn with_axis(x: &[usize], axis: usize) -> Result<Vec<usize>, String> {
    if axis < x.len() { Ok(x.to_vec()) } else { Err(format!("axis {axis} is not in shape {x:?}")) }
}

fn take(x: &[usize], axis: usize, indices: &[usize]) -> Result<Vec<usize>, String> {
    let mut shape = with_axis(x, axis)?;
    if let Some(index) = indices.iter().find(|index| **index >= shape[axis]) {
        return Err(format!("index {index} is outside axis {axis} of shape {x:?}"));
    }
    shape[axis] = indices.len();
    Ok(shape)
}

fn scatter(inputs: &[&[usize]], places: Option<&[usize]>) -> Result<Vec<usize>, String> {
    let (x, updates, count) = match (inputs, places) {
        ([x, updates], Some(places)) => (x, updates, places.len()),
        ([x, updates, indices], None) => (x, updates, indices.iter().product()),
        _ => return Err(format!("takes two inputs or three, not {}", inputs.len())),
    };
    let ([n, part @ ..], [updated, of @ ..]) = (x, updates) else {
        return Err(format!("needs parts to change, not {updates:?} on {x:?}"));
    };
    match part == of && *updated == count && places.is_none_or(|places| places.iter().all(|place| place < n)) {
        true => Ok(x.to_vec()),
        false => Err(format!("{count} updates of shape {updates:?} do not fit shape {x:?}")),
    }
}

fn resample(x: &[usize], axis: usize, table: &Resampling) -> Result<Vec<usize>, String> {
    let mut shape = with_axis(x, axis)?;
    let inside = table.taps > 0 && table.first.iter().all(|first| first + table.taps <= shape[axis]);
    if !inside || table.weights.len() != table.first.len() * table.taps {
        return Err(format!("its neighbors are outside axis {axis} of shape {x:?}"));
    }
    shape[axis] = table.first.len();
    Ok(shape)
}

fn top_k(x: &[usize], k: usize) -> Result<Vec<usize>, String> {
    match x {
        [rows @ .., n] if (1..=*n).contains(&k) && *n < 1 << 24 => Ok([rows, &[k]].concat()),
        _ => Err(format!("{k} elements cannot be selected along the last axis of shape {x:?}")),
    }
}

fn slice(x: &[usize], starts: &[usize], steps: &[isize]) -> Result<(), String> {
    let inside = starts.len() == x.len() && steps.len() == x.len() && starts.iter().zip(x).all(|(s, d)| s < d);
    if inside && steps.iter().all(|s| *s != 0) {
        return Ok(());
    }
    Err(format!("starts {starts:?} with steps {steps:?} do not fit shape {x:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Binary, PoolKind};

    fn window(kernel: usize, stride: usize, pads: [usize; 4]) -> Window {
        Window { kernel: [kernel; 2], strides: [stride; 2], dilations: [1; 2], pads }
    }

    #[test]
    fn shapes_broadcast_as_in_numpy() {
        assert_eq!(broadcast(&[2, 1, 3], &[4, 1]), Ok(vec![2, 4, 3]));
        assert!(broadcast(&[2], &[3]).is_err());
        assert!(infer(&Op::Binary(Binary::Add), &[&[1]], Layout::Nchw).is_err());
    }

    #[test]
    fn a_convolution_has_the_same_size_in_both_layouts() {
        let op = Op::Conv { window: window(3, 2, [0, 0, 1, 1]), groups: 1 };
        let nchw = infer(&op, &[&[1, 3, 8, 6], &[5, 3, 3, 3], &[5]], Layout::Nchw);
        let nhwc = infer(&op, &[&[1, 8, 6, 3], &[5, 3, 3, 3], &[5]], Layout::Nhwc);
        assert_eq!(nchw, Ok(Some(vec![1, 5, 4, 3])));
        assert_eq!(nhwc, Ok(Some(vec![1, 4, 3, 5])));
        assert!(infer(&op, &[&[1, 3, 8, 6], &[5, 3, 3, 3], &[4]], Layout::Nchw).is_err());
    }

    #[test]
    fn a_kernel_beyond_its_input_is_refused() {
        let op = Op::Pool { window: window(5, 1, [0; 4]), kind: PoolKind::Max };
        assert!(infer(&op, &[&[1, 1, 4, 4]], Layout::Nchw).is_err());
    }

    #[test]
    fn parts_of_a_concat_must_fit() {
        let op = Op::Concat { axis: 1 };
        assert_eq!(infer(&op, &[&[1, 2], &[1, 3]], Layout::Nchw), Ok(Some(vec![1, 5])));
        assert!(infer(&op, &[&[1, 2], &[2, 3]], Layout::Nchw).is_err());
    }
}
