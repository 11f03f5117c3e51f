//! What is printed: the table, the JSON document, the list of hazards.
//!
//! The last line of the table's output starts with `prove:` and is meant for `grep`. The JSON
//! document's fields are only ever added to while its schema is `forkfix.prove/1`.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::Args;
use super::hazards::{Family, Hazard};
use super::message::{Ended, Latency, Outcome};
use crate::sys::{self, KERNEL};

/// One row of the report.
#[derive(Serialize)]
pub(super) struct Row {
    id: &'static str,
    family: Family,
    /// What the other threads did.
    hammer: &'static str,
    /// What each child did.
    child: &'static str,
    /// Absent if only the other side was run.
    pub(super) bare: Option<Outcome>,
    /// Absent if only the other side was run.
    pub(super) protected: Option<Outcome>,
}

impl Row {
    pub(super) fn new(hazard: &Hazard) -> Self {
        Self {
            id: hazard.id,
            family: hazard.family,
            hammer: hazard.hammer.name,
            child: hazard.child_name(),
            bare: None,
            protected: None,
        }
    }
}

/// The whole document.
#[derive(Serialize)]
pub(super) struct Run {
    schema: &'static str,
    version: &'static str,
    library: PathBuf,
    machine: Machine,
    options: Options,
    rows: Vec<Row>,
    /// Rows that this machine lacks something for.
    left_out: Vec<LeftOut>,
    summary: Summary,
}

#[derive(Serialize)]
struct LeftOut {
    id: &'static str,
    reason: &'static str,
}

#[derive(Serialize)]
struct Machine {
    kernel: String,
    libc: String,
    processors: usize,
}

#[derive(Serialize)]
struct Options {
    forks: u32,
    threads: u32,
    cut_off: u32,
}

#[derive(Serialize)]
struct Summary {
    families: usize,
    rows: usize,
    protected_forks: u64,
    protected_hangs: u64,
    protected_crashes: u64,
    bare_rows: usize,
    bare_rows_that_hang: usize,
    wall_ms: u64,
}

impl Run {
    pub(super) fn new(
        args: &Args,
        library: &Path,
        rows: Vec<Row>,
        left_out: &[&Hazard],
        wall: Duration,
    ) -> Self {
        let protected = || rows.iter().filter_map(|row| row.protected.as_ref());
        let bare = || rows.iter().filter_map(|row| row.bare.as_ref());
        let sum = |count: fn(&Outcome) -> u32| protected().map(count).map(u64::from).sum();
        let summary = Summary {
            families: rows.iter().map(|row| row.family).collect::<BTreeSet<_>>().len(),
            rows: rows.len(),
            protected_forks: sum(|outcome| outcome.counts.forks),
            protected_hangs: sum(|outcome| outcome.counts.hangs),
            protected_crashes: sum(|outcome| outcome.counts.crashes),
            bare_rows: bare().count(),
            bare_rows_that_hang: bare().filter(|outcome| outcome.counts.hangs > 0).count(),
            wall_ms: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX),
        };
        Self {
            schema: "forkfix.prove/1",
            version: env!("CARGO_PKG_VERSION"),
            library: library.to_owned(),
            machine: Machine::this(),
            options: Options { forks: args.forks, threads: args.threads, cut_off: args.cut_off },
            rows,
            left_out: left_out.iter().filter_map(|hazard| LeftOut::new(hazard)).collect(),
            summary,
        }
    }

    /// Whether a protected row hung, crashed, or was not completed.
    pub(super) fn failed(&self) -> bool {
        self.rows.iter().filter_map(|row| row.protected.as_ref()).any(|outcome| !outcome.clean())
    }

    pub(super) fn print_json(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        serde_json::to_writer_pretty(&mut out, self)?;
        writeln!(out)
    }

    pub(super) fn print_table(&self) -> io::Result<()> {
        let mut table = new_table(&[
            "row",
            "family",
            "bare\nhangs/forks",
            "bare\ncrashes",
            "protected\nhangs/forks",
            "protected\ncrashes",
            "fork µs\nmedian",
            "fork µs\np99",
        ]);
        for column in 2..=7 {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for row in &self.rows {
            let (bare, protected) = (row.bare.as_ref(), row.protected.as_ref());
            table.add_row([
                row.id.to_owned(),
                row.family.name(),
                hangs(bare),
                crashes(bare),
                hangs(protected),
                crashes(protected),
                latencies(bare, protected, |latency| latency.median),
                latencies(bare, protected, |latency| latency.p99),
            ]);
        }
        let Machine { kernel, libc, processors } = &self.machine;
        let Options { forks, threads, cut_off } = self.options;
        let mut out = io::stdout().lock();
        writeln!(out, "{table}")?;
        writeln!(
            out,
            "{forks} forks a row and side, {threads} threads hammering; bare rows are decided \
             after {cut_off} hangs. {libc}, {KERNEL} {kernel}, {processors} processors."
        )?;
        writeln!(out, "A latency of \"a → b\" is a bare, b protected.")?;
        for row in &self.rows {
            let protected = row.protected.as_ref();
            if let Some(how) = protected.and_then(|outcome| outcome.first_crash.as_ref()) {
                writeln!(out, "{}: the first protected child that crashed: {how}", row.id)?;
            }
        }
        for LeftOut { id, reason } in &self.left_out {
            writeln!(out, "{id}: not run, for {reason}")?;
        }
        writeln!(out, "{}", self.summary.line())
    }
}

