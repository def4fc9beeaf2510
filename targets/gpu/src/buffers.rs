//! Buffers of the GPU: made, filled, and read back.

use wgpu::{Buffer, BufferDescriptor, BufferUsages, CommandEncoder, MapMode};

use crate::device::Gpu;
use crate::error::GpuError;

impl Gpu {
    pub(crate) fn buffer(&self, label: &str, size: u64, usage: BufferUsages) -> Buffer {
        self.device.create_buffer(&BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false })
    }

    /// A buffer with these words.
    pub(crate) fn filled(&self, label: &str, words: &[u32], usage: BufferUsages) -> Buffer {
        let buffer = self.buffer(label, words.len() as u64 * 4, usage | BufferUsages::COPY_DST);
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.queue.write_buffer(&buffer, 0, &bytes);
        buffer
    }

    /// Writes bytes before what is submitted next, the last word filled up with zeros.
    pub(crate) fn write(&self, buffer: &Buffer, at: u64, bytes: &[u8]) {
        if bytes.len().is_multiple_of(4) {
            return self.queue.write_buffer(buffer, at, bytes);
        }
        let mut padded = bytes.to_vec();
        padded.resize(bytes.len().next_multiple_of(4), 0);
        self.queue.write_buffer(buffer, at, &padded);
    }

    /// Submits commands, waits for them, and gives the bytes of a buffer to which they copied.
    pub(crate) fn submit_and_read(&self, encoder: CommandEncoder, staging: &Buffer) -> Result<Vec<u8>, GpuError> {
        let submission = self.queue.submit([encoder.finish()]);
        // Whether it worked is told by the range below.
        staging.map_async(MapMode::Read, .., |_| ());
        let bytes = self.wait(submission).and_then(|()| {
            let range = staging.get_mapped_range(..).map_err(|error| GpuError::Refused(error.to_string()))?;
            Ok(range.to_vec())
        });
        staging.unmap();
        bytes
    }
}
