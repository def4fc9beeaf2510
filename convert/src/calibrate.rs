//! Ranges of every value: the float program runs over samples, on the runtime itself.
//!
//! One pass finds the extremes of each value. The choices that look closer count in a second pass how often which numbers occur, in 2,048
//! bins for each value, whatever the number of samples. What looks closest, in `outputs`, tries ranges on the model's outputs.

mod histogram;
mod outputs;

use histogram::Histogram;
use lacewing_numeric::extremes;

use crate::error::ConvertError;
use crate::graph::{Graph, ValueId};
use crate::parallel;
use crate::reference::FloatProgram;
use crate::{Sample, Stage, Step};

/// How the range of a value is chosen from the numbers that calibration sees. Every range includes 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Calibrator {
    /// The extremes.
    MinMax,
    /// What lies inside for that many of a hundred numbers, the rest shared by both sides; 0 to 100.
    Percentile(f64),
    /// The least mean squared error of int8; for inputs of the model the extremes, unless it is clearly less.
    Mse,
    /// The least Kullback-Leibler divergence of int8.
    Kl,
    /// [`Calibrator::Mse`], cut further where rounding that value to int8 then leaves clearly less error at the model's outputs, by trial
    /// on the samples. Models with states, and those that are too large to be tried, stay as they are.
    #[default]
    Outputs,
}

impl Calibrator {
    /// The name that options have.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MinMax => "minmax",
            Self::Percentile(_) => "percentile",
            Self::Mse => "mse",
            Self::Kl => "kl",
            Self::Outputs => "outputs",
        }
    }

    /// Passes over the samples.
    #[must_use]
    pub const fn passes(self) -> usize {
        match self {
            Self::MinMax => 1,
            Self::Percentile(_) | Self::Mse | Self::Kl | Self::Outputs => 2,
        }
    }

    /// The range of what a histogram holds of an input of the model or of another value.
    fn range(self, histogram: &Histogram, is_input: bool) -> Option<(f32, f32)> {
        match self {
            Self::MinMax => None,
            Self::Percentile(percent) => Some(histogram.percentile(percent)),
            Self::Mse | Self::Outputs if is_input => Some(histogram.clearly_least_squares()),
            Self::Mse | Self::Outputs => Some(histogram.least_squares()),
            Self::Kl => Some(histogram.least_divergence()),
        }
    }
}

/// The range of the real numbers of each value, 0 included: the extremes, and what was chosen from them for int8.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranges {
    extremes: Vec<Option<(f32, f32)>>,
    /// `None` where the extremes are to be had.
    chosen: Vec<Option<(f32, f32)>>,
}

impl Ranges {
    /// Ranges of the constants, and nothing seen yet of the others.
    pub(crate) fn new(graph: &Graph) -> Self {
        let none = vec![None; graph.values.len()];
        let mut ranges = Self { extremes: none.clone(), chosen: none };
        for (id, value) in graph.values.iter().enumerate() {
            if let Some(constant) = &value.constant {
                ranges.see(ValueId(id), &constant.iter().copied().collect::<Vec<f32>>());
            }
        }
        ranges
    }

    /// As if every value that is no constant had been seen between -1 and 1.
    pub(crate) fn made_up(graph: &Graph) -> Self {
        let mut ranges = Self::new(graph);
        ranges.extremes.iter_mut().for_each(|range| *range = range.or(Some((-1.0, 1.0))));
        ranges
    }

    /// Smallest and largest number of a value, if it was seen. int16, with steps to spare, holds them all.
    #[must_use]
    pub fn extremes(&self, value: ValueId) -> Option<(f32, f32)> {
        self.extremes[value.0]
    }

    /// The range for int8 of a value, if it was seen.
    #[must_use]
    pub fn int8(&self, value: ValueId) -> Option<(f32, f32)> {
        self.chosen[value.0].or(self.extremes(value))
    }

    fn include(&mut self, other: &Ranges) {
        for (id, range) in other.extremes.iter().enumerate() {
            if let Some((lo, hi)) = range {
                self.see(ValueId(id), &[*lo, *hi]);
            }
        }
    }

    fn see(&mut self, value: ValueId, numbers: &[f32]) {
        let range = self.extremes[value.0].get_or_insert((0.0, 0.0));
        *range = extremes(numbers, *range);
    }
}

