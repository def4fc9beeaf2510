//! Small models, made by hand: the golden files, and what the suites mutate.

use std::io;
use std::path::{Path, PathBuf};

use lacewing::format::encode::Builder;
use lacewing::format::metadata::{self, Item, Layer};
use lacewing::format::{DType, Layout, Op, Place, Port, Requant, Span, Tensor, Window};
use lacewing::ops::*;

use crate::generator::Generator;

mod bands;
mod int16;
mod int4;
pub use bands::{bands, regions, regions_at, rows, rows_in};
pub use int4::int4;
pub use int16::int16;

/// The folder of the golden files.
#[must_use]
pub fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/golden")
}

/// The models among them, in the order of their names.
///
/// # Errors
/// If the folder cannot be read.
pub fn released() -> io::Result<Vec<PathBuf>> {
    let files = golden().read_dir()?.map(|entry| entry.map(|entry| entry.path()));
    let mut files: Vec<PathBuf> = files.collect::<io::Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "lace"));
    files.sort();
    Ok(files)
}

/// The worked example of `FORMAT.md`: a fully connected layer from three numbers to two.
///
/// # Panics
/// Never: it is small.
#[must_use]
pub fn tiny() -> Vec<u8> {
    let mut builder = Builder::default();
    let input = Tensor::new(Place::Arena, DType::I8, 0, [1, 1, 1, 3]).last();
    let output = Tensor::new(Place::Arena, DType::I8, 16, [1, 1, 1, 2]);
    let weights = builder.constant(&[1i8, 2, 3, -4, -5, -6]);
    let bias = builder.constant(&[300i32, -7]);
    let multipliers = builder.constant(&[1i32 << 30]);
    let requant = Requant { multipliers, shift: 0, zero: -1, lo: -128, hi: 127 };
    let op = FullyConnectedI8 {
        input,
        output,
        weights,
        layout: Layout::PLAIN,
        zeros: Span::EMPTY,
        bias,
        requant,
        scratch: Span::EMPTY,
    };
    builder.push(&op.into()).expect("one record");
    let port =
        |name, tensor, count, scale, zero| Port { name, tensor, rank: 2, dims: [1, count, 0, 0, 0, 0], scale, zero };
    let inputs = [port(b"x", input, 3, 0.5, 0)];
    let outputs = [port(b"y", output, 2, 2.0, -1)];
    let items = [Item::Producer("lacewing".into())];
    builder.finish(&inputs, &outputs, 32, &metadata::write(&items)).expect("a small file")
}

/// A model with every operation on int8 and f32: an int8 network and an f32 one beside it.
///
/// # Panics
/// Never: it is small.
#[must_use]
pub fn every_operation() -> Vec<u8> {
    let mut chain = Chain::default();
    let image = chain.tensor(DType::F32, [1, 6, 6, 4]);
    let factors = chain.tensor(DType::I8, [1, 1, 1, 8]);
    let ports = [port(b"image", image, 1.0, 0), port(b"factors", factors, 0.01, 2)];
    let weighed = pairs(&mut chain, factors);
    let states = sequences_i8(&mut chain, factors);
    let (scores, shares, best) = int8(&mut chain, image, factors);
    let (found, ordered) = indexed(&mut chain, image);
    let last = sequences(&mut chain);
    let (shares_f32, best_f32) = float(&mut chain, image);
    let outputs = [
        port(b"scores", scores, 1.0, 0),
        port(b"shares", shares, 1.0 / 256.0, -128),
        port(b"best", best, 1.0, 0),
        port(b"shares_f32", shares_f32, 1.0, 0),
        port(b"best_f32", best_f32, 1.0, 0),
        port(b"found", found, 0.02, 0),
        port(b"ordered", ordered, 1.0, 0),
        port(b"weighed", weighed, 0.5, 3),
        port(b"last", last, 1.0, 0),
        port(b"states", states, 0.001, 0),
    ];
    chain.finish(&ports, &outputs)
}

