//! Weights in files beside the model, as PyTorch's exporter writes them, brought inside.
//!
//! ONNX, "External Data": a tensor names a `location` relative to the model's folder and, of that file, an `offset` and a `length` in bytes.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Component, Path};

use prost::Message;
use tract_onnx::pb::TensorProto;
use tract_onnx::pb::tensor_proto::DataLocation;

use super::wire::{self, Type};
use crate::error::ConvertError;

/// Bytes that may be brought in: what one protobuf holds.
const MOST: u64 = i32::MAX as u64;

/// Messages within messages that are looked into; the decoder reads no more either.
const DEEPEST: usize = 100;

/// The number of a tensor's field that says where its bytes are.
const EXTERNAL: u64 = 13;

/// The model with all its weights inside, for files that keep them beside it in `folder`; others, of any kind, as they are.
///
/// # Errors
/// [`ConvertError::Tensor`] if a file cannot be read, is shorter than the model says, or does not lie in `folder`.
pub fn self_contained(model: Vec<u8>, folder: &Path) -> Result<Vec<u8>, ConvertError> {
    if !wire::any(&model, |message, number, _| matches!(message, Type::Tensor) && number == EXTERNAL) {
        return Ok(model);
    }
    Inside { folder, left: MOST }.rewritten(Type::Model, &model, 0)
}

/// What weights are brought in from.
struct Inside<'a> {
    folder: &'a Path,
    /// Bytes that may still be read.
    left: u64,
}

impl Inside<'_> {
    /// A message with every tensor in it complete. Whatever else it holds stays as it is.
    fn rewritten(&mut self, message: Type, bytes: &[u8], depth: usize) -> Result<Vec<u8>, ConvertError> {
        let (mut written, mut rest) = (Vec::with_capacity(bytes.len()), bytes);
        loop {
            let before = rest;
            let Some((number, content)) = wire::next(&mut rest) else {
                written.extend(before);
                return Ok(written);
            };
            let inner = match content.zip(wire::field(message, number)) {
                Some((content, Type::Tensor)) => self.tensor(content)?,
                Some((content, inner)) if depth < DEEPEST => Some(self.rewritten(inner, content, depth + 1)?),
                _ => None,
            };
            match inner {
                Some(inner) => wire::put(number, &inner, &mut written),
                None => written.extend(&before[..before.len() - rest.len()]),
            }
        }
    }

    /// A tensor with its bytes, if they are elsewhere.
    fn tensor(&mut self, bytes: &[u8]) -> Result<Option<Vec<u8>>, ConvertError> {
        // What is malformed is told when the model is decoded.
        let Ok(mut tensor) = TensorProto::decode(bytes) else { return Ok(None) };
        if tensor.external_data.is_empty() {
            return Ok(None);
        }
        tensor.raw_data =
            self.read(&tensor).map_err(|reason| ConvertError::Tensor { tensor: tensor.name.clone(), reason })?;
        tensor.external_data.clear();
        tensor.data_location = Some(DataLocation::Default as i32);
        Ok(Some(tensor.encode_to_vec()))
    }

    fn read(&mut self, tensor: &TensorProto) -> Result<Vec<u8>, String> {
        let entry = |key: &str| tensor.external_data.iter().find(|entry| entry.key == key).map(|entry| &*entry.value);
        let number = |key: &str| {
            let number = entry(key).map(str::parse::<u64>).transpose();
            number.map_err(|_| format!("its weights are in another file, whose `{key}` is no number"))
        };
        let location = Path::new(entry("location").ok_or("its weights are in another file, which is not named")?);
        if !location.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(format!("its weights are in `{}`, which is not in the model's folder", location.display()));
        }
        let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
        let bytes = part(&self.folder.join(location), (offset, length), self.left);
        let bytes = bytes.map_err(|error| format!("its weights in `{}`: {error}", location.display()))?;
        self.left = self.left.saturating_sub(bytes.len() as u64);
        Ok(bytes)
    }
}

/// So many bytes of a file, or all behind the offset.
fn part(path: &Path, (offset, length): (u64, Option<u64>), most: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let rest = file.metadata()?.len().saturating_sub(offset);
    let length = length.unwrap_or(rest);
    if length > rest {
        let short = format!("the file ends after {rest} of {length} bytes; is it complete?");
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, short));
    }
    if length > most {
        return Err(io::Error::other(format!("the model's weights take more than {MOST} bytes")));
    }
    let mut bytes = vec![0; length as usize];
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::tests::bytes_of;
    use super::*;
    use crate::import::{ImportOptions, onnx};
    use std::fs;
    use tract_onnx::pb::{ModelProto, StringStringEntryProto};

    fn entry(key: &str, value: impl ToString) -> StringStringEntryProto {
        StringStringEntryProto { key: key.into(), value: value.to_string() }
    }

    /// A model whose weights are one after another in `w.bin`, and that file; `place` is told of each tensor.
    fn apart(place: impl Fn(&mut TensorProto)) -> (Vec<u8>, tempfile::TempDir) {
        let mut model = ModelProto::decode(&bytes_of("torch_lenet")[..]).unwrap();
        let mut file = vec![7; 5];
        for tensor in &mut model.graph.as_mut().unwrap().initializer {
            let raw = std::mem::take(&mut tensor.raw_data);
            let (offset, length) = (entry("offset", file.len()), entry("length", raw.len()));
            tensor.external_data = vec![entry("location", "w.bin"), offset, length];
            tensor.data_location = Some(DataLocation::External as i32);
            file.extend(raw);
            place(tensor);
        }
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("w.bin"), file).unwrap();
        (model.encode_to_vec(), folder)
    }

    #[test]
    fn weights_beside_a_model_are_those_of_the_model_with_them_inside() {
        let (model, folder) = apart(|_| {});
        assert!(onnx(&model, &ImportOptions::default()).unwrap_err().to_string().contains("another file"));
        let whole = self_contained(model, folder.path()).unwrap();
        let graph = |bytes: &[u8]| format!("{:?}", onnx(bytes, &ImportOptions::default()).unwrap());
        assert_eq!(graph(&whole), graph(&bytes_of("torch_lenet")));
    }

    #[test]
    fn what_has_its_weights_inside_or_is_no_model_stays_as_it_is() {
        for bytes in [bytes_of("torch_lenet"), bytes_of("two_inputs"), b"no model".to_vec(), Vec::new()] {
            assert_eq!(self_contained(bytes.clone(), Path::new("nowhere")).unwrap(), bytes);
        }
    }

    #[test]
    fn places_that_are_not_there_are_named() {
        let location =
            |value: &'static str| move |tensor: &mut TensorProto| tensor.external_data[0].value = value.into();
        let refusal = |(model, folder): (Vec<u8>, tempfile::TempDir)| {
            self_contained(model, folder.path()).unwrap_err().to_string()
        };
        assert!(refusal(apart(location("../w.bin"))).contains("not in the model's folder"));
        assert!(refusal(apart(location("/etc/passwd"))).contains("not in the model's folder"));
        assert!(refusal(apart(location("x.bin"))).contains("`x.bin`"));
        assert!(
            refusal(apart(|tensor| tensor.external_data[2].value = "1000000000".into())).contains("is it complete?")
        );
        assert!(refusal(apart(|tensor| tensor.external_data[1].value = u64::MAX.to_string())).contains("ends after 0"));
        assert!(refusal(apart(|tensor| tensor.external_data[1].value = "-1".into())).contains("no number"));
        assert!(refusal(apart(|tensor| drop(tensor.external_data.remove(0)))).contains("not named"));
    }
}
