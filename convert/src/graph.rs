//! The graph between import and encoding: float values, one output layout, no quantization.
//!
//! Quantization and memory are never stored here: they are plain values indexed by [`ValueId`]
//! and [`NodeId`], joined with the graph in `encode` alone.

mod check;
#[cfg(test)]
pub(crate) mod naive;
pub(crate) mod shape;

use std::sync::Arc;

use ndarray::ArrayD;

/// Position of a value in [`Graph::values`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub usize);

/// Position of a node in [`Graph::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub usize);

/// What a value holds in the original. Floats of every width are [`Kind::F32`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Real numbers.
    F32,
    /// Integers -128..=127: themselves in an int8 program, carried in f32 in a float program.
    I8,
    /// Integers 0..=255: less 128 in an int8 program, carried in f32 in a float program.
    U8,
    /// Integers -32768..=32767: themselves in an integer program, carried in f32 in a float program.
    I16,
    /// Wider integers, and truth values as 0 and 1: carried in f32, exact to 2^24, never quantized.
    Integer,
    /// An index, as `ArgMax` gives it at the end of a model; `i32` in a `.lace` file.
    Index,
}

/// Where a value's elements stand in the ONNX tensor that it equals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Original {
    /// The ONNX tensor's name.
    pub tensor: String,
    /// A shape of the same elements in the ONNX tensor's row-major order.
    pub shape: Vec<usize>,
    /// Our elements in row-major order are those of `reshape(shape)` with axis `i` taken from axis `perm[i]`.
    pub perm: Vec<usize>,
}

impl Original {
    /// The same elements in the same order as the tensor of that name and shape.
    pub fn same(tensor: &str, shape: &[usize]) -> Original {
        Original { tensor: tensor.to_string(), shape: shape.to_vec(), perm: (0..shape.len()).collect() }
    }
}

/// The integers that a quantized file holds a constant in: `real = scale · (q − zero)`, scale and zero point for the whole tensor or for
/// each index along axis 0. The elements are kept as reals, from which the integers follow without loss.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// One scale, or one for each index.
    pub scales: Vec<f32>,
    /// As many zero points, of the integers as int8: those of uint8 are less 128.
    pub zeros: Vec<i32>,
    /// Bits of one integer.
    pub bits: u8,
}

impl Grid {
    /// The scale at an index.
    #[must_use]
    pub fn scale(&self, index: usize) -> f32 {
        self.scales.get(index).or(self.scales.first()).copied().unwrap_or(1.0)
    }

    /// The zero point at an index.
    #[must_use]
    pub fn zero(&self, index: usize) -> i32 {
        self.zeros.get(index).or(self.zeros.first()).copied().unwrap_or(0)
    }
}

/// A tensor of the graph: an input, a constant or the output of one node.
#[derive(Clone, Debug)]
pub struct Value {
    /// The ONNX tensor name, or one derived from the node that the value belongs to.
    pub name: String,
    /// Static shape; the batch is 1.
    pub shape: Vec<usize>,
    /// Type in the float original.
    pub kind: Kind,
    /// The elements, if they are known at conversion.
    pub constant: Option<Arc<ArrayD<f32>>>,
    /// The integers of the file behind a constant, if it holds some.
    pub grid: Option<Arc<Grid>>,
    /// The ONNX tensor that it equals, if any does; what per-layer comparisons look up.
    pub original: Option<Original>,
    /// Which of the original's indices along the last axis are left, if not all are.
    pub kept: Option<Arc<[usize]>>,
    /// What each of these indices is multiplied by, if by other than 1.
    pub factors: Option<Arc<[f32]>>,
}

/// The order of axes that [`Op::Conv`] and [`Op::Pool`] expect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// Batch, channels, rows, columns: as imported.
    #[default]
    Nchw,
    /// Batch, rows, columns, channels: after the pass `nhwc`.
    Nhwc,
}

impl Layout {
    /// The axis of channels in an image, and of input channels in a convolution's weights.
    pub fn channels(self) -> usize {
        match self {
            Layout::Nchw => 1,
            Layout::Nhwc => 3,
        }
    }
}

/// Two-dimensional window of a convolution or a pool. `pads` is `[top, left, bottom, right]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Step between windows.
    pub strides: [usize; 2],
    /// Step between taps.
    pub dilations: [usize; 2],
    /// Padding on each side, already resolved from `auto_pad`.
    pub pads: [usize; 4],
}

/// For each element along an axis, neighbors and their weights: `y[j] = Σ_t weights[j·taps + t] · x[first[j] + t]`. Weights of an element add
/// up to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Resampling {
    /// First neighbor of each element; the last is inside.
    pub first: Vec<usize>,
    /// How many each has.
    pub taps: usize,
    /// Their weights.
    pub weights: Vec<f32>,
}

/// What an update does in a scatter; the runtime's own.
pub use lacewing::ops::Update;