fn int8(chain: &mut Chain, image: Tensor, factors: Tensor) -> (Tensor, Tensor, Tensor) {
    let (zero, [lo, hi]) = (-5, [-128, 127]);
    let q = chain.i8([1, 6, 6, 4]);
    chain.push(QuantizeI8 { input: image, output: q, scale: 0.02, zero });
    let padded = chain.i8([1, 8, 8, 4]);
    chain.push(PadI8 { input: q.last(), output: padded, before: [0, 1, 1, 0], value: zero });
    let [conv, depthwise] = [(); 2].map(|()| chain.i8([1, 6, 6, 8]));
    let layout = Layout { outputs: 4, depth: 2 };
    let (weights, bias, requant) = (chain.weights(8 * 36), chain.bias(8), chain.requant(8));
    let (input, scratch) = (padded.last(), Span::EMPTY);
    let window = window(3, 1, 0);
    chain.push(ConvI8 {
        input,
        output: conv,
        window,
        groups: 1,
        weights,
        layout,
        zeros: Span::EMPTY,
        bias,
        input_zero: zero,
        requant,
        scratch,
    });
    let (weights, bias, requant) = (chain.weights(8 * 9), chain.bias(8), chain.requant(1));
    let layout = Layout::channels_last(8);
    let window = self::window(3, 1, 1);
    chain.push(DepthwiseI8 {
        input: conv,
        output: depthwise,
        window,
        weights,
        layout,
        bias,
        input_zero: 3,
        requant,
        scratch,
    });
    let multipliers = [1 << 19, 3 << 18];
    let inputs = [conv.last(), depthwise.last()];
    chain.push(AddI8 { inputs, output: conv, multipliers, bias: -(1 << 18), shift: 20, zero: 1, lo, hi });
    let product = chain.i8([1, 6, 6, 8]);
    let inputs = [conv.last(), factors.last()];
    chain.push(MulI8 { inputs, output: product, zeros: [1, 2], multiplier: 1 << 25, shift: 1, zero: 4, lo, hi });
    let [max, average] = [(); 2].map(|()| chain.i8([1, 3, 3, 8]));
    chain.push(MaxPoolI8 { input: product.last(), output: max, window: self::window(2, 2, 0), lo, hi });
    let requant = chain.requant(9);
    chain.push(AveragePoolI8 { input: max, output: average, window, input_zero: 4, requant });
    let joined = chain.i8([1, 3, 3, 16]);
    let inputs = [max.last(), average.last()].into_iter().collect();
    chain.push(ConcatI8 { inputs, output: joined, outer: 9 });
    let table = chain.weights(256);
    chain.push(TableI8 { input: joined.last(), output: joined, table });
    let turned = chain.i8([1, 16, 3, 3]);
    let (dims, strides) = ([1, 1, 1, 16, 3, 3], [0, 0, 0, 1, 48, 16]);
    chain.push(StridedCopyI8 { input: joined.last(), output: turned, start: 0, dims, strides });
    let flat = Tensor::new(Place::Arena, DType::I8, turned.offset, [1, 1, 1, 144]);
    let logits = chain.i8([1, 1, 1, 10]);
    let (weights, bias, requant) = (chain.weights(1440), chain.bias(10), chain.requant(10));
    let layout = Layout::PLAIN;
    chain.push(FullyConnectedI8 {
        input: flat.last(),
        output: logits,
        weights,
        layout,
        zeros: Span::EMPTY,
        bias,
        requant,
        scratch,
    });
    let normal = chain.i8([1, 1, 1, 10]);
    let (factors, bias, shift, epsilon) = (chain.bias(10), chain.bias(10), 20, 1000);
    let input = logits;
    let (input_zero, zero, centered) = (2, -3, true);
    chain.push(NormalizeI8 { input, output: normal, factors, bias, shift, centered, input_zero, zero, epsilon });
    let shares = chain.i8([1, 1, 1, 10]);
    let powers: Vec<u32> = (0..120).map(|d| (1u32 << 27) / (1 + d * d / 256)).collect();
    let table = chain.builder.constant(&powers);
    chain.push(SoftmaxI8 { input: normal.last(), output: shares, table });
    let best = chain.tensor(DType::I32, [1; 4]);
    chain.push(ArgMaxI8 { input: shares, output: best, n: 10, inner: 1 });
    let scores = chain.f32([1, 1, 1, 10]);
    chain.push(DequantizeI8 { input: logits.last(), output: scores, scale: 0.25, zero });
    (scores, shares, best)
}

