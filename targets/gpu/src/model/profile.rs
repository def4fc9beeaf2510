//! How long each kernel takes, by the GPU's own clock.

use wgpu::{BufferUsages, ComputePassDescriptor, ComputePassTimestampWrites, QuerySet};

use super::GpuModel;
use crate::error::GpuError;

impl GpuModel {
    /// Runs the model once, and gives the nanoseconds of each record; `None` if the GPU has no timestamps. Each kernel is a
    /// pass by itself here, so that their sum is more than a run takes.
    ///
    /// # Errors
    /// As [`GpuModel::run`]; [`GpuError::Limit`] for more records than there are timestamps.
    pub fn profile(&mut self, inputs: &[&[u8]]) -> Result<Option<Vec<f64>>, GpuError> {
        if !self.gpu.has_timestamps() {
            return Ok(None);
        }
        self.check(inputs)?;
        let (needed, allowed) = (2 * self.steps.len() as u64, u64::from(wgpu::QUERY_SET_MAX_QUERIES));
        if needed > allowed {
            return Err(GpuError::Limit { what: "timestamps", needed, allowed });
        }
        self.gpu.guarded(|| self.timed(inputs)).map(Some)
    }

    fn timed(&self, inputs: &[&[u8]]) -> Result<Vec<f64>, GpuError> {
        let device = &self.gpu.device;
        let count = 2 * self.steps.len() as u32;
        let set = device.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("times"),
            ty: wgpu::QueryType::Timestamp,
            count,
        });
        self.send(&[inputs]);
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        (0..self.steps.len()).for_each(|step| self.timed_pass(&mut encoder, &set, step));
        let bytes = 8 * u64::from(count);
        let usage = BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC;
        let resolved = self.gpu.buffer("resolved times", bytes, usage);
        let staging = self.gpu.buffer("times", bytes, BufferUsages::COPY_DST | BufferUsages::MAP_READ);
        encoder.resolve_query_set(&set, 0..count, &resolved, 0);
        encoder.copy_buffer_to_buffer(&resolved, 0, &staging, 0, bytes);
        let bytes = self.gpu.submit_and_read(encoder, &staging)?;
        let records = self.records;
        let ticks: Vec<u64> = bytes.as_chunks().0.iter().map(|tick| u64::from_le_bytes(*tick)).collect();
        let period = f64::from(self.gpu.queue.get_timestamp_period());
        Ok(ticks
            .as_chunks::<2>()
            .0
            .iter()
            .take(records)
            .map(|[from, to]| to.saturating_sub(*from) as f64 * period)
            .collect())
    }

    fn timed_pass(&self, encoder: &mut wgpu::CommandEncoder, set: &QuerySet, step: usize) {
        let at = 2 * step as u32;
        let writes = ComputePassTimestampWrites {
            query_set: set,
            beginning_of_pass_write_index: Some(at),
            end_of_pass_write_index: Some(at + 1),
        };
        let descriptor = ComputePassDescriptor { label: None, timestamp_writes: Some(writes) };
        self.dispatch(&mut encoder.begin_compute_pass(&descriptor), step, 1);
    }
}