impl Window {
    /// From the first tap to the last along an axis, in elements of the input: `(kernel − 1)·dilation`.
    #[must_use]
    pub fn reach(&self, axis: usize) -> usize {
        self.kernel[axis].saturating_sub(1) * self.dilations[axis]
    }
}

impl Default for Window {
    /// One element.
    fn default() -> Self {
        Self { kernel: [1; 2], strides: [1; 2], dilations: [1; 2], pads: [0; 4] }
    }
}

/// A function of one real variable; the runtime's own, so that its arithmetic is written once.
pub use lacewing::ops::Function;

/// A function of two real variables; the runtime's own.
pub use lacewing::ops::BinaryFunction;

/// Elementwise operations of two operands, with ONNX (NumPy) broadcasting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// `a + b`.
    Add,
    /// `a - b`.
    Sub,
    /// `a * b`.
    Mul,
    /// Any other; in f32 alone.
    Function(BinaryFunction),
}

/// How a pool reduces its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolKind {
    /// The largest element; padding never wins.
    Max,
    /// The sum; padding counts as zeros.
    Sum,
    /// The mean; padding counts as zeros in the divisor only if `count_include_pad`.
    Average {
        /// Whether padded positions are in the divisor.
        count_include_pad: bool,
    },
}

/// What a node computes. Inputs are listed with each operation, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// `x, w[, b]`. As imported: x is NCHW, w is `[out][in/groups][kh][kw]`. After the pass `nhwc`:
    /// x is NHWC, w is `[out][kh][kw][in/groups]`. `b` is `[out]`.
    Conv {
        /// The window.
        window: Window,
        /// Number of groups; depthwise if it equals the input channels.
        groups: usize,
    },
    /// `x, w[, b]`: x is `[.., k]`, w is `[n][k]`, b is `[n]`, the output `[.., n]`.
    FullyConnected,
    /// `x`: NCHW as imported, NHWC after the pass `nhwc`. A global pool has the kernel of the whole plane.
    Pool {
        /// The window.
        window: Window,
        /// Maximum or average.
        kind: PoolKind,
    },
    /// `a, b`.
    Binary(Binary),
    /// `x`.
    Unary(Function),
    /// `c, a, b`: `a` where `c` is not 0, else `b`, with ONNX (NumPy) broadcasting.
    Select,
    /// `x`: padded with `value`, `pads[axis] = (before, after)`.
    Pad {
        /// Elements before and after, for each axis.
        pads: Vec<(usize, usize)>,
        /// The real value in the padding.
        value: f32,
    },
    /// `x0, x1, ..` joined along `axis`.
    Concat {
        /// The axis.
        axis: usize,
    },
    /// `x`: output axis `i` is input axis `perm[i]`.
    Transpose {
        /// The permutation.
        perm: Vec<usize>,
    },
    /// `x`: the same elements in row-major order under the output's shape.
    Reshape,
    /// `x`: along axis `i`, the output's `shape[i]` elements from `starts[i]` in steps of `steps[i]` (may be negative).
    Slice {
        /// First element of each axis.
        starts: Vec<usize>,
        /// Step of each axis, not zero.
        steps: Vec<isize>,
    },
    /// `x`: along `axis`, its parts `indices`.
    Take {
        /// The axis.
        axis: usize,
        /// Each below the axis's size.
        indices: Arc<[usize]>,
    },
    /// `x, indices`: along `axis`, the parts of `x` that the indices name at run time; the axis becomes those of the indices. A negative
    /// index counts from the end.
    Gather {
        /// The axis.
        axis: usize,
    },
    /// `x, updates[, indices]`: x is `[n][..]`, updates are `[count][..]`, and each changes one part of x, in their order.
    Scatter {
        /// What an update does.
        how: Update,
        /// The parts, below `n`; `None` if the indices `[count]` are computed at run time.
        places: Option<Arc<[usize]>>,
    },
    /// `x`: weighted sums of neighbors along `axis`.
    Resample {
        /// The axis.
        axis: usize,
        /// The neighbors and their weights.
        table: Arc<Resampling>,
    },
    /// `x`: along the last axis, the indices of the `k` first, as whole numbers; of equals the lower index first.
    TopK {
        /// How many.
        k: usize,
        /// Whether the largest come first, not the smallest.
        largest: bool,
    },
    /// `x, gamma, beta`: `gamma · (x − c) / √(mean of (x − c)² + epsilon) + beta` along `axis`, whose length gamma and beta have.
    Normalize {
        /// The axis.
        axis: usize,
        /// Added to the mean of squares.
        epsilon: f32,
        /// Whether `c` is the mean, not 0.
        centered: bool,
    },
    /// `x`: `exp(x) / sum(exp(x))` along `axis`.
    Softmax {
        /// The axis.
        axis: usize,
    },
    /// `a, b`: the product of the matrices in the last two axes, `[.., m, k]` and `[.., k, n]` or transposed `[.., n, k]`;
    /// the axes before broadcast.
    MatMul {
        /// Whether `b` is transposed.
        transposed: bool,
    },
    /// `x`: running sums along `axis`.
    Cumulative {
        /// The axis.
        axis: usize,
        /// Products, not sums.
        product: bool,
        /// Each without its own element.
        exclusive: bool,
        /// From the end.
        reverse: bool,
    },
    /// `x, h, c, w, r, b[, p]`: an LSTM over a sequence, x is `[t, b, i]`, states are `[b, h]`, the weights as in `lacewing::ops::lstm`;
    /// the output `[t + 1, b, h]` holds `h` of every step and the last `c`.
    Lstm {
        /// Of the gates, of the candidate, of the cell.
        activations: [Function; 3],
        /// Limit on the sums.
        clip: f32,
        /// Limit on the cells.
        bound: f32,
        /// Whether the forget gate is one less the input gate.
        coupled: bool,
    },
    /// `x, h, w, r, b`: a GRU over a sequence; the output is `[t, b, h]`, with a row more where the reset comes first.
    Gru {
        /// Of the gates, of the candidate.
        activations: [Function; 2],
        /// Limit on the sums.
        clip: f32,
        /// Whether the reset comes after the product.
        reset_last: bool,
    },
    /// `x, h, w, r, b`: a plain recurrent layer over a sequence; the output is `[t, b, h]`.
    Rnn {
        /// Its activation.
        activation: Function,
        /// Limit on the sum.
        clip: f32,
    },
    /// `x`: index of the first largest element along `axis`; the output is [`Kind::Index`].
    ArgMax {
        /// The axis.
        axis: usize,
    },
    /// `x` (f32) to integers.
    Quantize,
    /// `x` (integers) to f32.
    Dequantize,
    /// `x` (integers) to integers of another width.
    Rescale,
}

