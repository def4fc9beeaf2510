//! What runs models on this machine, each in a process of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use lacewing_targets::{boards::TARGETS, native_family};
use serde::{Deserialize, Serialize};

use super::models::{Files, Job, Precision};
use crate::xtask::{converter, paths, process, python};

/// Who runs a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Engine {
    /// This project
    Lacewing,
    /// LiteRT with XNNPACK, on .tflite files
    Litert,
    /// onnxruntime, on ONNX files, as are the others
    Onnxruntime,
    /// OpenVINO
    Openvino,
    /// ncnn, on float models
    Ncnn,
    /// tract, which runs quantized convolutions in float; on one thread
    Tract,
}

impl Engine {
    /// Its name on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Lacewing => "lacewing",
            Self::Litert => "litert",
            Self::Onnxruntime => "onnxruntime",
            Self::Openvino => "openvino",
            Self::Ncnn => "ncnn",
            Self::Tract => "tract",
        }
    }
}

/// Times of one process in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Measured {
    /// Until it could run.
    pub(super) load_us: Option<f64>,
    /// The first run.
    pub(super) first_us: Option<f64>,
    /// The fastest run.
    pub(super) min_us: f64,
    /// Half of the runs were at least as fast.
    pub(super) median_us: f64,
    /// The most memory that the process had.
    pub(super) peak_memory_bytes: Option<u64>,
    /// Multiply-accumulates of a run, where the engine tells.
    pub(super) macs: Option<u64>,
}

impl Measured {
    /// What is least of each.
    pub(super) fn least(self, other: Self) -> Self {
        let least = |a: Option<f64>, b: Option<f64>| Some(a?.min(b?));
        Self {
            load_us: least(self.load_us, other.load_us),
            first_us: least(self.first_us, other.first_us),
            min_us: self.min_us.min(other.min_us),
            median_us: self.median_us.min(other.median_us),
            peak_memory_bytes: self.peak_memory_bytes.min(other.peak_memory_bytes),
            macs: self.macs,
        }
    }
}

/// Everything that is built or installed once.
pub(super) struct Engines {
    python: Option<PathBuf>,
    tract: Option<PathBuf>,
    lacewing: PathBuf,
    /// For files that are made.
    folder: PathBuf,
    seconds: f64,
    threads: u16,
}

impl Engines {
    /// Builds and installs what some engines need, in a folder for the files that they run.
    pub(super) fn new(engines: &[Engine], folder: &Path, seconds: f64, threads: u16) -> Result<Self> {
        let needed = |engine| engines.contains(&engine);
        let pythons = [Engine::Litert, Engine::Onnxruntime, Engine::Openvino, Engine::Ncnn];
        Ok(Self {
            python: pythons.into_iter().any(needed).then(interpreter).transpose()?,
            tract: needed(Engine::Tract).then(tract).transpose()?,
            lacewing: lacewing()?,
            folder: folder.to_path_buf(),
            seconds,
            threads,
        })
    }

    /// The processes that measure a model, by their engine; without those that do not run such a model.
    pub(super) fn commands(&self, engines: &[Engine], job: &Job) -> BTreeMap<Engine, Result<Command>> {
        engines.iter().filter_map(|engine| Some((*engine, self.command(*engine, job).transpose()?))).collect()
    }

    fn command(&self, engine: Engine, job: &Job) -> Result<Option<Command>> {
        let Files { tflite, onnx, .. } = &job.files;
        match (engine, onnx, tflite) {
            (Engine::Lacewing, ..) => self.lacewing(job).map(Some),
            (Engine::Litert, _, Some(file)) | (Engine::Onnxruntime | Engine::Openvino, Some(file), _) => {
                Ok(self.peer(engine, file))
            }
            (Engine::Ncnn, Some(file), _) if job.precision == Precision::F32 => {
                Ok(self.peer(engine, &self.ncnn(file)?))
            }
            (Engine::Tract, Some(file), _) if self.threads == 1 => Ok(self.tract.as_ref().map(|tract| {
                let mut command = Command::new(tract);
                command.arg(file).arg(self.seconds.to_string());
                command
            })),
            _ => Ok(None),
        }
    }

    fn peer(&self, engine: Engine, file: &Path) -> Option<Command> {
        let mut command = Command::new(self.python.as_ref()?);
        command.arg(source().join("peer.py")).arg(engine.name()).arg(file);
        command.args(["--threads", &self.threads.to_string(), "--seconds", &self.seconds.to_string()]);
        Some(command)
    }

    /// Writes the file for this machine's kernels.
    fn lacewing(&self, job: &Job) -> Result<Command> {
        let source = job.files.source().context("a model has a file")?;
        let lace = self.folder.join(&job.name).with_extension(format!("{}.lace", job.precision.name()));
        let mut convert = Command::new(&self.lacewing);
        convert.args(["convert", "--target", target()?, "--optimize", "speed"]).arg(source).arg("-o").arg(&lace);
        if job.precision == Precision::F32 {
            convert.args(["--precision", "f32"]);
        }
        process::output(&mut convert)?;
        let mut command = Command::new(&self.lacewing);
        command.arg("bench").arg(lace).args(["--threads", &self.threads.to_string(), "--json"]);
        Ok(command)
    }

    /// Writes the file for ncnn.
    fn ncnn(&self, onnx: &Path) -> Result<PathBuf> {
        let python = self.python.as_ref().context("no Python")?;
        process::output(Command::new(python).arg(source().join("make.py")).arg("ncnn").arg(onnx).arg(&self.folder))?;
        Ok(self.folder.join(onnx.file_name().unwrap_or_default()).with_extension("ncnn.param"))
    }
}

/// Runs a process that measures.
pub(super) fn measure(command: &mut Command) -> Result<Measured> {
    let printed = process::output(command)?;
    serde_json::from_str(&printed).with_context(|| format!("no times: {}", printed.trim()))
}

/// Models that no folder has, made once.
pub(super) fn made() -> Result<PathBuf> {
    let folder = python::made("host-models", &source())?;
    if !folder.join("mobilenet_v2_int8.tflite").is_file() {
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let mut make = Command::new(interpreter()?);
        process::output(make.arg(source().join("make.py")).arg("mobilenet").arg(&folder))?;
    }
    Ok(folder)
}

fn source() -> PathBuf {
    paths::root().join("tests/host")
}

fn interpreter() -> Result<PathBuf> {
    if !python::is_there() {
        bail!("no Python 3.11 that can make virtual environments (on Debian, package python3-venv)");
    }
    python::environment(&source().join("requirements.txt"))
}

/// Builds the command `lacewing`.
fn lacewing() -> Result<PathBuf> {
    process::output(&mut converter::command(&["--version"]))?;
    Ok(paths::target_dir().join("release/lacewing"))
}

/// Builds tract.
fn tract() -> Result<PathBuf> {
    let target = paths::target_dir().join("host-tract");
    let mut cargo = process::cargo(&source().join("tract"));
    process::run(cargo.args(["build", "--release", "--locked", "--quiet", "--target-dir"]).arg(&target))?;
    Ok(target.join("release/lacewing-host-tract"))
}

/// A target whose files are written as this machine's kernels want them.
fn target() -> Result<&'static str> {
    let own = TARGETS.iter().find(|target| target.kernels == native_family());
    own.map(|target| target.name).context("no target has the kernels of this machine")
}
