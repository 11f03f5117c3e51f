//! Counts what each row of the hook table adds to a call.
//!
//! A program calls each function by name, with the library, behind which stands another one that has every
//! function of libc's, and each does nothing. Counted by callgrind; the numbers are the same in every run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::table::{self, Row};
use crate::common::{Build, Preload, Program, need, out_dir};

/// The most instructions that a hook which only passes the gate may add to a call.
pub(crate) const LIMIT: u64 = 20;

/// The most for each argument that does not fit into a register, and so has to be copied.
const LIMIT_ON_STACK: u64 = 6;

/// How many arguments fit into registers (System V ABI for x86-64).
const IN_REGISTERS: usize = 6;

/// How often each is called: so often that what is around the loop rounds to nothing.
pub(super) const CALLS: u64 = 100;

/// These end the process, or look at their arguments.
const NOT_CALLED: &[&str] = &[
    "err",
    "errx",
    "verr",
    "verrx",
    "error",
    "error_at_line",
    "argp_error",
    "argp_failure",
    "execl",
    "execlp",
    "execle",
];

/// A library in which each of `names` does nothing and returns zero.
fn nothing(names: &[String]) -> PathBuf {
    let mut source = "long nothing(void) { return 0; }\n".to_owned();
    for name in names {
        source +=
            &format!("extern __typeof__(nothing) {name} __attribute__((alias(\"nothing\")));\n");
    }
    let path = out_dir().join("nothing.c");
    fs::write(&path, source).expect("the target directory is writable");
    let source = path.to_string_lossy();
    // The compiler knows other types for most of these names.
    Build::of(&source).flags(["-fno-builtin", "-w"]).library("libnothing.so")
}

/// Instructions of one call of each of `names`, beyond the call of a function that does nothing.
fn added(names: &[String], behind: &Path) -> BTreeMap<String, u64> {
    let directory = tempfile::tempdir().expect("there is room for files");
    let files = directory.path().join("counts");
    let behind = behind.to_string_lossy();
    let program = Build::of("instructions.c").flags(["-Wl,--no-as-needed", &*behind]).executable();
    let valgrind = Program::at("valgrind")
        .quiet()
        .args(["--tool=callgrind".to_owned(), format!("--callgrind-out-file={}", files.display())])
        .args([program.as_os_str()])
        .args([&CALLS.to_string()])
        .args(names);
    valgrind.run(Preload::Protected).succeeded();
    let mut counts = counts(directory.path());
    let base = counts.remove("nothing").expect("it is measured first");
    assert_eq!(counts.len(), names.len(), "not every one was measured: {counts:?}");
    counts.into_iter().map(|(name, count)| (name, (count - base).div_ceil(CALLS))).collect()
}

/// What callgrind counted, by the names of the triggers, of which there is a file each in the directory.
pub(super) fn counts(directory: &Path) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for file in fs::read_dir(directory).expect("it is ours") {
        let text = fs::read_to_string(file.expect("it is ours").path()).expect("it is text");
        let after = |start: &str| text.lines().find_map(|line| line.strip_prefix(start));
        let Some(name) = after("desc: Trigger: Client Request: ") else {
            continue;
        };
        let total = after("summary: ").or_else(|| after("totals: ")).expect("a count");
        counts.insert(name.to_owned(), total.trim().parse::<u64>().expect("a number"));
    }
    counts
}

fn symbols(rows: &[Row]) -> Vec<String> {
    rows.iter().map(|row| row.symbol.clone()).collect()
}

/// The most instructions that a gated row may add.
pub(crate) fn limit(row: &Row) -> u64 {
    LIMIT + LIMIT_ON_STACK * row.arguments.saturating_sub(IN_REGISTERS) as u64
}

/// What each row of the table adds, by the kind of row, in instructions.
pub(crate) fn all() -> Vec<(&'static str, Vec<(Row, u64)>)> {
    need("valgrind", "valgrind");
    need("/usr/include/valgrind/callgrind.h", "valgrind");
    let kinds =
        ["gated", "delayed", "variadic", "redirected"].map(|kind| (kind, table::rows(kind)));
    let with_next = kinds.iter().filter(|(kind, _)| *kind != "variadic");
    let behind = nothing(&with_next.flat_map(|(_, rows)| symbols(rows)).collect::<Vec<_>>());
    let measured = kinds.map(|(kind, mut rows)| {
        rows.retain(|row| !NOT_CALLED.contains(&row.symbol.as_str()));
        let added = added(&symbols(&rows), &behind);
        let row = |row: Row| {
            let count = added[&row.symbol];
            (row, count)
        };
        (kind, rows.into_iter().map(row).collect())
    });
    measured.into()
}
