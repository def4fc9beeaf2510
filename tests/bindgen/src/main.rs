//! `bindgen MODULE.wasm FOLDER`: writes `lacewing.js`, its TypeScript declarations and `lacewing_bg.wasm` to a folder.
//!
//! What the program `wasm-bindgen` would do, in the version that the workspace's lock file has of the library: the two speak a language of
//! their own, which differs from version to version.

use std::env;

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let mut arguments = env::args_os().skip(1);
    let [module, folder] = [(); 2].map(|()| arguments.next());
    let (module, folder) = module.zip(folder).context("usage: bindgen MODULE.wasm FOLDER")?;
    let mut bindgen = Bindgen::new();
    bindgen.input_path(module).out_name("lacewing").typescript(true).remove_producers_section(true);
    bindgen.web(true)?.generate(folder)
}
