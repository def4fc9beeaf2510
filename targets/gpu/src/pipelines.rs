//! Pipelines, each compiled once for all records and models of a device, and what they have bound.

use std::collections::HashMap;
use std::num::NonZeroU64;

use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, BindGroupLayout, BindGroupLayoutDescriptor, BindGroupLayoutEntry,
    BindingType, Buffer, BufferBinding, BufferBindingType, ComputePipeline, Device, PipelineCompilationOptions,
    PipelineLayout, ShaderModule, ShaderStages,
};

use crate::kernel::{Family, Kernel};
use crate::model::SLOT;

/// The pipelines so far.
#[derive(Debug)]
pub(crate) struct Pipelines {
    device: Device,
    bindings: BindGroupLayout,
    layout: PipelineLayout,
    modules: HashMap<Family, ShaderModule>,
    made: HashMap<Kernel, ComputePipeline>,
}

impl Pipelines {
    pub(crate) fn new(device: &Device) -> Self {
        let bindings = device.create_bind_group_layout(&BindGroupLayoutDescriptor {
            label: None,
            entries: &[
                entry(0, BufferBindingType::Storage { read_only: false }),
                entry(1, BufferBindingType::Storage { read_only: true }),
                entry(2, BufferBindingType::Uniform),
            ],
        });
        let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&bindings)],
            immediate_size: 0,
        });
        Self { device: device.clone(), bindings, layout, modules: HashMap::new(), made: HashMap::new() }
    }

    /// Forgets all of them: one that was refused is there, too.
    pub(crate) fn clear(&mut self) {
        self.modules.clear();
        self.made.clear();
    }

    /// Binds values, constants and the kernels' numbers, of which each dispatch chooses a slot.
    pub(crate) fn group(&self, [arena, constants, numbers]: [&Buffer; 3]) -> BindGroup {
        let slot = BufferBinding { buffer: numbers, offset: 0, size: NonZeroU64::new(SLOT) };
        self.device.create_bind_group(&BindGroupDescriptor {
            label: None,
            layout: &self.bindings,
            entries: &[
                BindGroupEntry { binding: 0, resource: arena.as_entire_binding() },
                BindGroupEntry { binding: 1, resource: constants.as_entire_binding() },
                BindGroupEntry { binding: 2, resource: wgpu::BindingResource::Buffer(slot) },
            ],
        })
    }

    /// The pipeline of a kernel.
    pub(crate) fn get(&mut self, kernel: &Kernel) -> ComputePipeline {
        if let Some(made) = self.made.get(kernel) {
            return made.clone();
        }
        let constants: Vec<_> = kernel.overrides.iter().map(|(name, value)| (*name, f64::from(*value))).collect();
        let module = self.module(kernel.family).clone();
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&format!("{kernel:?}")),
            layout: Some(&self.layout),
            module: &module,
            entry_point: Some(kernel.entry),
            compilation_options: PipelineCompilationOptions { constants: &constants, ..Default::default() },
            cache: None,
        });
        self.made.insert(kernel.clone(), pipeline.clone());
        pipeline
    }

    fn module(&mut self, family: Family) -> &ShaderModule {
        self.modules.entry(family).or_insert_with(|| {
            let source = wgpu::ShaderSource::Wgsl(family.source().into());
            self.device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source })
        })
    }
}

/// A buffer of all kernels; the numbers are at an offset that each dispatch has.
const fn entry(binding: u32, ty: BufferBindingType) -> BindGroupLayoutEntry {
    let has_dynamic_offset = matches!(ty, BufferBindingType::Uniform);
    BindGroupLayoutEntry {
        binding,
        visibility: ShaderStages::COMPUTE,
        ty: BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: None },
        count: None,
    }
}
