//! Transposed convolution as a convolution to several pixels at once.
//!
//! Output position `q` of the result before its padding is cut off gets `x[i]·w[k]` for `i·stride + k·dilation = q`. With `q = Q·stride + r`, all `Q` of one
//! `r` are a convolution with stride 1 and the taps `k` for which `k·dilation − r` is a multiple of the stride. These convolutions are the output
//! channels of one; a transposition puts them side by side.

use ndarray::{ArrayD, IxDyn};

use super::conv::{groups, padded, plane, unplane};
use super::take::positions;
use crate::error::ConvertError;
use crate::graph::{Op, ValueId, Window};
use crate::import::window::list;
use crate::import::{Lowering, OnnxNode};

/// One spatial axis.
#[derive(Clone, Copy)]
struct Axis {
    size: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    /// Cut off before the result; negative adds.
    before: i64,
    /// Elements of the result.
    result: usize,
}

/// `ConvTranspose` over one or two spatial axes.
pub(crate) fn lower(node: &OnnxNode<'_>, to: &mut Lowering) -> Result<Vec<ValueId>, ConvertError> {
    let x = to.value(node, 0)?;
    let (shape, w, groups) = (to.shape(x), to.weights(node, 1)?, groups(node)?);
    let fits = (3..=4).contains(&w.ndim()) && w.ndim() == shape.len() && w.shape()[0] == shape[1];
    if !fits || shape[1] % groups != 0 {
        let reason =
            format!("weights {:?} in {groups} groups on an input {shape:?}; only 1-D and 2-D are supported", w.shape());
        return Err(node.error(reason));
    }
    let axes = axes(node, &shape[2..], &w.shape()[2..])?;
    let line = shape.len() == 3;
    let x = plane(node, to, x)?;
    let x = cut(node, to, x, &axes)?;
    let pixels = axes.iter().map(|axis| axis.stride).product::<usize>();
    let per_group = w.shape()[1];
    let bias = bias(node, to, groups, per_group, pixels)?;
    let w = to.add_constant(node, "weights", phases(node, w, groups, &axes)?)?;
    let mut window = window(&axes);
    let x = padded(node, to, x, &mut window)?;
    let op = Op::Conv { window, groups };
    let y = to.emit(node, "pixels", op, &[&[x, w], &bias[..]].concat())?;
    let y = side_by_side(node, to, y, (groups, per_group), &axes, if line { "plane" } else { "" })?;
    Ok(vec![if line { unplane(node, to, y)? } else { y }])
}

/// Rows and columns; one axis is a row.
fn axes(node: &OnnxNode<'_>, spatial: &[usize], kernel: &[usize]) -> Result<[Axis; 2], ConvertError> {
    let rank = spatial.len();
    if node.sizes("kernel_shape", 1)?.is_some_and(|k| k != kernel) {
        return Err(node.error(format!("kernel_shape differs from its weights {kernel:?}")));
    }
    let strides = list(node, "strides", 1, vec![1; rank])?;
    let dilations = list(node, "dilations", 1, vec![1; rank])?;
    let pads = list(node, "pads", 0, vec![0; 2 * rank])?;
    let more = list(node, "output_padding", 0, vec![0; rank])?;
    let wanted = node.sizes("output_shape", 1)?.unwrap_or_default();
    let wanted = wanted.get(wanted.len().saturating_sub(rank)..).unwrap_or_default();
    let one = Axis { size: 1, kernel: 1, stride: 1, dilation: 1, before: 0, result: 1 };
    let mut axes = [one; 2];
    for i in 0..rank {
        let (size, stride, dilation) = (spatial[i], strides[i], dilations[i]);
        let whole = (stride * (size - 1) + dilation * (kernel[i].max(1) - 1) + 1 + more[i]) as i64;
        let (before, after) = cuts(node, whole, (size * stride) as i64, wanted.get(i), [pads[i], pads[rank + i]])?;
        let result = usize::try_from(whole - before - after).ok().filter(|result| (1..=1 << 24).contains(result));
        let result = result.ok_or_else(|| node.error(format!("its pads leave nothing of {whole} elements")))?;
        axes[i + 2 - rank] = Axis { size, kernel: kernel[i], stride, dilation, before, result };
    }
    Ok(axes)
}

/// Elements to cut off at both ends of `whole`.
fn cuts(
    node: &OnnxNode<'_>,
    whole: i64,
    same: i64,
    wanted: Option<&usize>,
    pads: [usize; 2],
) -> Result<(i64, i64), ConvertError> {
    let auto = node.string("auto_pad");
    let total = match (wanted, auto) {
        (_, other) if !["", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"].contains(&other) => {
            return Err(node.error(format!("auto_pad `{other}` does not exist")));
        }
        (Some(wanted), _) => whole - *wanted as i64,
        (None, "SAME_UPPER" | "SAME_LOWER") => whole - same,
        (None, "VALID") => 0,
        (None, _) => return Ok((pads[0] as i64, pads[1] as i64)),
    };
    let less = total.div_euclid(2);
    Ok(if auto == "SAME_UPPER" { (less, total - less) } else { (total - less, less) })
}

impl Axis {
    /// The first and the number of the `Q` that are needed.
    fn blocks(&self) -> (i64, usize) {
        let (stride, last) = (self.stride as i64, self.before + self.result as i64 - 1);
        let first = self.before.div_euclid(stride);
        (first, (last.div_euclid(stride) - first + 1) as usize)
    }

    /// Taps of the convolution.
    fn taps(&self) -> usize {
        (self.kernel.max(1) - 1) * self.dilation / self.stride + 1
    }

