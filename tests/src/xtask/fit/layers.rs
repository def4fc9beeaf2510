//! Layers of many shapes as the converter writes them for a target: real models alone have too few of a kind to tell the terms apart.

use anyhow::Result;
use lacewing::Int;
use lacewing::format::encode::Builder;
use lacewing::format::{DType, Layout, Op, Place, Port, Requant, Span, Tensor, Window};
use lacewing::ops::conv::Conv;
use lacewing::ops::depthwise::Depthwise;
use lacewing::ops::fully_connected::FullyConnected;
use lacewing::ops::{ConvF32, ConvW4, DepthwiseF32, DepthwiseW4, FullyConnectedF32, FullyConnectedW4};
use lacewing_targets::wish::{Family, Wish};

use super::Loaded;
use crate::generator::Generator;

/// Layers of each operation.
const COUNT: usize = 40;
/// Multiply-accumulates of the largest layer.
const MACS: u32 = 200_000;

const KERNELS: [[u32; 2]; 8] = [[1, 1], [3, 3], [1, 1], [3, 3], [5, 5], [10, 4], [2, 2], [1, 3]];
const CHANNELS: [u32; 12] = [1, 2, 3, 4, 8, 10, 12, 16, 24, 32, 64, 128];
const SIZES: [u32; 8] = [4, 5, 6, 7, 10, 14, 20, 28];

/// All of them, for a target's kernels.
pub(super) fn layers(kernels: Family) -> Result<Vec<Loaded>> {
    let mut maker = Maker { kernels, choices: Generator::default() };
    let makers: [fn(&mut Maker, &Shape) -> Result<Loaded>; 12] = [
        |maker, shape| maker.conv::<i8>(shape, 8, Op::from),
        |maker, shape| maker.conv::<i8>(shape, 4, |op| ConvW4(op).into()),
        |maker, shape| maker.conv::<i16>(shape, 8, Op::from),
        |maker, shape| maker.conv_f32(shape),
        |maker, shape| maker.depthwise::<i8>(shape, 8, Op::from),
        |maker, shape| maker.depthwise::<i8>(shape, 4, |op| DepthwiseW4(op).into()),
        |maker, shape| maker.depthwise::<i16>(shape, 8, Op::from),
        |maker, shape| maker.depthwise_f32(shape),
        |maker, shape| maker.fully_connected::<i8>(shape, 8, Op::from),
        |maker, shape| maker.fully_connected::<i8>(shape, 4, |op| FullyConnectedW4(op).into()),
        |maker, shape| maker.fully_connected::<i16>(shape, 8, Op::from),
        |maker, shape| maker.fully_connected_f32(shape),
    ];
    let mut loaded = Vec::new();
    for make in makers {
        for _ in 0..COUNT {
            let shape = maker.shape();
            loaded.push(make(&mut maker, &shape)?);
        }
    }
    Ok(loaded)
}

/// The shape of a layer; a depthwise one has as many outputs as inputs, a fully connected one is over one pixel.
struct Shape {
    size: [u32; 2],
    window: Window,
    output: [u32; 2],
    channels: u32,
    outputs: u32,
    shifted: bool,
}

impl Shape {
    /// Multiply-accumulates, were it a convolution.
    fn macs(&self) -> u32 {
        self.output.iter().chain(&self.window.kernel).product::<u32>() * self.channels * self.outputs
    }

    fn tensors<T: lacewing::arena::Pod>(&self, outputs: u32, layer: &mut Layer) -> [Tensor; 2] {
        let ([h, w], [oh, ow]) = (self.size, self.output);
        layer.tensors(T::DTYPE.unwrap_or(DType::I8), [[1, h, w, self.channels], [1, oh, ow, outputs]])
    }

    /// Weights for each output.
    fn depth(&self) -> u32 {
        self.window.kernel.iter().product::<u32>() * self.channels
    }
}

/// Makes layers, by choices that are the same in every run.
struct Maker {
    kernels: Family,
    choices: Generator,
}

