//! Files on emulated processors of Linux boards: `tests/linux`, run under QEMU's user mode.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lacewing::format::{DType, Span};

use super::linux::{AARCH64, ALL, ARMV7, Linux, RISCV64};
use super::model::ModelFile;
use super::plugin::{self, Counted};
use super::{batch, paths, process, qemu};
use crate::generator::Generator;

const LIMIT: Duration = Duration::from_secs(600);

/// A processor that QEMU's user mode has.
#[derive(Debug)]
pub(super) struct Processor {
    /// What QEMU calls it.
    pub(super) name: &'static str,
    /// The boards that have it.
    linux: &'static Linux,
    /// The kernels that are found there, or their level.
    kernels: &'static str,
}

/// One for each level of the kernels in each family.
pub(super) const PROCESSORS: [Processor; 7] = [
    Processor { name: AARCH64.cpu, linux: &AARCH64, kernels: "Neon" },
    Processor { name: "cortex-a76", linux: &AARCH64, kernels: "Dot" },
    Processor { name: "max", linux: &AARCH64, kernels: "Matrix" },
    Processor { name: ARMV7.cpu, linux: &ARMV7, kernels: "Neon" },
    Processor { name: "cortex-a7,neon=off", linux: &ARMV7, kernels: "Plain" },
    Processor { name: "rv64,v=true,vext_spec=v1.0", linux: &RISCV64, kernels: "RiscvV" },
    Processor { name: RISCV64.cpu, linux: &RISCV64, kernels: "Scalar" },
];

/// Run a model on an emulated processor of Linux boards and count its instructions
///
/// Any file is packed for the kernels first, as it is when it is loaded. Instructions are not cycles.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The processor: cortex-a53, cortex-a76 or max of 64 bits, cortex-a7 of 32, with NEON or ,neon=off; rv64, or with vectors rv64,v=true,vext_spec=v1.0
    #[arg(long, value_parser = parse)]
    cpu: &'static Processor,
    /// The model's .lace file
    #[arg(long)]
    model: PathBuf,
}

fn parse(name: &str) -> Result<&'static Processor, String> {
    let names = || PROCESSORS.each_ref().map(|processor| processor.name).join(", ");
    PROCESSORS.iter().find(|processor| processor.name == name).ok_or_else(|| format!("the processors are {}", names()))
}

/// Feeds the bytes of a fixed generator, compares the outputs with the host's and prints the count. Models in f32 are not compared: the bytes
/// may be no numbers.
pub(super) fn command(args: &Args) -> Result<()> {
    let file = ModelFile::open(&args.model)?;
    let expected = file.run(1, &mut Generator::default())?;
    let model = file.model()?;
    ensure!(model.frame().is_none(), "the input goes in row by row: convert without --input-rows");
    let (mut arena, mut bytes) = (vec![0; model.arena_len()], Generator::default());
    model.reset(&mut arena)?;
    let spans = |span: Option<Span>| span.and_then(Span::range).context("a tensor has no place");
    for input in model.inputs() {
        arena[spans(input.tensor.span())?].fill_with(|| bytes.next().unwrap_or_default());
    }
    let Ran { counted, arenas } = args.cpu.run(Order::Packed, [(file.bytes(), &arena[..])])?;
    let outputs = model.outputs().map(|output| Ok(&arenas[spans(output.tensor.span())?]));
    let outputs = outputs.collect::<Result<Vec<_>>>()?.concat();
    let exact = model.ops().all(|op| op.output().dtype() != Some(DType::F32));
    ensure!(!exact || outputs == expected, "otherwise than on the host");
    println!("{} instructions, output {}", counted.instructions, qemu::sha256(&outputs));
    Ok(())
}

/// What is missing for [`PROCESSORS`], if anything is.
pub(super) fn missing() -> Result<Option<String>> {
    match paths::program("gcc") {
        Some(_) => Ok(ALL.iter().find_map(|linux| linux.missing().transpose()).transpose()?),
        None => Ok(Some("no gcc".into())),
    }
}

/// What was counted, and the arenas that the files left, one behind the other.
pub(super) struct Ran {
    pub(super) counted: Counted,
    pub(super) arenas: Vec<u8>,
}

/// The order of weights that files are run with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// That which they have.
    AsItIs,
    /// That which the kernels want.
    Packed,
}

impl Processor {
    /// Runs files, each with the arena that it starts from.
    pub(super) fn run<'f>(&self, order: Order, files: impl IntoIterator<Item = (&'f [u8], &'f [u8])>) -> Result<Ran> {
        let (program, folder) = (build(self.linux)?, tempfile::tempdir()?);
        fs::write(folder.path().join("input.bin"), batch::input(files))?;
        let mut qemu = self.linux.emulated(self.name);
        qemu.current_dir(&folder).arg("-plugin");
        qemu.arg(format!("{},out=counts.txt", plugin::provide()?.display())).arg(program);
        qemu.args((order == Order::Packed).then_some("packed"));
        let ended = process::within(LIMIT, &mut qemu)?;
        let said = ended.stderr.trim();
        ensure!(ended.status.is_some_and(|status| status.success()), "{}: {said}", self.name);
        ensure!(said == self.kernels, "{} has {said} instead of {}", self.name, self.kernels);
        let counted = plugin::read(&folder.path().join("counts.txt"))?;
        Ok(Ran { counted, arenas: fs::read(folder.path().join("output.bin"))? })
    }
}

fn build(linux: &Linux) -> Result<PathBuf> {
    let mut cargo = linux.cargo(&paths::root().join("tests/linux"), "build")?;
    process::run(cargo.args(["--release", "--quiet"]))?;
    linux.executable("lacewing-linux")
}
