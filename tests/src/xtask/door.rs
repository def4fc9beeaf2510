//! Arrays at a model's doors: real numbers of `.npy` files to the bytes of inputs and back.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use lacewing::Model;
use lacewing::format::{DType, Port};
use lacewing::ops::quantize::quantize;
use ndarray::{ArrayD, IxDyn};
use ndarray_npy::{ReadNpyError, ReadableElement, read_npy, write_npy};

/// Reads a `.npy` file as inputs of `model`, which must have one input.
///
/// Numbers are taken as real values and quantized by the port: `q = sat(round_half_even(x/s) + z)`.
/// A multiple of the input's count is as many inferences.
pub(super) fn inputs(model: &Model<'_>, path: &Path) -> Result<Vec<u8>> {
    let mut ports = model.inputs();
    let port = ports.next().context("the model has no input")?;
    ensure!(ports.next().is_none(), "the model has several inputs; a .npy file holds one");
    let array = read(path)?;
    let wanted = count(&port);
    ensure!(
        wanted > 0 && !array.is_empty() && array.len().is_multiple_of(wanted),
        "{} holds {:?}, which is no multiple of the input's shape {:?}",
        path.display(),
        array.shape(),
        port.shape()
    );
    encode(&port, array.iter().copied())
}

/// Writes the bytes of one set of inputs as real numbers, so that [`inputs`] gives the bytes again.
pub(super) fn write_inputs(model: &Model<'_>, bytes: &[u8], path: &Path) -> Result<()> {
    let port = model.inputs().next().context("the model has no input")?;
    let shape: Vec<_> = port.shape().iter().map(|&dim| dim as usize).collect();
    let array = ArrayD::from_shape_vec(IxDyn(&shape), decode(&port, bytes)?)?;
    write_npy(path, &array).with_context(|| format!("cannot write {}", path.display()))
}

/// Writes the bytes of the outputs as real numbers; the model must have one output.
pub(super) fn write_outputs(model: &Model<'_>, bytes: &[u8], path: &Path) -> Result<()> {
    let mut ports = model.outputs();
    let port = ports.next().context("the model has no output")?;
    ensure!(ports.next().is_none(), "the model has several outputs; a .npy file holds one");
    let numbers = decode(&port, bytes)?;
    let inferences = numbers.len() / count(&port).max(1);
    let array = ArrayD::from_shape_vec(IxDyn(&stacked(&port, inferences)), numbers)?;
    write_npy(path, &array).with_context(|| format!("cannot write {}", path.display()))
}

/// The shape of several results as `lacewing run` writes them: along an axis of 1, otherwise along a new axis.
fn stacked(port: &Port<'_>, inferences: usize) -> Vec<usize> {
    let mut shape: Vec<_> = port.shape().iter().map(|&dim| dim as usize).collect();
    match shape.first_mut() {
        Some(batch) if *batch == 1 => *batch = inferences,
        _ if inferences != 1 => shape.insert(0, inferences),
        _ => {}
    }
    shape
}

fn count(port: &Port<'_>) -> usize {
    port.shape().iter().map(|&dim| dim as usize).product()
}

fn dtype(port: &Port<'_>) -> Result<DType> {
    let dtype = port.tensor.dtype();
    dtype.with_context(|| format!("`{}` has no element type", port.name()))
}

fn encode(port: &Port<'_>, numbers: impl Iterator<Item = f64>) -> Result<Vec<u8>> {
    let int8 = |x: f64| quantize(x as f32, port.scale, port.zero).to_ne_bytes()[0];
    Ok(match dtype(port)? {
        DType::I8 => numbers.map(int8).collect(),
        DType::F32 => numbers.flat_map(|x| (x as f32).to_le_bytes()).collect(),
        DType::I32 => numbers.flat_map(|x| (x as i32).to_le_bytes()).collect(),
        DType::I16 => numbers.flat_map(|x| (x as i16).to_le_bytes()).collect(),
    })
}