impl Maker {
    fn choose<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::from(self.choices.next().unwrap_or_default()) % from.len()]
    }

    fn shape(&mut self) -> Shape {
        loop {
            let (kernel, size) = (self.choose(&KERNELS), [self.choose(&SIZES), self.choose(&SIZES)]);
            let (stride, padded) = (self.choose(&[1, 1, 2]), self.choose(&[true, true, false]));
            let pad = kernel.map(|taps| if padded { (taps - 1) / 2 } else { 0 });
            let reach = |axis: usize| (size[axis] + 2 * pad[axis]).checked_sub(kernel[axis]);
            let (Some(y), Some(x)) = (reach(0), reach(1)) else { continue };
            let window = Window { kernel, stride: [stride; 2], dilation: [1; 2], pad };
            let output = [y / stride + 1, x / stride + 1];
            let (channels, outputs) = (self.choose(&CHANNELS), self.choose(&CHANNELS));
            let shifted = self.choose(&[true, false, false, false]);
            let shape = Shape { size, window, output, channels, outputs, shifted };
            if shape.macs() <= MACS {
                return shape;
            }
        }
    }

    /// What the target's kernels want of a layer with narrow activations, or what the converter writes without a wish.
    fn wish<T: Int>(&self, wish: impl Fn(Family) -> Option<Wish>, plain: Layout) -> Wish {
        let narrow = T::DTYPE == Some(DType::I8);
        let wish = if narrow { wish(self.kernels) } else { None };
        wish.unwrap_or(Wish { layout: plain, scratch: 0, least: 0 })
    }

    fn conv<T: Int>(&mut self, shape: &Shape, bits: u32, op: fn(Conv<T>) -> Op) -> Result<Loaded> {
        let mut layer = Layer::default();
        let [input, output] = shape.tensors::<T>(shape.outputs, &mut layer);
        let wanted = |family: Family| match bits {
            8 => family.conv_i8(&input, &output, &shape.window),
            _ => family.conv_w4(&input, &shape.window),
        };
        let Wish { layout, scratch, .. } = self.wish::<T>(wanted, Layout::PLAIN);
        let record = op(Conv {
            input,
            output,
            window: shape.window,
            groups: 1,
            weights: layer.weights(layout, [shape.outputs, shape.depth(), bits]),
            layout,
            zeros: Span::EMPTY,
            bias: layer.constant(&vec![T::Sum::default(); shape.outputs as usize]),
            input_zero: T::default(),
            requant: layer.requant(shape, shape.outputs),
            scratch: layer.scratch(scratch),
        });
        layer.finish(record)
    }

    fn depthwise<T: Int>(&mut self, shape: &Shape, bits: u32, op: fn(Depthwise<T>) -> Op) -> Result<Loaded> {
        let mut layer = Layer::default();
        let [input, output] = shape.tensors::<T>(shape.channels, &mut layer);
        let plain = Layout::channels_last(shape.channels as u16);
        let Wish { layout, scratch, .. } =
            self.wish::<T>(|family| family.depthwise_i8(&input, &output, &shape.window), plain);
        let taps = shape.window.kernel.iter().product();
        let record = op(Depthwise {
            input,
            output,
            window: shape.window,
            weights: layer.weights(layout, [shape.channels, taps, bits]),
            layout,
            bias: layer.constant(&vec![T::Sum::default(); shape.channels as usize]),
            input_zero: T::default(),
            requant: layer.requant(shape, shape.channels),
            scratch: layer.scratch(scratch),
        });
        layer.finish(record)
    }

    fn fully_connected<T: Int>(&mut self, shape: &Shape, bits: u32, op: fn(FullyConnected<T>) -> Op) -> Result<Loaded> {
        let mut layer = Layer::default();
        let (depth, outputs) = (shape.depth(), shape.outputs);
        let [input, output] = layer.tensors(T::DTYPE.unwrap_or(DType::I8), [[1, 1, 1, depth], [1, 1, 1, outputs]]);
        let wanted = |family: Family| if bits == 8 { family.fully_connected_i8(depth, outputs) } else { None };
        let Wish { layout, scratch, .. } = self.wish::<T>(wanted, Layout::PLAIN);
        let record = op(FullyConnected {
            input,
            output,
            weights: layer.weights(layout, [outputs, depth, bits]),
            layout,
            zeros: Span::EMPTY,
            bias: layer.constant(&vec![T::Sum::default(); outputs as usize]),
            requant: layer.requant(shape, outputs),
            scratch: layer.scratch(scratch),
        });
        layer.finish(record)
    }

    fn conv_f32(&mut self, shape: &Shape) -> Result<Loaded> {
        let mut layer = Layer::default();
        let [input, output] = shape.tensors::<f32>(shape.outputs, &mut layer);
        let (weights, bias) = layer.floats(shape.outputs, shape.depth());
        let [lo, hi] = [f32::NEG_INFINITY, f32::INFINITY];
        layer.finish(
            ConvF32 {
                input,
                output,
                window: shape.window,
                groups: 1,
                weights,
                layout: Layout::PLAIN,
                bias,
                lo,
                hi,
                scratch: Span::EMPTY,
            }
            .into(),
        )
    }

    fn depthwise_f32(&mut self, shape: &Shape) -> Result<Loaded> {
        let mut layer = Layer::default();
        let [input, output] = shape.tensors::<f32>(shape.channels, &mut layer);
        let (weights, bias) = layer.floats(shape.channels, shape.window.kernel.iter().product());
        let [lo, hi] = [f32::NEG_INFINITY, f32::INFINITY];
        layer.finish(
            DepthwiseF32 {
                input,
                output,
                window: shape.window,
                weights,
                layout: Layout::channels_last(shape.channels as u16),
                bias,
                lo,
                hi,
                scratch: Span::EMPTY,
            }
            .into(),
        )
    }

    fn fully_connected_f32(&mut self, shape: &Shape) -> Result<Loaded> {
        let mut layer = Layer::default();
        let (depth, outputs) = (shape.depth(), shape.outputs);
        let [input, output] = layer.tensors(DType::F32, [[1, 1, 1, depth], [1, 1, 1, outputs]]);
        let (weights, bias) = layer.floats(outputs, depth);
        let [lo, hi] = [f32::NEG_INFINITY, f32::INFINITY];
        layer.finish(FullyConnectedF32 { input, output, weights, layout: Layout::PLAIN, bias, lo, hi }.into())
    }
}

