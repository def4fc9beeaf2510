//! Ranges of every value: the float program runs over samples, on the runtime itself.

use crate::Sample;
use crate::error::ConvertError;
use crate::graph::{Graph, ValueId};
use crate::parallel;
use crate::reference::FloatProgram;

/// Smallest and largest real number of each value, 0 included.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranges(Vec<Option<(f32, f32)>>);

impl Ranges {
    /// Ranges of the constants, and nothing seen yet of the others.
    pub(crate) fn new(graph: &Graph) -> Self {
        let mut ranges = Self(vec![None; graph.values.len()]);
        for (id, value) in graph.values.iter().enumerate() {
            if let Some(constant) = &value.constant {
                ranges.see(ValueId(id), constant.iter().copied());
            }
        }
        ranges
    }

    /// As if every value that is no constant had been seen between -1 and 1.
    pub(crate) fn made_up(graph: &Graph) -> Self {
        let Self(ranges) = Self::new(graph);
        Self(ranges.into_iter().map(|range| range.or(Some((-1.0, 1.0)))).collect())
    }

    /// Smallest and largest number of a value, if it was seen.
    #[must_use]
    pub fn get(&self, value: ValueId) -> Option<(f32, f32)> {
        self.0[value.0]
    }

    fn include(&mut self, other: &Ranges) {
        for (id, range) in other.0.iter().enumerate() {
            if let Some((lo, hi)) = range {
                self.see(ValueId(id), [*lo, *hi].into_iter());
            }
        }
    }

    fn see(&mut self, value: ValueId, numbers: impl Iterator<Item = f32>) {
        let range = self.0[value.0].get_or_insert((0.0, 0.0));
        *range = numbers.fold(*range, |(lo, hi), x| match x.is_nan() {
            true => (f32::NEG_INFINITY, f32::INFINITY),
            false => (lo.min(x), hi.max(x)),
        });
    }
}

/// Runs the float program of `graph` on every sample and takes the extremes of every value.
///
/// `progress` is called after each sample.
///
/// # Errors
/// [`ConvertError`] if the graph cannot be encoded, a sample does not fit, or a value is not finite.
pub fn calibrate(graph: &Graph, samples: &[Sample], mut progress: impl FnMut()) -> Result<Ranges, ConvertError> {
    let mut ranges = Ranges::new(graph);
    let mut workers = parallel::workers((FloatProgram::new(graph)?, ranges.clone()), !graph.states.is_empty());
    let work = |(program, ranges): &mut (FloatProgram, Ranges), sample: &Sample| {
        program.run(graph, sample, |value, numbers| ranges.see(value, numbers.into_iter()))
    };
    parallel::each(&mut workers, samples, work, |()| {
        progress();
        Ok(())
    })?;
    workers.iter().for_each(|(_, seen)| ranges.include(seen));
    copy_aliases(graph, &mut ranges);
    check_finite(graph, &ranges)?;
    Ok(ranges)
}

/// A reshape runs nothing: its output has the range of its input.
fn copy_aliases(graph: &Graph, ranges: &mut Ranges) {
    for node in graph.nodes.iter().filter(|node| node.op == crate::graph::Op::Reshape) {
        ranges.0[node.outputs[0].0] = ranges.get(node.inputs[0]);
    }
}

fn check_finite(graph: &Graph, ranges: &Ranges) -> Result<(), ConvertError> {
    for node in &graph.nodes {
        let (lo, hi) = ranges.get(node.outputs[0]).unwrap_or_default();
        if !(lo.is_finite() && hi.is_finite()) {
            return Err(ConvertError::Calibration {
                node: node.name.clone(),
                reason: format!("its output reaches {lo}..{hi} on the calibration data; int8 needs finite values"),
            });
        }
    }
    Ok(())
}
