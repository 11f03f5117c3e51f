//! The tables, and which promised limits hold.

use std::process::ExitCode;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};

use crate::effort::Effort;

/// How often a limit on a time is measured before it counts as broken.
const TRIES: u32 = 3;

/// A promise, and whether it was kept.
pub(crate) struct Verdict {
    limit: String,
    holds: bool,
    tries: u32,
}

impl Verdict {
    pub(crate) fn new(limit: impl Into<String>, holds: bool) -> Self {
        Self { limit: limit.into(), holds, tries: 1 }
    }
}

/// A line of a table: what was measured, and perhaps a promise about it.
pub(crate) struct Line {
    cells: Vec<String>,
    verdict: Option<Verdict>,
}

impl Line {
    /// A line without a promise.
    pub(crate) fn plain(cells: Vec<String>) -> Self {
        Self { cells, verdict: None }
    }

    pub(crate) fn judged(cells: Vec<String>, verdict: Verdict) -> Self {
        Self { cells, verdict: Some(verdict) }
    }

    /// Measures until the promise holds, a few times at most, and only while there is time.
    pub(crate) fn measured(effort: Effort, mut measure: impl FnMut() -> Self) -> Self {
        let mut tries = 1;
        loop {
            let mut line = measure();
            let Some(verdict) = &mut line.verdict else {
                return line;
            };
            verdict.tries = tries;
            if verdict.holds || tries == TRIES || !effort.allows_another_try() {
                return line;
            }
            tries += 1;
        }
    }

    fn is_broken(&self) -> bool {
        self.verdict.as_ref().is_some_and(|verdict| !verdict.holds)
    }

    fn into_row(mut self) -> Vec<String> {
        let (limit, holds) = match self.verdict {
            None => (String::new(), String::new()),
            Some(Verdict { limit, holds, tries }) => {
                let holds = if holds { "yes" } else { "NO" };
                let tries = if tries == 1 { String::new() } else { format!(" (try {tries})") };
                (limit, format!("{holds}{tries}"))
            }
        };
        self.cells.extend([limit, holds]);
        self.cells
    }
}

/// A table.
pub(crate) struct Section {
    /// What is measured.
    pub(crate) title: &'static str,
    /// How it is measured.
    pub(crate) method: &'static str,
    /// Names of the lines' cells.
    pub(crate) header: &'static [&'static str],
    pub(crate) lines: Vec<Line>,
}

/// The promises so far.
#[derive(Default)]
pub(crate) struct Report {
    limits: usize,
    broken: Vec<String>,
}

impl Report {
    /// Prints a table.
    pub(crate) fn add(&mut self, section: Section) {
        let Section { title, method, header, lines } = section;
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(header.iter().chain(&["limit", "holds"]));
        for line in lines {
            self.limits += usize::from(line.verdict.is_some());
            if line.is_broken() {
                self.broken.push(format!("{title}: {}", line.cells[0]));
            }
            table.add_row(line.into_row());
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        println!("\n{title}\n  {method}\n{table}");
    }

    /// Prints the last lines, and tells whether all promises were kept.
    pub(crate) fn conclude(self, took: Duration) -> ExitCode {
        let Self { limits, broken } = self;
        println!("\nmeasured in {:.0} s", took.as_secs_f64());
        if broken.is_empty() {
            println!("bench: all {limits} limits hold");
            return ExitCode::SUCCESS;
        }
        println!("bench: {} of {limits} limits are broken:", broken.len());
        for line in broken {
            println!("  {line}");
        }
        ExitCode::FAILURE
    }
}
