//! What Lacewing knows about the places it runs on: instruction sets by name, and boards with
//! their memories and their emulators.
//!
//! The crate is `no_std` and allocates nothing without the features `alloc` and `std`. It depends on [`lacewing`] and on no other crate
//! of the project. Kernels written for one instruction set live here, one folder each; a target without kernels of
//! its own runs the portable ones.
//!
#![cfg_attr(
    feature = "std",
    doc = "With the feature `std` a program says [`load`]`(\"model.lace\")` and has a [`Session`]."
)]
//!
//! A record that is not as kernels want it, of a file for another target or with numbers that they leave out, runs in its portable body. Without
//! the default feature `portable` these bodies are not linked, and such a record is [`RunError::Record`](lacewing::RunError::Record), whatever
//! the input: a model that has run once needs none.
#![no_std]
#![warn(missing_docs)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod boards;
pub mod cost;
#[cfg(feature = "alloc")]
pub mod host;
#[cfg(feature = "alloc")]
mod load;
#[cfg(feature = "alloc")]
mod pack;
#[cfg(feature = "alloc")]
pub mod pixels;
pub mod wish;

#[cfg(lanes = "aarch64")]
mod aarch64;
mod add;
#[cfg(lanes = "armv7")]
mod armv7;
mod armv7em;
mod armv81m;
mod fallback;
mod image;
mod lanes;
mod layer;
mod nibbles;
mod pool;
mod riscv_v;
mod round;
mod scalar;
mod squares;
#[cfg(feature = "std")]
mod threads;
#[cfg(lanes = "wasm")]
mod wasm;
mod wide;
mod windows;
#[cfg(lanes = "x86")]
mod x86;

pub use armv7em::CortexM4;
pub use armv81m::CortexM55;
pub use boards::{Board, Target};
pub use lacewing::Portable;
pub use lanes::{Lanes, Level};
#[cfg(feature = "alloc")]
pub use load::{Door, DoorError, Loaded, Session};
#[cfg(feature = "std")]
pub use load::{LoadError, load};
#[cfg(feature = "alloc")]
pub use pack::pack;
pub use riscv_v::RiscvV;
pub use scalar::Scalar;
#[cfg(feature = "std")]
pub use threads::{Split, Threads};

/// The fastest kernels for the processor family that this program is compiled for; [`native`] gives them.
#[cfg(lanes)]
pub type Native = Lanes;
/// The fastest kernels for the processor family that this program is compiled for; [`native`] gives them.
#[cfg(rvv = "linux")]
pub type Native = RiscvV;
/// The fastest kernels for the processor family that this program is compiled for; [`native`] gives them.
#[cfg(not(any(lanes, rvv = "linux")))]
pub type Native = Portable;

/// The fastest kernels that this processor has. What it has beyond its family is known only with the feature `std`.
#[must_use]
pub fn native() -> Native {
    #[cfg(lanes)]
    return Lanes::detect();
    #[cfg(rvv = "linux")]
    return RiscvV;
    #[cfg(not(any(lanes, rvv = "linux")))]
    return Portable;
}

/// What [`native`] kernels want of a file on this processor: [`wish::Family::Portable`], where nothing.
#[must_use]
#[inline]
pub fn native_family() -> wish::Family {
    #[cfg(lanes)]
    return wish::Family::Lanes;
    #[cfg(rvv = "linux")]
    return if riscv_v::is_present() { wish::Family::RiscvV } else { wish::Family::Scalar };
    #[cfg(not(any(lanes, rvv = "linux")))]
    return wish::Family::Portable;
}
