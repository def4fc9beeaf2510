//! What becomes of an image or a sound before it is a model's input: a device does it to its camera or microphone, the tools to files.
//!
//! Equations are in `FORMAT.md`, "Preprocessing". The names of fields and variants, in lower case, are also the keys and words of the
//! TOML file that the command `lacewing` takes as `--preprocess`; a default is that file's.

use alloc::vec;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// The way from a recording to an input. Variants are numbered in the file by their order: add at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Preprocessing {
    /// Of pixels.
    Image(Image),
    /// Of samples of a microphone.
    Sound(Sound),
}

/// An image is resized, its center is cut out, and each channel is scaled: `real = (pixel − mean) · scale`.
///
/// Pixels are 0..=255; their channels stand where the input's shape has its dimension of 1 or 3.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Image {
    /// Channels and their order. RGB by default.
    pub color: Color,
    /// The size before the center is cut out. The input's own by default.
    pub resize: Resize,
    /// How pixels are weighed. Bilinear by default.
    pub method: Method,
    /// What is taken from pixels: one number, or one for each channel in the order of `color`. 0 by default.
    pub mean: Vec<f32>,
    /// What the difference is multiplied by: one number, or one for each channel. 1 by default.
    pub scale: Vec<f32>,
}

impl Default for Image {
    fn default() -> Self {
        let (color, resize, method) = (Color::default(), Resize::default(), Method::default());
        Self { color, resize, method, mean: vec![0.0], scale: vec![1.0] }
    }
}

/// Channels of an image in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Color {
    /// `0.299·R + 0.587·G + 0.114·B`, not rounded.
    Gray,
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Blue, green, red.
    Bgr,
}

impl Color {
    /// 1 or 3.
    #[must_use]
    pub const fn channels(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::Rgb | Self::Bgr => 3,
        }
    }
}

/// The size of the whole image before its center is cut out. What is left over is `⌊(size − input) / 2⌋` above and to the left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resize {
    /// The input's width and height: nothing is cut.
    #[default]
    Input,
    /// The shorter side gets this many pixels, the longer one `⌊shorter · long / short⌋`.
    Shorter(u32),
    /// This width and height.
    Exact(u32, u32),
}

/// Weights of the pixels that make a new one. Both axes are resized so, one after the other, without rounding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// The two nearest pixels, as `tf.image.resize` and OpenCV's `INTER_LINEAR` have it.
    #[default]
    Bilinear,
    /// Bilinear, widened where the image shrinks, as Pillow and torchvision have it.
    Antialias,
    /// The mean of what the new pixel covers, as OpenCV's `INTER_AREA` has it.
    Area,
}

/// A clip of sound, as samples or as features: `real = (feature − mean) · scale`.
///
/// Samples are −1..1, the mean of the recording's channels. A longer recording is cut at its end, a shorter one gets zeros there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sound {
    /// Samples in a second.
    pub rate: u32,
    /// Samples in a clip.
    pub clip: u32,
    /// What samples are divided by. 1 by default.
    #[serde(default)]
    pub normalize: Normalize,
    /// Features of the clip; without them its samples are the input.
    #[serde(default)]
    pub mel: Option<Mel>,
    /// What is taken from features. 0 by default.
    #[serde(default)]
    pub mean: f32,
    /// What the difference is multiplied by. 1 by default.
    #[serde(default = "one")]
    pub scale: f32,
}

const fn one() -> f32 {
    1.0
}

/// What the samples of a clip are divided by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalize {
    /// Nothing.
    #[default]
    None,
    /// The largest sample, `max(x)` with its sign; a clip without a positive sample stays as it is.
    Peak,
}

/// Energy on the mel scale, frame by frame: `ln(max(m, floor) + offset)`, or its cosine transform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mel {
    /// Samples in a frame.
    pub window: u32,
    /// Samples from one frame to the next. There are `⌊(clip − window) / stride⌋ + 1` frames.
    pub stride: u32,
    /// Length of the Fourier transform, a power of two; frames are filled up with zeros.
    pub fft: u32,
    /// What frames are multiplied by. The periodic Hann window by default.
    #[serde(default)]
    pub taper: Taper,
    /// What of the transform is summed. Its magnitude by default.
    #[serde(default)]
    pub spectrum: Spectrum,
    /// Triangles on the mel scale.
    pub bins: u32,
    /// Where the first triangle begins, in Hz.
    pub low: f32,
    /// Where the last triangle ends, in Hz.
    pub high: f32,
    /// What is added before the logarithm. 0 by default.
    #[serde(default)]
    pub offset: f32,
    /// What energies are raised to before the logarithm. 0 by default.
    #[serde(default)]
    pub floor: f32,
    /// Coefficients of the cosine transform, MFCC; without them the logarithms are the features.
    #[serde(default)]
    pub mfcc: Option<u32>,
}

/// What a frame is multiplied by, sample by sample; W is its length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Taper {
    /// `0.5 − 0.5·cos(2π·n / W)`.
    #[default]
    Hann,
    /// `0.54 − 0.46·cos(2π·n / W)`.
    Hamming,
    /// 1.
    None,
}

/// What of the Fourier transform is summed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Spectrum {
    /// `|X|`.
    #[default]
    Magnitude,
    /// `|X|²`.
    Power,
}
