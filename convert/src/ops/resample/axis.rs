//! Where the elements of a resized axis come from: ONNX's equations, for one axis.

use std::collections::BTreeMap;

use crate::error::ConvertError;
use crate::graph::Resampling;
use crate::import::OnnxNode;

/// One axis of the tensor.
pub(super) struct Axis {
    /// Its size.
    pub(super) from: usize,
    /// Its size afterwards.
    pub(super) to: usize,
    /// How many times as many elements, before rounding to a whole number.
    pub(super) scale: f64,
    /// The part that `tf_crop_and_resize` takes, as shares of the axis.
    pub(super) roi: [f64; 2],
}

impl Axis {
    /// An axis that stays as it is.
    pub(super) fn whole(n: usize) -> Self {
        Self { from: n, to: n, scale: 1.0, roi: [0.0, 1.0] }
    }

    fn stays(&self) -> bool {
        self.to == self.from && self.scale == 1.0 && self.roi == [0.0, 1.0]
    }
}

enum Mode {
    Nearest,
    Linear,
    Cubic { a: f64 },
}

/// How all axes are resized.
pub(super) struct Resize<'a> {
    mode: Mode,
    coordinates: &'a str,
    nearest: &'a str,
    antialias: bool,
    exclude_outside: bool,
}

impl<'a> Resize<'a> {
    pub(super) fn read(node: &OnnxNode<'a>) -> Result<Self, ConvertError> {
        let mode = match node.string("mode") {
            "" | "nearest" => Mode::Nearest,
            "linear" | "bilinear" => Mode::Linear,
            "cubic" => Mode::Cubic { a: f64::from(node.float("cubic_coeff_a", -0.75)?) },
            other => return Err(node.error(format!("mode `{other}` does not exist"))),
        };
        let old = node.op() == "Upsample" || node.opset <= 10;
        let (mut coordinates, mut nearest) =
            (node.string("coordinate_transformation_mode"), node.string("nearest_mode"));
        if old {
            (coordinates, nearest) = ("asymmetric", "outwards");
        }
        let (antialias, exclude_outside) = (node.flag("antialias"), node.flag("exclude_outside"));
        Ok(Self { mode, coordinates, nearest, antialias, exclude_outside })
    }

    /// The neighbors of every element and their weights.
    pub(super) fn table(&self, node: &OnnxNode<'_>, axis: &Axis) -> Result<Resampling, ConvertError> {
        if axis.stays() {
            return Ok(Resampling { first: (0..axis.from).collect(), taps: 1, weights: vec![1.0; axis.from] });
        }
        let mut rows = Vec::with_capacity(axis.to);
        for j in 0..axis.to {
            let x = self.coordinate(j, axis).ok_or_else(|| {
                node.error(format!("coordinate_transformation_mode `{}` does not exist", self.coordinates))
            })?;
            rows.push(self.neighbors(node, x, axis)?);
        }
        Ok(tabulated(&rows, axis.from))
    }

    /// Which elements take the value for what is outside, where the mode has such elements.
    pub(super) fn outside(&self, axis: &Axis) -> Vec<bool> {
        let outside = |j| self.coordinate(j, axis).is_some_and(|x| x < 0.0 || x > (axis.from - 1) as f64);
        (0..axis.to).map(|j| self.coordinates == "tf_crop_and_resize" && outside(j)).collect()
    }

    /// Where element `j` lies in the original.
    fn coordinate(&self, j: usize, axis: &Axis) -> Option<f64> {
        let (j, scale, n, m) = (j as f64, axis.scale, axis.from as f64, axis.to as f64);
        let half_pixel = (j + 0.5) / scale - 0.5;
        Some(match self.coordinates {
            "" | "half_pixel" => half_pixel,
            "pytorch_half_pixel" if axis.to > 1 => half_pixel,
            "pytorch_half_pixel" => 0.0,
            "align_corners" if scale * n == 1.0 => 0.0,
            "align_corners" => j * (n - 1.0) / (scale * n - 1.0),
            "asymmetric" => j / scale,
            "half_pixel_symmetric" => n / 2.0 * (1.0 - m / (scale * n)) + half_pixel,
            "tf_crop_and_resize" => {
                let [start, end] = axis.roi;
                match axis.to {
                    1 => 0.5 * (start + end) * (n - 1.0),
                    _ => start * (n - 1.0) + j * (end - start) * (n - 1.0) / (m - 1.0),
                }
            }
            _ => return None,
        })
    }

