//! What a profiler is told of a run.

use lacewing::owned::Aligned;
use lacewing::profile::Profiler;
use lacewing::{Model, Opcode, Portable, Ran, Session};
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
