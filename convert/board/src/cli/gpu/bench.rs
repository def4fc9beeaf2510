//! `lacewing bench` on a GPU.

use std::path::Path;
use std::time::{Duration, Instant};

use lacewing::format::Opcode;
use lacewing_gpu::{Costs, Gpu, GpuModel};
use lacewing_targets::Threads;
use serde_json::json;

use super::choice::{self, filled, measure};
use crate::cli::bench::{SEED, Timing};
use crate::cli::device::{Device, DeviceArgs};
use crate::cli::failure::Failure;
use crate::cli::files;
use crate::cli::numbers::{bytes, duration, grouped};
use crate::cli::terminal::{Paint, Terminal};
use crate::runner::Runner;

/// How long is measured.
const BUDGET: Duration = Duration::from_secs(1);

/// Runs it. Whether the GPU was measured: with `auto` the CPU may be faster.
///
/// # Errors
/// There is no usable GPU, or the model cannot be used.
pub(crate) fn run(args: &DeviceArgs, (path, threads): (&Path, u8), terminal: &Terminal) -> Result<bool, Failure> {
    let file = files::read(path)?;
    let mut runner = Runner::new(&file).map_err(|error| Failure::from(error).of(path))?;
    if threads > 1 {
        runner.share(&Threads::new(threads.into())?);
    }
    if args.device == Device::Auto && choice::faster(args, runner.session(), (&file, threads), terminal).is_none() {
        return Ok(false);
    }
    let start = Instant::now();
    let gpu = Gpu::new(&super::options(args)).map_err(super::told)?;
    let opened = start.elapsed();
    let mut model = GpuModel::load(&gpu, &runner.model())?;
    let loaded = start.elapsed() - opened;
    let inputs = filled(runner.session(), SEED)?;
    let inputs: Vec<_> = inputs.iter().map(Vec::as_slice).collect();
    let start = Instant::now();
    model.run(&inputs)?;
    let first = start.elapsed();
    let timing = measure(runner.session(), &mut model, BUDGET)?;
    let kernels = model.profile(&inputs)?;
    let opcodes: Vec<_> = runner.model().ops().map(|op| op.opcode()).collect();
    let measured = Measured { opened, loaded, first, timing, costs: model.costs(), kernels };
    measured.report(&gpu, &opcodes, terminal)?;
    Ok(true)
}

struct Measured {
    /// To find the adapter and its device.
    opened: Duration,
    /// To send the constants and compile the kernels.
    loaded: Duration,
    first: Duration,
    timing: Timing,
    costs: Costs,
    /// Nanoseconds of each record, where the GPU has timestamps.
    kernels: Option<Vec<f64>>,
}

impl Measured {
    fn report(&self, gpu: &Gpu, opcodes: &[Opcode], terminal: &Terminal) -> Result<(), Failure> {
        let Self { timing, costs, .. } = self;
        let title = format!("one inference on {}", gpu.name());
        let mut table = terminal.table([title.as_str(), ""], 1..2);
        table.add_row([terminal.cell("median", Paint::Bold), terminal.cell(duration(timing.median_us), Paint::Bold)]);
        table.add_row(["fastest".to_string(), duration(timing.min_us)]);
        table.add_row(["runs".to_string(), grouped(timing.runs as u64)]);
        table.add_row(["first inference".to_string(), duration(us(self.first))]);
        table.add_row(["the GPU found after".to_string(), duration(us(self.opened))]);
        table.add_row(["the model sent, kernels compiled after".to_string(), duration(us(self.loaded))]);
        table.add_row(["kernels of an inference".to_string(), grouped(costs.dispatches as u64)]);
        table.add_row(["different ones".to_string(), grouped(costs.pipelines as u64)]);
        table.add_row(["sent for an inference".to_string(), bytes(costs.bytes_in as usize)]);
        table.add_row(["read back".to_string(), bytes(costs.bytes_out as usize)]);
        table.add_row(["weights and tables".to_string(), bytes(costs.constants as usize)]);
        table.add_row(["values".to_string(), bytes(costs.values as usize)]);
        terminal.say(table);
        self.slowest(opcodes, terminal);
        terminal.object(&self.described(gpu, opcodes))
    }

    /// The kernels that take longest; all of them to those who asked for more.
    fn slowest(&self, opcodes: &[Opcode], terminal: &Terminal) {
        let Some(times) = &self.kernels else {
            return terminal.say("The GPU does not tell how long each kernel takes.");
        };
        let mut order: Vec<usize> = (0..times.len()).collect();
        order.sort_by(|a, b| times[*b].total_cmp(&times[*a]));
        order.truncate(if terminal.verbose() { times.len() } else { 10 });
        let mut table = terminal.table(["record", "slowest operations, each by itself", ""], 2..3);
        for record in order {
            let name = opcodes[record].name().to_string();
            table.add_row([record.to_string(), name, duration(times[record] / 1e3)]);
        }
        terminal.say(table);
    }

    fn described(&self, gpu: &Gpu, opcodes: &[Opcode]) -> serde_json::Value {
        let Self { timing, costs, .. } = self;
        let named = |times: &Vec<f64>| {
            let each = opcodes.iter().zip(times).map(|(op, ns)| json!({ "op": op.name(), "us": ns / 1e3 }));
            each.collect::<Vec<_>>()
        };
        json!({
            "device": gpu.name(),
            "driver": gpu.driver(),
            "median_us": timing.median_us,
            "min_us": timing.min_us,
            "runs": timing.runs,
            "first_us": us(self.first),
            "open_us": us(self.opened),
            "load_us": us(self.loaded),
            "dispatches": costs.dispatches,
            "pipelines": costs.pipelines,
            "submissions": 1,
            "bytes_in": costs.bytes_in,
            "bytes_out": costs.bytes_out,
            "constant_bytes": costs.constants,
            "value_bytes": costs.values,
            "kernels": self.kernels.as_ref().map(named),
        })
    }
}

fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
