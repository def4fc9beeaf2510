//! How long one inference takes in tract: prints what `peer.py` prints.
//!
//!     lacewing-host-tract MODEL SECONDS

use std::env;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::{Factoid, ShapeFactoid};
use tract_onnx::tract_hir::internal::DimLike;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [model, seconds] = &arguments[..] else { anyhow::bail!("usage: lacewing-host-tract MODEL SECONDS") };
    let budget = Duration::from_secs_f64(seconds.parse().context("SECONDS is a number")?);
    let start = Instant::now();
    let model = load(model)?;
    let inputs = inputs(model.model())?;
    let load = start.elapsed();
    model.run(inputs.clone())?;
    let first = start.elapsed();
    let times = times(&model, &inputs, budget)?;
    println!(
        "{}",
        json!({
            "load_us": us(load),
            "first_us": us(first - load),
            "min_us": us(times[0]),
            "median_us": us(times[times.len() / 2]),
            "runs": times.len(),
            "peak_memory_bytes": peak(),
        })
    );
    Ok(())
}

/// The model as tract runs it fastest, for one sample.
fn load(path: &str) -> Result<Arc<TypedRunnableModel>> {
    let mut model = tract_onnx::onnx().model_for_path(path)?;
    for input in 0..model.inputs.len() {
        let mut fact = model.input_fact(input)?.clone();
        let known = |dim: Option<TDim>| dim.and_then(|dim| dim.to_usize().ok()).unwrap_or(1);
        let dims: Vec<usize> = fact.shape.dims().map(|dim| known(dim.concretize())).collect();
        fact.shape = dims.into_iter().collect::<ShapeFactoid>();
        model.set_input_fact(input, fact)?;
    }
    model.into_optimized()?.into_runnable()
}

/// Any byte in integers, −1..1 in f32.
fn inputs(model: &TypedModel) -> Result<TVec<TValue>> {
    let mut state = 12345_u32;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let fact = |index| model.input_fact(index);
    (0..model.inputs.len())
        .map(|index| {
            let shape = fact(index)?.shape.as_concrete().context("a shape without unknowns")?;
            let values = (0..shape.iter().product()).map(|_| f32::from(byte()) - 128.0);
            let whole = fact(index)?.datum_type.is_integer();
            let values = values.map(|value| if whole { value } else { value / 128.0 }).collect();
            let values = tract_ndarray::ArrayD::from_shape_vec(shape, values)?.into_tensor();
            Ok(values.cast_to_dt(fact(index)?.datum_type)?.into_owned().into_tvalue())
        })
        .collect()
}

/// Times of runs, the shortest first, after some that do not count.
fn times(model: &Arc<TypedRunnableModel>, inputs: &TVec<TValue>, budget: Duration) -> Result<Vec<Duration>> {
    let (start, mut times) = (Instant::now(), Vec::new());
    while times.len() < 5 || start.elapsed() < budget {
        let (warm, run) = (start.elapsed() >= budget / 5, Instant::now());
        model.run(inputs.clone())?;
        if warm {
            times.push(run.elapsed());
        }
    }
    times.sort_unstable();
    Ok(times)
}

fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Bytes that the process had at most.
fn peak() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()? * 1024)
}
