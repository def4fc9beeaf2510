//! What kernels do beside their loops: records that they leave to the portable body, and limits narrower than the type.

use lacewing::Fault;
use lacewing::format::Requant;

/// What is not done is left to the portable body, if those are linked.
#[inline(always)]
pub(crate) fn or_portable(done: Option<()>, body: impl FnOnce() -> Result<(), Fault>) -> Result<(), Fault> {
    match done {
        Some(()) => Ok(()),
        None if cfg!(feature = "portable") => apart(body),
        None => Err(Fault),
    }
}

/// Calls a portable body as a function of its own, so that its stack is not added to that of the kernel that is run instead.
#[cold]
#[inline(never)]
fn apart(body: impl FnOnce() -> Result<(), Fault>) -> Result<(), Fault> {
    body()
}

/// Brings results between the record's limits, where those are not the type's own.
pub(crate) fn limit(requant: &Requant, output: &mut [i8]) {
    let Requant { lo, hi, .. } = *requant;
    if (lo, hi) != (i8::MIN, i8::MAX) {
        output.iter_mut().for_each(|y| *y = (*y).max(lo).min(hi));
    }
}
