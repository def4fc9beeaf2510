//! An ONNX node: its attributes and where its errors point.

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto};

use crate::error::ConvertError;

/// One node of the protobuf.
#[derive(Clone, Copy)]
pub(crate) struct OnnxNode<'a> {
    /// The protobuf's node.
    pub(crate) pb: &'a NodeProto,
    /// Its position, for nodes without a name.
    pub(crate) index: usize,
    /// Version of the operator set.
    pub(crate) opset: i64,
}

impl<'a> OnnxNode<'a> {
    /// The node's name, or `op_index` where it has none.
    pub(crate) fn name(&self) -> String {
        match self.pb.name.as_str() {
            "" => format!("{}_{}", self.pb.op_type, self.index),
            name => name.to_string(),
        }
    }

    /// The operator.
    pub(crate) fn op(&self) -> &'a str {
        &self.pb.op_type
    }

    /// An error at this node. `reason` says what is wrong and what to do.
    pub(crate) fn error(&self, reason: impl Into<String>) -> ConvertError {
        ConvertError::Node { op: self.pb.op_type.clone(), node: self.name(), reason: reason.into() }
    }

    /// Name of input `i`, if the node has it.
    pub(crate) fn input(&self, i: usize) -> Option<&'a str> {
        self.pb.input.get(i).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// Name of input `i`.
    pub(crate) fn required(&self, i: usize) -> Result<&'a str, ConvertError> {
        self.input(i).ok_or_else(|| self.error(format!("input {i} is missing")))
    }

    /// Name of output `i`, empty if nothing reads it.
    pub(crate) fn output(&self, i: usize) -> &'a str {
        self.pb.output.get(i).map_or("", String::as_str)
    }

    fn attribute(&self, name: &str) -> Option<&'a AttributeProto> {
        self.pb.attribute.iter().find(|a| a.name == name)
    }

    /// Refuses attributes that hold another type than the one that is read from them.
    pub(crate) fn check_attributes(&self) -> Result<(), ConvertError> {
        for attribute in &self.pb.attribute {
            let (name, found) = (attribute.name.as_str(), attribute.r#type);
            if let Some((wanted, words)) = attribute_type(name)
                && ![wanted as i32, AttributeType::Undefined as i32].contains(&found)
            {
                let found = AttributeType::try_from(found).map_or("of an unknown type", |t| t.as_str_name());
                return Err(self.error(format!("attribute `{name}` must be {words}, and is {found}")));
            }
        }
        Ok(())
    }

    /// Whether the node has an attribute of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    /// An integer attribute.
    pub(crate) fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |a| a.i)
    }

    /// An integer attribute that switches something on.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.int(name, 0) != 0
    }

    /// A float attribute, which must be a number.
    pub(crate) fn float(&self, name: &str, default: f32) -> Result<f32, ConvertError> {
        match self.attribute(name).map_or(default, |a| a.f) {
            value if value.is_nan() => Err(self.error(format!("attribute `{name}` is NaN"))),
            value => Ok(value),
        }
    }

    /// A list of integers.
    pub(crate) fn ints(&self, name: &str) -> Option<&'a [i64]> {
        self.attribute(name).map(|a| a.ints.as_slice())
    }

    /// A list of floats.
    pub(crate) fn floats(&self, name: &str) -> Option<&'a [f32]> {
        self.attribute(name).map(|a| a.floats.as_slice())
    }

    /// A list of sizes, each from `least` to 2^24.
    pub(crate) fn sizes(&self, name: &str, least: usize) -> Result<Option<Vec<usize>>, ConvertError> {
        let Some(ints) = self.ints(name) else { return Ok(None) };
        let size = |i: &i64| usize::try_from(*i).ok().filter(|s| (least..=1 << 24).contains(s));
        let sizes: Option<Vec<usize>> = ints.iter().map(size).collect();
        match sizes {
            Some(sizes) => Ok(Some(sizes)),
            None => Err(self.error(format!("attribute `{name}` = {ints:?} is not supported"))),
        }
    }

    /// A list of strings, empty if absent.
    pub(crate) fn strings(&self, name: &str) -> Vec<&'a str> {
        let strings = self.attribute(name).map_or(&[][..], |a| &a.strings);
        strings.iter().map(|s| std::str::from_utf8(s).unwrap_or("")).collect()
    }

    /// A graph, if the attribute holds one.
    pub(crate) fn graph(&self, name: &str) -> Option<&'a GraphProto> {
        self.attribute(name)?.g.as_ref()
    }

    /// A string attribute, empty if absent.
    pub(crate) fn string(&self, name: &str) -> &'a str {
        self.attribute(name).and_then(|a| std::str::from_utf8(&a.s).ok()).unwrap_or("")
    }

    /// An axis in `0..rank`, where a negative one counts from the end.
    pub(crate) fn axis(&self, axis: i64, rank: usize) -> Result<usize, ConvertError> {
        let from_start = if axis < 0 { axis.checked_add_unsigned(rank as u64).unwrap_or(-1) } else { axis };
        let found = usize::try_from(from_start).ok().filter(|a| *a < rank);
        found.ok_or_else(|| self.error(format!("axis {axis} does not exist in rank {rank}")))
    }

    /// Distinct axes in `0..rank`, ascending.
    pub(crate) fn axes(&self, axes: &[i64], rank: usize) -> Result<Vec<usize>, ConvertError> {
        let mut found: Vec<usize> = axes.iter().map(|a| self.axis(*a, rank)).collect::<Result<_, _>>()?;
        found.sort_unstable();
        match found.windows(2).any(|pair| pair[0] == pair[1]) {
            true => Err(self.error(format!("axes {axes:?} name one axis twice"))),
            false => Ok(found),
        }
    }
}

/// The type of an attribute of that name, which all operators agree on, and its name for people. `None` where they differ, and for
/// those that are not read.
fn attribute_type(name: &str) -> Option<(AttributeType, &'static str)> {
    match name {
        "align_corners"
        | "allowzero"
        | "antialias"
        | "axis"
        | "batch_axis"
        | "batch_dims"
        | "blocksize"
        | "ceil_mode"
        | "count_include_pad"
        | "detect_negative"
        | "detect_positive"
        | "end"
        | "exclude_outside"
        | "fmod"
        | "group"
        | "keepdims"
        | "largest"
        | "noop_with_empty_axes"
        | "select_last_index"
        | "start"
        | "storage_order"
        | "time_axis"
        | "to"
        | "transA"
        | "transB"
        | "upper" => Some((AttributeType::Int, "an integer")),
        "alpha"
        | "beta"
        | "bias"
        | "cubic_coeff_a"
        | "epsilon"
        | "extrapolation_value"
        | "gamma"
        | "lambd"
        | "max"
        | "min" => Some((AttributeType::Float, "a float")),
        "axes" | "dilations" | "ends" | "kernel_shape" | "output_padding" | "output_shape" | "pads" | "perm"
        | "shape" | "split" | "starts" | "strides" => Some((AttributeType::Ints, "a list of integers")),
        "approximate"
        | "auto_pad"
        | "coordinate_transformation_mode"
        | "keep_aspect_ratio_policy"
        | "mode"
        | "nearest_mode"
        | "reduction" => Some((AttributeType::String, "a string")),
        _ => None,
    }
}
