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
