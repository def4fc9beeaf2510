//! Windows that slide over images: convolutions and pools. Images have channels last, weights are `[out, height, width, in]`.

use tract_onnx::pb::AttributeProto;

use super::activation::activate;
use crate::error::ConvertError;
use crate::import::tflite::onnx::{int, ints};
use crate::import::tflite::schema::{Conv2DOptions, DepthwiseConv2DOptions, Pool2DOptions, TransposeConvOptions};
use crate::import::tflite::translation::{CHANNELS_FIRST, Op, Translation, four};

/// `Padding` in the schema.
const SAME: i8 = 0;
const VALID: i8 = 1;

/// A window along one axis.
#[derive(Clone, Copy)]
struct Window {
    kernel: usize,
    stride: usize,
    dilation: usize,
}

/// Positions of a window along one axis, and the pads that give it them.
struct Places {
    count: usize,
    before: usize,
    after: usize,
}

impl Window {
    fn new(op: &Op<'_>, kernel: usize, stride: i32, dilation: i32) -> Result<Window, ConvertError> {
        let positive = |what: &str, n: i64| {
            let size = usize::try_from(n).ok().filter(|n| (1..=1 << 24).contains(n));
            size.ok_or_else(|| op.error(format!("has the {what} {n}")))
        };
        Ok(Window {
            kernel: positive("kernel size", kernel as i64)?,
            stride: positive("stride", stride.into())?,
            dilation: positive("dilation", dilation.into())?,
        })
    }

    fn extent(self) -> usize {
        (self.kernel - 1).saturating_mul(self.dilation).saturating_add(1)
    }

    /// SAME gives ⌈size/stride⌉ places, and pads the end by one more than the start where the sum is odd; VALID does not pad.
    fn places(self, op: &Op<'_>, padding: i8, size: usize) -> Result<Places, ConvertError> {
        let Window { stride, .. } = self;
        let extent = self.extent();
        match padding {
            SAME => {
                let count = size.div_ceil(stride);
                let all = (count.saturating_sub(1) * stride).saturating_add(extent).saturating_sub(size);
                Ok(Places { count, before: all / 2, after: all - all / 2 })
            }
            VALID if extent <= size => Ok(Places { count: (size - extent) / stride + 1, before: 0, after: 0 }),
            VALID => Err(op.error(format!("its window of {extent} does not fit into {size}"))),
            other => Err(op.error(format!("has the unknown padding {other}"))),
        }
    }
}

/// Height, then width.
struct Windows([Window; 2]);

impl Windows {
    fn new(op: &Op<'_>, kernel: [usize; 2], stride: [i32; 2], dilation: [i32; 2]) -> Result<Windows, ConvertError> {
        let window = |i: usize| Window::new(op, kernel[i], stride[i], dilation[i]);
        Ok(Windows([window(0)?, window(1)?]))
    }

    fn both(&self, name: &str, get: impl Fn(&Window) -> usize) -> AttributeProto {
        ints(name, &self.0.each_ref().map(get))
    }

    /// The attributes that ONNX has for a window over an image, whose output must have the sizes that the file says.
    fn attributes(&self, t: &Translation<'_>, op: &Op<'_>, padding: i8) -> Result<Vec<AttributeProto>, ConvertError> {
        let [_, height, width, _] = t.image(op, 0)?;
        let places = [self.0[0].places(op, padding, height)?, self.0[1].places(op, padding, width)?];
        let [_, rows, columns, _] = four(op, t.output_shape(op, 0)?)?;
        if [places[0].count, places[1].count] != [rows, columns] {
            let [a, b] = places.map(|p| p.count);
            return Err(op.error(format!("gives {a}×{b} places where the file says {rows}×{columns}")));
        }
        let [y, x] = places;
        Ok(vec![
            self.both("kernel_shape", |w| w.kernel),
            self.both("strides", |w| w.stride),
            self.both("dilations", |w| w.dilation),
            ints("pads", &[y.before, x.before, y.after, x.after]),
        ])
    }
}

/// CONV_2D: image, weights, bias or none. Fewer input channels in the weights than in the image make groups.
pub(super) fn conv_2d(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let o: Conv2DOptions<'_> = op.options()?;
    let [_, height, width, channels] = t.image(op, 1)?;
    let inputs = t.image(op, 0)?[3];
    if channels == 0 || !inputs.is_multiple_of(channels) {
        return Err(op.error(format!("has weights for {channels} channels and an image of {inputs}")));
    }
    let stride = [o.stride_h(), o.stride_w()];
    let windows = Windows::new(op, [height, width], stride, [o.dilation_h(), o.dilation_w()])?;
    let mut attributes = windows.attributes(t, op, o.padding())?;
    attributes.push(int("group", (inputs / channels) as i64));
    convolution(t, op, attributes, &CHANNELS_FIRST, o.activation())
}

/// DEPTHWISE_CONV_2D: image, weights `[1, height, width, channels × multiplier]`, bias or none.
pub(super) fn depthwise_conv_2d(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let o: DepthwiseConv2DOptions<'_> = op.options()?;
    let [one, height, width, outputs] = t.image(op, 1)?;
    let inputs = t.image(op, 0)?[3];
    if one != 1 || inputs == 0 || !outputs.is_multiple_of(inputs) {
        return Err(op.error(format!("has weights {:?} for {inputs} channels", t.image(op, 1)?)));
    }
    let stride = [o.stride_h(), o.stride_w()];
    let windows = Windows::new(op, [height, width], stride, [o.dilation_h(), o.dilation_w()])?;
    let mut attributes = windows.attributes(t, op, o.padding())?;
    attributes.push(int("group", inputs as i64));
    convolution(t, op, attributes, &[3, 0, 1, 2], o.activation())
}

