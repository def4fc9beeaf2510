//! From the graph as imported to the graph that is quantized and written.
//!
//! Each pass takes a graph and returns a graph that computes the same outputs, up to float rounding.
//! [`PASSES`] is the order. [`Graph::check`] runs before the first and after each.

mod affine;
mod batch_norm;
mod clamp;
mod dead;
mod edit;
mod identities;
mod joins;
mod lines;
mod magnitudes;
mod nhwc;
mod normalizations;
mod pads;
mod patterns;
mod prefixes;
mod reshapes;
mod unsigned;

use crate::error::ConvertError;
use crate::graph::Graph;

/// What the user wants of the simplified graph.
#[derive(Clone, Debug, Default)]
pub struct SimplifyOptions {
    /// Rank-4 inputs are channels-last at the door, and the transposition in front of the network is dropped.
    /// An input that the model itself transposes from channels-last is left as it is.
    pub input_layout_nhwc: bool,
    /// Stops after the pass of that name, to find the one that goes wrong.
    pub stop_after: Option<String>,
}

/// A pass.
type Pass = fn(Graph, &SimplifyOptions) -> Graph;

/// The passes in their order.
pub const PASSES: [(&str, Pass); 17] = [
    ("unsigned", unsigned::run),
    ("identities", identities::run),
    ("patterns", patterns::run),
    ("normalizations", normalizations::run),
    ("magnitudes", magnitudes::run),
    ("lines", lines::run),
    ("nhwc", nhwc::run),
    ("dead", dead::run),
    ("reshapes", reshapes::run),
    ("identities", identities::run),
    ("pads", pads::run),
    ("affine", affine::run),
    ("batch_norm", batch_norm::run),
    ("clamp", clamp::run),
    ("prefixes", prefixes::run),
    ("joins", joins::run),
    ("dead", dead::run),
];

/// Fuses, drops and lays out channels-last.
///
/// # Errors
/// If a pass leaves the graph inconsistent, which is a defect of the pass.
pub fn simplify(graph: Graph, options: &SimplifyOptions) -> Result<Graph, ConvertError> {
    check("import", &graph)?;
    let mut graph = graph;
    for (name, pass) in PASSES {
        graph = pass(graph, options);
        check(name, &graph)?;
        if options.stop_after.as_deref() == Some(name) {
            break;
        }
    }
    Ok(graph)
}

fn check(pass: &'static str, graph: &Graph) -> Result<(), ConvertError> {
    graph.check().map_err(|reason| ConvertError::Pass { pass, reason })
}

#[cfg(test)]
pub(crate) mod tests;
