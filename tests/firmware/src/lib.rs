//! What every emulated firmware shares: markers round the work that is counted, a painted stack,
//! files and exit codes over semihosting, and loud ends for panics and faults.
//!
//! Nothing here formats text with `core::fmt`, so that code sizes are the runtime's own.
#![no_std]

mod fault;
pub mod host;
pub mod marks;
pub mod stack;
#[cfg(riscv)]
mod vectors;

/// Exit codes. `cargo xtask qemu` turns them into sentences.
pub mod code {
    /// The model was run and its report written.
    pub const DONE: i32 = 0;
    /// `Model::trusted` refused the model.
    pub const READ: i32 = 10;
    /// `Session::new` refused the arena.
    pub const SESSION: i32 = 11;
    /// `Session::run` failed.
    pub const RUN: i32 = 12;
    /// A file could not be read or written.
    pub const FILE: i32 = 14;
    /// The stack went below the painted window.
    pub const STACK: i32 = 15;
    /// A panic.
    pub const PANIC: i32 = 101;
    /// A fault of the processor or an interrupt that nobody expects.
    pub const FAULT: i32 = 102;
}
