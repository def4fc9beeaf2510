//! The adapter, its device, and waiting for it.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use wgpu::{Adapter, AdapterInfo, Device, DeviceType, ErrorFilter, Features, Instance, PollError, PollType, Queue};

use crate::error::GpuError;
use crate::pipelines::Pipelines;

/// Which adapter is taken, and how long it may take.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether an adapter in software will do. It gives the same bits, slower than the CPU: for tests.
    pub allow_software: bool,
    /// How long one submission may take.
    pub timeout: Duration,
}

impl Default for Options {
    /// A real GPU, and a minute.
    fn default() -> Self {
        Self { allow_software: false, timeout: Duration::from_secs(60) }
    }
}

/// A device with its queue. Clones share it.
#[derive(Clone, Debug)]
pub struct Gpu {
    pub(crate) device: Device,
    pub(crate) queue: Queue,
    info: AdapterInfo,
    timeout: Duration,
    lost: Arc<Mutex<Option<String>>>,
    pipelines: Arc<Mutex<Pipelines>>,
}

impl Gpu {
    /// The first adapter that is no software, or any if software is allowed, with WebGPU's default limits and, where it has them,
    /// timestamps.
    ///
    /// # Errors
    /// [`GpuError::NoAdapter`], [`GpuError::Software`] or [`GpuError::NoDevice`].
    pub fn new(options: &Options) -> Result<Self, GpuError> {
        let instance = Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
        let adapter = adapter(&instance, options.allow_software)?;
        let descriptor = wgpu::DeviceDescriptor {
            required_features: adapter.features() & Features::TIMESTAMP_QUERY,
            ..wgpu::DeviceDescriptor::default()
        };
        let device = block_on(adapter.request_device(&descriptor));
        let (device, queue) = device.map_err(|error| GpuError::NoDevice(error.to_string()))?;
        let lost = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&lost);
        device.set_device_lost_callback(move |reason, message| {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("{reason:?}: {message}"));
        });
        let pipelines = Arc::new(Mutex::new(Pipelines::new(&device)));
        Ok(Self { device, queue, info: adapter.get_info(), timeout: options.timeout, lost, pipelines })
    }

    /// The adapter's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.info.name
    }

    /// The driver's name and version.
    #[must_use]
    pub fn driver(&self) -> String {
        format!("{} {}", self.info.driver, self.info.driver_info)
    }

    /// Whether it computes in software.
    #[must_use]
    pub fn is_software(&self) -> bool {
        self.info.device_type == DeviceType::Cpu
    }

    /// Gives the device up. What runs on it from now on fails with [`GpuError::Lost`].
    pub fn destroy(&self) {
        self.device.destroy();
    }

    /// Whether kernels can be timed by themselves.
    pub(crate) fn has_timestamps(&self) -> bool {
        self.device.features().contains(Features::TIMESTAMP_QUERY)
    }

    /// The pipelines of all models.
    pub(crate) fn pipelines(&self) -> MutexGuard<'_, Pipelines> {
        self.pipelines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `work` gives, or the first error that wgpu has with what it does.
    pub(crate) fn guarded<T>(&self, work: impl FnOnce() -> Result<T, GpuError>) -> Result<T, GpuError> {
        let filters = [ErrorFilter::Internal, ErrorFilter::OutOfMemory, ErrorFilter::Validation];
        let scopes = filters.map(|filter| self.device.push_error_scope(filter));
        let result = work();
        // The scopes are a stack.
        let errors: Vec<_> = scopes.into_iter().rev().filter_map(|scope| block_on(scope.pop())).collect();
        let result = errors.into_iter().next().map_or(result, |error| Err(error.into()));
        result.map_err(|error| self.lost().map_or(error, GpuError::Lost))
    }

    /// Waits for a submission, and the callbacks of what it did.
    pub(crate) fn wait(&self, submission: wgpu::SubmissionIndex) -> Result<(), GpuError> {
        let wait = PollType::Wait { submission_index: Some(submission), timeout: Some(self.timeout) };
        match self.device.poll(wait) {
            Ok(_) => Ok(()),
            Err(PollError::Timeout) => Err(GpuError::Timeout(self.timeout)),
            Err(error) => Err(GpuError::Refused(error.to_string())),
        }
    }

    /// Why the device is lost, if it is. wgpu says so when it is asked for what happened.
    fn lost(&self) -> Option<String> {
        // What the poll itself says is of no matter.
        let _ = self.device.poll(PollType::Poll);
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// wgpu's first choice, unless that is software which nobody asked for.
fn adapter(instance: &Instance, allow_software: bool) -> Result<Adapter, GpuError> {
    let options = wgpu::RequestAdapterOptions {
        power_preference: wgpu::PowerPreference::HighPerformance,
        ..wgpu::RequestAdapterOptions::default()
    };
    let adapter = block_on(instance.request_adapter(&options));
    let adapter = adapter.map_err(|error| GpuError::NoAdapter(error.to_string()))?;
    let info = adapter.get_info();
    match info.device_type == DeviceType::Cpu && !allow_software {
        true => Err(GpuError::Software(info.name)),
        false => Ok(adapter),
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// What a future of wgpu gives; on native systems it is there at once.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
