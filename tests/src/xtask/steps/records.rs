//! Random records on emulated boards and processors whose target has kernels of its own: the suite of `tests/tests/kernels.rs` for their assembly.

use anyhow::{Context, Result, anyhow};
use lacewing::owned::Aligned;
use lacewing::{Model, Opcode};
use lacewing_targets::boards::{emulated, target};
use lacewing_targets::wish::Family;
use lacewing_targets::{Board, pack};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::{Outcome, missing_for_boards};
use crate::oracle;
use crate::records::{self, Case, constants};
use crate::xtask::batch::Batch;
use crate::xtask::processors::{self, Order, PROCESSORS};
use crate::xtask::wasm;

/// RAM that the firmware needs. A board with less has the processor of another one.
pub(super) const RAM: u32 = 512 * 1024;
/// Records of each operation.
const COUNT: usize = 250;
/// The operations that a target has kernels or inner products for.
const OPERATIONS: [Opcode; 13] = [
    Opcode::ConvI8,
    Opcode::DepthwiseI8,
    Opcode::FullyConnectedI8,
    Opcode::ConvI16,
    Opcode::FullyConnectedI16,
    Opcode::ConvW4,
    Opcode::DepthwiseW4,
    Opcode::FullyConnectedW4,
    Opcode::MatMulI8,
    Opcode::AveragePoolI8,
    Opcode::MaxPoolI8,
    Opcode::AddI8,
    Opcode::TableI8,
];

/// Those in f32, of processors that no firmware is for.
const REALS: [Opcode; 3] = [Opcode::ConvF32, Opcode::DepthwiseF32, Opcode::FullyConnectedF32];
/// Those in integers whose files are packed when they are loaded; those in f32 are too.
const PACKED: [Opcode; 3] = [Opcode::ConvI8, Opcode::DepthwiseI8, Opcode::FullyConnectedI8];

/// Every record leaves on the board what the oracle says.
pub(super) fn step() -> Result<Outcome> {
    if let Some(missing) = missing_for_boards()? {
        return Ok(Outcome::NotInstalled(missing));
    }
    let own = |board: &&Board| target(board.target).is_some_and(|target| target.kernels != Family::Portable);
    let roomy = |board: &&Board| board.ram.len >= RAM;
    let cases = cases(&OPERATIONS)?;
    for board in emulated().filter(own).filter(roomy) {
        let batch = Batch::build(board)?;
        check(&cases, |files| Ok(batch.run(files)?.arenas)).with_context(|| format!("records on {}", board.name))?;
    }
    Ok(Outcome::Passed)
}

/// The same on the processors of Linux boards.
pub(super) fn processors() -> Result<Outcome> {
    if let Some(missing) = processors::missing()? {
        return Ok(Outcome::NotInstalled(missing));
    }
    let (cases, packed) = (cases(&[&OPERATIONS[..], &REALS].concat())?, cases(&[PACKED, REALS].concat())?);
    for processor in &PROCESSORS {
        for (order, cases) in [(Order::AsItIs, &cases), (Order::Packed, &packed)] {
            check(cases, |files| Ok(processor.run(order, files)?.arenas))
                .with_context(|| format!("records on {}, {order:?}", processor.name))?;
        }
    }
    Ok(Outcome::Passed)
}

/// The same in a JavaScript engine.
pub(super) fn wasm() -> Result<Outcome> {
    if let Some(missing) = wasm::missing()? {
        return Ok(Outcome::NotInstalled(missing));
    }
    check(&with_packed(cases(&[&OPERATIONS[..], &REALS].concat())?)?, |files| wasm::run(files))
        .context("records in node")?;
    Ok(Outcome::Passed)
}

fn cases(operations: &[Opcode]) -> Result<Vec<Case>> {
    let mut runner = TestRunner::deterministic();
    let cases = operations.iter().flat_map(|opcode| (0..COUNT).map(|_| records::of(*opcode)));
    cases.map(|strategy| Ok(strategy.new_tree(&mut runner).map_err(|why| anyhow!("{why}"))?.current())).collect()
}

/// The cases, and behind them those that the kernels of a PC want otherwise, which are those of browsers, as these want them. The oracle has
/// the weights where they were, in front of those in the new order.
fn with_packed(mut cases: Vec<Case>) -> Result<Vec<Case>> {
    for i in 0..cases.len() {
        if let Some(packed) = pack(&model(&cases[i])?)? {
            cases.push(Case { file: Aligned::from(&packed[..]), ..cases[i].clone() });
        }
    }
    Ok(cases)
}

/// Compares what `run` leaves of the cases' files with the oracle's answers.
fn check(cases: &[Case], run: impl FnOnce(Vec<(&[u8], &[u8])>) -> Result<Vec<u8>>) -> Result<()> {
    let arena = |case: &Case| Ok(case.arena(model(case)?.arena_len()));
    let arenas: Vec<_> = cases.iter().map(arena).collect::<Result<_>>()?;
    let left = run(cases.iter().zip(&arenas).map(|(case, arena)| (&case.file[..], &arena[..])).collect())?;
    let mut rest = &left[..];
    for case in cases {
        let (arena, after) = rest.split_at_checked(model(case)?.arena_len()).context("the output ends early")?;
        let wanted = oracle::run(&case.op, oracle::Constants(constants(&case.file)), &case.inputs);
        wanted.check(&case.output(arena)).map_err(|why| anyhow!("{why}: {case:?}"))?;
        rest = after;
    }
    Ok(())
}

fn model(case: &Case) -> Result<Model<'_>> {
    Ok(Model::read(&case.file)?)
}
