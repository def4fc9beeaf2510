//! `cargo xtask qemu`: a model on an emulated board, measured.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, fs};

use anyhow::{Context, Result, ensure};
use lacewing_targets::{Board, boards};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::firmware::Firmware;
use super::model::ModelFile;
use super::plugin::Counted;
use super::profile::Profile;
use super::{door, elf, emulator};

/// Run a model on an emulated board and measure it.
///
/// Instructions are counted exactly, in the inference only. They are not cycles: flash wait states
/// and dual issue are not in them.
#[derive(clap::Args)]
#[command(after_help = "\
Example:\n  cargo xtask qemu --board mps2-an386 --model kws.lace --json\n
The firmware has no portable bodies beside the board's kernels, unless those do not take all records of the file,
and takes its model without the code of the checks (Model::trusted), since it is compiled in.
What is measured:
  instructions  executed by one inference, the mean if the input holds several
  text_bytes    code of the whole firmware: runtime, kernels, start-up, semihosting
  rodata_bytes  constants, vector table, initial values of variables; without the model's file
  arena_bytes   what the model needs, with inputs, outputs and scratch
  stack_bytes   the deepest stack while the model is taken and run
  output_sha256 over the raw bytes of all outputs, in order
With --profile a second firmware is run, which tells the counter of every record:
  layers        of each record, its decoding included
  functions     of each function of the firmware; what the compiler inlined counts where it stands")]
pub(super) struct Args {
    /// The board, for example mps2-an386
    #[arg(long, value_parser = parse_board)]
    board: &'static Board,
    /// The model's .lace file
    #[arg(long)]
    model: PathBuf,
    /// Real numbers for the input; without it, bytes of a fixed generator
    #[arg(long, value_name = "NPY")]
    input: Option<PathBuf>,
    /// Where to write the output, as real numbers
    #[arg(long, value_name = "NPY")]
    output: Option<PathBuf>,
    /// Give up after so many seconds
    #[arg(long, default_value_t = 300)]
    timeout: u64,
    /// Say where the instructions go: by layer and by function
    #[arg(long)]
    profile: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What is measured of a model on a board.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Report {
    pub(super) board: &'static str,
    model: String,
    pub(super) macs: u64,
    inferences: u64,
    pub(super) instructions: u64,
    pub(super) instructions_per_mac: Option<f64>,
    pub(super) text_bytes: u64,
    pub(super) rodata_bytes: u64,
    pub(super) arena_bytes: usize,
    pub(super) stack_bytes: u32,
    pub(super) output_sha256: String,
}

/// Measures, writes the output and prints the report.
pub(super) fn command(args: &Args) -> Result<()> {
    let file = ModelFile::open(&args.model)?;
    let input = args.input.as_ref();
    let input = input.map(|path| door::inputs(&file.model()?, path)).transpose()?;
    let limit = Duration::from_secs(args.timeout);
    let Measured { report, output, .. } = measure(args.board, &args.model, &file, input.clone(), limit)?;
    if let Some(path) = &args.output {
        door::write_outputs(&file.model()?, &output, path)?;
    }
    let profile = args.profile.then(|| {
        let firmware = Firmware::watched(args.board, &args.model)?;
        Profile::take(&firmware, &file.model()?, input.as_deref(), limit)
    });
    print(&report, profile.transpose()?.as_ref(), args.json)
}

fn print(report: &Report, profile: Option<&Profile>, as_json: bool) -> Result<()> {
    let mut json = serde_json::to_value(report)?;
    if as_json {
        if let Some(profile) = profile {
            json["profile"] = serde_json::to_value(profile)?;
        }
        println!("{json}");
        return Ok(());
    }
    for (key, value) in json.as_object().into_iter().flatten() {
        println!("{key:22}{}", value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    profile.into_iter().for_each(Profile::print);
    Ok(())
}

/// A measured run.
pub(super) struct Measured {
    pub(super) report: Report,
    /// All outputs in order.
    pub(super) output: Vec<u8>,
    pub(super) firmware: Firmware,
    pub(super) counted: Counted,
}

/// Builds, runs and measures.
pub(super) fn measure(
    board: &'static Board,
    path: &Path,
    file: &ModelFile,
    input: Option<Vec<u8>>,
    limit: Duration,
) -> Result<Measured> {
    file.check_fits(board)?;
    let (firmware, counted) = run(board, path, input.as_deref(), limit)?;
    let sizes = elf::sizes(&fs::read(firmware.elf())?, Some(file.bytes()))?;
    let counted = counted.by_inference(&file.model()?);
    let device = DeviceReport::read(&firmware.folder.path().join("report.bin"))?;
    let DeviceReport { inferences, from_file, stack } = device;
    ensure!(
        from_file == input.is_some() && u64::from(inferences) == counted.windows,
        "the device did other work than it was told: {device:?}, {} windows",
        counted.windows
    );
    ensure!(counted.windows > 0, "the device made no inference");
    let output = fs::read(firmware.folder.path().join("output.bin"))?;
    let macs = file.macs()?;
    let instructions = counted.instructions / counted.windows;
    let report = Report {
        board: board.name,
        model: path.display().to_string(),
        macs,
        inferences: counted.windows,
        instructions,
        instructions_per_mac: (macs > 0).then(|| instructions as f64 / macs as f64),
        text_bytes: sizes.text,
        rodata_bytes: sizes.rodata,
        arena_bytes: file.model()?.arena_len(),
        stack_bytes: stack,
        output_sha256: sha256(&output),
    };
    Ok(Measured { report, output, firmware, counted })
}

/// Runs the firmware without portable bodies if the board's kernels take all records, else the one with them.
fn run(board: &'static Board, path: &Path, input: Option<&[u8]>, limit: Duration) -> Result<(Firmware, Counted)> {
    let lean = Firmware::lean(board, path)?;
    if let Ok(counted) = emulator::run(&lean, input, limit) {
        return Ok((lean, counted));
    }
    let whole = Firmware::build(board, "infer", Some(path))?;
    let counted = emulator::run(&whole, input, limit)?;
    Ok((whole, counted))
}

impl Report {
    /// The name of the model's file.
    pub(super) fn name(&self) -> String {
        Path::new(&self.model).file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { board, instructions, text_bytes, rodata_bytes, .. } = self;
        let Self { arena_bytes, stack_bytes, .. } = self;
        write!(
            f,
            "{board}: {instructions} instructions, {text_bytes} text, {rodata_bytes} rodata, \
             {arena_bytes} arena, {stack_bytes} stack"
        )
    }
}

/// SHA-256 in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    emulator::hex(&Sha256::digest(bytes))
}

/// The device's own file: three little-endian `u32`.
#[derive(Debug)]
struct DeviceReport {
    stack: u32,
    inferences: u32,
    from_file: bool,
}

impl DeviceReport {
    fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).context("the device wrote no report")?;
        let words: Vec<_> = bytes.as_chunks().0.iter().copied().map(u32::from_le_bytes).collect();
        let [stack, inferences, from_file] = words[..] else {
            anyhow::bail!("the device's report has {} bytes", bytes.len());
        };
        Ok(Self { stack, inferences, from_file: from_file != 0 })
    }
}

pub(super) fn parse_board(name: &str) -> Result<&'static Board, String> {
    boards::emulated().find(|board| board.name == name).ok_or_else(|| {
        let names: Vec<_> = boards::emulated().map(|board| board.name).collect();
        format!("the emulated boards are {}", names.join(", "))
    })
}
