//! Metadata: what people and tools want to know of a model, and the device does not need to run it.
//!
//! A sequence of items, each a varint length and its postcard bytes, so that a reader skips those it does not know.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::preprocessing::Preprocessing;

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
    /// What becomes of a recording before it is the model's input.
    Preprocessing(Preprocessing),
    /// How the file was made from its source.
    Conversion {
        /// The options of the conversion, as its command takes them.
        options: String,
        /// Number of calibration samples.
        samples: u32,
        /// SHA-256 of their numbers: f32, little-endian, row-major, input by input and sample by sample.
        sha256: [u8; 32],
    },
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
    use crate::format::preprocessing::{Image, Mel, Normalize, Sound, Spectrum, Taper};

    #[test]
    fn preprocessing_is_read_back_whatever_its_defaults() {
        let (taper, spectrum) = (Taper::Hamming, Spectrum::Power);
        let mel = Mel {
            window: 480,
            stride: 320,
            fft: 512,
            taper,
            spectrum,
            bins: 40,
            low: 20.0,
            high: 4e3,
            offset: 1e-6,
            floor: 0.0,
            mfcc: Some(10),
        };
        let sound =
            Sound { rate: 16000, clip: 16000, normalize: Normalize::Peak, mel: Some(mel), mean: 0.0, scale: 1.0 };
        let items = [Preprocessing::Image(Image::default()), Preprocessing::Sound(sound)].map(Item::Preprocessing);
        assert_eq!(read(&write(&items)), items);
        let bytes = write(&items[1..]);
        assert_eq!(read(&bytes[..bytes.len() - 1]), [], "no field is left to a default");
    }

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
