//! Operations in f32, and between f32 and int8. Numbers in f32 agree with the CPU's within the rounding of f32; quantization is exact.

use lacewing::format::{Layout, Span, Tensor, Window};
use lacewing::ops::{
    AveragePoolF32, ConvF32, DepthwiseF32, DequantizeI8, FullyConnectedF32, Function, MaxPoolF32, QuantizeI8,
    SoftmaxF32, UnaryF32,
};

use super::binary::broadcast;
use super::conv::{signed, steps, words};
use super::{Context, Dispatch, Reason};
use crate::kernel::{Family, Kernel};

/// A convolution, whatever record it is of.
struct Layer {
    input: [u32; 4],
    output: [u32; 4],
    window: Window,
    groups: u32,
    weights: Span,
    layout: Layout,
    /// Rows and columns of the weights of one output in the layout.
    rows: [u32; 2],
    bias: Span,
    limits: [f32; 2],
}

/// The number in `unary_f32.wgsl` of what is no [`Function`].
const DEQUANTIZE: u32 = 100;

impl Context<'_> {
    pub(super) fn conv_f32(&mut self, op: &ConvF32) -> Result<Dispatch, Reason> {
        let ConvF32 { input, output, window, groups, weights, layout, bias, lo, hi, .. } = *op;
        let (input, output, limits) = (input.shape, output.shape, [lo, hi]);
        let rows = [window.kernel.iter().product::<u32>() * (input[3] / groups), 1];
        self.layer_f32(&Layer { input, output, window, groups, weights, layout, rows, bias, limits })
    }

    /// A convolution whose groups are the input's channels.
    pub(super) fn depthwise_f32(&mut self, op: &DepthwiseF32) -> Result<Dispatch, Reason> {
        let DepthwiseF32 { input, output, window, weights, layout, bias, lo, hi, .. } = *op;
        let (input, output, limits) = (input.shape, output.shape, [lo, hi]);
        let (groups, rows) = (input[3], window.kernel);
        self.layer_f32(&Layer { input, output, window, groups, weights, layout, rows, bias, limits })
    }

    /// A convolution of one tap over a row of as many pixels as there are vectors.
    pub(super) fn fully_connected_f32(&mut self, op: &FullyConnectedF32) -> Result<Dispatch, Reason> {
        let FullyConnectedF32 { input, output, weights, layout, bias, lo, hi } = *op;
        let ([n, h, w, depth], limits) = (input.shape, [lo, hi]);
        let [input, output] = [[1, 1, n * h * w, depth], [1, 1, n * h * w, output.shape[3]]];
        let window = Window { kernel: [1; 2], stride: [1; 2], dilation: [1; 2], pad: [0; 2] };
        self.layer_f32(&Layer { input, output, window, groups: 1, weights, layout, rows: [depth, 1], bias, limits })
    }

    fn layer_f32(&mut self, layer: &Layer) -> Result<Dispatch, Reason> {
        let ([_, height, width, channels], [n, out_height, out_width, outputs]) = (layer.input, layer.output);
        let (group, tiles) = (channels / layer.groups, out_width.div_ceil(4));
        let depth = layer.rows.iter().product::<u32>();
        let (all, bias) = (self.get::<f32>(layer.weights)?, self.get::<f32>(layer.bias)?);
        let at = |k: u32, o: u32| all[layer.layout.position(o, k, layer.rows) as usize].to_bits();
        let weights = self.push((0..depth).flat_map(|k| (0..outputs).map(move |o| at(k, o))));
        let bias = self.push(bias.iter().map(|bias| bias.to_bits()));
        let mut params = vec![self.input(), self.output, weights, bias];
        params.extend(layer.limits.map(f32::to_bits));
        params.extend([height, width, channels, tiles, out_height, out_width, outputs, group]);
        params.extend(steps(&layer.window));
        params.push(outputs / layer.groups);
        let depthwise = group == 1 && channels == outputs;
        let tiled = (outputs / layer.groups).is_multiple_of(4) || depthwise && channels.is_multiple_of(4);
        let entry = if tiled { "tile" } else { "words" };
        let count = n * out_height * tiles * if tiled { outputs / 4 } else { outputs };
        Ok(Dispatch {
            kernel: Kernel { family: Family::ConvF32, entry, overrides: vec![("DEPTHWISE", depthwise.into())] },
            params,
            count,
        })
    }

    pub(super) fn average_f32(&mut self, op: &AveragePoolF32) -> Result<Dispatch, Reason> {
        Ok(self.pool_f32([&op.input, &op.output], &op.window, Some(op.divisor), [op.lo, op.hi]))
    }

    pub(super) fn max_f32(&mut self, op: &MaxPoolF32) -> Result<Dispatch, Reason> {
        Ok(self.pool_f32([&op.input, &op.output], &op.window, None, [op.lo, op.hi]))
    }

    /// The average by a divisor, or the maximum.
    fn pool_f32(
        &self,
        [input, output]: [&Tensor; 2],
        window: &Window,
        divisor: Option<u32>,
        limits: [f32; 2],
    ) -> Dispatch {
        let ([_, height, width, channels], [_, out_height, out_width, _]) = (input.shape, output.shape);
        let mut params = vec![self.input(), self.output, divisor.unwrap_or(0), channels];
        params.extend(limits.map(f32::to_bits));
        params.extend([height, width, out_height, out_width]);
        params.extend(steps(window));
        let kernel = Kernel::words(Family::PoolF32, &[("MAXIMUM", divisor.is_none().into())]);
        Dispatch { kernel, params, count: output.shape.iter().product() }
    }

    /// A sum, a difference or a product: `kind` 0, 1 or 2.
    pub(super) fn binary_f32(
        &self,
        inputs: &[Tensor; 2],
        output: &Tensor,
        limits: [f32; 2],
        kind: u32,
    ) -> Result<Dispatch, Reason> {
        let mut params = vec![self.inputs[0], self.inputs[1], self.output];
        params.extend(limits.map(f32::to_bits));
        params.push(0);
        params.extend(output.shape);
        inputs.iter().for_each(|input| params.extend(broadcast(input.shape)));
        let kernel = Kernel::words(Family::BinaryF32, &[("KIND", kind)]);
        Ok(Dispatch { kernel, params, count: output.shape.iter().product() })
    }

    pub(super) fn unary_f32(&self, op: &UnaryF32) -> Result<Dispatch, Reason> {
        let (function, numbers) = match op.function {
            Function::Identity => (0, [0.0; 2]),
            Function::Clip { lo, hi } => (1, [lo, hi]),
            Function::LeakyRelu { alpha } => (2, [alpha, 0.0]),
            Function::Sigmoid => (5, [0.0; 2]),
            Function::HardSigmoid { alpha, beta } => (6, [alpha, beta]),
            Function::HardSwish => (7, [0.0; 2]),
            Function::Silu => (8, [0.0; 2]),
            Function::Exp => (12, [0.0; 2]),
            Function::Abs => (16, [0.0; 2]),
            Function::Neg => (17, [0.0; 2]),
            Function::Square => (22, [0.0; 2]),
            _ => return Err("there is no kernel for its function"),
        };
        Ok(self.function_f32(&op.output, function, numbers))
    }

    pub(super) fn quantize(&self, op: &QuantizeI8) -> Result<Dispatch, Reason> {
        let params = vec![self.input(), self.output, op.scale.to_bits(), signed(op.zero)];
        Ok(Dispatch { kernel: Kernel::words(Family::Quantize, &[]), params, count: words(op.output.shape) })
    }

    pub(super) fn dequantize(&self, op: &DequantizeI8) -> Result<Dispatch, Reason> {
        Ok(self.function_f32(&op.output, DEQUANTIZE, [op.scale, op.zero.into()]))
    }

    fn function_f32(&self, output: &Tensor, function: u32, [a, b]: [f32; 2]) -> Dispatch {
        let params = vec![self.input(), self.output, a.to_bits(), b.to_bits()];
        let kernel = Kernel::words(Family::UnaryF32, &[("FUNCTION", function)]);
        Dispatch { kernel, params, count: output.shape.iter().product() }
    }

    pub(super) fn softmax_f32(&self, op: &SoftmaxF32) -> Result<Dispatch, Reason> {
        let [n, h, w, c] = op.input.shape;
        let params = vec![self.input(), self.output, c];
        Ok(Dispatch { kernel: Kernel::words(Family::SoftmaxF32, &[]), params, count: n * h * w })
    }
}
