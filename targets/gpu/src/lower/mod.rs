//! From a record to a dispatch: which kernel, its numbers, and how many invocations.

use lacewing::arena::{Constants, Pod};
use lacewing::format::{Op, Opcode, Span};
use lacewing::ops::weights::{W4, Weight};
use lacewing::{Model, Ops};

use crate::error::{GpuError, Unsupported};
use crate::kernel::Kernel;
use crate::plan::Plan;

mod binary;
mod conv;
mod copy;
mod matmul;
mod pool;
mod real;
mod resample;
mod row;
mod weights;

/// A run of one kernel.
#[derive(Debug)]
pub(crate) struct Dispatch {
    pub(crate) kernel: Kernel,
    /// The fields of the kernel's `Params` behind `count` and `stride`, in their order.
    pub(crate) params: Vec<u32>,
    /// How many invocations there are for one inference.
    pub(crate) count: u32,
}

/// A program as the GPU runs it: one dispatch for each record, then one for each state that goes to where the next run finds it.
#[derive(Debug)]
pub(crate) struct Lowered {
    pub(crate) plan: Plan,
    pub(crate) dispatches: Vec<Dispatch>,
    /// Words of all constants.
    pub(crate) constants: Vec<u32>,
}

/// Why a record has no dispatch.
type Reason = &'static str;

impl Lowered {
    /// Lowers every record.
    ///
    /// # Errors
    /// [`GpuError::Unsupported`] with all records that have no dispatch.
    pub(crate) fn new<O: Ops>(model: &Model<'_, O>) -> Result<Self, GpuError> {
        let plan = Plan::new(model).map_err(|(record, reason)| alone(model, record, reason))?;
        let mut context = Context::new(model.constants());
        let (mut dispatches, mut unsupported) = (Vec::new(), Vec::new());
        for (record, op) in model.ops().enumerate() {
            (context.inputs, context.output) = (plan.read_by(record), plan.written_by(record));
            match context.lower(&op) {
                Ok(dispatch) => dispatches.push(dispatch),
                Err(reason) => unsupported.push(Unsupported { record, opcode: op.opcode(), reason }),
            }
        }
        match unsupported.is_empty() {
            true => {
                let states = model.states().zip(plan.put_back());
                let back = states.filter_map(|(port, moved)| Some((moved?, port.tensor.bytes()?)));
                dispatches.extend(back.map(|([from, to], bytes)| copy::whole(from, to, bytes)));
                Ok(Self { plan, dispatches, constants: context.words })
            }
            false => Err(GpuError::Unsupported(unsupported)),
        }
    }
}

/// The error of one record; of a program without records there is none to name.
fn alone<O: Ops>(model: &Model<'_, O>, record: usize, reason: Reason) -> GpuError {
    let opcode = model.ops().nth(record).map(|op| op.opcode());
    GpuError::Unsupported(opcode.map(|opcode| Unsupported { record, opcode, reason }).into_iter().collect())
}

/// What a record is lowered with.
struct Context<'m> {
    file: Constants<'m>,
    /// The constants so far.
    words: Vec<u32>,
    /// Byte addresses of the record's inputs.
    inputs: Vec<u32>,
    /// And of its output.
    output: u32,
}

impl<'m> Context<'m> {
    fn new(file: Constants<'m>) -> Self {
        // A binding of nothing is refused.
        Self { file, words: vec![0; 4], inputs: Vec::new(), output: 0 }
    }

