//! Running any file on the machine that the tools run on.
//!
//! A firmware compiles the operations that it names into its own code. Tools run every operation, and calling [`run`] they share the one
//! copy of them that is compiled with this crate, at its optimization level.

use lacewing::{Model, Portable, RunError};

/// As [`Model::run_with`], with the fastest kernels of this machine: the portable ones until it has its own.
///
/// # Errors
/// As [`Model::run`].
pub fn run(model: &Model<'_>, arena: &mut [u8], after: &mut dyn FnMut(usize, &[u8])) -> Result<(), RunError> {
    model.run_with(&Portable, arena, after)
}
