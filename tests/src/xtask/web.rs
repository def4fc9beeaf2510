//! `cargo xtask web`: the npm package and the demo page, from `targets/web`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::bare_metal::BareMetal;
use super::wasm::{self, TRIPLE};
use super::{paths, process};

mod budget;

pub(super) use budget::check as check_budget;

/// Make the npm package and the demo page of targets/web, in target/web.
///
/// The package is `target/web/npm`, the page `target/web/page`: any static server shows it.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask web
  python3 -m http.server --directory target/web/page
  cargo xtask web --bless
Sizes of the modules are held to tests/web/sizes.txt.")]
pub(super) struct Args {
    /// Print the sizes as JSON
    #[arg(long)]
    json: bool,
    /// Write the sizes of the modules to their budget
    #[arg(long)]
    bless: bool,
}

/// Makes both, and prints what the modules take.
pub(super) fn command(args: &Args) -> Result<()> {
    if let Some(missing) = missing()? {
        bail!("{missing}: `cargo xtask install` helps");
    }
    let sizes = make()?;
    if args.bless {
        budget::write(&sizes)?;
    }
    match args.json {
        true => println!("{}", serde_json::to_string(&sizes)?),
        false => sizes.iter().for_each(|size| println!("{size}")),
    }
    Ok(())
}

/// What making the package needs that is not there.
pub(super) fn missing() -> Result<Option<String>> {
    Ok(match wasm::missing()? {
        None if !has_optimizer() => Some("no wasm-opt".into()),
        other => other,
    })
}

/// Where everything is written.
pub(super) fn output() -> PathBuf {
    paths::target_dir().join("web")
}

/// A build of the module: its name in the package, and the crate's features.
const BUILDS: [(&str, &str); 2] = [("full", "float"), ("int8", "")];

/// The build that the page has.
const PAGE: &str = "int8";

/// What a module takes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(super) struct Size {
    /// The build.
    pub(super) module: String,
    /// Bytes of the `.wasm`.
    pub(super) bytes: u64,
    /// Bytes of it compressed by brotli, as servers send it.
    pub(super) brotli: u64,
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:8} {:>8} {:>8}", self.module, self.bytes, self.brotli)
    }
}

/// Makes the package and the page; gives the sizes of the modules.
pub(super) fn make() -> Result<Vec<Size>> {
    let _lock = paths::lock(&output(), "web")?;
    let npm = fresh(&output().join("npm"))?;
    let source = paths::root().join("targets/web/npm");
    for name in ["package.json", "README.md"] {
        copy(&source.join(name), &npm)?;
    }
    for license in ["LICENSE-APACHE", "LICENSE-MIT"] {
        copy(&paths::root().join(license), &npm)?;
    }
    for (name, features) in BUILDS {
        let folder = fresh(&npm.join(name))?;
        build(&folder, features)?;
        for file in ["index.js", "index.d.ts", "node.js", "start.js"] {
            copy(&source.join(file), &folder)?;
        }
    }
    page(&npm)?;
    BUILDS.iter().map(|(name, _)| size(name, &npm.join(name).join("lacewing_bg.wasm"))).collect()
}

/// Compiles the module, writes the JavaScript around it, and makes it smaller.
fn build(folder: &Path, features: &str) -> Result<()> {
    let compiler = BareMetal::find(TRIPLE)?;
    let mut cargo = wasm::cargo(&compiler, &paths::root())?;
    cargo.args(["--profile", "web", "--quiet", "--package", "lacewing-web", "--no-default-features"]);
    process::run(cargo.args(["--features", features]))?;
    let module = compiler.target_dir().join(TRIPLE).join("web/lacewing_web.wasm");
    process::run(process::built("lacewing-bindgen", "bindgen")?.arg(&module).arg(folder))?;
    optimize(&folder.join("lacewing_bg.wasm"))
}

/// What the compiler may use of WebAssembly beside its first version.
const FEATURES: [&str; 7] = [
    "--enable-simd",
    "--enable-bulk-memory",
    "--enable-sign-ext",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-multivalue",
    "--enable-mutable-globals",
];

fn optimize(module: &Path) -> Result<()> {
    let mut node = Command::new("node");
    // Binaryen compiled to JavaScript recurses deeply.
    node.args(["--stack-size=4000"]).arg(optimizer()).args(FEATURES).arg("-Os");
    process::run(node.arg(module).arg("-o").arg(module))
}

/// The version of the npm package `binaryen`, which has wasm-opt: Debian's is too old for what compilers write today.
const BINARYEN: &str = "132.0.0";

fn optimizer() -> PathBuf {
    binaryen().join("node_modules/binaryen/bin/wasm-opt")
}

fn binaryen() -> PathBuf {
    paths::cache_dir().join(format!("binaryen-{BINARYEN}"))
}

/// Whether wasm-opt is there.
pub(super) fn has_optimizer() -> bool {
    optimizer().is_file()
}

/// Installs wasm-opt by npm.
pub(super) fn install_optimizer() -> Result<()> {
    fs::create_dir_all(binaryen())?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--prefix"]).arg(binaryen());
    process::run(npm.arg(format!("binaryen@{BINARYEN}")))
}

/// The page, with the package's module and the demo's model beside it.
fn page(npm: &Path) -> Result<()> {
    let (page, source) = (fresh(&output().join("page"))?, paths::root().join("targets/web/page"));
    for entry in fs::read_dir(&source).with_context(|| format!("cannot read {}", source.display()))? {
        copy(&entry?.path(), &page)?;
    }
    copy(&paths::root().join("examples/classify/fashion.lace"), &page)?;
    let module = fresh(&page.join("lacewing"))?;
    ["index.js", "start.js", "lacewing.js", "lacewing_bg.wasm"]
        .iter()
        .try_for_each(|name| copy(&npm.join(PAGE).join(name), &module))
}

fn size(module: &str, path: &Path) -> Result<Size> {
    let script = "process.stdout.write(String(require('zlib').brotliCompressSync(require('fs').readFileSync(process.argv[1])).length))";
    let brotli = process::output(Command::new("node").args(["--eval", script]).arg(path))?;
    Ok(Size { module: module.into(), bytes: fs::metadata(path)?.len(), brotli: brotli.trim().parse()? })
}

/// An empty folder.
fn fresh(folder: &Path) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder.into())
}

fn copy(file: &Path, folder: &Path) -> Result<()> {
    let name = file.file_name().context("a file has a name")?;
    ensure!(file.is_file(), "{} is no file", file.display());
    fs::copy(file, folder.join(name)).with_context(|| format!("cannot copy {}", file.display()))?;
    Ok(())
}
