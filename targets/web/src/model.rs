//! A model in JavaScript.

use alloc::string::String;
use alloc::vec::Vec;

use lacewing::format::metadata::{self, Item};
use lacewing::{Flaw, ReadError};
use lacewing_targets::Loaded;
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::error;

/// A model, checked and ready to run. Sessions share it and keep it: it may be freed before them.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Model {
    loaded: Loaded,
    file_len: usize,
}

#[wasm_bindgen]
impl Model {
    /// Checks the bytes of a `.lace` file, and packs its weights for the vectors of WebAssembly. Throws an `Error` that says what is wrong with them.
    pub fn load(bytes: &[u8]) -> Result<Model, JsError> {
        let file = Loaded::new(bytes).map_err(refused)?;
        file.model().verify().map_err(refused)?;
        Ok(Self { loaded: file.packed(), file_len: bytes.len() })
    }

    /// Bytes of the file.
    #[wasm_bindgen(getter = fileBytes)]
    pub fn file_bytes(&self) -> usize {
        self.file_len
    }

    /// Bytes of memory that each session has for its numbers.
    #[wasm_bindgen(getter = arenaBytes)]
    pub fn arena_bytes(&self) -> usize {
        self.loaded.model().arena_len()
    }

    /// Names of the classes, in the order of the output; empty if the file has none.
    #[wasm_bindgen(getter)]
    pub fn labels(&self) -> Vec<String> {
        let labels = metadata::read(self.loaded.model().metadata_bytes()).into_iter().find_map(|item| match item {
            Item::Labels(labels) => Some(labels),
            _ => None,
        });
        labels.unwrap_or_default()
    }
}

impl Model {
    /// The model, for a session.
    pub(crate) fn loaded(&self) -> &Loaded {
        &self.loaded
    }
}

/// Why a file is refused; a build without operations in f32 tells of the one with them.
fn refused(why: ReadError) -> JsError {
    match why.flaw {
        Flaw::Unsupported(_) if cfg!(not(feature = "float")) => {
            error(format_args!("{why}; this build has integers only, `lacewing-web` without `/int8` has f32 too"))
        }
        _ => error(why),
    }
}
