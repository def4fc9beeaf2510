//! `--report`, of `convert` and `compare`.

use std::path::{Path, PathBuf};

use lacewing_convert::data::Samples;
use lacewing_convert::graph::Graph;
use lacewing_convert::isolated::{LayerSteps, isolated};
use lacewing_convert::report::{Findings, Report};

use super::failure::Failure;
use super::files;
use super::terminal::Terminal;

/// Where the report goes.
#[derive(Debug, clap::Args)]
pub(super) struct ReportArgs {
    /// Write what was found as one HTML page: accuracy, the error, ranges and cost of each layer, the memory plan, the graph
    #[arg(long, value_name = "HTML")]
    report: Option<PathBuf>,
}

impl ReportArgs {
    /// Whether a page is asked for.
    pub(super) fn is_wanted(&self) -> bool {
        self.report.is_some()
    }

    /// Writes the page, if one is asked for.
    pub(super) fn write(&self, findings: &Findings<'_>, terminal: &Terminal) -> Result<(), Failure> {
        let Some(path) = &self.report else { return Ok(()) };
        files::write(path, Report::new(findings)?.page().as_bytes())?;
        terminal.note(format_args!("wrote {}", path.display()));
        Ok(())
    }
}

/// The error of each layer by itself.
pub(super) fn own_errors(
    graph: &Graph,
    file: &[u8],
    samples: &Samples,
    terminal: &Terminal,
) -> Result<Vec<LayerSteps>, Failure> {
    let mut progress = terminal.progress("layer by layer", samples.len());
    Ok(isolated(graph, file, samples.rows(), || progress.step())?)
}

/// The name of a file without its folder.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
