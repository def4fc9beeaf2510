//! What Lacewing knows about the places it runs on: instruction sets by name, and boards with
//! their memories and their emulators.
//!
//! The crate is `no_std` and allocates nothing. It depends on [`lacewing`] and on no other crate
//! of the project. Kernels written for one instruction set will live here, one folder each; until
//! a target has kernels of its own, it runs the portable ones.
#![no_std]

pub mod boards;
pub mod host;

pub use boards::{Board, Target};
pub use lacewing::Portable;
