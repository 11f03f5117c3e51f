//! Instructions that a hook adds to a call.
//!
//! Counted by callgrind in the whole program, once with N and once with 2 N calls: the difference
//! is free of start-up and of everything that happens once.

use std::path::Path;

use crate::Programs;
use crate::common::{Preload, Program};
use crate::effort::Effort;
use crate::report::{Line, Section, Verdict};

/// The most instructions that a gated call may add.
const LIMIT: f64 = 20.0;

/// A measured call.
struct Row {
    call: &'static str,
    /// N: so many that what differs at start-up disappears in rounding.
    count: u32,
    /// Whether it only passes the gate. Other hooks do more, and have no limit.
    gated: bool,
}

const fn gated(call: &'static str, count: u32) -> Row {
    Row { call, count, gated: true }
}

const ROWS: [Row; 13] = [
    gated("random", 20_000),
    gated("localtime_r", 5_000),
    gated("strftime", 2_000),
    gated("getpwnam_r", 500),
    gated("srandom", 1_000),
    gated("gmtime_r", 5_000),
    gated("mktime", 2_000),
    gated("setlocale", 5_000),
    gated("strerror", 5_000),
    gated("setlogmask", 20_000),
    gated("getaddrinfo_numeric", 1_000),
    Row { call: "setenv", count: 5_000, gated: false },
    Row { call: "getpwnam", count: 500, gated: false },
];

pub(crate) fn section(programs: &Programs, effort: Effort) -> Section {
    let rows = &ROWS[..effort.pick(ROWS.len(), 5)];
    Section {
        title: "Instructions added to a hooked call",
        method: "callgrind; the difference between a program that makes N calls and one that \
                 makes 2 N",
        header: &["call", "bare", "protected", "added"],
        lines: rows.iter().map(|row| line(&programs.calls, row)).collect(),
    }
}

fn line(calls: &Path, row: &Row) -> Line {
    let valgrind = callgrind();
    let [bare, protected] = [Preload::Bare, Preload::Protected]
        .map(|preload| per_call(&valgrind, calls, preload, row.call, row.count));
    let added = protected - bare;
    let cells = vec![
        row.call.to_owned(),
        format!("{bare:.1}"),
        format!("{protected:.1}"),
        format!("{added:.1}"),
    ];
    if row.gated {
        // What is left of start-up is less than what is printed.
        let holds = added < LIMIT + 0.05;
        Line::judged(cells, Verdict::new(format!("{LIMIT:.0}"), holds))
    } else {
        Line::plain(cells)
    }
}

/// What counts the instructions of the program in its arguments.
pub(crate) fn callgrind() -> Program {
    crate::program("valgrind").args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
}

/// Instructions of the program `calls` for one call.
pub(crate) fn per_call(
    callgrind: &Program,
    calls: &Path,
    preload: Preload,
    call: &str,
    count: u32,
) -> f64 {
    let executed = |count: u32| {
        let run = callgrind.args([calls]).args([call, "1", &count.to_string(), "1"]).run(preload);
        let run = run.succeeded();
        let collected = run.stderr.lines().find_map(|line| line.split_once("Collected : "));
        let (_, count) = collected.unwrap_or_else(|| panic!("no count by callgrind: {run:?}"));
        count.trim().parse::<f64>().unwrap_or_else(|e| panic!("{e}: {run:?}"))
    };
    (executed(2 * count) - executed(count)) / f64::from(count)
}
