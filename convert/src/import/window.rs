//! Windows of convolutions and pools from their attributes.

use super::OnnxNode;
use crate::error::ConvertError;
use crate::graph::Window;

/// The windows of a node over one, two or three spatial axes.
pub(crate) struct Windows {
    /// Over rows and columns; one axis is a row.
    pub(crate) plane: Windowed,
    /// Over the first of three axes, as rows of one column.
    pub(crate) depth: Option<Windowed>,
}

/// A window and what `ceil_mode` adds to it.
#[derive(Default)]
pub(crate) struct Windowed {
    /// The window. Padding that no window touches is left out; padding at the end includes the overhang.
    pub(crate) window: Window,
    /// Declared padding at the end of each axis, as far as windows touch it.
    pub(crate) declared: [usize; 2],
    /// Whether windows reach beyond the declared padding.
    pub(crate) overhang: bool,
}

/// Reads strides, dilations, pads, `auto_pad` and `ceil_mode` for a kernel over the axes `spatial`: columns, rows and columns, or depth
/// before them.
pub(crate) fn read(node: &OnnxNode<'_>, spatial: &[usize], kernel: &[usize]) -> Result<Windows, ConvertError> {
    let rank = spatial.len();
    if !(1..=3).contains(&rank) || kernel.len() != rank {
        let reason = format!("a kernel {kernel:?} over {rank} spatial axes is not supported; over one to three it is");
        return Err(node.error(reason));
    }
    let strides = list(node, "strides", 1, vec![1; rank])?;
    let dilations = list(node, "dilations", 1, vec![1; rank])?;
    let pads = list(node, "pads", 0, vec![0; 2 * rank])?;
    let (mut plane, mut depth) = (Windowed::default(), (rank == 3).then(Windowed::default));
    for i in 0..rank {
        let reach = dilations[i] * (kernel[i].max(1) - 1) + 1;
        let axis = Axis { size: spatial[i], reach, stride: strides[i], before: pads[i], after: pads[rank + i] };
        match &mut depth {
            Some(depth) if i == 0 => depth.set(node, 0, &axis, [kernel[i], dilations[i]])?,
            _ => plane.set(node, i + 2 - rank, &axis, [kernel[i], dilations[i]])?,
        }
    }
    Ok(Windows { plane, depth })
}

impl Windowed {
    /// Makes one axis of the window.
    fn set(
        &mut self,
        node: &OnnxNode<'_>,
        at: usize,
        axis: &Axis,
        [kernel, dilation]: [usize; 2],
    ) -> Result<(), ConvertError> {
        let (before, outputs, declared) = axis.resolve(node)?;
        let needed = ((outputs - 1) * axis.stride + axis.reach).saturating_sub(axis.size + before);
        let window = &mut self.window;
        (window.kernel[at], window.strides[at], window.dilations[at]) = (kernel, axis.stride, dilation);
        (window.pads[at], window.pads[at + 2]) = (before, needed);
        self.declared[at] = declared.min(needed);
        self.overhang |= needed > declared;
        Ok(())
    }
}

/// An attribute with one entry for each of as many axes as `default` has.
pub(crate) fn list(
    node: &OnnxNode<'_>,
    name: &str,
    least: usize,
    default: Vec<usize>,
) -> Result<Vec<usize>, ConvertError> {
    match node.sizes(name, least)? {
        None => Ok(default),
        Some(found) if found.is_empty() => Ok(default),
        Some(found) if found.len() == default.len() => Ok(found),
        Some(found) => Err(node.error(format!("attribute `{name}` = {found:?} needs {} entries", default.len()))),
    }
}

struct Axis {
    size: usize,
    reach: usize,
    stride: usize,
    before: usize,
    after: usize,
}

impl Axis {
    /// `(padding before, number of outputs, declared padding after)`.
    fn resolve(&self, node: &OnnxNode<'_>) -> Result<(usize, usize, usize), ConvertError> {
        let outputs = self.size.div_ceil(self.stride);
        let missing = ((outputs - 1) * self.stride + self.reach).saturating_sub(self.size);
        match node.string("auto_pad") {
            "SAME_UPPER" => Ok((missing / 2, outputs, missing - missing / 2)),
            "SAME_LOWER" => Ok((missing - missing / 2, outputs, missing / 2)),
            "VALID" => Ok((0, self.count(node, 0, 0)?, 0)),
            "" | "NOTSET" => Ok((self.before, self.count(node, self.before, self.after)?, self.after)),
            other => Err(node.error(format!("auto_pad `{other}` does not exist"))),
        }
    }

    /// The number of windows; with `ceil_mode` the last may hang over, but must begin inside.
    fn count(&self, node: &OnnxNode<'_>, before: usize, after: usize) -> Result<usize, ConvertError> {
        let padded = self.size + before + after;
        let Some(rest) = padded.checked_sub(self.reach) else {
            return Err(node.error(format!("its kernel reaches over {} of {padded} padded elements", self.reach)));
        };
        if !node.flag("ceil_mode") {
            return Ok(rest / self.stride + 1);
        }
        let outputs = rest.div_ceil(self.stride) + 1;
        Ok(if (outputs - 1) * self.stride >= self.size + before { outputs - 1 } else { outputs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tract_onnx::pb::{AttributeProto, NodeProto};

    fn windowed(size: usize, kernel: usize, attributes: &[(&str, &[i64])], auto_pad: &str) -> Windowed {
        let mut pb = NodeProto::default();
        for (name, ints) in attributes {
            let i = ints.first().copied().unwrap_or(0);
            pb.attribute.push(AttributeProto { name: name.to_string(), ints: ints.to_vec(), i, ..Default::default() });
        }
        let s = auto_pad.as_bytes().to_vec();
        pb.attribute.push(AttributeProto { name: "auto_pad".into(), s, ..Default::default() });
        read(&OnnxNode { pb: &pb, index: 0, opset: 13 }, &[size], &[kernel]).unwrap().plane
    }

    #[test]
    fn same_padding_is_split_with_the_odd_one_where_it_belongs() {
        let upper = windowed(5, 4, &[], "SAME_UPPER").window;
        assert_eq!((upper.pads, upper.kernel), ([0, 1, 0, 2], [1, 4]));
        assert_eq!(windowed(5, 4, &[], "SAME_LOWER").window.pads, [0, 2, 0, 1]);
        assert_eq!(windowed(6, 3, &[("strides", &[2])], "SAME_UPPER").window.pads, [0, 0, 0, 1]);
    }

    #[test]
    fn padding_that_no_window_touches_is_left_out() {
        let even = windowed(6, 3, &[("strides", &[2]), ("pads", &[1, 1])], "");
        assert_eq!(even.window.pads, [0, 1, 0, 0]);
        assert!(!even.overhang);
    }

    #[test]
    fn ceil_mode_hangs_over_but_begins_inside() {
        let over = windowed(6, 3, &[("strides", &[2]), ("ceil_mode", &[1])], "");
        assert_eq!((over.window.pads, over.overhang), ([0, 0, 0, 1], true));
        let inside = windowed(5, 1, &[("strides", &[4]), ("pads", &[0, 3]), ("ceil_mode", &[1])], "");
        assert_eq!(inside.window.pads, [0; 4]);
    }
}
