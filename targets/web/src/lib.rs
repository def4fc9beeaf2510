//! Lacewing for JavaScript: models and sessions as `wasm-bindgen` shows them to browsers, Node.js and bundlers.
//!
//! `cargo xtask web` compiles this for WebAssembly and makes the npm package and the demo page of it. What is here turns JavaScript's values into
//! those of [`lacewing_targets::Session`] and back; every error becomes an `Error` of JavaScript with the library's text.
//!
//! Comments on what JavaScript sees are in the words of its users: they become the package's TypeScript declarations.
#![cfg_attr(target_arch = "wasm32", no_std)]
#![warn(missing_docs)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

extern crate alloc;

#[cfg(target_arch = "wasm32")]
mod bare;
mod door;
mod model;
mod numbers;
mod session;

pub use model::Model;
pub use session::Session;

use core::fmt::Display;

use alloc::string::ToString;
use wasm_bindgen::JsError;

/// The error that JavaScript gets.
fn error(why: impl Display) -> JsError {
    JsError::new(&why.to_string())
}
