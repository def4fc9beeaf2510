//! Running a file on the host: real numbers in, real numbers out, every layer to be seen.

use std::collections::HashMap;

use lacewing::format::{DType, Op, Place, Port, Span, Tensor};
use lacewing::owned::Aligned;
use lacewing::{Model, Ran, ReadError, RunError};
use lacewing_targets::{host, pack};
use ndarray::ArrayD;

/// A file and its arena.
#[derive(Clone, Debug)]
pub struct Runner {
    file: Aligned,
    /// The same packed for this machine, if it was written for another.
    packed: Option<Aligned>,
    arena: Aligned,
    ops: Vec<Op>,
}

/// Why a file does not run on these inputs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunnerError {
    /// The file is refused.
    #[error("the model file is refused: {0}")]
    Read(#[from] ReadError),
    /// The program did not run.
    #[error("the model did not run: {0}")]
    Run(#[from] RunError),
    /// Another number of inputs, or of elements of an input.
    #[error("input `{name}` has shape {shape:?}, and {given:?} was given")]
    Input {
        /// The input's name.
        name: String,
        /// Its shape.
        shape: Vec<u32>,
        /// Shape of what was given; empty if nothing was.
        given: Vec<usize>,
    },
}

impl Runner {
    /// Reads the file with every check, and packs it for this machine.
    ///
    /// # Errors
    /// [`RunnerError::Read`].
    pub fn new(file: &[u8]) -> Result<Self, RunnerError> {
        let file = Aligned::from(file);
        let model: Model<'_> = Model::read(&file)?;
        model.verify()?;
        // One that is too large to be packed runs as it is.
        let packed = pack(&model).ok().flatten().map(|packed| Aligned::from(&packed[..]));
        let ops = model.ops().collect();
        let mut runner = Self { file, packed, arena: Aligned::zeroed(0), ops };
        runner.arena = Aligned::zeroed(runner.packed().arena_len());
        runner.reset()?;
        Ok(runner)
    }

    /// Starts a stream anew: gives the model's states their first value.
    ///
    /// # Errors
    /// Never, for a file that `new` accepted.
    pub fn reset(&mut self) -> Result<(), RunnerError> {
        let model: Model<'_> = Model::read(running(&self.file, &self.packed))?;
        Ok(model.reset(&mut self.arena)?)
    }

    /// The model.
    ///
    /// # Panics
    /// Never: the file was read in `new`.
    #[must_use]
    pub fn model(&self) -> Model<'_> {
        Model::read(&self.file).expect("read in new")
    }

    /// The model as this machine runs it: weights in the order of its kernels, and bytes for them to work in.
    ///
    /// # Panics
    /// Never: it was made in `new`.
    #[must_use]
    pub fn packed(&self) -> Model<'_> {
        Model::read(running(&self.file, &self.packed)).expect("made in new")
    }

    /// Whether a run goes on where the last one left it.
    #[must_use]
    pub fn has_states(&self) -> bool {
        self.model().states().next().is_some()
    }

    /// Runs once on real numbers, which pass the int8 doors as on a device, and gives real numbers. A model with state goes on
    /// where the last run left it.
    ///
    /// # Errors
    /// [`RunnerError::Input`] if the elements do not fit the model's inputs.
    pub fn run(&mut self, inputs: &[ArrayD<f32>]) -> Result<Vec<ArrayD<f32>>, RunnerError> {
        self.run_seeing(inputs, &mut |_| {})
    }

    /// As [`Runner::run`], and calls `after(record, output)` with the bytes of its whole output when each record has run.
    ///
    /// # Errors
    /// As [`Runner::run`].
    pub fn run_with(
        &mut self,
        inputs: &[ArrayD<f32>],
        mut after: impl FnMut(usize, &[u8]),
    ) -> Result<Vec<ArrayD<f32>>, RunnerError> {
        let ops = std::mem::take(&mut self.ops);
        let mut rings: HashMap<usize, Vec<u8>> = HashMap::new();
        let outputs = self.run_seeing(inputs, &mut |Ran { record, turn, ram, .. }| {
            let op = &ops[record];
            let (Some(turn), Some(turns)) = (turn, op.turns()) else {
                return after(record, op.output().span().and_then(|span| ram.get(span)).unwrap_or_default());
            };
            if turns.writes(turn) {
                let row = op.output().row(turn).and_then(|row| ram.get(row));
                rings.entry(record).or_default().extend_from_slice(row.unwrap_or_default());
            }
            if turn + 1 == turns.count {
                after(record, &rings.remove(&record).unwrap_or_default());
            }
        });
        self.ops = ops;
        outputs
    }

    fn run_seeing(
        &mut self,
        inputs: &[ArrayD<f32>],
        after: &mut dyn FnMut(Ran<'_>),
    ) -> Result<Vec<ArrayD<f32>>, RunnerError> {
        let model: Model<'_> = Model::read(running(&self.file, &self.packed))?;
        let mut rows = Vec::new();
        for (index, port) in model.inputs().enumerate() {
            let given = inputs.get(index);
            match port.tensor.place() {
                Place::Ring => {
                    rows.resize(port.tensor.bytes().unwrap_or(0) as usize, 0);
                    fill(&mut rows, &port, given)?;
                }
                _ => {
                    let range = port.tensor.span().and_then(Span::range);
                    fill(range.and_then(|range| self.arena.get_mut(range)).unwrap_or_default(), &port, given)?;
                }
            }
        }
        host::run(&model, &mut self.arena, &rows, after)?;
        Ok(model.outputs().map(|port| read(&self.arena, &port)).collect())
    }

    /// The bytes of all outputs, in order, as the last run left them.
    #[must_use]
    pub fn output_bytes(&self) -> Vec<u8> {
        self.model().outputs().flat_map(|port| bytes(&self.arena, &port.tensor)).copied().collect()
    }
}