/// Rows of the image by indices, resized, in int8; and the order of its rows, by which others are changed, in f32.
fn indexed(chain: &mut Chain, image: Tensor) -> (Tensor, Tensor) {
    let q = chain.i8([1, 6, 6, 4]);
    chain.push(QuantizeI8 { input: image, output: q, scale: 0.02, zero: 0 });
    let span = chain.builder.constant(&[5i32, -1, 2, 9]);
    let places = Tensor::new(Place::Constant, DType::I32, span.offset, [1, 1, 1, 4]);
    let rows = chain.i8([1, 4, 6, 4]);
    chain.push(GatherI8 { inputs: [q.last(), places], output: rows, n: 6, inner: 24 });
    let found = chain.i8([1, 4, 3, 4]);
    let (first, weights) = (chain.builder.constant(&[0u32, 2, 4]), chain.builder.constant(&[[8192i16; 2]; 3].concat()));
    chain.push(ResampleI8 { input: rows.last(), output: found, n: 6, inner: 4, first, taps: 2, weights });
    let order = chain.f32([1, 1, 6, 3]);
    let columns = chain.f32([1, 1, 6, 6]);
    let (first, weights) = (chain.builder.constant(&[0u32]), chain.builder.constant(&[0.25f32; 4]));
    chain.push(ResampleF32 { input: image, output: columns, n: 4, inner: 1, first, taps: 4, weights });
    chain.push(TopKF32 { input: columns, output: order, n: 6, k: 3, largest: true });
    let picked = chain.f32([1, 1, 18, 6]);
    chain.push(GatherF32 { inputs: [columns, order], output: picked, n: 6, inner: 6 });
    let (how, inputs) = (Update::Add, [columns.last(), order.last(), picked.last()]);
    chain.push(ScatterF32 { inputs, output: columns, inner: 6, how });
    (found, columns)
}

fn float(chain: &mut Chain, image: Tensor) -> (Tensor, Tensor) {
    let [lo, hi] = [-8.0, 8.0];
    let padded = chain.f32([1, 8, 8, 4]);
    chain.push(PadF32 { input: image.last(), output: padded, before: [0, 1, 1, 0], value: 0.0 });
    let [conv, depthwise] = [(); 2].map(|()| chain.f32([1, 6, 6, 8]));
    let (weights, bias) = (chain.weights_f32(8 * 18), chain.weights_f32(8));
    let (layout, scratch) = (Layout::PLAIN, Span::EMPTY);
    let (input, output) = (padded.last(), conv);
    chain.push(ConvF32 { input, output, window: window(3, 1, 0), groups: 2, weights, layout, bias, lo, hi, scratch });
    let (weights, bias) = (chain.weights_f32(8 * 9), chain.weights_f32(8));
    let (window, layout) = (self::window(3, 1, 1), Layout::channels_last(8));
    chain.push(DepthwiseF32 { input: conv, output: depthwise, window, weights, layout, bias, lo, hi, scratch });
    let weights = chain.weights_f32(8);
    let channels = Tensor::new(Place::Constant, DType::F32, weights.offset, [1, 1, 1, 8]);
    chain.push(AddF32 { inputs: [conv.last(), channels], output: conv, lo, hi });
    chain.push(SubF32 { inputs: [conv.last(), depthwise], output: conv, lo, hi });
    chain.push(MulF32 { inputs: [conv.last(), depthwise.last()], output: depthwise, lo, hi });
    let [max, average] = [(); 2].map(|()| chain.f32([1, 3, 3, 8]));
    chain.push(MaxPoolF32 { input: depthwise.last(), output: max, window: self::window(2, 2, 0), lo, hi });
    chain.push(AveragePoolF32 { input: max, output: average, window, divisor: 0, lo, hi });
    let joined = chain.f32([1, 3, 3, 16]);
    let inputs = [max.last(), average.last()].into_iter().collect();
    chain.push(ConcatF32 { inputs, output: joined, outer: 9 });
    for function in [Function::Gelu, Function::Clip { lo: -1.0, hi: 6.0 }] {
        chain.push(UnaryF32 { input: joined.last(), output: joined, function });
    }
    let turned = chain.f32([1, 16, 3, 3]);
    let (dims, strides) = ([1, 1, 1, 16, 3, 3], [0, 0, 0, -1, 48, 16]);
    chain.push(StridedCopyF32 { input: joined.last(), output: turned, start: 15, dims, strides });
    let flat = Tensor::new(Place::Arena, DType::F32, turned.offset, [1, 1, 1, 144]);
    let logits = chain.f32([1, 1, 1, 10]);
    let (weights, bias) = (chain.weights_f32(1440), chain.weights_f32(10));
    chain.push(FullyConnectedF32 { input: flat.last(), output: logits, weights, layout: Layout::PLAIN, bias, lo, hi });
    let normal = chain.f32([1, 1, 1, 10]);
    let (factors, bias, centered, epsilon) = (chain.weights_f32(10), chain.weights_f32(10), false, 1e-3);
    chain.push(NormalizeF32 { input: logits.last(), output: normal, factors, bias, centered, epsilon });
    let shares = chain.f32([1, 1, 1, 10]);
    chain.push(SoftmaxF32 { input: normal.last(), output: shares });
    let best = chain.tensor(DType::I32, [1; 4]);
    chain.push(ArgMaxF32 { input: shares, output: best, n: 10, inner: 1 });
    (shares, best)
}