fn decode(port: &Port<'_>, bytes: &[u8]) -> Result<Vec<f32>> {
    let (scale, zero) = (port.scale, i32::from(port.zero));
    let real = |q: u8| (i32::from(q.cast_signed()) - zero) as f32 * scale;
    Ok(match dtype(port)? {
        DType::I8 => bytes.iter().map(|&q| real(q)).collect(),
        DType::F32 => chunks(bytes).map(f32::from_le_bytes).collect(),
        DType::I32 => chunks(bytes).map(|b| i32::from_le_bytes(b) as f32).collect(),
        DType::I16 => chunks(bytes).map(|b| i16::from_le_bytes(b).into()).collect(),
    })
}

fn chunks<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
    bytes.as_chunks().0.iter().copied()
}

/// Reads an array of any numeric type.
fn read(path: &Path) -> Result<ArrayD<f64>> {
    let readers: [Reader; 8] = [
        reader::<f32>,
        reader::<i8>,
        reader::<u8>,
        reader::<i16>,
        reader::<u16>,
        reader::<i32>,
        reader::<f64>,
        |path| Ok(read_npy::<_, ArrayD<i64>>(path)?.mapv(|x| x as f64)),
    ];
    for reader in readers {
        match reader(path) {
            Err(ReadNpyError::WrongDescriptor(_)) => {}
            other => return other.with_context(|| format!("cannot read {}", path.display())),
        }
    }
    bail!("{} holds no array of numbers", path.display())
}

type Reader = fn(&Path) -> Result<ArrayD<f64>, ReadNpyError>;

fn reader<T: ReadableElement + Into<f64> + Copy>(path: &Path) -> Result<ArrayD<f64>, ReadNpyError> {
    Ok(read_npy::<_, ArrayD<T>>(path)?.mapv(T::into))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lacewing::format::{Place, Tensor};

    fn port(dtype: DType) -> Port<'static> {
        let tensor = Tensor::new(Place::Arena, dtype, 0, [1, 1, 1, 4]);
        Port { name: b"x", tensor, rank: 1, dims: [4, 0, 0, 0, 0, 0], scale: 0.5, zero: 3 }
    }

    #[test]
    fn int8_is_quantized_at_the_door_and_back() {
        let port = port(DType::I8);
        let bytes = encode(&port, [0.0, 0.75, -1.0, 1e9].into_iter()).expect("int8");
        assert_eq!(bytes, [3, 5, 1, 127]);
        assert_eq!(decode(&port, &bytes).expect("int8"), [0.0, 1.0, -1.0, 62.0]);
    }

    #[test]
    fn other_types_pass() {
        for dtype in [DType::F32, DType::I32, DType::I16] {
            let bytes = encode(&port(dtype), [1.0, -2.0, 3.0, 0.0].into_iter()).expect("a type");
            assert_eq!(decode(&port(dtype), &bytes).expect("a type"), [1.0, -2.0, 3.0, 0.0]);
        }
    }

    #[test]
    fn several_results_are_stacked() {
        let vector = port(DType::I8);
        let row = Port { rank: 2, dims: [1, 4, 0, 0, 0, 0], ..vector };
        assert_eq!((stacked(&vector, 1), stacked(&vector, 3)), (vec![4], vec![3, 4]));
        assert_eq!((stacked(&row, 1), stacked(&row, 3)), (vec![1, 4], vec![3, 4]));
    }

    #[test]
    fn arrays_of_any_type_are_read() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("x.npy");
        write_npy(&path, &ndarray::array![[1_u8, 255]]).expect("a writable file");
        assert_eq!(read(&path).expect("an array"), ndarray::array![[1.0, 255.0]].into_dyn());
        write_npy(&path, &ndarray::array![-1_i64]).expect("a writable file");
        assert_eq!(read(&path).expect("an array"), ndarray::array![-1.0].into_dyn());
    }
}
