//! A second, naive implementation of every operation, from the equations of `runtime/FORMAT.md`.
//!
//! Plain loops over every position and every tap, exact sums in `i128`, reals in `f64`. It reads the records, which are data,
//! and uses no kernel, rounding or indexing function of the runtime.

use lacewing::format::Op;

mod binary;
mod copy;
mod function;
mod gather;
mod linear;
mod matmul;
mod normalize;
mod pool;
mod position;
mod recurrent;
mod recurrent_i8;
mod requant;
mod rescale;
mod softmax;
mod values;

pub use values::{Answer, Constants, Near, Values};

/// What `op` must answer to `inputs`, the numbers of its input tensors in order.
///
/// # Panics
/// If the inputs do not fit the record, or for an operation that is not here yet.
#[must_use]
pub fn run(op: &Op, constants: Constants<'_>, inputs: &[Values]) -> Answer {
    let first = || &inputs[0];
    match op {
        Op::ConvI8(op) => linear::conv_int(op, constants.i8(op.weights), constants, first()),
        Op::ConvI16(op) => linear::conv_int(op, constants.i8(op.weights), constants, first()),
        Op::ConvW4(op) => linear::conv_int(&op.0, constants.i4(op.0.weights), constants, first()),
        Op::ConvF32(op) => linear::conv_f32(op, constants, first().f32()),
        Op::DepthwiseI8(op) => linear::depthwise_int(op, constants.i8(op.weights), constants, first()),
        Op::DepthwiseI16(op) => linear::depthwise_int(op, constants.i8(op.weights), constants, first()),
        Op::DepthwiseW4(op) => linear::depthwise_int(&op.0, constants.i4(op.0.weights), constants, first()),
        Op::DepthwiseF32(op) => linear::depthwise_f32(op, constants, first().f32()),
        Op::FullyConnectedI8(op) => linear::fully_connected_int(op, constants.i8(op.weights), constants, first()),
        Op::FullyConnectedI16(op) => linear::fully_connected_int(op, constants.i8(op.weights), constants, first()),
        Op::FullyConnectedW4(op) => linear::fully_connected_int(&op.0, constants.i4(op.0.weights), constants, first()),
        Op::FullyConnectedF32(op) => linear::fully_connected_f32(op, constants, first().f32()),
        Op::AveragePoolI8(op) => pool::average_int(op, constants, first()),
        Op::AveragePoolI16(op) => pool::average_int(op, constants, first()),
        Op::AverageRowsI8(op) => pool::average_int(&op.pool, constants, first()),
        Op::AverageRowsI16(op) => pool::average_int(&op.pool, constants, first()),
        Op::AveragePoolF32(op) => pool::average_f32(op, first().f32()),
        Op::MaxPoolI8(op) => pool::max_int(op, first()),
        Op::MaxPoolI16(op) => pool::max_int(op, first()),
        Op::MaxPoolF32(op) => pool::max_f32(op, first().f32()),
        Op::AddI8(op) => binary::add_i8(op, inputs),
        Op::AddI16(op) => binary::add_i16(op, inputs),
        Op::AddF32(op) => binary::f32(&op.inputs, &op.output, [op.lo, op.hi], inputs, |a, b| a + b),
        Op::SubF32(op) => binary::f32(&op.inputs, &op.output, [op.lo, op.hi], inputs, |a, b| a - b),
        Op::MulI8(op) => binary::mul_int(op, inputs),
        Op::MulI16(op) => binary::mul_int(op, inputs),
        Op::MulF32(op) => binary::f32(&op.inputs, &op.output, [op.lo, op.hi], inputs, |a, b| a * b),
        Op::BinaryF32(op) => binary::function(op, inputs),
        Op::SelectF32(op) => binary::select(op, inputs),
        Op::MatMulI8(op) => matmul::int(op, inputs),
        Op::MatMulI16(op) => matmul::int(op, inputs),
        Op::MatMulF32(op) => matmul::f32(op, inputs),
        Op::CumulativeF32(op) => recurrent::cumulative(op, first().f32()),
        Op::LstmF32(op) => recurrent::lstm(op, constants, inputs),
        Op::GruF32(op) => recurrent::gru(op, constants, inputs),
        Op::RnnF32(op) => recurrent::rnn(op, constants, inputs),
        Op::LstmI8(op) => recurrent_i8::lstm(op, constants, inputs),
        Op::GruI8(op) => recurrent_i8::gru(op, constants, inputs),
        Op::RnnI8(op) => recurrent_i8::rnn(op, constants, inputs),
        Op::PadI8(op) => Values::I8(copy::pad(&op.input, &op.output, op.before, op.value, first().i8())).into(),
        Op::PadF32(op) => Values::F32(copy::pad(&op.input, &op.output, op.before, op.value, first().f32())).into(),
        Op::PadI16(op) => Values::I16(copy::pad(&op.input, &op.output, op.before, op.value, first().i16())).into(),
        Op::ConcatI16(op) => Values::I16(copy::concat(op.outer, inputs.iter().map(Values::i16))).into(),
        Op::StridedCopyI16(op) => Values::I16(copy::strided(op.start, op.dims, op.strides, first().i16())).into(),
        Op::ConcatI8(op) => Values::I8(copy::concat(op.outer, inputs.iter().map(Values::i8))).into(),
        Op::ConcatF32(op) => Values::F32(copy::concat(op.outer, inputs.iter().map(Values::f32))).into(),
        Op::StridedCopyI8(op) => Values::I8(copy::strided(op.start, op.dims, op.strides, first().i8())).into(),
        Op::StridedCopyF32(op) => Values::F32(copy::strided(op.start, op.dims, op.strides, first().f32())).into(),
        Op::NormalizeI8(op) => normalize::normalize_i8(op, constants, first().i8()),
        Op::NormalizeI16(op) => normalize::normalize_i16(op, constants, first().i16()),
        Op::NormalizeF32(op) => normalize::normalize_f32(op, constants, first().f32()),
        Op::SoftmaxI8(op) => softmax::softmax_i8(op, constants, first().i8()),
        Op::SoftmaxI16(op) => softmax::softmax_i16(op, constants, first().i16()),
        Op::SoftmaxF32(op) => softmax::softmax_f32(op, first().f32()),
        Op::ArgMaxI8(op) => softmax::argmax(op.n, op.inner, &op.output, first().i8()),
        Op::ArgMaxI16(op) => softmax::argmax(op.n, op.inner, &op.output, first().i16()),
        Op::ArgMaxF32(op) => softmax::argmax(op.n, op.inner, &op.output, first().f32()),
        Op::TableI8(op) => function::table_i8(op, constants, first().i8()),
        Op::TableI16(op) => function::table_i16(op, constants, first().i16()),
        Op::UnaryF32(op) => function::unary_f32(op, first().f32()),
        Op::QuantizeI8(op) => function::quantize_i8(op, first().f32()),
        Op::DequantizeI8(op) => function::dequantize_i8(op, first().i8()),
        Op::QuantizeI16(op) => function::quantize_i16(op, first().f32()),
        Op::DequantizeI16(op) => function::dequantize_i16(op, first().i16()),
        Op::RescaleI16(op) => rescale::rescale(op, first()),
        Op::NarrowI16(op) => rescale::rescale(op, first()),
        Op::WidenI8(op) => rescale::rescale(op, first()),
        Op::GatherF32(op) => Values::F32(gather::gather(op.n, op.inner, first().f32(), &inputs[1])).into(),
        Op::GatherI8(op) => Values::I8(gather::gather(op.n, op.inner, first().i8(), &inputs[1])).into(),
        Op::GatherI16(op) => Values::I16(gather::gather(op.n, op.inner, first().i16(), &inputs[1])).into(),
        Op::ScatterF32(op) => gather::scatter_f32(op, inputs),
        Op::ResampleF32(op) => gather::resample_f32(op, constants, first().f32()),
        Op::ResampleI8(op) => gather::resample_i8(op, constants, first().i8()),
        Op::ResampleI16(op) => gather::resample_i16(op, constants, first().i16()),
        Op::TopKF32(op) => gather::top_k_f32(op, first().f32()),
        other => panic!("{} has no oracle: write it from its equation in FORMAT.md", other.opcode().name()),
    }
}