    /// Weights by place, which add up to 1.
    fn neighbors(&self, node: &OnnxNode<'_>, x: f64, axis: &Axis) -> Result<BTreeMap<usize, f64>, ConvertError> {
        let (base, last) = (x.floor(), axis.from as i64 - 1);
        let taps = match self.mode {
            Mode::Nearest => vec![(self.rounded(node, x, axis.scale)?, 1.0)],
            _ => self.taps(x - base, axis.scale).map(|(t, w)| (base as i64 + t, w)).collect(),
        };
        let inside = |i: i64| !self.exclude_outside || (0..=last).contains(&i) || matches!(self.mode, Mode::Nearest);
        let mut row = BTreeMap::new();
        for (i, w) in taps.into_iter().filter(|(i, w)| inside(*i) && *w != 0.0) {
            *row.entry(i.clamp(0, last) as usize).or_insert(0.0) += w;
        }
        let sum: f64 = row.values().sum();
        match sum == 0.0 {
            true => Err(node.error("has an element without neighbors inside")),
            false => Ok(row.into_iter().map(|(i, w)| (i, w / sum)).collect()),
        }
    }

    /// Taps from the place at or before the coordinate on, and their weights; `ratio` is how far behind it the coordinate is.
    fn taps(&self, ratio: f64, scale: f64) -> impl Iterator<Item = (i64, f64)> {
        let scale = if self.antialias { scale.min(1.0) } else { 1.0 };
        let reach = match self.mode {
            Mode::Cubic { .. } => 2.0,
            _ => 1.0,
        };
        let start = (-reach / scale).floor() as i64 + 1;
        (start..=1 - start).map(move |t| (t, self.weight(((t as f64 - ratio) * scale).abs())))
    }

    fn weight(&self, x: f64) -> f64 {
        match self.mode {
            Mode::Cubic { a } if x <= 1.0 => ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0,
            Mode::Cubic { a } if x < 2.0 => ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a,
            Mode::Cubic { .. } => 0.0,
            _ => (1.0 - x).max(0.0),
        }
    }

    /// `outwards` is what onnxruntime does for opset 10, which does not say: up where there are fewer elements, else down.
    fn rounded(&self, node: &OnnxNode<'_>, x: f64, scale: f64) -> Result<i64, ConvertError> {
        match self.nearest {
            "outwards" if scale < 1.0 => Ok(x.ceil() as i64),
            "outwards" => Ok(x.floor() as i64),
            "" | "round_prefer_floor" => Ok((x - 0.5).ceil() as i64),
            "round_prefer_ceil" => Ok((x + 0.5).floor() as i64),
            "floor" => Ok(x.floor() as i64),
            "ceil" => Ok(x.ceil() as i64),
            other => Err(node.error(format!("nearest_mode `{other}` does not exist"))),
        }
    }
}

/// Rows of weights by place as rows of equal length.
fn tabulated(rows: &[BTreeMap<usize, f64>], n: usize) -> Resampling {
    let ends = |row: &BTreeMap<usize, f64>| {
        let first = row.keys().next().copied().unwrap_or(0);
        (first, row.keys().last().map_or(1, |last| last - first + 1))
    };
    let taps = rows.iter().map(|row| ends(row).1).max().unwrap_or(1);
    let first: Vec<usize> = rows.iter().map(|row| ends(row).0.min(n - taps)).collect();
    let weight = |row: &BTreeMap<usize, f64>, i: usize| row.get(&i).map_or(0.0, |w| *w as f32);
    let weights = rows.iter().zip(&first).flat_map(|(row, first)| (*first..first + taps).map(|i| weight(row, i)));
    Resampling { weights: weights.collect(), first, taps }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_weights_end_at_the_last_element() {
        let rows = [BTreeMap::from([(0, 0.25), (1, 0.75)]), BTreeMap::from([(2, 1.0)])];
        let table = tabulated(&rows, 3);
        assert_eq!((table.first, table.taps, table.weights), (vec![0, 1], 2, vec![0.25, 0.75, 0.0, 1.0]));
    }
}