/// Where weights are int8 and the image float, LiteRT rounds the image to int8 at each run; here the weights alone are rounded.
fn convolution(
    t: &mut Translation<'_>,
    op: &Op<'_>,
    attributes: Vec<AttributeProto>,
    weights: &[usize],
    activation: i8,
) -> Result<(), ConvertError> {
    let x = t.read(op, 0)?;
    let x = t.channels_first(op, &x)?;
    let w = t.read_in(op, 1, weights)?;
    let bias = bias(t, op, 0, 1, 2)?;
    let inputs: Vec<&str> = [&x, &w].into_iter().chain(&bias).map(String::as_str).collect();
    let y = t.emit(op, "Conv", &inputs, attributes)?;
    let y = activate(t, op, activation, y)?;
    t.write_channels_first(op, 0, &y)
}

/// Input `b`, if the operator has it: in steps of the product of the scales of inputs `x` and `w`.
pub(super) fn bias(
    t: &mut Translation<'_>,
    op: &Op<'_>,
    x: usize,
    w: usize,
    b: usize,
) -> Result<Option<String>, ConvertError> {
    let Some(tensor) = op.optional(b) else { return Ok(None) };
    let weights = t.constant(op.input(w)?).unwrap_or(op.input(w)?);
    let scales = t.quantization(op.input(x)?)?.zip(t.quantization(weights)?);
    let Some((x, w)) = scales else { return t.real(tensor).map(Some) };
    let scales: Vec<f32> = w.scales.iter().map(|scale| scale * x.scales[0]).collect();
    t.bias(op, b, &scales).map(Some)
}

/// TRANSPOSE_CONV: the output's shape, weights, image, bias or none. SAME and VALID are those of the convolution from the output
/// back to the image.
pub(super) fn transpose_conv(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let o: TransposeConvOptions<'_> = op.options()?;
    let [outputs, height, width, inputs] = t.image(op, 1)?;
    let windows = Windows::new(op, [height, width], [o.stride_h(), o.stride_w()], [1, 1])?;
    let image = t.image(op, 2)?;
    let sizes = four(op, t.output_shape(op, 0)?)?;
    if image[3] != inputs || sizes[3] != outputs {
        return Err(op.error(format!("has weights {:?} between {image:?} and {sizes:?}", t.image(op, 1)?)));
    }
    let mut pads = [0; 4];
    let mut more = [0; 2];
    for (i, window) in windows.0.iter().enumerate() {
        let places = window.places(op, o.padding(), sizes[i + 1])?;
        let full = (places.count - 1) * window.stride + window.kernel;
        if places.count != image[i + 1] {
            return Err(op.error(format!("cannot give the shape {sizes:?} from {image:?}")));
        }
        (pads[i], pads[i + 2]) = (places.before, places.after);
        more[i] = (sizes[i + 1] + places.before + places.after).saturating_sub(full);
    }
    let x = t.read(op, 2)?;
    let x = t.channels_first(op, &x)?;
    let w = t.read_in(op, 1, &[3, 0, 1, 2])?;
    let bias = bias(t, op, 2, 1, 3)?;
    let inputs: Vec<&str> = [&x, &w].into_iter().chain(&bias).map(String::as_str).collect();
    let attributes = vec![
        windows.both("kernel_shape", |w| w.kernel),
        windows.both("strides", |w| w.stride),
        ints("pads", &pads),
        ints("output_padding", &more),
    ];
    let y = t.emit(op, "ConvTranspose", &inputs, attributes)?;
    let y = activate(t, op, o.activation(), y)?;
    t.write_channels_first(op, 0, &y)
}

/// AVERAGE_POOL_2D, MAX_POOL_2D and L2_POOL_2D; a mean counts what lies inside of the image.
pub(super) fn pool(t: &mut Translation<'_>, op: &Op<'_>) -> Result<(), ConvertError> {
    let o: Pool2DOptions<'_> = op.options()?;
    let size = |n: i32| usize::try_from(n).unwrap_or(0);
    let kernel = [size(o.filter_h()), size(o.filter_w())];
    let windows = Windows::new(op, kernel, [o.stride_h(), o.stride_w()], [1, 1])?;
    let attributes = windows.attributes(t, op, o.padding())?;
    let x = t.read(op, 0)?;
    let x = t.channels_first(op, &x)?;
    let y = match op.kind.as_str() {
        "MAX_POOL_2D" => t.emit(op, "MaxPool", &[&x], attributes)?,
        "AVERAGE_POOL_2D" => t.emit(op, "AveragePool", &[&x], attributes)?,
        _ => {
            let squares = t.emit(op, "Mul", &[&x, &x], Vec::new())?;
            let mean = t.emit(op, "AveragePool", &[&squares], attributes)?;
            t.emit(op, "Sqrt", &[&mean], Vec::new())?
        }
    };
    let y = activate(t, op, o.activation(), y)?;
    t.write_channels_first(op, 0, &y)
}
