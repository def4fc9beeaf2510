//! Tensors of the suite as real numbers.

use anyhow::{Context, Result, bail};
use ndarray::ArrayD;
use tract_onnx::pb::TensorProto;
use tract_onnx::pb::tensor_proto::DataType;

/// The elements of a tensor of any real type. Integers beyond 2^53 are rounded.
pub(crate) fn reals(proto: &TensorProto) -> Result<ArrayD<f64>> {
    let kind = DataType::try_from(proto.data_type).unwrap_or_default();
    let shape: Vec<usize> = proto.dims.iter().map(|dim| usize::try_from(*dim)).collect::<Result<_, _>>()?;
    let len = shape.iter().product();
    let mut elements = if proto.raw_data.is_empty() { from_fields(proto, kind)? } else { from_bytes(proto, kind)? };
    elements.truncate(len);
    ArrayD::from_shape_vec(shape, elements).context("its elements do not fill its shape")
}

fn from_bytes(proto: &TensorProto, kind: DataType) -> Result<Vec<f64>> {
    let raw = proto.raw_data.as_slice();
    Ok(match kind {
        DataType::Float => each(raw, |b| f64::from(f32::from_le_bytes(b))),
        DataType::Double => each(raw, f64::from_le_bytes),
        DataType::Int8 => each(raw, |b| f64::from(i8::from_le_bytes(b))),
        DataType::Uint8 | DataType::Bool => each(raw, |b| f64::from(u8::from_le_bytes(b))),
        DataType::Int16 => each(raw, |b| f64::from(i16::from_le_bytes(b))),
        DataType::Uint16 => each(raw, |b| f64::from(u16::from_le_bytes(b))),
        DataType::Int32 => each(raw, |b| f64::from(i32::from_le_bytes(b))),
        DataType::Uint32 => each(raw, |b| f64::from(u32::from_le_bytes(b))),
        DataType::Int64 => each(raw, |b| i64::from_le_bytes(b) as f64),
        DataType::Uint64 => each(raw, |b| u64::from_le_bytes(b) as f64),
        DataType::Float16 => each(raw, |b| half(u16::from_le_bytes(b))),
        DataType::Bfloat16 => each(raw, |b| brain(u16::from_le_bytes(b))),
        DataType::Int4 | DataType::Uint4 => raw.iter().flat_map(|byte| nibbles(*byte, kind)).collect(),
        other => bail!("tensors of type {} are not read", other.as_str_name()),
    })
}

fn each<const N: usize>(raw: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    raw.as_chunks().0.iter().map(|bytes| number(*bytes)).collect()
}

fn from_fields(proto: &TensorProto, kind: DataType) -> Result<Vec<f64>> {
    let ints = || proto.int32_data.iter();
    Ok(match kind {
        DataType::Float => proto.float_data.iter().map(|x| f64::from(*x)).collect(),
        DataType::Double => proto.double_data.clone(),
        DataType::Int64 => proto.int64_data.iter().map(|x| *x as f64).collect(),
        DataType::Uint32 | DataType::Uint64 => proto.uint64_data.iter().map(|x| *x as f64).collect(),
        DataType::Float16 => ints().map(|x| half(*x as u16)).collect(),
        DataType::Bfloat16 => ints().map(|x| brain(*x as u16)).collect(),
        DataType::Int4 | DataType::Uint4 => ints().flat_map(|byte| nibbles(*byte as u8, kind)).collect(),
        DataType::Int8 | DataType::Uint8 | DataType::Int16 | DataType::Uint16 | DataType::Int32 | DataType::Bool => {
            ints().map(|x| f64::from(*x)).collect()
        }
        other => bail!("tensors of type {} are not read", other.as_str_name()),
    })
}

/// The first element is in the low half.
fn nibbles(byte: u8, kind: DataType) -> [f64; 2] {
    let signed = |nibble: u8| f64::from((nibble << 4).cast_signed() >> 4);
    match kind {
        DataType::Int4 => [signed(byte), signed(byte >> 4)],
        _ => [f64::from(byte & 15), f64::from(byte >> 4)],
    }
}

/// IEEE 754 binary16.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let magnitude = match exponent {
        0 => fraction / 1024.0 * 2f64.powi(-14),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

/// The upper half of an f32.
fn brain(bits: u16) -> f64 {
    f64::from(f32::from_bits(u32::from(bits) << 16))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proto(kind: DataType, dims: &[i64], raw: &[u8]) -> TensorProto {
        let (dims, raw_data) = (dims.to_vec(), raw.to_vec());
        TensorProto { dims, data_type: kind as i32, raw_data, ..TensorProto::default() }
    }

    fn numbers(proto: &TensorProto) -> Vec<f64> {
        reals(proto).unwrap().into_iter().collect()
    }

    #[test]
    fn bytes_of_each_width_are_numbers() {
        assert_eq!(numbers(&proto(DataType::Int16, &[2], &[1, 0, 0xff, 0xff])), [1.0, -1.0]);
        assert_eq!(numbers(&proto(DataType::Float, &[], &1.5f32.to_le_bytes())), [1.5]);
        assert_eq!(numbers(&proto(DataType::Int4, &[3], &[0xf1, 0x08])), [1.0, -1.0, -8.0]);
        assert_eq!(numbers(&proto(DataType::Uint4, &[2], &[0xf1])), [1.0, 15.0]);
    }

    #[test]
    fn short_floats_are_exact() {
        let (one, largest, least, minus) = (half(0x3c00), half(0x7bff), half(1), half(0xc000));
        assert_eq!([one, largest, least, minus], [1.0, 65504.0, 2f64.powi(-24), -2.0]);
        assert!(half(0x7e00).is_nan() && half(0xfc00) == f64::NEG_INFINITY);
        assert_eq!(brain(0x3fc0), 1.5);
    }

    #[test]
    fn fields_stand_for_bytes() {
        let fields = TensorProto { int32_data: vec![0x3c00], ..proto(DataType::Float16, &[1], &[]) };
        assert_eq!(numbers(&fields), [1.0]);
        assert!(reals(&proto(DataType::String, &[1], &[])).is_err());
        assert!(reals(&proto(DataType::Int8, &[3], &[1])).is_err());
    }
}
