//! Convolutions and fully connected layers: weights packed as `conv.wgsl` and `depthwise.wgsl` say.

use lacewing::format::{Layout, Requant, Span, Tensor, Window};
use lacewing::ops::{ConvI8, DepthwiseI8, FullyConnectedI8};

use super::weights::{At, Weights};
use super::{Context, Dispatch, Reason, word};
use crate::kernel::{Family, Kernel};

/// A convolution, whatever record it is of.
struct Layer<'a> {
    input: [u32; 4],
    output: [u32; 4],
    window: Window,
    groups: u32,
    weights: Weights<'a>,
    bias: &'a [i32],
    multipliers: &'a [i32],
    input_zero: i8,
    requant: Requant,
}

/// Channels and blocks of a layer's groups.
#[derive(Clone, Copy)]
struct Blocks {
    /// Input channels of a group, and its outputs.
    channels: u32,
    outputs: u32,
    /// Blocks of four outputs in a group, and of all groups.
    each: u32,
    all: u32,
}

impl Blocks {
    fn new(input: u32, outputs: u32, groups: u32) -> Self {
        let each = (outputs / groups).div_ceil(4);
        Self { channels: input / groups, outputs: outputs / groups, each, all: each * groups }
    }

    /// The output in a lane of a block; `None` if the block has fewer.
    fn output(self, block: u32, lane: u32) -> Option<u32> {
        let in_group = block % self.each * 4 + lane;
        (in_group < self.outputs).then_some(block / self.each * self.outputs + in_group)
    }

    /// A number of each output in its lane, 0 in lanes without.
    fn spread(self, number: impl Fn(u32) -> u32) -> impl Iterator<Item = u32> {
        let lanes = (0..self.all).flat_map(move |block| (0..4).map(move |lane| self.output(block, lane)));
        lanes.map(move |output| output.map_or(0, &number))
    }

    /// Weights as `[plane][tap][⌈C'/4⌉][block][lane]`, four channels to a word.
    fn weights(self, weights: &Weights<'_>, planes: u32) -> Vec<u32> {
        let taps = weights.depth() / self.channels;
        let words = taps * self.channels.div_ceil(4);
        let mut all = Vec::with_capacity((planes * words * self.all * 4) as usize);
        for (plane, at) in (0..planes).flat_map(|plane| (0..words).map(move |at| (plane, at))) {
            let (tap, first) = (at / self.channels.div_ceil(4), at % self.channels.div_ceil(4) * 4);
            all.extend(self.spread(|o| {
                word(|lane| match first + (lane as u32) < self.channels {
                    true => weights.part(o, tap * self.channels + first + lane as u32, plane),
                    false => 0,
                })
            }));
        }
        all
    }
}

impl<'m> Context<'m> {
    pub(super) fn conv(&mut self, op: &ConvI8, at: At) -> Result<Dispatch, Reason> {
        let [kh, kw] = op.window.kernel;
        let depth = kh * kw * (channels(&op.input) / op.groups);
        let layer = Layer {
            input: op.input.shape,
            output: op.output.shape,
            window: op.window,
            groups: op.groups,
            weights: self.weights((op.weights, op.zeros), op.layout, [depth, 1], at)?,
            bias: self.get(op.bias)?,
            multipliers: self.get(op.requant.multipliers)?,
            input_zero: op.input_zero,
            requant: op.requant,
        };
        Ok(self.layer(&layer))
    }

    /// A convolution of one tap over a row of as many pixels as there are vectors.
    pub(super) fn fully_connected(&mut self, op: &FullyConnectedI8, at: At) -> Result<Dispatch, Reason> {
        let [n, h, w, depth] = op.input.shape;
        let layer = Layer {
            input: [1, 1, n * h * w, depth],
            output: [1, 1, n * h * w, channels(&op.output)],
            window: Window { kernel: [1; 2], stride: [1; 2], dilation: [1; 2], pad: [0; 2] },
            groups: 1,
            weights: self.weights((op.weights, op.zeros), op.layout, [depth, 1], at)?,
            bias: self.get(op.bias)?,
            multipliers: self.get(op.requant.multipliers)?,
            input_zero: 0,
            requant: op.requant,
        };
        Ok(self.layer(&layer))
    }

