//! A model compiled into a program: `include_model!`, and a build that links few operations.

use lacewing::owned::Aligned;
use lacewing::{Model, Portable, Session};
use lacewing_tests::models;

mod included {
    lacewing::include_model!(
        /// The tiny model, as a firmware has it.
        pub mod tiny = "../data/golden/v1-tiny.lace"
    );
}

#[test]
fn a_model_in_a_firmware_knows_its_arena_and_operations_at_compile_time() {
    use included::tiny;
    const { assert!(tiny::ARENA_LEN == 32) };
    let mut arena = lacewing::Arena::<{ tiny::ARENA_LEN }>::new();
    let mut session = Session::new(tiny::read().expect("a model"), Portable, &mut arena).expect("an arena");
    session.input::<i8>(0).expect("the input").copy_from_slice(&[1, 1, 1]);
    session.run().expect("a run");
    // (300 + 6) / 4 − 1 and (−7 − 15) / 4 − 1, ties up.
    assert_eq!(session.output::<i8>(0), Some(&[76, -6][..]));
}

#[test]
fn a_trusted_model_runs_to_the_same_bits() {
    use included::tiny;
    let run = |model: Model<'static, tiny::Ops>| {
        let mut arena = lacewing::Arena::<{ tiny::ARENA_LEN }>::new();
        arena[..3].copy_from_slice(&[1, 1, 1]);
        model.run(&Portable, &mut arena).map(|()| arena.to_vec())
    };
    assert_eq!(run(tiny::trusted().expect("a model")), run(tiny::read().expect("a model")));
}

#[test]
fn a_build_without_an_operation_refuses_it_by_name() {
    let file = Aligned::from(&models::every_operation()[..]);
    let error = Model::<'_, included::tiny::Ops>::read(&file).expect_err("only FullyConnectedI8 is linked");
    let trusted = Model::<'_, included::tiny::Ops>::trusted(&file).expect_err("it cannot run the others");
    assert_eq!(trusted, error);
    assert_eq!(error.to_string(), "the operation is not linked into this build (byte 16): ConvI8");
}
