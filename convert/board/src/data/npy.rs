//! One `.npy` array of any usual element type, as real numbers.
//!
//! The header is read here first, since it alone says how many elements follow: a damaged one must not make
//! the reader reserve memory that the file never fills.

use std::io;

use ndarray::{ArrayD, IxDyn};
use ndarray_npy::{ReadNpyError, ReadNpyExt, ReadableElement};
use thiserror::Error;

/// Why bytes are not an array.
#[derive(Debug, Error)]
pub enum NpyError {
    /// The bytes do not begin with a `.npy` header.
    #[error("not a .npy array")]
    NotNpy,
    /// The header announces more elements than the file has bytes.
    #[error("the array is cut short: its header announces {elements} elements")]
    CutShort {
        /// Elements announced.
        elements: usize,
    },
    /// An element type that is not a plain number.
    #[error("element type `{descr}` is not read; save the array as float32 or as integers")]
    ElementType {
        /// NumPy's name of the type.
        descr: String,
    },
    /// The elements do not follow the header.
    #[error(transparent)]
    Elements(#[from] ReadNpyError),
}

const MAGIC: &[u8] = b"\x93NUMPY";

/// Reads a whole `.npy` file. Integers, booleans and floats all become the real numbers that they stand for;
/// 64-bit integers beyond 2^53 are rounded.
///
/// # Errors
///
/// Any damage of the file, or an element type that is no number.
pub(super) fn read(bytes: &[u8]) -> Result<ArrayD<f64>, NpyError> {
    let header = header(bytes).ok_or(NpyError::NotNpy)?;
    let descr = text_after(header, "'descr':").ok_or(NpyError::NotNpy)?;
    let elements = elements(header).ok_or(NpyError::NotNpy)?;
    if elements > bytes.len() {
        return Err(NpyError::CutShort { elements });
    }
    match descr.trim_start_matches(['<', '>', '|', '=']) {
        "f4" => real::<f32>(bytes),
        "f8" => Ok(ArrayD::read_npy(bytes)?),
        "i1" => real::<i8>(bytes),
        "i2" => real::<i16>(bytes),
        "i4" => real::<i32>(bytes),
        "i8" => Ok(ArrayD::<i64>::read_npy(bytes)?.mapv(|v| v as f64)),
        "u1" => real::<u8>(bytes),
        "u2" => real::<u16>(bytes),
        "u4" => real::<u32>(bytes),
        "u8" => Ok(ArrayD::<u64>::read_npy(bytes)?.mapv(|v| v as f64)),
        "b1" => Ok(ArrayD::<bool>::read_npy(bytes)?.mapv(|v| f64::from(u8::from(v)))),
        _ => Err(NpyError::ElementType { descr: descr.to_string() }),
    }
}

fn real<T: ReadableElement + Copy + Into<f64>>(bytes: &[u8]) -> Result<ArrayD<f64>, NpyError> {
    Ok(ndarray::Array::<T, IxDyn>::read_npy(io::Cursor::new(bytes))?.mapv(Into::into))
}

/// The Python dictionary between the length field and the elements.
fn header(bytes: &[u8]) -> Option<&str> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (&[major, _minor], rest) = rest.split_first_chunk()?;
    let (length, rest) = if major == 1 {
        let (length, rest) = rest.split_first_chunk()?;
        (usize::from(u16::from_le_bytes(*length)), rest)
    } else {
        let (length, rest) = rest.split_first_chunk()?;
        (usize::try_from(u32::from_le_bytes(*length)).ok()?, rest)
    };
    std::str::from_utf8(rest.get(..length)?).ok()
}

/// The quoted text that follows `key`.
fn text_after<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    header.split_once(key)?.1.split(['\'', '"']).nth(1)
}

/// The product of the shape.
fn elements(header: &str) -> Option<usize> {
    let shape = header.split_once("'shape':")?.1.split_once('(')?.1.split_once(')')?.0;
    let sizes = shape.split(',').map(str::trim).filter(|size| !size.is_empty());
    sizes.map(|size| size.parse::<usize>().ok()).try_fold(1_usize, |n, size| n.checked_mul(size?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use ndarray_npy::{WritableElement, WriteNpyExt};

    fn written<T: WritableElement + Clone>(values: &[T]) -> Vec<u8> {
        let mut bytes = Vec::new();
        ndarray::aview1(values).write_npy(&mut bytes).unwrap();
        bytes
    }

    fn reads<T: WritableElement + Clone>(values: &[T]) -> Vec<f64> {
        read(&written(values)).unwrap().into_raw_vec_and_offset().0
    }

    #[test]
    fn every_number_type_becomes_the_real_it_stands_for() {
        assert_eq!(reads(&[1.5_f32, -2.0]), [1.5, -2.0]);
        assert_eq!(reads(&[0.1_f64]), [0.1]);
        assert_eq!(reads(&[-128_i8, 127]), [-128.0, 127.0]);
        assert_eq!(reads(&[255_u8]), [255.0]);
        assert_eq!(reads(&[i16::MIN]), [-32768.0]);
        assert_eq!(reads(&[u16::MAX]), [65535.0]);
        assert_eq!(reads(&[i32::MIN]), [-2_147_483_648.0]);
        assert_eq!(reads(&[u32::MAX]), [4_294_967_295.0]);
        assert_eq!(reads(&[-7_i64]), [-7.0]);
        assert_eq!(reads(&[7_u64]), [7.0]);
        assert_eq!(reads(&[true, false]), [1.0, 0.0]);
    }

    #[test]
    fn fortran_order_and_big_endian_are_read() {
        let mut bytes = Vec::new();
        let transposed = array![[1.0_f32, 2.0, 3.0], [4.0, 5.0, 6.0]].reversed_axes();
        transposed.write_npy(&mut bytes).unwrap();
        assert_eq!(read(&bytes).unwrap(), transposed.mapv(f64::from).into_dyn());
        let mut big = written(&[258_u16]);
        let at = big.windows(3).position(|w| w == b"<u2").unwrap();
        big[at] = b'>';
        assert_eq!(read(&big).unwrap()[[0]], 513.0);
    }

    #[test]
    fn damage_is_told() {
        assert!(matches!(read(b""), Err(NpyError::NotNpy)));
        assert!(matches!(read(b"PK\x03\x04"), Err(NpyError::NotNpy)));
        let bytes = written(&[1_i32, 2, 3]);
        for cut in 0..bytes.len() {
            assert!(read(&bytes[..cut]).is_err(), "{cut} bytes");
        }
    }

    #[test]
    fn a_shape_beyond_the_file_reserves_nothing() {
        let bytes = written(&[0_u8; 100]);
        let at = bytes.windows(5).position(|w| w == b"(100,").unwrap();
        let mut huge = bytes[..at].to_vec();
        huge.extend(b"(9999999999999,)");
        huge.extend(&bytes[at + 6 + 10..]);
        assert!(matches!(read(&huge), Err(NpyError::CutShort { elements: 9_999_999_999_999 })));
    }

    #[test]
    fn types_that_are_no_numbers_are_named() {
        let mut bytes = written(&[1.0_f32]);
        let at = bytes.windows(3).position(|w| w == b"<f4").unwrap();
        bytes[at + 1..at + 3].copy_from_slice(b"f2");
        assert!(read(&bytes).unwrap_err().to_string().contains("`<f2`"));
    }
}
