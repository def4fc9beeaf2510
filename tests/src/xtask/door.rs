//! Arrays at a model's doors: real numbers of `.npy` files to the bytes of inputs and back.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use lacewing::Model;
use lacewing::format::{DType, Port};
use ndarray::{ArrayD, Axis, IxDyn};
use ndarray_npy::{ReadNpyError, read_npy, write_npy};

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

/// Writes the bytes of the outputs as real numbers; the model must have one output.
pub(super) fn write_outputs(model: &Model<'_>, bytes: &[u8], path: &Path) -> Result<()> {
    let mut ports = model.outputs();
    let port = ports.next().context("the model has no output")?;
    ensure!(ports.next().is_none(), "the model has several outputs; a .npy file holds one");
    let numbers = decode(&port, bytes)?;
    let mut shape: Vec<_> = port.shape().iter().map(|&dim| dim as usize).collect();
    let inferences = numbers.len() / count(&port).max(1);
    shape.insert(0, inferences);
    let mut array = ArrayD::from_shape_vec(IxDyn(&shape), numbers)?;
    if inferences == 1 {
        array = array.index_axis_move(Axis(0), 0);
    }
    write_npy(path, &array).with_context(|| format!("cannot write {}", path.display()))
}

fn count(port: &Port<'_>) -> usize {
    port.shape().iter().map(|&dim| dim as usize).product()
}

fn dtype(port: &Port<'_>) -> Result<DType> {
    let dtype = port.tensor.dtype();
    dtype.with_context(|| format!("`{}` has no element type", port.name()))
}

fn encode(port: &Port<'_>, numbers: impl Iterator<Item = f64>) -> Result<Vec<u8>> {
    let (scale, zero) = (port.scale, f32::from(port.zero));
    let quantize = |x: f64| ((x as f32 / scale).round_ties_even() + zero) as i8;
    Ok(match dtype(port)? {
        DType::I8 => numbers.map(|x| quantize(x).to_ne_bytes()[0]).collect(),
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
    let readers: [fn(&Path) -> Result<ArrayD<f64>, ReadNpyError>; 8] = [
        |path| read_npy::<_, ArrayD<f32>>(path).map(|array| array.mapv(f64::from)),
        |path| read_npy::<_, ArrayD<f64>>(path),
        |path| read_npy::<_, ArrayD<i8>>(path).map(|array| array.mapv(f64::from)),
        |path| read_npy::<_, ArrayD<u8>>(path).map(|array| array.mapv(f64::from)),
        |path| read_npy::<_, ArrayD<i16>>(path).map(|array| array.mapv(f64::from)),
        |path| read_npy::<_, ArrayD<u16>>(path).map(|array| array.mapv(f64::from)),
        |path| read_npy::<_, ArrayD<i32>>(path).map(|array| array.mapv(f64::from)),
        |path| read_npy::<_, ArrayD<i64>>(path).map(|array| array.mapv(|x| x as f64)),
    ];
    for reader in readers {
        match reader(path) {
            Err(ReadNpyError::WrongDescriptor(_)) => {}
            other => return other.with_context(|| format!("cannot read {}", path.display())),
        }
    }
    bail!("{} holds no array of numbers", path.display())
}
