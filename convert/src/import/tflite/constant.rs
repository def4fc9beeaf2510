//! The bytes of constant tensors, and how integers stand for reals.

use std::borrow::Cow;

use tract_onnx::pb::tensor_proto::DataType;

use super::file::Tensor;
use super::sparse::written_out;

/// `real = scale · (q − zero)`, with one of each or one per index of `axis`.
pub(super) struct Quantization {
    /// Positive and finite.
    pub(super) scales: Vec<f32>,
    /// As many.
    pub(super) zeros: Vec<i64>,
    /// An axis of the tensor, 0 where there is one scale.
    pub(super) axis: usize,
}

impl Quantization {
    /// How the tensor's integers stand for reals. `None` where they are plain numbers.
    pub(super) fn of(tensor: &Tensor<'_>) -> Result<Option<Quantization>, String> {
        let Some(table) = &tensor.quantization else { return Ok(None) };
        if !matches!(tensor.data_type(), Some(DataType::Int8 | DataType::Uint8 | DataType::Int16)) {
            return Ok(None);
        }
        if table.details_type() != 0 {
            return Err(
                "is quantized in blocks or in a way of its own; export with one scale per tensor or axis".into()
            );
        }
        let scales: Vec<f32> = table.scale().into_iter().flatten().collect();
        if scales.is_empty() {
            return Ok(None);
        }
        let zeros: Vec<i64> = table.zero_point().into_iter().flatten().collect();
        Quantization::checked(tensor, scales, zeros, table.axis()).map(Some)
    }

    fn checked(tensor: &Tensor<'_>, scales: Vec<f32>, mut zeros: Vec<i64>, axis: i32) -> Result<Self, String> {
        if let Some(scale) = scales.iter().find(|s| !(s.is_finite() && **s > 0.0)) {
            return Err(format!("has the scale {scale}"));
        }
        if zeros.len() <= 1 {
            let zero = zeros.first().copied().unwrap_or(0);
            zeros = vec![zero; scales.len()];
        }
        if zeros.len() != scales.len() {
            return Err(format!("has {} scales and {} zero points", scales.len(), zeros.len()));
        }
        let (least, most) = range(tensor);
        if let Some(zero) = zeros.iter().find(|z| !(least..=most).contains(*z)) {
            return Err(format!("has the zero point {zero}, outside of {least}..{most}"));
        }
        let axis = if scales.len() == 1 { 0 } else { axis };
        let place =
            usize::try_from(axis).ok().filter(|a| scales.len() == 1 || tensor.shape.get(*a) == Some(&scales.len()));
        match place {
            Some(axis) => Ok(Quantization { scales, zeros, axis }),
            None => Err(format!("has {} scales along axis {axis} of the shape {:?}", scales.len(), tensor.shape)),
        }
    }

    /// The zero points in the tensor's own element type.
    pub(super) fn zero_bytes(&self, kind: DataType) -> Vec<u8> {
        let width = if kind == DataType::Int16 { 2 } else { 1 };
        self.zeros.iter().flat_map(|zero| zero.to_le_bytes().into_iter().take(width)).collect()
    }
}

/// The integers that the tensor can hold.
fn range(tensor: &Tensor<'_>) -> (i64, i64) {
    match tensor.data_type() {
        Some(DataType::Uint8) => (0, 255),
        Some(DataType::Int16) => (-32768, 32767),
        _ => (-128, 127),
    }
}

/// A constant's elements, little-endian, in ONNX's type for them.
pub(super) fn elements(tensor: &Tensor<'_>) -> Result<(DataType, Vec<u8>), String> {
    let kind =
        tensor.data_type().ok_or_else(|| format!("has the element type {}, which is not supported", tensor.element))?;
    let mut bytes = Cow::Borrowed(tensor.data.unwrap_or_default());
    let count = tensor.elements().ok_or("has too many elements")?;
    if let Some(sparsity) = &tensor.sparsity {
        let width = match tensor.element {
            17 => return Err("is sparse with two elements in a byte; export with dense weights".into()),
            1 => 2,
            _ => width(kind),
        };
        bytes = written_out(sparsity, &tensor.shape, width, &bytes)?.into();
    }
    let expected = match tensor.element {
        17 => Some(count.div_ceil(2)),
        1 => count.checked_mul(2),
        _ => count.checked_mul(width(kind)),
    };
    if expected != Some(bytes.len()) {
        return Err(format!("has the shape {:?} and {} bytes", tensor.shape, bytes.len()));
    }
    Ok((
        kind,
        match tensor.element {
            1 => bytes.chunks_exact(2).flat_map(|half| widened(half).to_le_bytes()).collect(),
            17 => bytes.iter().flat_map(|pair| nibbles(*pair)).take(count).collect(),
            _ => bytes.to_vec(),
        },
    ))
}

