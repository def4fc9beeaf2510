//! Bringing a model to a board: what both sides of `lacewing deploy` know.
//!
//! The board's side does all that must not stop half-way, in one process under one lock: it goes on when the connection ends.

pub mod ssh;
pub mod store;
pub mod switch;
pub mod trial;

use std::time::Instant;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::cli::numbers::hex;

/// How one step went; a line of JSON from the board.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its name.
    pub step: String,
    /// Whether it is done as it should be.
    pub ok: bool,
    /// What was found or done.
    pub text: String,
    /// How long it took.
    pub seconds: f64,
}

impl Record {
    /// Of a step that began at `start`.
    #[must_use]
    pub fn of(step: &str, start: Instant, result: &Result<String, String>) -> Self {
        let text = result.as_ref().unwrap_or_else(|text| text).clone();
        Self { step: step.into(), ok: result.is_ok(), text, seconds: start.elapsed().as_secs_f64() }
    }
}

/// What a board says of itself and of the models under one name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Of its `lacewing`.
    pub version: String,
    /// Its processor.
    pub architecture: String,
    /// Bytes of memory that programs can have, where the system tells.
    pub memory_bytes: Option<u64>,
    /// The model in use, by its SHA-256.
    pub current: Option<String>,
    /// The one before it.
    pub previous: Option<String>,
    /// All that are there, the newest first.
    pub releases: Vec<String>,
}

/// The SHA-256 of a file's bytes, in hexadecimal digits.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Enough of a hash for people.
#[must_use]
pub fn short(sha256: &str) -> &str {
    sha256.get(..12).unwrap_or(sha256)
}
