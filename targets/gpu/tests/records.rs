//! The GPU against the naive oracle, with random records of every operation: integers bit for bit, f32 within its rounding.
//!
//! `PROPTEST_CASES` sets the number of records for each operation, 200 if it is not set.

mod common;

use lacewing::format::Op;
use lacewing::ops::Function;
use lacewing::{Model, Opcode};
use lacewing_gpu::{Gpu, GpuError, GpuModel};
use lacewing_tests::oracle::{self, Constants, Values};
use lacewing_tests::records::{self, Case, constants};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// What runs on the CPU alone. An operation that gains a kernel is missed here, and so is one that loses it.
fn is_left_out(op: &Op) -> bool {
    match op {
        Op::UnaryF32(op) => !matches!(
            op.function,
            Function::Identity
                | Function::Clip { .. }
                | Function::LeakyRelu { .. }
                | Function::Sigmoid
                | Function::HardSigmoid { .. }
                | Function::HardSwish
                | Function::Silu
                | Function::Exp
                | Function::Abs
                | Function::Neg
                | Function::Square
        ),
        op => never_runs(op.opcode()),
    }
}

/// The operations of which no record has a kernel.
fn never_runs(opcode: Opcode) -> bool {
    match opcode {
        Opcode::ConvF32 | Opcode::DepthwiseF32 | Opcode::FullyConnectedF32 | Opcode::SoftmaxF32 => false,
        Opcode::AveragePoolF32 | Opcode::MaxPoolF32 | Opcode::UnaryF32 | Opcode::DequantizeI8 => false,
        Opcode::MatMulF32 | Opcode::ResampleF32 | Opcode::GatherF32 | Opcode::GatherI16 => false,
        Opcode::AddF32 | Opcode::SubF32 | Opcode::MulF32 => false,
        Opcode::PadF32 | Opcode::ConcatF32 | Opcode::StridedCopyF32 => false,
        Opcode::PadI16 | Opcode::ConcatI16 | Opcode::StridedCopyI16 => false,
        Opcode::NormalizeI8 | Opcode::LstmI8 | Opcode::GruI8 | Opcode::RnnI8 | Opcode::WidenI8 => true,
        _ => ["F32", "I16"].iter().any(|dtype| opcode.name().ends_with(dtype)),
    }
}

#[test]
fn random_records_equal_the_oracle() {
    let Some(gpu) = common::gpu() else { return };
    let failures: Vec<_> = records::opcodes().filter_map(|opcode| operation(&gpu, opcode).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn operation(gpu: &Gpu, opcode: Opcode) -> Result<(), String> {
    let cases = std::env::var("PROPTEST_CASES").map_or(200, |cases| cases.parse().expect("a number"));
    let cases = if never_runs(opcode) { 1 } else { cases };
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let run = TestRunner::new(config).run(&records::of(opcode), |case| {
        whole(gpu, &case)?;
        case.by_turns().map_or(Ok(()), |band| whole(gpu, &band))
    });
    run.map_err(|error| format!("{}: {error}", opcode.name()))
}

/// Runs the case's file, and compares the output with the oracle's.
fn whole(gpu: &Gpu, case: &Case) -> Result<(), TestCaseError> {
    let model: Model<'_> = Model::read(&case.file).map_err(fail)?;
    let loaded = GpuModel::load(gpu, &model);
    if is_left_out(&case.op) {
        let why = matches!(&loaded, Err(GpuError::Unsupported(records)) if records.len() == 1);
        prop_assert!(why, "{loaded:?}");
        return Ok(());
    }
    let arena = case.arena(model.arena_len());
    let input = |tensor: &lacewing::format::Tensor| tensor.span().and_then(lacewing::format::Span::range);
    let inputs: Vec<_> = model.inputs().map(|port| &arena[input(&port.tensor).expect("a span")]).collect();
    let outputs = loaded.and_then(|mut loaded| loaded.run(&inputs)).map_err(fail)?;
    let output = Values::from_bytes(case.op.output().dtype().expect("a type"), &outputs[0]);
    let wanted = oracle::run(&case.op, Constants(constants(&case.file)), &case.inputs);
    wanted.check(&output).map_err(fail)
}

fn fail(error: impl std::fmt::Display) -> TestCaseError {
    TestCaseError::fail(error.to_string())
}
