//! What the command `lacewing` does without the converter: runs models, measures them, looks into them, and brings them to boards.
//!
//! The converter's command has all of it too: [`cli`] says how a build tells what it can read.

pub mod cli;
pub mod data;
pub mod deploy;
pub mod parallel;
pub mod predict;
pub mod program;
pub mod runner;
pub mod scores;