/// Products of int8 matrices, of the factors with themselves.
fn pairs(chain: &mut Chain, factors: Tensor) -> Tensor {
    let [row, column] =
        [[1, 1, 2, 4], [1, 1, 4, 2]].map(|shape| Tensor::new(Place::Arena, DType::I8, factors.offset, shape));
    let output = chain.i8([1, 1, 2, 2]);
    let (inputs, zeros, [lo, hi]) = ([row, column], [2, 2], [-128, 127]);
    chain.push(MatMulI8 { inputs, output, transposed: false, zeros, multiplier: 1 << 25, shift: 0, zero: 3, lo, hi });
    output
}

/// A sequence of constants through each recurrent layer, then choices, products and running sums.
fn sequences(chain: &mut Chain) -> Tensor {
    let [x, h] = [[1, 3, 1, 2], [1, 1, 1, 2]].map(|shape: [u32; 4]| {
        let numbers = chain.weights_f32(shape.iter().product::<u32>() as usize);
        Tensor::new(Place::Constant, DType::F32, numbers.offset, shape)
    });
    let (sigmoid, tanh, clip, bound) = (Function::Sigmoid, Function::Tanh, 2.0, 0.5);
    let (weights, recurrence) = (chain.weights_f32(16), chain.weights_f32(16));
    let (bias, peepholes) = (chain.weights_f32(8), chain.weights_f32(6));
    let (inputs, output, activations) = ([x, h, h], chain.f32([1, 4, 1, 2]), [sigmoid, tanh, tanh]);
    let coupled = false;
    chain.push(LstmF32 { inputs, output, weights, recurrence, bias, peepholes, activations, clip, bound, coupled });
    let x = Tensor::new(Place::Arena, DType::F32, output.offset, [1, 4, 1, 2]);
    let (weights, recurrence, bias) = (chain.weights_f32(12), chain.weights_f32(12), chain.weights_f32(8));
    let (inputs, output, activations) = ([x.last(), h], chain.f32([1, 4, 1, 2]), [sigmoid, tanh]);
    chain.push(GruF32 { inputs, output, weights, recurrence, bias, activations, clip, reset_last: true });
    let (weights, recurrence, bias) = (chain.weights_f32(4), chain.weights_f32(4), chain.weights_f32(2));
    let (inputs, y) = ([output, h], chain.f32([1, 4, 1, 2]));
    chain.push(RnnF32 { inputs, output: y, weights, recurrence, bias, activation: tanh, clip });
    let [lo, hi] = [-8.0, 8.0];
    let larger = chain.f32([1, 4, 1, 2]);
    let function = BinaryFunction::LessOrEqual;
    chain.push(BinaryF32 { inputs: [output, y], output: larger, function, lo, hi });
    chain.push(SelectF32 { inputs: [larger.last(), output.last(), y.last()], output: larger });
    let square = chain.f32([1, 1, 4, 4]);
    let rows = Tensor::new(Place::Arena, DType::F32, larger.offset, [1, 1, 4, 2]);
    chain.push(MatMulF32 { inputs: [rows, rows.last()], output: square, transposed: true, lo, hi });
    let (n, inner) = (4, 1);
    chain.push(CumulativeF32 {
        input: square.last(),
        output: square,
        n,
        inner,
        product: false,
        exclusive: true,
        reverse: true,
    });
    square
}

/// Each recurrent layer in int8 on the factors, four sequences of one step, with functions that are straight and saturate.
fn sequences_i8(chain: &mut Chain, factors: Tensor) -> Tensor {
    let x = Tensor::new(Place::Arena, DType::I8, factors.offset, [1, 1, 4, 2]);
    let span = chain.builder.constant(&[300i16, -200, 12_000, -9000, 7, 0, -1, 32_767]);
    let first = Tensor::new(Place::Constant, DType::I16, span.offset, [1, 1, 4, 2]);
    let ramp = |from: i32, step: i32| -> Vec<i16> {
        (-256..=256).map(|j: i32| (from + j * step).clamp(-32_768, 32_767) as i16).collect()
    };
    let [table, gate] = [ramp(0, 512), ramp(16_384, 128)].map(|table| chain.builder.constant(&table));
    let [h, c] = [(); 2].map(|()| chain.tensor(DType::I16, [1, 1, 4, 2]));
    let gates = chain.gates(1, 1);
    chain.push(RnnI8 { inputs: [x, first], output: h, gates, table });
    let gates = chain.gates(3, 4);
    let tables = [gate, table];
    chain.push(GruI8 { inputs: [x, h], output: c, gates, tables, candidate: 1 << 17, reset_last: true });
    let (gates, output) = (chain.gates(4, 4), chain.tensor(DType::I16, [1, 2, 4, 2]));
    let (inputs, tables, [candidate, cell, result]) =
        ([x, h.last(), c.last()], [gate, table, table], [1 << 16, 1 << 15, 1 << 17]);
    chain.push(LstmI8 { inputs, output, gates, tables, candidate, cell, result, coupled: false });
    output
}