/// Runs the float program of `graph` on every sample and chooses the range of every value.
///
/// `progress` is called after each sample of each pass, and after each value whose range was tried.
///
/// # Errors
/// [`ConvertError`] if the graph cannot be encoded, a sample does not fit, or a value is not finite.
pub fn calibrate(
    graph: &Graph,
    samples: &[Sample],
    calibrator: Calibrator,
    mut progress: impl FnMut(Step),
) -> Result<Ranges, ConvertError> {
    let program = FloatProgram::new(graph)?;
    let mut ranges = Ranges::new(graph);
    let of = samples.len() * calibrator.passes();
    let mut step = || progress(Step { stage: Stage::Calibrate, of });
    let see = |ranges: &mut Ranges, value, numbers: &[f32]| ranges.see(value, numbers);
    for seen in pass((graph, &program), samples, ranges.clone(), see, &mut step)? {
        ranges.include(&seen);
    }
    copy_aliases(graph, &mut ranges);
    check_finite(graph, &ranges)?;
    if calibrator.passes() > 1 {
        ranges.chosen = closer((graph, &program), samples, calibrator, &ranges, &mut step)?;
        copy_aliases(graph, &mut ranges);
    }
    if calibrator == Calibrator::Outputs {
        outputs::cut(graph, samples, &mut ranges, |of| progress(Step { stage: Stage::Cut, of }))?;
    }
    Ok(ranges)
}

/// Runs every sample and shows every value to one collection for each thread.
pub(crate) fn pass<C: Clone + Send>(
    (graph, program): (&Graph, &FloatProgram),
    samples: &[Sample],
    empty: C,
    see: impl Fn(&mut C, ValueId, &[f32]) + Sync,
    progress: &mut impl FnMut(),
) -> Result<Vec<C>, ConvertError> {
    let mut workers = parallel::workers((program.clone(), empty), !graph.states.is_empty());
    let work = |(program, seen): &mut (FloatProgram, C), sample: &Sample| {
        program.run(graph, sample, |value, numbers| see(seen, value, &numbers))
    };
    parallel::each(&mut workers, samples, work, |()| {
        progress();
        Ok(())
    })?;
    Ok(workers.into_iter().map(|(_, seen)| seen).collect())
}

/// What is chosen in a second pass, between the extremes of the first; nothing of constants and of what a state starts from.
fn closer(
    (graph, program): (&Graph, &FloatProgram),
    samples: &[Sample],
    calibrator: Calibrator,
    ranges: &Ranges,
    progress: &mut impl FnMut(),
) -> Result<Vec<Option<(f32, f32)>>, ConvertError> {
    let mut seen = vec![false; graph.values.len()];
    graph.inputs.iter().for_each(|input| seen[input.0] = true);
    graph.nodes.iter().for_each(|node| seen[node.outputs[0].0] = true);
    let histogram = |(range, seen): (&Option<_>, &bool)| range.filter(|_| *seen).map(Histogram::new);
    let empty: Vec<Option<Histogram>> = ranges.extremes.iter().zip(&seen).map(histogram).collect();
    let see = |seen: &mut Vec<Option<Histogram>>, value: ValueId, numbers: &[f32]| {
        seen[value.0].iter_mut().for_each(|histogram| histogram.see(numbers));
    };
    let mut parts = pass((graph, program), samples, empty, see, progress)?.into_iter();
    let mut whole = parts.next().unwrap_or_default();
    for part in parts {
        let both = whole.iter_mut().zip(&part).filter_map(|(whole, part)| whole.as_mut().zip(part.as_ref()));
        both.for_each(|(whole, part)| whole.include(part));
    }
    let is_input = |id: usize| graph.inputs.contains(&ValueId(id));
    let range = |(id, histogram): (usize, &Option<Histogram>)| calibrator.range(histogram.as_ref()?, is_input(id));
    Ok(whole.iter().enumerate().map(range).collect())
}

/// A reshape runs nothing: its output has the range of its input.
fn copy_aliases(graph: &Graph, ranges: &mut Ranges) {
    for node in graph.nodes.iter().filter(|node| node.op == crate::graph::Op::Reshape) {
        let (from, to) = (node.inputs[0].0, node.outputs[0].0);
        (ranges.extremes[to], ranges.chosen[to]) = (ranges.extremes[from], ranges.chosen[from]);
    }
}

fn check_finite(graph: &Graph, ranges: &Ranges) -> Result<(), ConvertError> {
    for node in &graph.nodes {
        let (lo, hi) = ranges.extremes(node.outputs[0]).unwrap_or_default();
        if !(lo.is_finite() && hi.is_finite()) {
            return Err(ConvertError::Calibration {
                node: node.name.clone(),
                reason: format!("its output reaches {lo}..{hi} on the calibration data; int8 needs finite values"),
            });
        }
    }
    Ok(())
}