    /// Padding before and after `x` for the blocks that are needed; negative cuts off.
    fn pads(&self) -> (i64, i64) {
        let ((first, count), taps) = (self.blocks(), self.taps() as i64);
        let before = taps - 1 - first;
        (before, count as i64 - 1 + taps - self.size as i64 - before)
    }
}

fn window(axes: &[Axis; 2]) -> Window {
    let [(top, bottom), (left, right)] = axes.map(|axis| axis.pads());
    let pads = [top, left, bottom, right].map(|pad| usize::try_from(pad).unwrap_or(0));
    Window { kernel: axes.map(|axis| axis.taps()), pads, ..Window::default() }
}

/// Without what no window needs.
fn cut(node: &OnnxNode<'_>, to: &mut Lowering, x: ValueId, axes: &[Axis; 2]) -> Result<ValueId, ConvertError> {
    let less = |pad: i64| usize::try_from(-pad).unwrap_or(0);
    let (mut starts, mut shape) = (vec![0; 4], to.shape(x));
    for (i, axis) in axes.iter().enumerate() {
        let (before, after) = axis.pads();
        let rest = axis.size.checked_sub(less(before) + less(after)).filter(|rest| *rest > 0);
        let rest = rest.ok_or_else(|| node.error("its pads leave nothing that depends on the input"))?;
        (starts[2 + i], shape[2 + i]) = (less(before), rest);
    }
    if shape == to.shape(x) {
        return Ok(x);
    }
    to.emit_shaped(node, "cut", Op::Slice { starts, steps: vec![1; 4] }, &[x], shape)
}

/// Weights `[in][out/g][kh][kw]` as `[g][rh][rw][out/g]` output channels of `[in/g][taps][taps]`.
fn phases(node: &OnnxNode<'_>, w: ArrayD<f32>, groups: usize, axes: &[Axis; 2]) -> Result<ArrayD<f32>, ConvertError> {
    let (inputs, out) = (w.shape()[0] / groups, w.shape()[1]);
    let kernel = axes.map(|axis| axis.kernel);
    let w = w.into_shape_with_order(IxDyn(&[groups, inputs, out, kernel[0], kernel[1]]));
    let w = w.map_err(|e| node.error(e.to_string()))?;
    let [(rows, tall), (columns, wide)] = axes.map(|axis| (axis.stride, axis.taps()));
    let shape = [groups * rows * columns * out, inputs, tall, wide];
    to_size(node, &shape)?;
    let mut y = ArrayD::zeros(IxDyn(&shape));
    for at in positions(w.shape()) {
        let &[g, i, o, ky, kx] = &at[..] else { continue };
        let [(ry, ty), (rx, tx)] = [(ky, axes[0]), (kx, axes[1])].map(|(k, axis)| {
            let reach = k * axis.dilation;
            (reach % axis.stride, axis.taps() - 1 - reach / axis.stride)
        });
        y[IxDyn(&[((g * rows + ry) * columns + rx) * out + o, i, ty, tx])] += w[IxDyn(&at)];
    }
    Ok(y)
}

fn to_size(node: &OnnxNode<'_>, shape: &[usize]) -> Result<(), ConvertError> {
    let len = shape.iter().try_fold(1, |n: usize, d| n.checked_mul(*d));
    match len.is_some_and(|len| len <= crate::import::MAX_ELEMENTS) {
        true => Ok(()),
        false => Err(node.error(format!("its weights would have the shape {shape:?}"))),
    }
}

fn bias(
    node: &OnnxNode<'_>,
    to: &mut Lowering,
    groups: usize,
    per_group: usize,
    pixels: usize,
) -> Result<Vec<ValueId>, ConvertError> {
    if node.input(2).is_none() {
        return Ok(Vec::new());
    }
    let b = to.weights(node, 2)?;
    if b.len() != groups * per_group {
        return Err(node.error(format!("the bias has shape {:?}, not [{}]", b.shape(), groups * per_group)));
    }
    let b: Vec<f32> = b.iter().copied().collect();
    let spread = b.chunks(per_group).flat_map(|group| std::iter::repeat_n(group, pixels).flatten().copied());
    Ok(vec![to.add_constant(node, "bias", spread.collect::<ndarray::Array1<f32>>().into_dyn())?])
}

/// The pixels of each block in their places, and the result out of them.
fn side_by_side(
    node: &OnnxNode<'_>,
    to: &mut Lowering,
    y: ValueId,
    (groups, per_group): (usize, usize),
    axes: &[Axis; 2],
    part: &str,
) -> Result<ValueId, ConvertError> {
    let [(rows, tall), (columns, wide)] = axes.map(|axis| (axis.stride, axis.blocks().1));
    let n = to.shape(y)[0];
    let (mut y, channels) = (y, groups * per_group);
    if rows * columns > 1 {
        let split = vec![n, groups, rows, columns, per_group, tall, wide];
        y = to.emit_shaped(node, "split", Op::Reshape, &[y], split)?;
        y = to.emit(node, "turned", Op::Transpose { perm: vec![0, 1, 4, 5, 2, 6, 3] }, &[y])?;
        y = to.emit_shaped(node, "joined", Op::Reshape, &[y], vec![n, channels, tall * rows, wide * columns])?;
    }
    let starts = axes.map(|axis| (axis.before - axis.blocks().0 * axis.stride as i64) as usize);
    let op = Op::Slice { starts: vec![0, 0, starts[0], starts[1]], steps: vec![1; 4] };
    to.emit_shaped(node, part, op, &[y], vec![n, channels, axes[0].result, axes[1].result])
}
