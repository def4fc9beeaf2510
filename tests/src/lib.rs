//! Suites over all crates, and the project's own commands.
//!
//! The suites are the files beside `src`; what they share is here.

pub mod generator;
pub mod models;
pub mod oracle;
pub mod parts;
pub mod probe;
pub mod records;
pub mod xtask;

use lacewing::{Kernels, Ops, RunError, Session};

/// Runs a model once on inputs that `fill` writes: the bytes of one after the other, of one that goes in row by row each row.
///
/// # Errors
/// As [`Session::run`] and [`Session::push_row`].
pub fn feed<K: Kernels, O: Ops>(
    session: &mut Session<'_, K, O>,
    mut fill: impl FnMut(&mut [u8]),
) -> Result<(), RunError> {
    let Some(mut frame) = session.frame() else {
        (0..session.model().inputs().count()).for_each(|index| fill(session.input_bytes(index).unwrap_or_default()));
        return session.run();
    };
    while let Some(row) = session.row_bytes(&frame) {
        fill(row);
        session.push_row(&mut frame)?;
    }
    Ok(())
}
