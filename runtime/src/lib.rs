//! Lacewing runs `.lace` models on the edge: no heap, no operating system, no panic, the same bits on every target.
//!
//! A `.lace` file is made by the command `lacewing convert` from an ONNX model. Here it is read with every check, and run over
//! memory that the caller gives:
//!
//! ```
//! use lacewing::{Arena, Model, Portable, Session};
//!
//! /// Copies the features in, runs, and gives the index of the largest score.
//! fn classify(file: &[u8], features: &[i8]) -> Option<usize> {
//!     let model: Model = Model::read(file).ok()?;
//!     let mut arena = Arena::<16_384>::new();
//!     let mut session = Session::new(model, Portable, &mut arena).ok()?;
//!     session.input::<i8>(0)?.copy_from_slice(features);
//!     session.run().ok()?;
//!     let scores = session.output::<i8>(0)?;
//!     (0..scores.len()).max_by_key(|class| scores[*class])
//! }
//! assert_eq!(classify(b"not a model", &[]), None);
//! ```
//!
//! A firmware compiles its model in with [`include_model!`], and has the arena's length as a constant; [`Model::trusted`] takes such a model
//! without the code of the checks.
//!
//! The format and its arithmetic are in `FORMAT.md`. Invariants: nothing here allocates; after [`Model::read`] and after [`Model::trusted`] nothing
//! panics, whatever the bytes; integer programs give the same output bits with every [`Kernels`]; unsafe code is in [`arena`] alone.

#![no_std]
#![warn(missing_docs)]
#![deny(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]

#[cfg(any(test, feature = "std"))]
extern crate std;

#[cfg(any(feature = "encode", feature = "std"))]
extern crate alloc;

#[cfg(target_endian = "big")]
compile_error!("lacewing files are read in place and are little-endian");

pub mod arena;
mod error;
pub mod format;
mod include;
pub mod int;
mod kernels;
mod model;
pub mod ops;
mod outline;
#[cfg(any(feature = "encode", feature = "std"))]
pub mod owned;
pub mod profile;
pub mod requant;
pub mod rows;

pub use arena::Arena;
pub use error::{Fault, Flaw, ReadError, RunError};
pub use format::{AllOps, Int8Ops, OpSet, Opcode, Ops};
pub use int::Int;
pub use kernels::{Kernels, Portable};
#[cfg(any(feature = "encode", feature = "std"))]
pub use model::Program;
pub use model::{Frame, MAX_LIVE, Model, Ran, Session};
pub use profile::Profiler;
