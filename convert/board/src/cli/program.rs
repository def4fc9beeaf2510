//! What the commands say of a program's operations and doors.

use lacewing::Model;
use lacewing::format::{DType, Port};
use serde_json::{Value, json};

pub use crate::program::{Step, dtype, lower_bound, macs, read};

/// The operations of a model in their order.
pub fn steps(model: &Model<'_>) -> Vec<Step> {
    read(model).0
}

/// Operations that compute in f32 though the program is int8: the model was converted, but not all of it.
pub fn float_ops(steps: &[Step]) -> Vec<&Step> {
    let float = |step: &&Step| step.op.ends_with("F32");
    if steps.iter().all(|step| float(&step)) { Vec::new() } else { steps.iter().filter(float).collect() }
}

/// An input or an output for programs.
pub fn port_json(port: &Port<'_>) -> Value {
    let integers = matches!(port.tensor.dtype(), Some(DType::I8 | DType::I16));
    json!({
        "name": port.name(),
        "shape": port.shape(),
        "dtype": dtype(&port.tensor),
        "scale": integers.then_some(port.scale),
        "zero_point": integers.then_some(port.zero),
        "offset": port.tensor.offset,
        "lines": (port.tensor.lines > 0).then_some(port.tensor.lines),
    })
}