    fn weights(
        &self,
        (bytes, zeros): (Span, Span),
        layout: Layout,
        kernel: [u32; 2],
        at: At,
    ) -> Result<Weights<'m>, Reason> {
        Ok(Weights { bytes: self.get(bytes)?, zeros: self.get(zeros)?, layout, kernel, at })
    }

    fn layer(&mut self, layer: &Layer<'_>) -> Dispatch {
        let ([_, height, width, channels], [n, out_height, out_width, outputs]) = (layer.input, layer.output);
        let blocks = Blocks::new(channels, outputs, layer.groups);
        let planes = layer.weights.planes(outputs);
        let weights = blocks.weights(&layer.weights, planes);
        let plane = weights.len() as u32 / planes / 4;
        let weights = self.push(weights) / 4;
        let bias = self.push(blocks.spread(|o| layer.bias[o as usize] as u32)) / 4;
        let multipliers = self.push(blocks.spread(|o| of_channel(layer.multipliers, o))) / 4;
        // A tile of four pixels is worth it where a row has as many.
        let tiled = blocks.outputs.is_multiple_of(4) && out_width >= 4;
        let tiles = out_width.div_ceil(4);
        let mut params = vec![self.input(), self.output, weights, bias, multipliers, plane];
        params.extend(limits(&layer.requant));
        params.extend([height, width, channels, blocks.channels.div_ceil(4), out_height, out_width, outputs, tiles]);
        params.extend(steps(&layer.window));
        params.extend([blocks.channels, blocks.outputs, blocks.each, blocks.all, splat(layer.input_zero)]);
        let aligned = channels.is_multiple_of(4) && blocks.channels.is_multiple_of(4);
        Dispatch {
            kernel: Kernel {
                family: Family::Conv,
                entry: if tiled { "tile" } else { "words" },
                overrides: vec![("ALIGNED", aligned.into()), ("PLANES", planes)],
            },
            params,
            count: if tiled { n * out_height * tiles * blocks.all } else { words(layer.output) },
        }
    }

    pub(super) fn depthwise(&mut self, op: &DepthwiseI8, at: At) -> Result<Dispatch, Reason> {
        let ([_, height, width, channels], [_, out_height, out_width, outputs]) = (op.input.shape, op.output.shape);
        let weights = &self.weights((op.weights, Span::EMPTY), op.layout, op.window.kernel, at)?;
        let taps = (0..weights.depth()).flat_map(|tap| (0..outputs).map(move |o| weights.get(o, tap) as u32));
        let weights = self.push(taps);
        let (bias, all) = (self.get::<i32>(op.bias)?, self.get::<i32>(op.requant.multipliers)?);
        let bias = self.push(bias.iter().map(|bias| *bias as u32));
        let multipliers = self.push((0..outputs).map(|o| of_channel(all, o)));
        let mut params = vec![self.input(), self.output, weights, bias, multipliers, 0];
        params.extend(limits(&op.requant));
        params.extend([height, width, channels, outputs, out_height, out_width, outputs / channels]);
        params.push(splat(op.input_zero));
        params.extend(steps(&op.window));
        let quad = channels == outputs && channels.is_multiple_of(4);
        Ok(Dispatch {
            kernel: Kernel::words(Family::Depthwise, &[("QUAD", quad.into())]),
            params,
            count: words(op.output.shape),
        })
    }
}

fn channels(tensor: &Tensor) -> u32 {
    tensor.shape[3]
}

/// Words of a tensor in int8.
pub(super) fn words(shape: [u32; 4]) -> u32 {
    shape.iter().product::<u32>().div_ceil(4)
}

/// The multiplier of a channel, of all if there is one.
fn of_channel(multipliers: &[i32], o: u32) -> u32 {
    let [one] = *multipliers else { return multipliers[o as usize] as u32 };
    one as u32
}

/// `shift`, `zero`, `lo` and `hi`.
pub(super) fn limits(requant: &Requant) -> [u32; 4] {
    [requant.shift.into(), signed(requant.zero), signed(requant.lo), signed(requant.hi)]
}

/// An int8 as a field in i32.
pub(super) fn signed(number: i8) -> u32 {
    i32::from(number) as u32
}

/// Kernel, steps, dilation and padding.
pub(super) fn steps(window: &Window) -> impl Iterator<Item = u32> {
    [window.kernel, window.stride, window.dilation, window.pad].into_iter().flatten()
}

/// A word of one int8 four times.
fn splat(number: i8) -> u32 {
    word(|_| number)
}
