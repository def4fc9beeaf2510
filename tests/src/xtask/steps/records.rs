//! Random records on emulated boards and processors whose target has kernels of its own: the suite of `tests/tests/kernels.rs` for their assembly.

use anyhow::{Context, Result, ensure};
use lacewing::owned::Aligned;
use lacewing::{Model, Opcode, Portable};
use lacewing_targets::boards::{emulated, target};
use lacewing_targets::wish::Family;
use lacewing_targets::{Board, pack};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::{Outcome, missing_for_boards};
use crate::records::{self, Case};
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

/// Those of which files are packed for Linux boards.
const PACKED: [Opcode; 3] = [Opcode::ConvI8, Opcode::DepthwiseI8, Opcode::FullyConnectedI8];

/// Every record leaves the bytes on the board that the portable kernels leave on the host.
pub(super) fn step() -> Result<Outcome> {
    if let Some(missing) = missing_for_boards()? {
        return Ok(Outcome::NotInstalled(missing));
    }
    let own = |board: &&Board| target(board.target).is_some_and(|target| target.kernels != Family::Portable);
    let roomy = |board: &&Board| board.ram.len >= RAM;
    let cases = cases()?;
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
    let cases = cases()?;
    let packed: Vec<_> = cases.iter().filter(|case| PACKED.contains(&case.op.opcode())).cloned().collect();
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
    check(&with_packed(cases()?)?, |files| wasm::run(files)).context("records in node")?;
    Ok(Outcome::Passed)
}

fn cases() -> Result<Vec<Case>> {
    let mut runner = TestRunner::deterministic();
    let cases = OPERATIONS.iter().flat_map(|opcode| (0..COUNT).map(|_| records::of(*opcode)));
    cases
        .map(|strategy| Ok(strategy.new_tree(&mut runner).map_err(|why| anyhow::anyhow!("{why}"))?.current()))
        .collect()
}

/// The cases, and behind them those that the kernels of a PC want otherwise, which are those of browsers, as these want them.
fn with_packed(mut cases: Vec<Case>) -> Result<Vec<Case>> {
    for i in 0..cases.len() {
        if let Some(packed) = pack(&model(&cases[i])?)? {
            cases.push(Case { file: Aligned::from(&packed[..]), ..cases[i].clone() });
        }
    }
    Ok(cases)
}

/// Compares the arenas that `run` leaves of the cases' files with those of the portable kernels.
fn check(cases: &[Case], run: impl FnOnce(Vec<(&[u8], &[u8])>) -> Result<Vec<u8>>) -> Result<()> {
    let arena = |case: &Case| Ok(case.arena(model(case)?.arena_len()));
    let arenas: Vec<_> = cases.iter().map(arena).collect::<Result<_>>()?;
    let left = run(cases.iter().zip(&arenas).map(|(case, arena)| (&case.file[..], &arena[..])).collect())?;
    let mut rest = &left[..];
    for case in cases {
        let (arena, after) = rest.split_at_checked(model(case)?.arena_len()).context("the output ends early")?;
        ensure!(case.output(arena).bytes() == expected(case)?, "otherwise than on the host: {case:?}");
        rest = after;
    }
    Ok(())
}

/// What the portable kernels leave.
fn expected(case: &Case) -> Result<Vec<u8>> {
    let model = model(case)?;
    let mut arena = case.arena(model.arena_len());
    model.run(&Portable, &mut arena)?;
    Ok(case.output(&arena).bytes())
}

fn model(case: &Case) -> Result<Model<'_>> {
    Ok(Model::read(&case.file)?)
}
