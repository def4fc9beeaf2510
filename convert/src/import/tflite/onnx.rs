//! Pieces of an ONNX protobuf.

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{AttributeProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto, type_proto};

/// The operator set that is written: the first whose QuantizeLinear knows 16 bits.
pub(super) const OPSET: i64 = 21;

/// The version of the container that belongs to it.
pub(super) const IR_VERSION: i64 = 10;

fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: kind as i32, ..AttributeProto::default() }
}

/// An integer attribute.
pub(super) fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { i, ..attribute(name, AttributeType::Int) }
}

/// A float attribute.
pub(super) fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto { f, ..attribute(name, AttributeType::Float) }
}

/// A string attribute.
pub(super) fn string(name: &str, s: &str) -> AttributeProto {
    AttributeProto { s: s.into(), ..attribute(name, AttributeType::String) }
}

/// A list of integers.
pub(super) fn ints<T: Copy + TryInto<i64>>(name: &str, ints: &[T]) -> AttributeProto {
    AttributeProto { ints: wide(ints), ..attribute(name, AttributeType::Ints) }
}

/// Numbers as ONNX counts; no tensor has a size beyond them.
pub(super) fn wide<T: Copy + TryInto<i64>>(numbers: &[T]) -> Vec<i64> {
    numbers.iter().map(|n| (*n).try_into().unwrap_or(i64::MAX)).collect()
}

/// A constant of little-endian bytes.
pub(super) fn tensor(name: &str, kind: DataType, shape: &[usize], raw_data: Vec<u8>) -> TensorProto {
    TensorProto { name: name.into(), data_type: kind as i32, dims: wide(shape), raw_data, ..TensorProto::default() }
}

/// A declaration of a tensor.
pub(super) fn info(name: &str, kind: DataType, shape: &[usize]) -> ValueInfoProto {
    let dims = wide(shape).into_iter().map(dimension::Value::DimValue);
    let dim = dims.map(|value| Dimension { value: Some(value), ..Dimension::default() }).collect();
    let tensor = type_proto::Tensor { elem_type: kind as i32, shape: Some(TensorShapeProto { dim }) };
    let value = Some(type_proto::Value::TensorType(tensor));
    let r#type = Some(TypeProto { value, ..TypeProto::default() });
    ValueInfoProto { name: name.into(), r#type, ..ValueInfoProto::default() }
}