/// A layer in the making.
#[derive(Default)]
struct Layer {
    builder: Builder,
    arena: u32,
}

impl Layer {
    fn tensors(&mut self, dtype: DType, shapes: [[u32; 4]; 2]) -> [Tensor; 2] {
        shapes.map(|shape| {
            let len = shape.iter().product::<u32>() * dtype.size();
            Tensor::new(Place::Arena, dtype, self.allocate(len), shape)
        })
    }

    fn allocate(&mut self, len: u32) -> u32 {
        let offset = self.arena;
        self.arena = (offset + len).next_multiple_of(4);
        offset
    }

    fn scratch(&mut self, len: u32) -> Span {
        Span { offset: self.allocate(len), len }
    }

    fn constant<T: lacewing::arena::Pod>(&mut self, numbers: &[T]) -> Span {
        self.builder.constant(numbers)
    }

    fn weights(&mut self, layout: Layout, [outputs, depth, bits]: [u32; 3]) -> Span {
        let bytes = (layout.len(outputs, depth).unwrap_or_default() * bits).div_ceil(8);
        let weights: Vec<i8> = Generator::default().map(u8::cast_signed).take(bytes as usize).collect();
        self.constant(&weights)
    }

    /// Numbers between 0 and 4 for weights and biases.
    fn floats(&mut self, outputs: u32, depth: u32) -> (Span, Span) {
        let numbers = |len: u32| Generator::default().map(|byte| f32::from(byte) / 64.0).take(len as usize);
        let (weights, bias): (Vec<_>, Vec<_>) = (numbers(outputs * depth).collect(), numbers(outputs).collect());
        (self.constant(&weights), self.constant(&bias))
    }

    /// A multiplier for each output; a shift, which loops of a target's own may not know, in one layer of four.
    fn requant<T: Int>(&mut self, shape: &Shape, outputs: u32) -> Requant<T> {
        let multipliers = self.constant(&vec![1 << 22; outputs as usize]);
        let [lo, hi] = [i32::MIN, i32::MAX].map(T::saturate);
        let shift = *T::SHIFTS.start() + u8::from(shape.shifted);
        Requant { multipliers, shift, zero: T::default(), lo, hi }
    }

    fn finish(mut self, op: Op) -> Result<Loaded> {
        self.builder.push(&op)?;
        let [input, output] = [op.inputs()[0], *op.output()].map(port);
        let file = self.builder.finish(&[input], &[output], self.arena, &[])?;
        Loaded::new("", &file)
    }
}

fn port(tensor: Tensor) -> Port<'static> {
    let [n, h, w, c] = tensor.shape;
    Port { name: b"x", tensor, rank: 4, dims: [n, h, w, c, 1, 1], scale: 1.0, zero: 0 }
}