    fn lower(&mut self, op: &Op) -> Result<Dispatch, Reason> {
        match op {
            Op::ConvI8(op) => self.conv(op, <i8 as Weight>::at),
            Op::ConvW4(op) => self.conv(&op.0, W4::at),
            Op::DepthwiseI8(op) => self.depthwise(op, <i8 as Weight>::at),
            Op::DepthwiseW4(op) => self.depthwise(&op.0, W4::at),
            Op::FullyConnectedI8(op) => self.fully_connected(op, <i8 as Weight>::at),
            Op::FullyConnectedW4(op) => self.fully_connected(&op.0, W4::at),
            Op::AveragePoolI8(op) => self.average(op),
            Op::AverageRowsI8(op) => self.average(&op.pool),
            Op::MaxPoolI8(op) => self.max(op),
            Op::AddI8(op) => self.add(op),
            Op::MulI8(op) => self.mul(op),
            Op::MatMulI8(op) => self.mat_mul(op),
            Op::MatMulF32(op) => self.mat_mul_f32(op),
            Op::ResampleI8(op) => self.resample(op),
            Op::ResampleF32(op) => self.resample_f32(op),
            Op::GatherI8(op) => self.gathered(&op.inputs, &op.output, op.n, op.inner),
            Op::GatherF32(op) => self.gathered(&op.inputs, &op.output, op.n, op.inner),
            Op::GatherI16(op) => self.gathered(&op.inputs, &op.output, op.n, op.inner),
            Op::TableI8(op) => self.table(op),
            Op::SoftmaxI8(op) => self.softmax(op),
            Op::ArgMaxI8(op) => self.arg_max(op),
            Op::PadI8(op) => self.moved(op),
            Op::PadF32(op) => self.moved(op),
            Op::PadI16(op) => self.moved(op),
            Op::ConcatI8(op) => self.moved(op),
            Op::ConcatF32(op) => self.moved(op),
            Op::ConcatI16(op) => self.moved(op),
            Op::StridedCopyI8(op) => self.moved(op),
            Op::StridedCopyF32(op) => self.moved(op),
            Op::StridedCopyI16(op) => self.moved(op),
            Op::ConvF32(op) => self.conv_f32(op),
            Op::DepthwiseF32(op) => self.depthwise_f32(op),
            Op::FullyConnectedF32(op) => self.fully_connected_f32(op),
            Op::AveragePoolF32(op) => self.average_f32(op),
            Op::MaxPoolF32(op) => self.max_f32(op),
            Op::AddF32(op) => self.binary_f32(&op.inputs, &op.output, [op.lo, op.hi], 0),
            Op::SubF32(op) => self.binary_f32(&op.inputs, &op.output, [op.lo, op.hi], 1),
            Op::MulF32(op) => self.binary_f32(&op.inputs, &op.output, [op.lo, op.hi], 2),
            Op::UnaryF32(op) => self.unary_f32(op),
            Op::QuantizeI8(op) => self.quantize(op),
            Op::DequantizeI8(op) => self.dequantize(op),
            Op::SoftmaxF32(op) => self.softmax_f32(op),
            other => Err(reason(other.opcode())),
        }
    }

    /// The only input's byte address.
    fn input(&self) -> u32 {
        self.inputs[0]
    }

    /// Numbers of the file.
    fn get<T: Pod>(&self, span: Span) -> Result<&'m [T], Reason> {
        self.file.get(span).map_err(|_| "its constants are not in the file")
    }

    /// Puts words among the constants, at a multiple of four; the number of the first.
    fn push(&mut self, words: impl IntoIterator<Item = u32>) -> u32 {
        let at = self.words.len();
        self.words.extend(words);
        self.words.resize(self.words.len().next_multiple_of(4), 0);
        // What does not fit 32 bits does not fit a binding, which is told when the model is loaded.
        at as u32
    }
}

/// Why an operation has no kernel.
fn reason(opcode: Opcode) -> Reason {
    match opcode {
        _ if opcode.name().ends_with("I16") => "sums of int16 take 64 bits, which WGSL has not",
        _ => "there is no kernel for it",
    }
}

/// Bytes, four to a word, the last filled up with zeros.
fn packed(bytes: &[i8]) -> impl Iterator<Item = u32> {
    bytes.chunks(4).map(|four| word(|lane| four.get(lane).copied().unwrap_or(0)))
}

/// A word of four bytes, the first lowest.
fn word(byte: impl FnMut(usize) -> i8) -> u32 {
    let mut byte = byte;
    u32::from_le_bytes(std::array::from_fn(|lane| byte(lane) as u8))
}
