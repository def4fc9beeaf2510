//! `cargo xtask fit`: how many instructions the records of a program take, fitted on an emulator's counts for `lacewing convert --target`.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use lacewing::format::{DType, Header, Op};
use lacewing::{Model, Opcode};
use lacewing_targets::cost::{Kind, terms};
use lacewing_targets::wish::Family;
use lacewing_targets::{Board, boards};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::batch::{Batch, Ran};
use super::bench::{self, Job};
use super::converter::{self, Optimize};
use super::mca::{Hot, Tools};
use super::model::ModelFile;
use super::paths;
use crate::generator::Generator;
use crate::{models, records};

mod layers;
mod squares;

use squares::{Sample, fit};

/// Fit how many instructions records take, for `lacewing convert --target`.
///
/// Runs the models of tests/mcu.toml, the demo's model in every precision, layers of many shapes and random records on an emulated board
/// of each target, and
/// writes convert/board/src/predict.toml. Run it again when kernels changed.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask fit --models ../models
  cargo xtask fit --models ../models --target cortex-m55")]
pub(super) struct Args {
    /// The folder with the models of tests/mcu.toml; LACEWING_MODELS if not given
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// A target to fit anew; all if not given
    #[arg(long)]
    target: Vec<String>,
}

/// Fits and writes.
pub(super) fn command(args: &Args) -> Result<()> {
    let jobs = bench::known(args.models.as_deref())?;
    ensure!(!jobs.is_empty(), "no models to fit on: name their folder with --models or LACEWING_MODELS");
    let Some(tools) = Tools::find()? else { bail!("no llvm-mca for cycles: on Debian, install llvm") };
    let path = paths::root().join("convert/board/src/predict.toml");
    let mut sections = sections(&fs::read_to_string(&path).unwrap_or_default());
    let mut written = Written { jobs, files: HashMap::new() };
    for board in firsts() {
        if args.target.is_empty() || args.target.iter().any(|name| name == board.target) {
            let fitted = Fitted::of(board, &mut written, &tools);
            let fitted = fitted.with_context(|| format!("fitting on {}", board.name))?;
            eprintln!("{}: {}", board.target, fitted.said());
            sections.insert(board.target.to_owned(), fitted.section()?);
            let text = sections.values().fold(HEAD.to_owned(), |text, section| text + section);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(())
}

/// The sections of the table, by target.
fn sections(text: &str) -> BTreeMap<String, String> {
    let mut sections = BTreeMap::new();
    let mut target = String::new();
    for line in text.lines().skip_while(|line| !line.starts_with('[')).filter(|line| !line.is_empty()) {
        let name = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')).filter(|name| !name.contains('.'));
        if let Some(name) = name {
            name.clone_into(&mut target);
        }
        let section: &mut String = sections.entry(target.clone()).or_default();
        section.push_str(if name.is_some() { "\n" } else { "" });
        section.push_str(line);
        section.push('\n');
    }
    sections
}

const HEAD: &str = "\
# Instructions of records by target and kind, `Σ coefficient · term` with the terms of targets/src/cost.rs. Written by `cargo xtask fit --models DIR`; run it again when kernels changed.
# `layer_error` is the median of |fit − count| / count over the models' records, `model_errors` the same of each whole model by a fit
# that had not seen it, with its sign. `stack_bytes` is the deepest stack of reading and running all that was run, with every operation linked.
";

/// An emulated board of each target, the first with room for models.
fn firsts() -> Vec<&'static Board> {
    let mut firsts: Vec<&Board> = Vec::new();
    for board in boards::emulated() {
        if firsts.iter().all(|first| first.target != board.target) {
            firsts.push(board);
        }
    }
    firsts
}

/// What is known of a target.
struct Fitted {
    board: &'static Board,
    kinds: BTreeMap<String, [f64; lacewing_targets::cost::TERMS]>,
    layer_error: f64,
    /// The deepest stack of all that was run.
    stack: u32,
    /// By model.
    model_errors: Vec<(String, f64)>,
    hot: Hot,
}

impl Fitted {
    fn of(board: &'static Board, written: &mut Written, tools: &Tools) -> Result<Self> {
        let batch = Batch::build(board)?;
        let kernels = boards::target(board.target).context("every board has a target")?.kernels;
        let models = written.for_kernels(kernels, board.target)?;
        let fitting = |model: &&Loaded| Batch::fits(board, model.file.len() + model.arena.len());
        let models: Vec<&Loaded> = models.iter().filter(fitting).collect();
        let (mut samples, counted, stack) = ran(&batch, kernels, &models)?;
        let hot = tools.cycles(board, &batch.firmware.elf(), &counted)?.context("no cycles of the target")?;
        let real = samples.len();
        let more: Vec<_> = random()?.into_iter().chain(layers::layers(kernels)?).collect();
        let (more, _, more_stack) = ran(&batch, kernels, &more.iter().filter(fitting).collect::<Vec<_>>())?;
        samples.extend(more);
        let (_, _, golden_stack) = ran(&batch, kernels, &golden()?.iter().filter(fitting).collect::<Vec<_>>())?;
        let kinds = fit(&samples, |_| true);
        let names: Vec<_> = models.iter().map(|model| &model.name[..]).collect();
        Ok(Self {
            board,
            layer_error: squares::median(samples[..real].iter().map(|sample| sample.error(&kinds))),
            model_errors: squares::left_out(&samples, &names),
            stack: stack.max(more_stack).max(golden_stack),
            kinds,
            hot,
        })
    }

    fn said(&self) -> String {
        let errors = self.model_errors.iter().map(|(name, error)| format!("{name} {:+.1} %", 100.0 * error));
        format!(
            "layers within {:.1} % (median); models unseen: {}",
            100.0 * self.layer_error,
            errors.collect::<Vec<_>>().join(", ")
        )
    }

    /// Its section of the table.
    fn section(&self) -> Result<String> {
        let mut text = format!("\n[{}]\nboard = \"{}\"\n", self.board.target, self.board.name);
        writeln!(text, "cycles_per_instruction = {:.2}", self.hot.cycles_per_instruction)?;
        writeln!(text, "cycles_source = \"{}\"", self.hot.source())?;
        writeln!(text, "layer_error = {:.3}", self.layer_error)?;
        writeln!(text, "stack_bytes = {}", self.stack)?;
        let errors = self.model_errors.iter().map(|(name, error)| format!("{name} = {error:.3}"));
        writeln!(text, "model_errors = {{ {} }}", errors.collect::<Vec<_>>().join(", "))?;
        writeln!(text, "[{}.kinds]", self.board.target)?;
        for (kind, coefficients) in &self.kinds {
            let coefficients: Vec<_> = coefficients.iter().map(|number| format!("{number:.4}")).collect();
            writeln!(text, "{kind} = [{}]", coefficients.join(", "))?;
        }
        Ok(text)
    }
}

/// A file to run, and the arena that it starts from.
struct Loaded {
    /// The model's name; nothing for a random record.
    name: String,
    file: Vec<u8>,
    arena: Vec<u8>,
    ops: Vec<Op>,
}

impl Loaded {
    fn new(name: &str, file: &[u8]) -> Result<Self> {
        let file = ModelFile::new(file)?;
        let model = file.model()?;
        let mut arena = vec![0; model.arena_len()];
        let mut bytes = Generator::default();
        for port in model.inputs() {
            let range = port.tensor.span().and_then(|span| span.range()).context("an input has no size")?;
            match port.tensor.dtype() {
                // Numbers of f32 between 0 and 4.
                Some(DType::F32) => arena[range].chunks_exact_mut(4).for_each(|number| {
                    let byte = bytes.next().unwrap_or_default();
                    number.copy_from_slice(&(f32::from(byte) / 64.0).to_le_bytes());
                }),
                _ => arena[range].fill_with(|| bytes.next().unwrap_or_default()),
            }
        }
        Ok(Self { name: name.to_owned(), file: file.bytes().to_vec(), arena, ops: model.ops().collect() })
    }
}

/// Models of the table and the demo's, as they were written for each kernels.
struct Written {
    jobs: Vec<Job>,
    files: HashMap<Family, Vec<Loaded>>,
}

impl Written {
    /// Those for the kernels of a target.
    fn for_kernels(&mut self, kernels: Family, target: &str) -> Result<&[Loaded]> {
        if !self.files.contains_key(&kernels) {
            self.files.insert(kernels, models(target, &self.jobs)?);
        }
        Ok(self.files.get(&kernels).map(Vec::as_slice).unwrap_or_default())
    }
}

fn models(target: &str, jobs: &[Job]) -> Result<Vec<Loaded>> {
    let folder = tempfile::tempdir()?;
    let lace = folder.path().join("model.lace");
    let mut models = Vec::new();
    for job in jobs {
        converter::convert(&job.path, target, Optimize::Balanced, &lace)?;
        models.push(Loaded::new(&job.name, &fs::read(&lace)?)?);
    }
    for precision in ["int8", "int4", "int16", "f32"] {
        converter::convert_demo(target, precision, &lace)?;
        models.push(Loaded::new(&format!("demo-{precision}"), &fs::read(&lace)?)?);
    }
    Ok(models)
}

/// Random records of each operation.
const COUNT: usize = 25;

/// Records of the operations whose weights have no order that a target may want otherwise.
fn random() -> Result<Vec<Loaded>> {
    let mut runner = TestRunner::deterministic();
    let ordered =
        |opcode: &Opcode| ["Conv", "Depthwise", "FullyConnected"].iter().any(|name| opcode.name().starts_with(name));
    let opcodes = records::opcodes().filter(|opcode| !ordered(opcode));
    let mut loaded = Vec::new();
    for strategy in opcodes.flat_map(|opcode| (0..COUNT).map(move |_| records::of(opcode))) {
        let case = strategy.new_tree(&mut runner).map_err(|why| anyhow::anyhow!("{why}"))?.current();
        let arena = case.arena(Model::<lacewing::AllOps>::read(&case.file)?.arena_len());
        loaded.push(Loaded {
            name: String::new(),
            file: case.file.to_vec(),
            arena: arena.to_vec(),
            ops: vec![case.op.clone()],
        });
    }
    Ok(loaded)
}

/// The golden files, bands and all operations among them; not those that the firmware of records does not feed.
fn golden() -> Result<Vec<Loaded>> {
    let mut loaded = Vec::new();
    for path in models::released()? {
        let file = fs::read(path)?;
        let ops = Header::parse(&file)?.ops;
        loaded.extend((!ops.has_rows() && !ops.has_regions()).then(|| Loaded::new("", &file)).transpose()?);
    }
    Ok(loaded)
}

/// Runs all and gives what each record took, all counts, and the deepest stack.
fn ran(batch: &Batch, kernels: Family, models: &[&Loaded]) -> Result<(Vec<Sample>, super::plugin::Counted, u32)> {
    let Ran { counted, stack, .. } = batch.run(models.iter().map(|model| (&model.file[..], &model.arena[..])))?;
    let ops = models.iter().flat_map(|model| model.ops.iter().map(|op| (&model.name, op)));
    let sample = |(index, (model, op)): (usize, (&String, &Op))| {
        let count = counted.parts.get(&(index + 1)).context("a record was not counted")?;
        Ok(Sample {
            model: model.clone(),
            kind: Kind::of(op, kernels).to_string(),
            terms: terms(op),
            count: *count as f64,
        })
    };
    let samples: Vec<_> = ops.enumerate().map(sample).collect::<Result<_>>()?;
    Ok((samples, counted, stack))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_that_are_not_fitted_anew_stay() {
        let text = format!("{HEAD}\n[a]\nboard = \"x\"\n[a.kinds]\nAddI8 = [1.0]\n\n[b]\nboard = \"y\"\n");
        let sections = sections(&text);
        assert_eq!(sections.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(sections.values().fold(HEAD.to_owned(), |text, section| text + section), text);
    }
}