impl LeftOut {
    fn new(hazard: &Hazard) -> Option<Self> {
        hazard.need.map(|need| Self { id: hazard.id, reason: need.lacking })
    }
}

impl Summary {
    fn line(&self) -> String {
        let Self { families, rows, protected_forks, protected_hangs, protected_crashes, .. } = self;
        let Self { bare_rows, bare_rows_that_hang, wall_ms, .. } = self;
        let seconds = wall_ms.div_ceil(1000);
        format!(
            "prove: {families} families, {rows} rows: protected {protected_hangs} hangs, \
             {protected_crashes} crashes in {protected_forks} forks; bare rows that hang: \
             {bare_rows_that_hang} of {bare_rows}; took {seconds} s"
        )
    }
}

impl Machine {
    fn this() -> Self {
        Self {
            kernel: sys::kernel_release(),
            libc: sys::libc(),
            processors: thread::available_parallelism().map_or(0, usize::from),
        }
    }
}

/// The hazards as a table.
pub(super) fn list(hazards: &[&Hazard]) -> io::Result<()> {
    let mut table = new_table(&["row", "family", "threads hammer", "child calls"]);
    for hazard in hazards {
        let family = hazard.family.name();
        table.add_row([hazard.id, family.as_str(), hazard.hammer.name, hazard.child_name()]);
    }
    writeln!(io::stdout().lock(), "{table}")
}

fn new_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY).set_header(header);
    table
}

/// `hangs/forks (percent)`, and how the worker ended if that was not as it should.
fn hangs(side: Option<&Outcome>) -> String {
    let Some(Outcome { counts, ended, .. }) = side else {
        return "-".to_owned();
    };
    let mut cell = format!("{}/{}", counts.hangs, counts.forks);
    if counts.hangs > 0 {
        let percent = 100.0 * f64::from(counts.hangs) / f64::from(counts.forks.max(1));
        cell.push_str(&format!(" ({percent:.0} %)"));
    }
    match ended {
        Ended::Completed => {}
        Ended::Stalled => cell.push_str("\nparent stalled"),
        Ended::Died(how) => cell.push_str(&format!("\nparent {how}")),
    }
    cell
}

fn crashes(side: Option<&Outcome>) -> String {
    side.map_or_else(|| "-".to_owned(), |outcome| outcome.counts.crashes.to_string())
}

fn latencies(
    bare: Option<&Outcome>,
    protected: Option<&Outcome>,
    of: fn(&Latency) -> u64,
) -> String {
    let one = |side: Option<&Outcome>| {
        let latency = side.and_then(|outcome| outcome.fork_latency_us);
        latency.map_or_else(|| "-".to_owned(), |latency| of(&latency).to_string())
    };
    format!("{} → {}", one(bare), one(protected))
}

#[cfg(test)]
mod tests {
    use super::super::message::Counts;
    use super::*;

    fn outcome(hangs: u32, crashes: u32, ended: Ended) -> Outcome {
        let counts = Counts { timed: 10, forks: 10, hangs, crashes };
        let fork_latency_us = Some(Latency { median: 1, p99: 2, max: 3 });
        Outcome { counts, ended, first_crash: None, fork_latency_us, wall_ms: 4 }
    }

    #[test]
    fn only_a_completed_run_without_hang_and_crash_is_clean() {
        assert!(outcome(0, 0, Ended::Completed).clean());
        assert!(!outcome(1, 0, Ended::Completed).clean());
        assert!(!outcome(0, 1, Ended::Completed).clean());
        assert!(!outcome(0, 0, Ended::Stalled).clean());
    }

    #[test]
    fn cells_say_what_happened() {
        let stalled = outcome(5, 0, Ended::Stalled);
        assert_eq!(hangs(Some(&stalled)), "5/10 (50 %)\nparent stalled");
        let whole = outcome(0, 0, Ended::Completed);
        assert_eq!(hangs(Some(&whole)), "0/10");
        assert_eq!(latencies(Some(&whole), None, |latency| latency.p99), "2 → -");
    }
}