fn window(kernel: u32, stride: u32, pad: u32) -> Window {
    Window { kernel: [kernel; 2], stride: [stride; 2], dilation: [1; 2], pad: [pad; 2] }
}

fn port(name: &'static [u8], tensor: Tensor, scale: f32, zero: i8) -> Port<'static> {
    let [n, h, w, c] = tensor.shape;
    Port { name, tensor, rank: 4, dims: [n, h, w, c, 0, 0], scale, zero }
}

/// A model in the making, each tensor in bytes of its own, its constants from a generator.
#[derive(Default)]
struct Chain {
    builder: Builder,
    numbers: Generator,
    arena: u32,
    layers: Vec<Layer>,
}

impl Chain {
    fn tensor(&mut self, dtype: DType, shape: [u32; 4]) -> Tensor {
        let tensor = Tensor::new(Place::Arena, dtype, self.arena, shape);
        self.arena += (shape.iter().product::<u32>() * dtype.size()).next_multiple_of(16);
        tensor
    }

    fn i8(&mut self, shape: [u32; 4]) -> Tensor {
        self.tensor(DType::I8, shape)
    }

    fn i16(&mut self, shape: [u32; 4]) -> Tensor {
        self.tensor(DType::I16, shape)
    }

    fn f32(&mut self, shape: [u32; 4]) -> Tensor {
        self.tensor(DType::F32, shape)
    }

    fn weights(&mut self, len: usize) -> Span {
        let weights: Vec<i8> = self.numbers.by_ref().take(len).map(|byte| byte as i8).collect();
        self.builder.constant(&weights)
    }

    fn weights_f32(&mut self, len: usize) -> Span {
        let number = |byte: u8| f32::from(byte as i8) / 256.0;
        let weights: Vec<f32> = self.numbers.by_ref().take(len).map(number).collect();
        self.builder.constant(&weights)
    }

    fn bias(&mut self, len: usize) -> Span {
        let bias: Vec<i32> = self.numbers.by_ref().take(len).map(|byte| i32::from(byte as i8) * 64).collect();
        self.builder.constant(&bias)
    }

    /// Gates of two inputs and two units.
    fn gates(&mut self, gates: usize, biases: usize) -> GatesI8 {
        let (weights, recurrence) = (self.weights(4 * gates), self.weights(4 * gates));
        let bias = self.bias(2 * biases);
        let multipliers = self.numbers.by_ref().take(4 * gates).enumerate();
        let multipliers: Vec<i32> =
            multipliers.map(|(i, b)| i32::from(b) << if i < 2 * gates { 21 } else { 16 }).collect();
        GatesI8 { weights, recurrence, bias, multipliers: self.builder.constant(&multipliers), shift: 32 }
    }

    fn requant(&mut self, count: usize) -> Requant {
        let multipliers: Vec<i32> =
            self.numbers.by_ref().take(count).map(|b| (1 << 23) + (i32::from(b) << 15)).collect();
        Requant { multipliers: self.builder.constant(&multipliers), shift: 0, zero: 3, lo: -128, hi: 127 }
    }

    fn push(&mut self, op: impl Into<Op>) {
        let op = op.into();
        let output = (op.output().dtype() == Some(DType::I8)).then_some((0.5, 3));
        self.layers.push(Layer::new(op.opcode().name().to_lowercase(), output));
        self.builder.push(&op).expect("few records");
    }

    fn finish(self, inputs: &[Port<'_>], outputs: &[Port<'_>]) -> Vec<u8> {
        let items = [
            Item::Producer("lacewing".into()),
            Item::Source { name: "every operation".into(), sha256: [7; 32] },
            Item::Layers(self.layers),
            Item::Labels(["yes", "no"].map(Into::into).into()),
            Item::Conversion { options: "--precision int8".into(), samples: 3, sha256: [9; 32] },
        ];
        self.builder.finish(inputs, outputs, self.arena, &metadata::write(&items)).expect("a small file")
    }
}
