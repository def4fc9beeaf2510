//! The neighbors of one point of a picture: ONNX's equations.

use crate::error::ConvertError;
use crate::import::OnnxNode;

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Nearest,
    Linear,
    Cubic,
}

#[derive(Clone, Copy, PartialEq)]
enum Padding {
    Zeros,
    Border,
    Reflection,
}

/// How points are sampled.
pub(super) struct Sampler {
    mode: Mode,
    padding: Padding,
    align_corners: bool,
    /// Sizes of the picture's axes.
    size: Vec<usize>,
}

impl Sampler {
    pub(super) fn read(node: &OnnxNode<'_>, size: &[usize]) -> Result<Self, ConvertError> {
        let mode = match node.string("mode") {
            "" | "linear" | "bilinear" => Mode::Linear,
            "nearest" => Mode::Nearest,
            "cubic" | "bicubic" => Mode::Cubic,
            other => return Err(node.error(format!("mode `{other}` does not exist"))),
        };
        let padding = match node.string("padding_mode") {
            "" | "zeros" => Padding::Zeros,
            "border" => Padding::Border,
            "reflection" => Padding::Reflection,
            other => return Err(node.error(format!("padding_mode `{other}` does not exist"))),
        };
        Ok(Self { mode, padding, align_corners: node.flag("align_corners"), size: size.to_vec() })
    }

    /// Places in the picture and their weights. A point lists its coordinates from the last axis on, each from −1 to 1.
    pub(super) fn taps(&self, point: &[f32]) -> Vec<(usize, f32)> {
        let mut taps = vec![(0, 1.0)];
        for (n, x) in self.size.iter().zip(point.iter().rev()) {
            let along = self.along(*n, f64::from(*x));
            let join =
                |(place, w): &(usize, f64)| along.iter().map(|(i, v)| (place * n + i, w * v)).collect::<Vec<_>>();
            taps = taps.iter().flat_map(join).collect();
        }
        taps.into_iter().map(|(place, w)| (place, w as f32)).collect()
    }

    /// The taps along one axis of `n` elements.
    fn along(&self, n: usize, x: f64) -> Vec<(usize, f64)> {
        let size = n as f64;
        let x = if self.align_corners { (x + 1.0) / 2.0 * (size - 1.0) } else { ((x + 1.0) * size - 1.0) / 2.0 };
        let x = if self.mode == Mode::Nearest { x.round_ties_even() } else { x };
        let x = match self.padding {
            Padding::Zeros => x,
            Padding::Border => x.clamp(0.0, size - 1.0),
            Padding::Reflection => self.reflected(n, x),
        };
        let (base, ratio) = (x.floor(), x - x.floor());
        let taps = match self.mode {
            Mode::Nearest => vec![(base, 1.0)],
            Mode::Linear => vec![(base, 1.0 - ratio), (base + 1.0, ratio)],
            Mode::Cubic => (-1..=2).map(|t| (base + f64::from(t), cubic((f64::from(t) - ratio).abs()))).collect(),
        };
        taps.into_iter().filter_map(|(at, w)| Some((self.place(n, at)?, w))).collect()
    }

    /// The element that stands for the place `at`; none for zeros.
    fn place(&self, n: usize, at: f64) -> Option<usize> {
        let last = n as f64 - 1.0;
        let at = match self.padding {
            Padding::Zeros => Some(at).filter(|at| (0.0..=last).contains(at))?,
            Padding::Border => at,
            Padding::Reflection => self.reflected(n, at),
        };
        Some(at.clamp(0.0, last) as usize)
    }

    /// The place mirrored at both borders until it lies between them.
    fn reflected(&self, n: usize, at: f64) -> f64 {
        let (lo, range) = if self.align_corners { (0.0, n as f64 - 1.0) } else { (-0.5, n as f64) };
        if range <= 0.0 {
            return 0.0;
        }
        let away = (at - lo).rem_euclid(2.0 * range);
        lo + if away > range { 2.0 * range - away } else { away }
    }
}

/// Keys's kernel with a = −0.75.
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.75;
    match x {
        _ if x <= 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        _ if x < 2.0 => ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A,
        _ => 0.0,
    }
}
