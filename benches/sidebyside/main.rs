//! What the library costs, beside the bare program and beside other ways to do the same.
//!
//! Each measurement is a table; where a limit is promised, the line says which, and whether it
//! holds. The exit code is 1 if one does not. Every figure is compared with the bare program of
//! the same run, and runs alternate: bare, protected, bare, and so on, so that a machine that
//! gets slower meanwhile does so for both; what is added is the median of the differences of
//! neighbours, not the difference of the medians that stand beside it. Nothing is pinned to a
//! processor unless its table says so. A limit on a time that does not hold is measured up to
//! twice more if there is time, because other programs disturb the clock; the line says so. Limits of some per
//! cent on whole programs are judged by as many pairs of runs as that takes.
//!
//! `--quick`, or `FORKFIX_BENCH_QUICK=1`, measures less and takes under a minute. Words select
//! tables: `cargo bench --bench sidebyside -- idle busy`; those that take minutes have to be asked for.

mod controls;
mod effort;
mod figures;
mod forks;
mod instructions;
mod locks;
mod machine;
mod paired;
mod peers;
mod programs;
mod report;
mod reports;
mod rows;
mod size;
mod startup;
mod watch;

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../tests/instructions/count.rs"]
mod count;
#[path = "../../tests/instructions/pairs.rs"]
mod pairs;

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use common::{Build, Program};
use effort::Effort;
use report::{Report, Section};

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let has = |wanted: &str| arguments.iter().any(|argument| argument == wanted);
    if !has("--bench") {
        // `cargo test --all-targets` starts benches too, without this argument.
        println!("nothing measured: start this with `cargo bench --bench sidebyside`");
        return ExitCode::SUCCESS;
    }
    let chosen = choose(&arguments);
    if chosen.is_empty() {
        eprintln!("no such table; there are: {}", TABLES.map(|(name, _)| name).join(" "));
        return ExitCode::from(2);
    }
    let quick = env::var_os("FORKFIX_BENCH_QUICK").is_some_and(|value| value == "1");

    eprintln!("building the library, its peers and the programs");
    common::need("strip", "binutils");
    common::need("valgrind", "valgrind");
    let programs = Programs::build();
    let effort = Effort::new(quick || has("--quick"));
    println!("forkfix side by side, on {}", machine::describe());
    machine::disturbances().for_each(|warning| println!("{warning}"));
    let mut report = Report::default();
    for (_, measure) in chosen {
        report.add(measure(&programs, effort));
    }
    report.conclude(effort.elapsed())
}

/// Measures one table.
type Measure = fn(&Programs, Effort) -> Section;

/// All tables, with the words that select them.
const TABLES: [(&str, Measure); 16] = [
    ("rows", rows::section),
    ("instructions", instructions::section),
    ("peers", peers::section),
    ("locks", locks::pairs),
    ("handover", locks::handover),
    ("memory", locks::memory),
    ("idle", forks::idle),
    ("busy", forks::busy),
    ("start", startup::section),
    ("size", size::section),
    ("reports", reports::section),
    ("hangs", watch::hangs),
    ("supervisor", watch::supervisor),
    ("watch", watch::programs),
    ("programs", programs::section),
    ("controls", controls::section),
];

/// Tables that take many minutes: only for who asks for them.
const LONG: [&str; 5] = ["hangs", "supervisor", "watch", "programs", "controls"];

/// The tables that the arguments select: all short ones without a word, none with an unknown one.
fn choose(arguments: &[String]) -> Vec<(&'static str, Measure)> {
    let words: Vec<_> = arguments.iter().filter(|word| !word.starts_with("--")).collect();
    let names = TABLES.map(|(name, _)| name);
    if !words.iter().all(|word| names.contains(&word.as_str())) {
        return Vec::new();
    }
    let named = |name: &str| words.iter().any(|word| *word == name);
    let wanted = |name: &str| if words.is_empty() { !LONG.contains(&name) } else { named(name) };
    TABLES.into_iter().filter(|(name, _)| wanted(name)).collect()
}

/// What is measured, compiled.
struct Programs {
    calls: PathBuf,
    forks: PathBuf,
    lock_threads: PathBuf,
    /// The peers' libraries.
    peers: Vec<PathBuf>,
}

impl Programs {
    fn build() -> Self {
        let executable = |name: &str| Build::of(&source(&format!("{name}.c"))).output(name);
        Self {
            calls: executable("calls"),
            forks: executable("forks"),
            lock_threads: executable("lock_threads"),
            peers: peers::build(),
        }
    }
}

/// A program as it is measured: with the library as it comes, which counts nothing.
fn program(path: impl Into<PathBuf>) -> Program {
    Program::at(path).options("stats=0")
}

/// The path of a C file of the benches.
fn source(name: &str) -> String {
    format!("{}/benches/programs/{name}", env!("CARGO_MANIFEST_DIR"))
}