/// A number of 1 sign bit, 5 bits of exponent and 10 of fraction, which every f32 can hold.
fn widened(half: &[u8]) -> f32 {
    let bits = half.iter().rev().fold(0, |bits: u32, byte| bits << 8 | u32::from(*byte));
    let (exponent, fraction) = (bits >> 10 & 0x1f, bits & 0x3ff);
    let magnitude = match exponent {
        0 => fraction as f32 / (1 << 24) as f32,
        0x1f => f32::from_bits(0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(((exponent + 112) << 23) | (fraction << 13)),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

/// Two signed integers of 4 bits, the low one first, as bytes.
fn nibbles(pair: u8) -> [u8; 2] {
    [((pair << 4) as i8 >> 4) as u8, (pair as i8 >> 4) as u8]
}

/// Bytes of one element.
pub(super) fn width(kind: DataType) -> usize {
    match kind {
        DataType::Int64 | DataType::Uint64 | DataType::Double => 8,
        DataType::Float | DataType::Int32 | DataType::Uint32 => 4,
        DataType::Int16 | DataType::Uint16 => 2,
        _ => 1,
    }
}

/// A constant's integers.
pub(super) fn integers(tensor: &Tensor<'_>) -> Result<Vec<i64>, String> {
    let (kind, bytes) = elements(tensor)?;
    let each = bytes.chunks_exact(width(kind));
    match kind {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => Ok(each.map(signed).collect()),
        DataType::Uint8 | DataType::Bool => Ok(bytes.iter().map(|b| i64::from(*b)).collect()),
        _ => Err("must hold integers".into()),
    }
}

/// A little-endian integer of up to 8 bytes.
fn signed(bytes: &[u8]) -> i64 {
    let fill = if bytes.last().is_some_and(|top| *top >= 128) { 255 } else { 0 };
    let mut wide = [fill; 8];
    wide.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    i64::from_le_bytes(wide)
}

/// Elements of `width` bytes in another order of the axes.
pub(super) fn permuted(bytes: &[u8], width: usize, shape: &[usize], perm: &[usize]) -> Vec<u8> {
    let mut strides = vec![width; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    let mut offsets = vec![0];
    for &axis in perm {
        let steps = (0..shape[axis]).map(|i| i * strides[axis]);
        offsets = offsets.iter().flat_map(|offset| steps.clone().map(move |step| offset + step)).collect();
    }
    offsets.iter().flat_map(|offset| &bytes[*offset..offset + width]).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_take_another_order() {
        let bytes: Vec<u8> = (0..12).collect();
        assert_eq!(permuted(&bytes, 1, &[2, 3, 2], &[2, 0, 1]), [0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11]);
        assert_eq!(permuted(&bytes, 2, &[2, 3], &[1, 0]), [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11]);
        assert_eq!(permuted(&bytes[..1], 1, &[], &[]), [0]);
    }

    #[test]
    fn halves_are_widened() {
        let cases = [(0x3c00_u16, 1.0), (0xc000, -2.0), (0x0001, 5.960_464_5e-8), (0x7bff, 65504.0), (0x8000, -0.0)];
        cases.iter().for_each(|(half, wide)| assert_eq!(widened(&half.to_le_bytes()), *wide));
        assert_eq!(widened(&0x7c00_u16.to_le_bytes()), f32::INFINITY);
        assert!(widened(&0x7e01_u16.to_le_bytes()).is_nan());
    }

    #[test]
    fn integers_keep_their_signs() {
        assert_eq!(signed(&[0xfe, 0xff]), -2);
        assert_eq!(signed(&[0xff, 0x7f, 0, 0]), 0x7fff);
        assert_eq!(nibbles(0x8f).map(|b| b as i8), [-1, -8]);
    }
}
