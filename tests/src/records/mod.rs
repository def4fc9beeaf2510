//! Random valid records of every operation, each in a file of its own, for property tests.

use lacewing::Opcode;
use proptest::strategy::BoxedStrategy;

mod binary;
mod case;
mod copy;
mod fill;
mod function;
mod gather;
mod linear;
mod matmul;
mod normalize;
mod pool;
mod recurrent;
mod recurrent_i8;
mod rescale;
mod scene;
mod softmax;
mod window;

pub use case::{Case, Spatial, constants, spatial};

/// Random records of one operation.
///
/// # Panics
/// For an operation that has no strategy yet.
pub fn of(opcode: Opcode) -> BoxedStrategy<Case> {
    match opcode {
        Opcode::ConvI8 => linear::conv::<i8>(),
        Opcode::ConvI16 => linear::conv::<i16>(),
        Opcode::ConvW4 => linear::conv_w4(),
        Opcode::ConvF32 => linear::conv_f32(),
        Opcode::DepthwiseI8 => linear::depthwise::<i8>(),
        Opcode::DepthwiseI16 => linear::depthwise::<i16>(),
        Opcode::DepthwiseW4 => linear::depthwise_w4(),
        Opcode::DepthwiseF32 => linear::depthwise_f32(),
        Opcode::FullyConnectedI8 => linear::fully_connected::<i8>(),
        Opcode::FullyConnectedI16 => linear::fully_connected::<i16>(),
        Opcode::FullyConnectedW4 => linear::fully_connected_w4(),
        Opcode::FullyConnectedF32 => linear::fully_connected_f32(),
        Opcode::AveragePoolI8 => pool::average::<i8>(),
        Opcode::AveragePoolI16 => pool::average::<i16>(),
        Opcode::AveragePoolF32 => pool::average_f32(),
        Opcode::AverageRowsI8 => pool::average_rows::<i8>(),
        Opcode::AverageRowsI16 => pool::average_rows::<i16>(),
        Opcode::MaxPoolI8 => pool::max::<i8>(),
        Opcode::MaxPoolI16 => pool::max::<i16>(),
        Opcode::MaxPoolF32 => pool::max_f32(),
        Opcode::AddI8 => binary::add_i8(),
        Opcode::AddI16 => binary::add_i16(),
        Opcode::AddF32 => binary::add_f32(),
        Opcode::SubF32 => binary::sub_f32(),
        Opcode::MulI8 => binary::mul::<i8>(),
        Opcode::MulI16 => binary::mul::<i16>(),
        Opcode::MulF32 => binary::mul_f32(),
        Opcode::BinaryF32 => binary::function_f32(),
        Opcode::SelectF32 => binary::select_f32(),
        Opcode::MatMulI8 => matmul::int::<i8>(),
        Opcode::MatMulI16 => matmul::int::<i16>(),
        Opcode::MatMulF32 => matmul::f32(),
        Opcode::CumulativeF32 => recurrent::cumulative(),
        Opcode::LstmF32 => recurrent::lstm(),
        Opcode::GruF32 => recurrent::gru(),
        Opcode::RnnF32 => recurrent::rnn(),
        Opcode::LstmI8 => recurrent_i8::lstm(),
        Opcode::GruI8 => recurrent_i8::gru(),
        Opcode::RnnI8 => recurrent_i8::rnn(),
        Opcode::PadI8 => copy::pad_i8(),
        Opcode::PadF32 => copy::pad_f32(),
        Opcode::ConcatI8 => copy::concat_i8(),
        Opcode::ConcatF32 => copy::concat_f32(),
        Opcode::StridedCopyI8 => copy::strided_i8(),
        Opcode::StridedCopyF32 => copy::strided_f32(),
        Opcode::NormalizeI8 => normalize::normalize_i8(),
        Opcode::NormalizeI16 => normalize::normalize_i16(),
        Opcode::NormalizeF32 => normalize::normalize_f32(),
        Opcode::PadI16 => copy::pad_i16(),
        Opcode::ConcatI16 => copy::concat_i16(),
        Opcode::StridedCopyI16 => copy::strided_i16(),
        Opcode::QuantizeI16 => function::quantize_i16(),
        Opcode::DequantizeI16 => function::dequantize_i16(),
        Opcode::RescaleI16 => rescale::i16(),
        Opcode::NarrowI16 => rescale::narrow(),
        Opcode::WidenI8 => rescale::widen(),
        Opcode::SoftmaxI8 => softmax::softmax_i8(),
        Opcode::SoftmaxI16 => softmax::softmax_i16(),
        Opcode::SoftmaxF32 => softmax::softmax_f32(),
        Opcode::ArgMaxI8 => softmax::argmax_i8(),
        Opcode::ArgMaxI16 => softmax::argmax_i16(),
        Opcode::ArgMaxF32 => softmax::argmax_f32(),
        Opcode::TableI8 => function::table_i8(),
        Opcode::TableI16 => function::table_i16(),
        Opcode::UnaryF32 => function::unary_f32(),
        Opcode::QuantizeI8 => function::quantize_i8(),
        Opcode::DequantizeI8 => function::dequantize_i8(),
        Opcode::GatherF32 => gather::gather_f32(),
        Opcode::GatherI8 => gather::gather_i8(),
        Opcode::GatherI16 => gather::gather_i16(),
        Opcode::ScatterF32 => gather::scatter_f32(),
        Opcode::ResampleF32 => gather::resample_f32(),
        Opcode::ResampleI8 => gather::resample_i8(),
        Opcode::ResampleI16 => gather::resample_i16(),
        Opcode::TopKF32 => gather::top_k_f32(),
        other => panic!("{} has no strategy: write one, so that the suites cover it", other.name()),
    }
}

/// Every operation.
pub fn opcodes() -> impl Iterator<Item = Opcode> {
    (0..=u8::MAX).filter_map(Opcode::from_number)
}
