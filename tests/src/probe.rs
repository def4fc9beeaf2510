//! What any bytes must withstand: reading them as a model, and running what is accepted.

use lacewing::format::metadata;
use lacewing::owned::Aligned;
use lacewing::{AllOps, Model, Portable, RunError};

/// Larger arenas and longer runs are read and not run.
const MAX_ARENA: usize = 1 << 20;
const MAX_WORK: u64 = 1 << 20;

/// How far a file came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// `Model::read` gave an error.
    Refused,
    /// Read, too large to be run here.
    Read,
    /// Read and run.
    Run,
}

/// Reads a file, looks at all of it, and runs it over an arena with the bytes of `fill` if it is small.
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
    assert_eq!(run(&model, &mut arena), Ok(()), "a model that was read must run");
    Outcome::Run
}

/// Runs on what is in the arena; rows of an input are what is there when they arrive.
fn run(model: &Model<'_>, arena: &mut [u8]) -> Result<(), RunError> {
    let Some(mut frame) = model.frame() else { return model.run(&Portable, arena) };
    while frame.row().is_some() {
        model.push_row(&Portable, arena, &mut frame)?;
    }
    Ok(())
}
