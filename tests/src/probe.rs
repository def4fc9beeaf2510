//! What any bytes must withstand: reading them as a model, and running what is accepted; taking them unchecked, and running that.

use lacewing::format::metadata;
use lacewing::owned::Aligned;
use lacewing::{AllOps, Kernels, Model, Portable, RunError};
use lacewing_targets::{CortexM4, CortexM55, Lanes, Level, RiscvV, Scalar};

/// Larger arenas and longer runs are read and not run.
const MAX_ARENA: usize = 1 << 20;
const MAX_WORK: u64 = 1 << 20;
/// The same of what was not checked, which is run with many kernels.
const MAX_TRUSTED_WORK: u64 = 1 << 12;

/// How far a file came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// `Model::read` gave an error.
    Refused,
    /// Read, too large to be run here.
    Read,
    /// Read and run.
    Run,
    /// Not checked, and not run to its end.
    Failed,
}

/// Reads a file, looks at all of it, and runs it over an arena with the bytes of `fill` if it is small; as it would run without checks, too.
///
/// # Panics
/// If a model that was read does not run: that, and any panic inside, is what the suites look for.
pub fn probe(file: &[u8], mut fill: impl FnMut() -> u8) -> Outcome {
    let file = Aligned::from(file);
    let Ok(model) = Model::<AllOps>::read(&file) else { return Outcome::Refused };
    let _ = (model.verify(), metadata::read(model.metadata_bytes()));
    let macs = model.ops().map(|op| op.macs()).fold(0, u64::saturating_add);
    assert!(macs <= model.header().work, "{macs} multiply-accumulates in less work");
    let shape = model.inputs().chain(model.outputs()).find(|port| port.shape().len() != usize::from(port.rank));
    assert_eq!(shape, None, "every port has as many dimensions as its rank");
    if model.arena_len() > MAX_ARENA || model.header().work > MAX_WORK {
        return Outcome::Read;
    }
    let mut arena = Aligned::zeroed(model.arena_len());
    arena.iter_mut().for_each(|byte| *byte = fill());
    let mut same = Aligned::from(&arena[..]);
    assert_eq!(run(&model, &Portable, &mut arena), Ok(()), "a model that was read must run");
    let trusted = Model::<AllOps>::trusted(&file).expect("what is read is taken without checks");
    assert_eq!((run(&trusted, &Portable, &mut same), &same[..]), (Ok(()), &arena[..]), "checks change no bit");
    Outcome::Run
}

/// Takes a file without checks and runs it with all kernels that this machine has, if it says that it is small.
///
/// The twins of assembly are plain Rust: what one would read beyond a slice is a panic.
///
/// # Panics
/// On any panic inside.
pub fn probe_trusted(file: &[u8], mut fill: impl FnMut() -> u8) -> Outcome {
    let file = Aligned::from(file);
    let Ok(model) = Model::<AllOps>::trusted(&file) else { return Outcome::Refused };
    let work = model.ops().map(|op| op.work()).fold(0, u64::saturating_add);
    if model.arena_len() > MAX_ARENA || work > MAX_TRUSTED_WORK {
        return Outcome::Read;
    }
    let mut arena = Aligned::zeroed(model.arena_len());
    arena.iter_mut().for_each(|byte| *byte = fill());
    let lanes = Lanes::at(Level::Plain).expect("plain Rust is everywhere");
    let _ = [run(&model, &CortexM4, &mut arena), run(&model, &CortexM55, &mut arena), run(&model, &Scalar, &mut arena)];
    let _ = [run(&model, &RiscvV, &mut arena), run(&model, &lanes, &mut arena), model.reset(&mut arena)];
    run(&model, &Portable, &mut arena).map_or(Outcome::Failed, |()| Outcome::Run)
}

/// Runs on what is in the arena; rows of an input are what is there when they arrive.
fn run<K: Kernels>(model: &Model<'_>, kernels: &K, arena: &mut [u8]) -> Result<(), RunError> {
    let Some(mut frame) = model.frame() else { return model.run(kernels, arena) };
    while frame.row().is_some() {
        model.push_row(kernels, arena, &mut frame)?;
    }
    Ok(())
}
