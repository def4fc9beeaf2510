//! Whether a GPU is worth it: it gives the same integers, reals within f32's rounding, and takes less than 0.8 of the CPU's time, transfers included.
//!
//! A verdict is kept in the user's cache folder under a hash of adapter, driver, model, threads and version, and is not sought again.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use lacewing::format::DType;
use lacewing_gpu::{Gpu, GpuError, GpuModel};
use lacewing_targets::Session;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::cli::bench::{self, fill};
use crate::cli::device::DeviceArgs;
use crate::cli::failure::Failure;
use crate::cli::files;
use crate::cli::numbers::{duration, hex};
use crate::cli::terminal::Terminal;
use crate::runner::reals;

/// The GPU's time must be less than this part of the CPU's.
const WORTH: f64 = 0.8;
/// How long each is measured.
const BUDGET: Duration = Duration::from_millis(300);
/// How far results in f32 may be apart, in parts of the largest of the output.
const CLOSE: f32 = 1e-4;
/// Runs that are compared.
const TRIALS: u32 = 3;

/// How long one inference takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Verdict {
    cpu_us: f64,
    gpu_us: f64,
}

impl Verdict {
    fn is_worth_it(self) -> bool {
        self.gpu_us < WORTH * self.cpu_us
    }
}

/// The model on the GPU, if that is worth it; a line says why.
pub(super) fn faster(
    args: &DeviceArgs,
    session: &mut Session,
    (file, threads): (&[u8], u8),
    terminal: &Terminal,
) -> Option<GpuModel> {
    let found = found(args, session, (file, threads));
    session.reset();
    let (model, why) = found.unwrap_or_else(|failure| (None, failure.to_string()));
    let device = if model.is_some() { "GPU" } else { "CPU" };
    terminal.note(format_args!("device: {device}, {why}"));
    model
}

fn found(
    args: &DeviceArgs,
    session: &mut Session,
    (file, threads): (&[u8], u8),
) -> Result<(Option<GpuModel>, String), Failure> {
    let gpu = Gpu::new(&super::options(args))?;
    let path = cache().map(|folder| folder.join(format!("{}.json", key(&gpu, file, threads))));
    let known = path.as_ref().and_then(|path| serde_json::from_slice::<Verdict>(&std::fs::read(path).ok()?).ok());
    if let Some(verdict) = known.filter(|verdict| !verdict.is_worth_it()) {
        return Ok((None, reason(&gpu, verdict, true)));
    }
    let mut model = GpuModel::load(&gpu, &session.model())?;
    let verdict = match known {
        Some(verdict) => verdict,
        None => tried(session, &mut model)?,
    };
    if let (None, Some(path)) = (known, &path) {
        keep(path, verdict);
    }
    Ok((verdict.is_worth_it().then_some(model), reason(&gpu, verdict, known.is_some())))
}

fn reason(gpu: &Gpu, Verdict { cpu_us, gpu_us }: Verdict, known: bool) -> String {
    let before = if known { ", as was measured before" } else { "" };
    format!("{} takes {} where the CPU takes {}{before}", gpu.name(), duration(gpu_us), duration(cpu_us))
}

/// Compares the outputs, then measures both.
fn tried(session: &mut Session, model: &mut GpuModel) -> Result<Verdict, Failure> {
    for seed in 0..TRIALS {
        let inputs = filled(session, seed)?;
        model.reset()?;
        let got = on_gpu(model, &inputs)?.0;
        session.run()?;
        let outputs = 0..session.model().outputs().count();
        let wanted: Vec<_> =
            outputs.map(|index| session.output_bytes(index).map(<[u8]>::to_vec)).collect::<Result<_, _>>()?;
        let dtypes = session.model().outputs().map(|port| port.tensor.dtype());
        if !dtypes.zip(got.iter().zip(&wanted)).all(|(dtype, (got, wanted))| agree(dtype, got, wanted)) {
            return Err(Failure::new("the GPU's results differ from the CPU's"));
        }
    }
    let gpu_us = measure(session, model, BUDGET)?.median_us;
    model.reset()?;
    Ok(Verdict { cpu_us: bench::measure(session, BUDGET)?.median_us, gpu_us })
}

