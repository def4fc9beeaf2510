//! A model on the GPU: its buffers and pipelines, made once, and running it.

use std::collections::HashSet;

use lacewing::format::{DType, Port};
use lacewing::{Model, Ops};
use wgpu::{BindGroup, Buffer, BufferUsages, ComputePass, ComputePipeline};

use crate::device::Gpu;
use crate::error::{GpuError, Unsupported};
use crate::kernel::{GROUP, MOST_GROUPS};
use crate::lower::{Dispatch, Lowered};
use crate::pipelines::Pipelines;

mod profile;

/// Bytes of a kernel's numbers: WebGPU's alignment of an offset into a uniform buffer.
pub(crate) const SLOT: u64 = 256;

/// A model on a GPU. An inference is one submission of one pass, and one wait.
#[derive(Debug)]
pub struct GpuModel {
    gpu: Gpu,
    steps: Vec<Step>,
    group: BindGroup,
    arena: Buffer,
    /// What the outputs are copied to, of all inferences of a batch.
    staging: Buffer,
    inputs: Vec<Door>,
    outputs: Vec<Door>,
    states: Vec<State>,
    /// How many of the steps are records.
    records: usize,
    /// Bytes of one inference's values.
    stride: u64,
    batch: usize,
    costs: Costs,
}

/// What a model takes, of the GPU and of the way to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Costs {
    /// Kernels that run for an inference.
    pub dispatches: usize,
    /// Different pipelines among them.
    pub pipelines: usize,
    /// Bytes that go to the GPU for an inference.
    pub bytes_in: u64,
    /// Bytes that come back.
    pub bytes_out: u64,
    /// Bytes of weights and tables, which went there when the model was loaded.
    pub constants: u64,
    /// Bytes of the values of one inference.
    pub values: u64,
}

/// A dispatch that is ready to run.
#[derive(Debug)]
struct Step {
    pipeline: ComputePipeline,
    /// Workgroups of one inference.
    grid: [u32; 2],
}

/// Where an input or an output is.
#[derive(Clone, Copy, Debug)]
struct Door {
    offset: u64,
    len: usize,
}

/// Where a state is, and its first value.
#[derive(Debug)]
struct State {
    offset: u64,
    first: Vec<u8>,
}

impl Door {
    /// Whole words, as buffers are copied.
    const fn padded(self) -> usize {
        self.len.next_multiple_of(4)
    }
}

impl GpuModel {
    /// The records of a model that have no kernel, and why; empty for one that a GPU runs. Needs none.
    #[must_use]
    pub fn unsupported<O: Ops>(model: &Model<'_, O>) -> Vec<Unsupported> {
        match Lowered::new(model) {
            Err(GpuError::Unsupported(records)) => records,
            _ => Vec::new(),
        }
    }

    /// Sends the constants to the GPU and builds the pipelines, for inferences one by one.
    ///
    /// # Errors
    /// As [`GpuModel::load_batch`].
    pub fn load<O: Ops>(gpu: &Gpu, model: &Model<'_, O>) -> Result<Self, GpuError> {
        Self::load_batch(gpu, model, 1)
    }

    /// The same for up to `batch` inferences in one submission.
    ///
    /// # Errors
    /// [`GpuError::Unsupported`] with all records that have no kernel, [`GpuError::Limit`] for a model that is too large,
    /// [`GpuError::OutOfMemory`] or [`GpuError::Lost`]; [`GpuError::Batch`] for more than one of a model with states, whose runs follow each other.
    pub fn load_batch<O: Ops>(gpu: &Gpu, model: &Model<'_, O>, batch: usize) -> Result<Self, GpuError> {
        let lowered = Lowered::new(model)?;
        check_limits(gpu, &lowered, batch)?;
        if batch > 1 && model.states().next().is_some() {
            return Err(GpuError::Batch { got: batch, most: 1 });
        }
        gpu.guarded(|| Self::build(gpu, model, &lowered, batch)).inspect_err(|_| gpu.pipelines().clear())
    }

