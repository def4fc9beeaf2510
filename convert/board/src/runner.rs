//! Running a file on the host: real numbers in, real numbers out, every layer to be seen.

use std::collections::HashMap;

use lacewing::format::{DType, Op, Port};
use lacewing::{Model, Ran, ReadError, RunError};
use lacewing_targets::{DoorError, Loaded, Session, Threads, host};
use ndarray::ArrayD;

/// A file, and its arena packed for this machine.
#[derive(Clone, Debug)]
pub struct Runner {
    file: Loaded,
    session: Session,
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
    /// Never, for the doors of the model itself.
    #[error(transparent)]
    Door(#[from] DoorError),
}

impl Runner {
    /// Reads the file with every check, and packs it for this machine.
    ///
    /// # Errors
    /// [`RunnerError::Read`].
    pub fn new(file: &[u8]) -> Result<Self, RunnerError> {
        let file = Loaded::new(file)?;
        file.model().verify()?;
        let ops = file.model().ops().collect();
        Ok(Self { session: file.packed().session(), file, ops })
    }

    /// Has large layers computed by these threads together. The output bits are the same.
    pub fn share(&mut self, threads: &Threads) {
        self.session = self.session.clone().on(threads);
    }

    /// Starts a stream anew: gives the model's states their first value.
    pub fn reset(&mut self) {
        self.session.reset();
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> Model<'_> {
        self.file.model()
    }

    /// The model as this machine runs it, weights in the order of its kernels and bytes for them to work in, and its arena.
    pub fn session(&mut self) -> &mut Session {
        &mut self.session
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
        self.set(inputs)?;
        self.session.run_with(after)?;
        self.model().outputs().enumerate().map(|(index, port)| read(&self.session, index, &port)).collect()
    }

    /// Real numbers pass the doors into the arena.
    fn set(&mut self, inputs: &[ArrayD<f32>]) -> Result<(), RunnerError> {
        for (index, port) in self.file.model().inputs().enumerate() {
            let given = fitting(&port, inputs.get(index))?.as_standard_layout();
            self.session.set(index, given.as_slice().unwrap_or_default())?;
        }
        Ok(())
    }

    /// The bytes of each input that these real numbers are, for another device to run on.
    ///
    /// # Errors
    /// As [`Runner::run`].
    pub fn input_bytes(&mut self, inputs: &[ArrayD<f32>]) -> Result<Vec<Vec<u8>>, RunnerError> {
        self.set(inputs)?;
        let count = self.model().inputs().count();
        Ok((0..count)
            .map(|index| self.session.input_bytes(index).map(|bytes| bytes.to_vec()))
            .collect::<Result<_, _>>()?)
    }

    /// The real numbers that the bytes of all outputs are, in order.
    #[must_use]
    pub fn outputs_of(&self, bytes: &[Vec<u8>]) -> Vec<ArrayD<f32>> {
        let outputs = self.model().outputs().zip(bytes);
        outputs.map(|(port, bytes)| shaped(&port, reals(bytes, port.tensor.dtype(), port.scale, port.zero))).collect()
    }

    /// The bytes of all outputs, in order, as the last run left them.
    #[must_use]
    pub fn output_bytes(&self) -> Vec<u8> {
        let outputs = 0..self.model().outputs().count();
        outputs.filter_map(|index| self.session.output_bytes(index).ok()).flatten().copied().collect()
    }
}

/// Multiply-accumulates of one run.
#[must_use]
pub fn macs(model: &Model<'_>) -> u64 {
    model.ops().map(|op| op.macs()).sum()
}

/// The real numbers of a tensor's bytes, `scale · (q − zero)` for int8 and int16.
#[must_use]
pub fn reals(bytes: &[u8], dtype: Option<DType>, scale: f32, zero: i8) -> Vec<f32> {
    let Some(dtype) = dtype else { return Vec::new() };
    let mut numbers = vec![0.0; bytes.len() / dtype.size() as usize];
    host::reals(bytes, dtype, (scale, zero), &mut numbers);
    numbers
}

/// What is given for an input, if it has as many elements.
fn fitting<'a>(port: &Port<'_>, given: Option<&'a ArrayD<f32>>) -> Result<&'a ArrayD<f32>, RunnerError> {
    let fits = given.filter(|given| Some(given.len() as u32) == port.tensor.len());
    fits.ok_or_else(|| RunnerError::Input {
        name: port.name().to_string(),
        shape: port.shape().to_vec(),
        given: given.map(|given| given.shape().to_vec()).unwrap_or_default(),
    })
}

fn read(session: &Session, index: usize, port: &Port<'_>) -> Result<ArrayD<f32>, RunnerError> {
    Ok(shaped(port, session.reals(index)?))
}

/// Numbers in the shape of a door.
fn shaped(port: &Port<'_>, numbers: Vec<f32>) -> ArrayD<f32> {
    let shape: Vec<usize> = port.shape().iter().map(|dim| *dim as usize).collect();
    ArrayD::from_shape_vec(shape, numbers).unwrap_or_else(|_| ArrayD::zeros(vec![0]))
}