/// The file that runs.
fn running<'f>(file: &'f Aligned, packed: &'f Option<Aligned>) -> &'f [u8] {
    packed.as_ref().unwrap_or(file)
}

/// Multiply-accumulates of one run.
pub(crate) fn macs(model: &Model<'_>) -> u64 {
    model.ops().map(|op| op.macs()).sum()
}

/// The bytes of a tensor in the arena.
fn bytes<'a>(arena: &'a [u8], tensor: &Tensor) -> &'a [u8] {
    tensor.span().and_then(Span::range).and_then(|range| arena.get(range)).unwrap_or_default()
}

/// The real numbers of a tensor's bytes, `scale · (q − zero)` for int8 and int16.
#[must_use]
pub fn reals(bytes: &[u8], dtype: Option<DType>, scale: f32, zero: i8) -> Vec<f32> {
    let Some(dtype) = dtype else { return Vec::new() };
    let mut numbers = vec![0.0; bytes.len() / dtype.size() as usize];
    host::reals(bytes, dtype, (scale, zero), &mut numbers);
    numbers
}

/// Writes an input's bytes.
fn fill(bytes: &mut [u8], port: &Port<'_>, given: Option<&ArrayD<f32>>) -> Result<(), RunnerError> {
    let error = || RunnerError::Input {
        name: port.name().to_string(),
        shape: port.shape().to_vec(),
        given: given.map(|given| given.shape().to_vec()).unwrap_or_default(),
    };
    let given = given.filter(|given| Some(given.len() as u32) == port.tensor.len()).ok_or_else(error)?;
    let given = given.as_standard_layout();
    let (numbers, dtype) = (given.as_slice().ok_or_else(error)?, port.tensor.dtype().ok_or_else(error)?);
    host::integers(numbers, dtype, (port.scale, port.zero), bytes);
    Ok(())
}

fn read(arena: &[u8], port: &Port<'_>) -> ArrayD<f32> {
    let shape: Vec<usize> = port.shape().iter().map(|dim| *dim as usize).collect();
    let numbers = reals(bytes(arena, &port.tensor), port.tensor.dtype(), port.scale, port.zero);
    ArrayD::from_shape_vec(shape, numbers).unwrap_or_else(|_| ArrayD::zeros(vec![0]))
}
