//! What a profiler is told of a run.

use lacewing::arena::Operand;
use lacewing::ops::AddI8;
use lacewing::owned::Aligned;
use lacewing::profile::Profiler;
use lacewing::{Fault, Kernels, Model, Opcode, Portable, Program, Ran, Session};
use lacewing_tests::models;

/// All that it was told, in order.
#[derive(Default)]
struct Log(Vec<(&'static str, usize, Opcode)>);

impl Profiler for Log {
    fn before(&mut self, index: usize, opcode: Opcode) {
        self.0.push(("before", index, opcode));
    }

    fn after(&mut self, ran: Ran<'_>) {
        self.0.push(("after", ran.record, ran.opcode));
    }
}

#[test]
fn a_profiler_is_told_of_each_record_before_and_after() {
    let file = Aligned::from(&models::every_operation()[..]);
    let model: Model<'_> = Model::read(&file).expect("a good file");
    let mut arena = Aligned::zeroed(model.arena_len());
    let mut log = Log::default();
    let mut session = Session::new(model, Portable, &mut arena).expect("an arena");
    session.run_profiled(&mut log).expect("a run");
    let told = model.ops().enumerate().flat_map(|(i, op)| [("before", i, op.opcode()), ("after", i, op.opcode())]);
    assert_eq!(log.0, told.collect::<Vec<_>>());
}

/// Kernels whose sums fail.
struct NoSums;

impl Kernels for NoSums {
    fn add_i8(&self, _: &AddI8, _: Operand<'_, i8>, _: Operand<'_, i8>, _: &mut [i8]) -> Result<(), Fault> {
        Err(Fault)
    }
}

#[test]
fn a_program_that_was_read_once_runs_as_its_model() {
    let file = Aligned::from(&models::every_operation()[..]);
    let model: Model<'_> = Model::read(&file).expect("a good file");
    let program = Program::new(model);
    let (mut logs, mut arenas) =
        ([Log::default(), Log::default()], [(); 2].map(|()| Aligned::zeroed(model.arena_len())));
    model.run_profiled(&Portable, &mut arenas[0], &mut logs[0]).expect("a run");
    program.run_profiled(&Portable, &mut arenas[1], &mut logs[1]).expect("a run");
    assert_eq!((&arenas[0][..], &logs[0].0), (&arenas[1][..], &logs[1].0));
    let failed = [
        model.run_profiled(&NoSums, &mut arenas[0], &mut logs[0]).expect_err("no sums"),
        program.run_profiled(&NoSums, &mut arenas[1], &mut logs[1]).expect_err("no sums"),
    ];
    assert_eq!((failed[0], &arenas[0][..], &logs[0].0), (failed[1], &arenas[1][..], &logs[1].0));
}
