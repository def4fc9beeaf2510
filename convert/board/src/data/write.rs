//! Tensors as `.npy` and `.npz` bytes.

use std::io::Cursor;

use ndarray::ArrayD;
use ndarray_npy::{NpzWriter, WriteNpyError, WriteNpyExt, WriteNpzError};

/// One array as a `.npy` file.
///
/// # Errors
///
/// The array is too large for the format.
pub fn to_npy(array: &ArrayD<f32>) -> Result<Vec<u8>, WriteNpyError> {
    let mut bytes = Vec::new();
    array.as_standard_layout().write_npy(&mut bytes)?;
    Ok(bytes)
}

/// Named arrays as a compressed `.npz` archive.
///
/// # Errors
///
/// An array is too large for the format, or two have the same name.
pub fn to_npz<'a>(arrays: impl IntoIterator<Item = (&'a str, &'a ArrayD<f32>)>) -> Result<Vec<u8>, WriteNpzError> {
    let mut archive = NpzWriter::new_compressed(Cursor::new(Vec::new()));
    for (name, array) in arrays {
        archive.add_array(name, &array.as_standard_layout())?;
    }
    Ok(archive.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{InputSpec, Samples, Scaling};
    use ndarray::array;
    use std::fs;

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (array![[1.0_f32, 2.0], [3.0, 4.0]].into_dyn(), array![[5.0_f32], [6.0]].into_dyn());
        let path = folder.path().join("two.npz");
        fs::write(&path, to_npz([("a", &a), ("b", &b)]).unwrap()).unwrap();
        let inputs =
            [("b", [1, 1]), ("a", [1, 2])].map(|(name, shape)| InputSpec { name: name.into(), shape: shape.to_vec() });
        let samples = Samples::read(&path, &inputs, Scaling::default()).unwrap();
        assert_eq!(samples.rows()[1], [array![[6.0]].into_dyn(), array![[3.0, 4.0]].into_dyn()]);
        let path = folder.path().join("one.npy");
        fs::write(&path, to_npy(&a.t().to_owned()).unwrap()).unwrap();
        let samples = Samples::read(&path, &inputs[1..], Scaling::default()).unwrap();
        assert_eq!(samples.rows()[0], [array![[1.0, 3.0]].into_dyn()]);
    }
}
