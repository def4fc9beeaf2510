//! What the modules may take, in `tests/web/sizes.txt`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use super::Size;
use crate::xtask::bare_metal::BareMetal;
use crate::xtask::paths;
use crate::xtask::wasm::TRIPLE;

/// Bytes by which a module may differ in builds of the same sources: of the raw one, and compressed.
const SLACK: [u64; 2] = [256, 256];

const HEAD: &str = "\
# Bytes of the modules of `cargo xtask web`, and of those compressed by brotli. Growth fails the test run; `cargo xtask web --bless` takes the
# sizes over: look at the difference before you commit it.
";

/// Writes sizes as the budget.
pub(super) fn write(sizes: &[Size]) -> Result<()> {
    let rows: String = sizes.iter().map(|size| format!("{size}\n")).collect();
    fs::write(path(), format!("{HEAD}compiler {}\n\n{rows}", compiler()?)).context("cannot write the budget")
}

/// An error if a module takes more than its budget, where the compiler is the one that wrote it.
pub(in crate::xtask) fn check(sizes: &[Size]) -> Result<()> {
    let text = fs::read_to_string(path()).with_context(|| format!("cannot read {}", path().display()))?;
    let (by, budget) = read(&text)?;
    let compiler = compiler()?;
    if by != compiler {
        eprintln!("SKIPPED: modules against their budget, which {by} wrote; this is {compiler}");
        return Ok(());
    }
    let more = over(sizes, &budget);
    ensure!(more.is_empty(), "larger than the budget in {}:\n{}", path().display(), more.join("\n"));
    Ok(())
}

/// What takes more than it may.
fn over(sizes: &[Size], budget: &[Size]) -> Vec<String> {
    let told = |size: &Size| {
        let Some(may) = budget.iter().find(|may| may.module == size.module) else {
            return Some(format!("{} has no budget", size.module));
        };
        let more = size.bytes > may.bytes + SLACK[0] || size.brotli > may.brotli + SLACK[1];
        let Size { module, bytes, brotli } = size;
        more.then(|| format!("{module}: {} → {bytes}, compressed {} → {brotli}", may.bytes, may.brotli))
    };
    sizes.iter().filter_map(told).collect()
}

/// The compiler that a budget was written with, and the budget.
fn read(text: &str) -> Result<(&str, Vec<Size>)> {
    let mut lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let compiler = lines.next().and_then(|line| line.strip_prefix("compiler "));
    let sizes = lines.map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [module, bytes, brotli] = words[..] else { return None };
        Some(Size { module: module.into(), bytes: bytes.parse().ok()?, brotli: brotli.parse().ok()? })
    });
    let sizes: Option<Vec<Size>> = sizes.collect();
    Ok((compiler.context("the budget names no compiler")?, sizes.context("a line of the budget is none")?))
}

fn path() -> PathBuf {
    paths::root().join("tests/web/sizes.txt")
}

fn compiler() -> Result<String> {
    BareMetal::find(TRIPLE)?.version()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(bytes: u64, brotli: u64) -> Size {
        Size { module: "full".into(), bytes, brotli }
    }

    #[test]
    fn a_budget_is_read_as_it_was_written() {
        let text = format!("{HEAD}compiler rustc 1\n\n{}\n", size(2000, 1000));
        assert_eq!(read(&text).expect("a budget"), ("rustc 1", vec![size(2000, 1000)]));
        assert!(read("full 1 2\n").is_err() && read("compiler rustc 1\nfull 1\n").is_err());
    }

    #[test]
    fn growth_is_told() {
        let budget = [size(2000, 1000)];
        assert_eq!(over(&[size(2256, 1256)], &budget), <[String; 0]>::default());
        assert_eq!(over(&[size(2257, 900)], &budget), ["full: 2000 → 2257, compressed 1000 → 900"]);
        assert_eq!(over(&[Size { module: "x".into(), ..size(1, 1) }], &budget), ["x has no budget"]);
    }
}
