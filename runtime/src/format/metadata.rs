//! Metadata: what people and tools want to know of a model, and the device does not need to run it.
//!
//! A sequence of items, each a varint length and its postcard bytes, so that a reader skips those it does not know.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// One piece of metadata. Variants are numbered in the file by their order: add at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Item {
    /// Name and version of the program that wrote the file.
    Producer(String),
    /// The model that the file was made from.
    Source {
        /// The model's own name, or its file's.
        name: String,
        /// SHA-256 of the source file.
        sha256: [u8; 32],
    },
    /// Where each record came from, in the order of the program.
    Layers(Vec<Layer>),
    /// Names of the classes, in the order of the output.
    Labels(Vec<String>),
}

/// The origin of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Name of the node.
    pub name: String,
    /// Scale and zero point of its int8 or int16 output, as `(f32 bits, zero)`; `None` for other types.
    pub output: Option<(u32, i8)>,
}

impl Layer {
    /// A layer whose output is `scale · (q − zero)`.
    #[must_use]
    pub fn new(name: String, output: Option<(f32, i8)>) -> Self {
        Self { name, output: output.map(|(scale, zero)| (scale.to_bits(), zero)) }
    }

    /// Scale and zero point of the output.
    #[must_use]
    pub fn quantization(&self) -> Option<(f32, i8)> {
        self.output.map(|(bits, zero)| (f32::from_bits(bits), zero))
    }
}

/// The bytes of a metadata section.
#[must_use]
pub fn write(items: &[Item]) -> Vec<u8> {
    let encode = |item| postcard::to_allocvec::<Item>(item).and_then(|item| postcard::to_allocvec(&item));
    items.iter().filter_map(|item| encode(item).ok()).flatten().collect()
}

/// The items that this version knows.
#[must_use]
pub fn read(mut bytes: &[u8]) -> Vec<Item> {
    let mut items = Vec::new();
    while let Ok((item, rest)) = postcard::take_from_bytes::<&[u8]>(bytes) {
        items.extend(postcard::from_bytes::<Item>(item).ok());
        bytes = rest;
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_items_are_skipped() {
        let known = Item::Producer("lacewing".into());
        let layers = Item::Layers(alloc::vec![Layer::new("conv".into(), Some((0.5, -3)))]);
        let mut bytes = write(core::slice::from_ref(&known));
        bytes.extend([2, 120, 7]);
        bytes.extend(write(core::slice::from_ref(&layers)));
        assert_eq!(read(&bytes), [known, layers]);
        assert_eq!(read(&[200, 200]), []);
    }
}