    fn build<O: Ops>(gpu: &Gpu, model: &Model<'_, O>, lowered: &Lowered, batch: usize) -> Result<Self, GpuError> {
        let Lowered { plan, dispatches, constants } = lowered;
        let inputs: Vec<_> = doors(model.inputs(), plan.inputs());
        let outputs: Vec<_> = doors(model.outputs(), plan.outputs());
        let bytes = |doors: &[Door]| doors.iter().map(|door| door.padded() as u64).sum::<u64>();
        let stride = plan.len.max(4);
        let params: Vec<u32> = dispatches.iter().flat_map(|dispatch| slot(dispatch, stride)).collect();
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC;
        let arena = gpu.buffer("values", stride * batch as u64, usage);
        let staging = BufferUsages::COPY_DST | BufferUsages::MAP_READ;
        let staging = gpu.buffer("outputs", (bytes(&outputs) * batch as u64).max(4), staging);
        let fixed = gpu.filled("constants", constants, BufferUsages::STORAGE);
        let numbers = gpu.filled("numbers", &params, BufferUsages::UNIFORM);
        for (offset, span) in &plan.constants {
            let constant = model.constants().get::<u8>(*span).unwrap_or_default();
            (0..batch as u64).for_each(|slot| gpu.write(&arena, slot * stride + u64::from(*offset), constant));
        }
        let mut pipelines = gpu.pipelines();
        let group = pipelines.group([&arena, &fixed, &numbers]);
        let steps: Vec<_> = dispatches.iter().map(|dispatch| Step::new(dispatch, &mut pipelines)).collect();
        let costs = Costs {
            dispatches: steps.len(),
            pipelines: dispatches.iter().map(|dispatch| &dispatch.kernel).collect::<HashSet<_>>().len(),
            bytes_in: bytes(&inputs),
            bytes_out: bytes(&outputs),
            constants: fixed.size(),
            values: stride,
        };
        let states = model.states().zip(plan.states()).map(|(port, offset)| State::new(&port, offset)).collect();
        let records = model.ops().count();
        let gpu = gpu.clone();
        let model = Self { gpu, steps, group, arena, staging, inputs, outputs, states, records, stride, batch, costs };
        model.begin();
        Ok(model)
    }

    /// Starts a stream anew: gives the model's states their first value. Nothing for a model without.
    ///
    /// # Errors
    /// [`GpuError::Lost`].
    pub fn reset(&mut self) -> Result<(), GpuError> {
        self.gpu.guarded(|| {
            self.begin();
            Ok(())
        })
    }

    fn begin(&self) {
        self.states.iter().for_each(|state| self.gpu.write(&self.arena, state.offset, &state.first));
    }

    /// What the model takes.
    #[must_use]
    pub const fn costs(&self) -> Costs {
        self.costs
    }

    /// Runs the model once on the bytes of its inputs, and gives those of its outputs. A model with states goes on where the last run left it.
    ///
    /// # Errors
    /// [`GpuError::Inputs`], [`GpuError::Timeout`], [`GpuError::Lost`] or [`GpuError::OutOfMemory`].
    pub fn run(&mut self, inputs: &[&[u8]]) -> Result<Vec<Vec<u8>>, GpuError> {
        Ok(self.run_batch(&[inputs])?.pop().unwrap_or_default())
    }

    /// Runs several inferences at once, and gives the outputs of each. Every kernel computes all of them in one dispatch.
    ///
    /// # Errors
    /// [`GpuError::Batch`], and as [`GpuModel::run`].
    pub fn run_batch(&mut self, batch: &[&[&[u8]]]) -> Result<Vec<Vec<Vec<u8>>>, GpuError> {
        if batch.is_empty() || batch.len() > self.batch {
            return Err(GpuError::Batch { got: batch.len(), most: self.batch });
        }
        batch.iter().try_for_each(|inputs| self.check(inputs))?;
        self.gpu.guarded(|| {
            self.send(batch);
            let mut encoder = self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            (0..self.steps.len()).for_each(|step| self.dispatch(&mut pass, step, batch.len()));
            drop(pass);
            self.collect(&mut encoder, batch.len());
            let bytes = self.gpu.submit_and_read(encoder, &self.staging)?;
            Ok(self.outputs_of(&bytes).take(batch.len()).collect())
        })
    }