/// One operation, with the name of its ONNX node.
#[derive(Clone, Debug)]
pub struct Node {
    /// The ONNX node's name, or `op_index` where it has none.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// Operands.
    pub inputs: Vec<ValueId>,
    /// Results; one for every operation so far.
    pub outputs: Vec<ValueId>,
    /// A fused activation `min(max(y, lo), hi)` on the result.
    pub clamp: Option<(f32, f32)>,
    /// Runs in f32 in an int8 program too: a part of a computation that int8 would ruin.
    pub float: bool,
}

/// A part of the arena that one run leaves to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// What the last run left; real 0 at first.
    pub input: ValueId,
    /// What this run leaves, in the same bytes. Its writer comes after all readers of every state.
    pub output: ValueId,
}

/// A model: nodes in an order in which each follows those it reads.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// The model's name in its file.
    pub name: String,
    /// All values.
    pub values: Vec<Value>,
    /// All nodes, in topological order.
    pub nodes: Vec<Node>,
    /// Inputs, in ONNX's order.
    pub inputs: Vec<ValueId>,
    /// Outputs, in ONNX's order.
    pub outputs: Vec<ValueId>,
    /// What is kept from run to run; see [`crate::states`].
    pub states: Vec<State>,
    /// Order of axes round convolutions and pools.
    pub layout: Layout,
}

impl Kind {
    /// Whether the original computes with integers.
    pub fn is_integer(self) -> bool {
        self != Kind::F32
    }
}

impl Value {
    /// A value computed at run time.
    pub fn activation(name: &str, shape: &[usize], kind: Kind) -> Value {
        Value {
            name: name.to_string(),
            shape: shape.to_vec(),
            kind,
            constant: None,
            grid: None,
            original: None,
            kept: None,
            factors: None,
        }
    }

    /// A value known at conversion.
    pub fn constant(name: &str, elements: ArrayD<f32>) -> Value {
        let shape = elements.shape().to_vec();
        Value { constant: Some(Arc::new(elements)), ..Value::activation(name, &shape, Kind::F32) }
    }
}

impl Node {
    /// A node of one output, without a fused activation.
    pub fn new(name: &str, op: Op, inputs: &[ValueId], output: ValueId) -> Node {
        Node { name: name.to_string(), op, inputs: inputs.to_vec(), outputs: vec![output], clamp: None, float: false }
    }
}

impl Graph {
    /// The value with that id.
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.0]
    }

    /// Its shape.
    pub fn shape(&self, id: ValueId) -> &[usize] {
        &self.values[id.0].shape
    }

    /// Its elements, if they are known at conversion.
    pub fn constant(&self, id: ValueId) -> Option<&ArrayD<f32>> {
        self.values[id.0].constant.as_deref()
    }

    /// Adds a value that nothing reads or writes yet.
    pub fn add(&mut self, value: Value) -> ValueId {
        self.values.push(value);
        ValueId(self.values.len() - 1)
    }
}