/// Whether an output is the CPU's: integers bit for bit, reals within what f32's rounding makes of many layers.
fn agree(dtype: Option<DType>, got: &[u8], wanted: &[u8]) -> bool {
    if dtype != Some(DType::F32) {
        return got == wanted;
    }
    let [got, wanted] = [got, wanted].map(|bytes| reals(bytes, dtype, 1.0, 0));
    let largest = wanted.iter().fold(0f32, |largest, x| largest.max(x.abs()));
    let near = |(got, wanted): (&f32, &f32)| got == wanted || (got - wanted).abs() <= CLOSE * largest;
    got.len() == wanted.len() && got.iter().zip(&wanted).all(near)
}

/// Runs the model on the GPU again and again.
pub(super) fn measure(session: &mut Session, model: &mut GpuModel, budget: Duration) -> Result<bench::Timing, Failure> {
    let inputs = filled(session, bench::SEED)?;
    bench::repeated(budget, || Ok(on_gpu(model, &inputs)?.1))
}

/// The outputs of one run, and how long it took, transfers included.
fn on_gpu(model: &mut GpuModel, inputs: &[Vec<u8>]) -> Result<(Vec<Vec<u8>>, Duration), GpuError> {
    let inputs: Vec<_> = inputs.iter().map(Vec::as_slice).collect();
    let start = Instant::now();
    let outputs = model.run(&inputs)?;
    Ok((outputs, start.elapsed()))
}

/// The bytes of made inputs, which are in the session as well.
pub(super) fn filled(session: &mut Session, seed: u32) -> Result<Vec<Vec<u8>>, Failure> {
    session.reset();
    fill(session, seed)?;
    let inputs = 0..session.model().inputs().count();
    Ok(inputs.map(|index| session.input_bytes(index).map(|bytes| bytes.to_vec())).collect::<Result<_, _>>()?)
}

fn key(gpu: &Gpu, file: &[u8], threads: u8) -> String {
    let named = format!("{}\n{}\n{threads}\n{}\n", gpu.name(), gpu.driver(), env!("CARGO_PKG_VERSION"));
    hex(&Sha256::new().chain_update(named).chain_update(file).finalize())
}

/// Where verdicts are, if the user has a place for such.
fn cache() -> Option<PathBuf> {
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"));
    let named = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    Some(named.or_else(home)?.join("lacewing").join("gpu"))
}

/// A verdict that cannot be kept is sought again.
fn keep(path: &std::path::Path, verdict: Verdict) {
    let folder = path.parent().is_some_and(|folder| std::fs::create_dir_all(folder).is_ok());
    if let (true, Ok(text)) = (folder, serde_json::to_vec(&verdict)) {
        files::write(path, &text).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_is_worth_it_below_four_fifths() {
        let verdict = |gpu_us| Verdict { cpu_us: 100.0, gpu_us };
        assert!(verdict(79.9).is_worth_it());
        assert!(!verdict(80.0).is_worth_it());
    }

    #[test]
    fn integers_agree_exactly_and_reals_nearly() {
        let bytes = |numbers: [f32; 2]| numbers.map(f32::to_le_bytes).concat();
        let reals = |got, wanted| agree(Some(DType::F32), &bytes(got), &bytes(wanted));
        assert!(reals([1.0, 1e-6], [1.000_01, 0.0]));
        assert!(!reals([1.0, 1e-3], [1.0, 0.0]) && !reals([f32::NAN, 0.0], [1.0, 0.0]));
        assert!(agree(Some(DType::I8), &[1], &[1]) && !agree(Some(DType::I8), &[1], &[2]));
    }

    #[test]
    fn verdicts_are_read_as_they_are_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, verdict) = (folder.path().join("deeper/verdict.json"), Verdict { cpu_us: 1.5, gpu_us: 2.5 });
        keep(&path, verdict);
        let read: Verdict = serde_json::from_slice(&std::fs::read(&path).expect("a file")).expect("a verdict");
        assert_eq!(read, verdict);
    }
}