    fn check(&self, inputs: &[&[u8]]) -> Result<(), GpuError> {
        let wanted: Vec<_> = self.inputs.iter().map(|door| door.len).collect();
        let got: Vec<_> = inputs.iter().map(|input| input.len()).collect();
        if wanted == got { Ok(()) } else { Err(GpuError::Inputs { wanted, got }) }
    }

    /// Has the inputs written before what is submitted next.
    fn send(&self, batch: &[&[&[u8]]]) {
        for (number, inputs) in (0..).zip(batch) {
            for (door, input) in self.inputs.iter().zip(*inputs) {
                self.gpu.write(&self.arena, number * self.stride + door.offset, input);
            }
        }
    }

    fn dispatch(&self, pass: &mut ComputePass<'_>, number: usize, batch: usize) {
        let Step { pipeline, grid: [x, y] } = &self.steps[number];
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, &self.group, &[(number as u64 * SLOT) as u32]);
        pass.dispatch_workgroups(*x, *y, batch as u32);
    }

    /// Copies the outputs to where they are read.
    fn collect(&self, encoder: &mut wgpu::CommandEncoder, batch: usize) {
        let mut to = 0;
        for number in 0..batch as u64 {
            for door in &self.outputs {
                let len = door.padded() as u64;
                let from = number * self.stride + door.offset;
                encoder.copy_buffer_to_buffer(&self.arena, from, &self.staging, to, len);
                to += len;
            }
        }
    }

    /// The outputs of each inference, of all in the order in which they were copied.
    fn outputs_of<'b>(&'b self, mut bytes: &'b [u8]) -> impl Iterator<Item = Vec<Vec<u8>>> + 'b {
        std::iter::repeat_with(move || {
            let output = self.outputs.iter().map(|door| {
                let (output, rest) = bytes.split_at(door.padded().min(bytes.len()));
                bytes = rest;
                output[..door.len.min(output.len())].to_vec()
            });
            output.collect()
        })
    }
}

impl State {
    /// Real 0: the zero point, or 0.
    fn new(port: &Port<'_>, offset: u32) -> Self {
        let zero = if port.tensor.dtype() == Some(DType::I8) { port.zero as u8 } else { 0 };
        Self { offset: offset.into(), first: vec![zero; port.tensor.bytes().unwrap_or(0) as usize] }
    }
}

impl Step {
    fn new(dispatch: &Dispatch, pipelines: &mut Pipelines) -> Self {
        let groups = dispatch.count.div_ceil(GROUP);
        let grid = [groups.min(MOST_GROUPS), groups.div_ceil(MOST_GROUPS)];
        Self { pipeline: pipelines.get(&dispatch.kernel), grid }
    }
}

/// Refuses what exceeds a buffer, a binding or a grid.
fn check_limits(gpu: &Gpu, lowered: &Lowered, batch: usize) -> Result<(), GpuError> {
    let limits = gpu.device.limits();
    let binding = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
    let values = lowered.plan.len.saturating_mul(batch as u64);
    let kernels = lowered.dispatches.len() as u64 * SLOT;
    for (what, needed, allowed) in [
        ("inferences in a batch", batch as u64, limits.max_compute_workgroups_per_dimension.into()),
        ("bytes of values", values, binding),
        ("bytes of constants", lowered.constants.len() as u64 * 4, binding),
        ("bytes of kernels' numbers", kernels, limits.max_buffer_size),
    ] {
        if needed > allowed {
            return Err(GpuError::Limit { what, needed, allowed });
        }
    }
    if batch == 0 { Err(GpuError::Batch { got: 0, most: 0 }) } else { Ok(()) }
}

fn doors<'m>(ports: impl Iterator<Item = Port<'m>>, offsets: impl Iterator<Item = u32>) -> Vec<Door> {
    let len = |port: &Port<'_>| port.tensor.bytes().unwrap_or(0) as usize;
    ports.zip(offsets).map(|(port, offset)| Door { offset: offset.into(), len: len(&port) }).collect()
}

/// A kernel's numbers, filled up to a slot.
fn slot(dispatch: &Dispatch, stride: u64) -> impl Iterator<Item = u32> {
    let head = [dispatch.count, (stride / 4) as u32];
    head.into_iter().chain(dispatch.params.iter().copied()).chain(std::iter::repeat(0)).take(SLOT as usize / 4)
}
