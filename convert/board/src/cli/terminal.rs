//! What people see, what programs read, and where each goes.
//!
//! The report of a command goes to stdout; with `--json` one object goes there, and the report to stderr with everything else.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::ops::Range;
use std::time::{Duration, Instant};

use clap::ColorChoice;
use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, LineStyle, Table, TableStyle};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use super::failure::Failure;

/// The two streams and how they are used.
#[derive(Debug)]
pub struct Terminal {
    json: bool,
    verbose: bool,
    color: bool,
}

/// Tables have a line above, below and under the header.
const LINES: TableStyle = {
    let line = LineStyle::none().fill('─').junction('─');
    TableStyle::new().top_border(line).header_separator(line).bottom_border(line)
};

/// Tables are never pressed into fewer columns: some terminals say that they have none.
const LEAST_WIDTH: u16 = 60;

/// Colors of words that carry a verdict.
#[derive(Clone, Copy, Debug)]
pub enum Paint {
    /// A heading.
    Bold,
    /// All is well.
    Green,
    /// To be looked at.
    Yellow,
    /// Wrong.
    Red,
    /// Beside the point.
    Dim,
}

impl Terminal {
    /// Where reports go, whether more is said, and whether in color.
    #[must_use]
    pub fn new(json: bool, verbose: bool, color: ColorChoice) -> Terminal {
        let terminal = if json { io::stderr().is_terminal() } else { io::stdout().is_terminal() };
        let color = match color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => terminal && std::env::var_os("NO_COLOR").is_none(),
        };
        Terminal { json, verbose, color }
    }

    /// Whether programs read stdout.
    pub fn json(&self) -> bool {
        self.json
    }

    /// Whether reports are colored.
    pub fn color(&self) -> bool {
        self.color
    }

    /// Whether more is to be said.
    pub fn verbose(&self) -> bool {
        self.verbose
    }

    /// Columns of the terminal that shows reports, if it is one.
    pub fn width(&self) -> Option<u16> {
        self.table([], 0..0).width()
    }

    /// A part of the report.
    pub fn say(&self, text: impl Display) {
        if self.json {
            to(&mut io::stderr(), text);
        } else {
            to(&mut io::stdout(), text);
        }
    }

    /// A word beside the report: warnings, what was written where.
    pub fn note(&self, text: impl Display) {
        to(&mut io::stderr(), text);
    }

    /// A word for those who asked for more.
    pub fn detail(&self, text: impl Display) {
        if self.verbose {
            self.note(text);
        }
    }

    /// The object, if programs read.
    pub fn object(&self, value: &Value) -> Result<(), Failure> {
        if !self.json {
            return Ok(());
        }
        match writeln!(io::stdout(), "{value:#}") {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// The end without a result.
    pub fn fail(&self, failure: &Failure) {
        self.note(format_args!("{}: {failure}", self.paint("error", Paint::Red)));
        if self.json {
            to(&mut io::stdout(), format_args!("{:#}", failure.json()));
        }
    }

    /// `text` in color, if colors are used.
    pub fn paint(&self, text: impl Display, paint: Paint) -> String {
        let code = match paint {
            Paint::Bold => 1,
            Paint::Dim => 2,
            Paint::Red => 31,
            Paint::Green => 32,
            Paint::Yellow => 33,
        };
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }

    /// A table with this header; `numbers` are the columns that are aligned to the right.
    pub fn table<const N: usize>(&self, header: [&str; N], numbers: Range<usize>) -> Table {
        let mut table = Table::new();
        table.load_style(LINES);
        table.set_content_arrangement(ContentArrangement::Dynamic);
        if self.json {
            table.use_stderr();
        }
        if self.color {
            table.enforce_styling();
        }
        if table.width().is_some_and(|columns| columns < LEAST_WIDTH) {
            table.set_width(LEAST_WIDTH);
        }
        table.set_header(header.map(|head| self.cell(head, Paint::Bold)));
        for column in table.column_iter_mut().skip(numbers.start).take(numbers.len()) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    /// A cell of a table in color, if colors are used. Escape codes in its text would spoil the widths.
    pub fn cell(&self, text: impl Display, paint: Paint) -> Cell {
        let cell = Cell::new(text);
        match paint {
            _ if !self.color => cell,
            Paint::Bold => cell.add_attribute(Attribute::Bold),
            Paint::Dim => cell.add_attribute(Attribute::Dim),
            Paint::Red => cell.fg(Color::Red),
            Paint::Green => cell.fg(Color::Green),
            Paint::Yellow => cell.fg(Color::Yellow),
        }
    }

    /// A bar on stderr for `steps` steps, shown from the second second on.
    pub fn progress(&self, what: &'static str, steps: usize) -> Progress {
        let bar = ProgressBar::with_draw_target(Some(steps as u64), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("{msg:>10} {wide_bar} {pos}/{len} {eta:>4}");
        bar.set_style(style.expect("the template is well formed"));
        bar.set_message(what);
        let shown = !self.json && io::stderr().is_terminal();
        Progress { bar, start: Instant::now(), waiting: shown }
    }
}

/// Writes a line and forgets about a reader that has gone.
fn to(stream: &mut impl Write, text: impl Display) {
    let _ = writeln!(stream, "{text}");
}

/// A progress bar that short work never shows.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    start: Instant,
    waiting: bool,
}

impl Progress {
    const PATIENCE: Duration = Duration::from_secs(1);

    /// One step is done.
    pub fn step(&mut self) {
        if self.waiting && self.start.elapsed() > Progress::PATIENCE {
            self.waiting = false;
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
