//! What the library costs, beside the bare program and beside other ways to do the same.
//!
//! Each measurement is a table; where a limit is promised, the line says which, and whether it
//! holds. The exit code is 1 if one does not. Every figure is compared with the bare program of
//! the same run, and runs alternate: bare, protected, bare, and so on, so that a machine that
//! gets slower meanwhile does so for both; what is added is the median of the differences of
//! neighbours, not the difference of the medians that stand beside it. Nothing is pinned to a processor unless its table says so. A limit on a time
//! that does not hold is measured up to twice more, because other programs disturb the clock;
//! the line says so.
//!
//! `--quick`, or `FORKFIX_BENCH_QUICK=1`, measures less and takes under a minute.

mod effort;
mod figures;
mod forks;
mod instructions;
mod machine;
mod peers;
mod report;
mod size;
mod startup;

#[path = "../../tests/common/mod.rs"]
mod common;

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use common::{Build, Program};
use effort::Effort;
use report::Report;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let has = |wanted: &str| arguments.iter().any(|argument| argument == wanted);
    if !has("--bench") {
        // `cargo test --all-targets` starts benches too, without this argument.
        println!("nothing measured: start this with `cargo bench --bench sidebyside`");
        return ExitCode::SUCCESS;
    }
    let quick = env::var_os("FORKFIX_BENCH_QUICK").is_some_and(|value| value == "1");
    let effort = Effort::new(quick || has("--quick"));

    eprintln!("building the library, its peers and the programs");
    common::need("strip", "binutils");
    common::need("valgrind", "valgrind");
    let programs = Programs::build();
    let start = Instant::now();
    println!("forkfix side by side, on {}", machine::describe());
    if let Some(warning) = machine::disturbance() {
        println!("{warning}");
    }
    let mut report = Report::default();
    report.add(instructions::section(&programs, effort));
    report.add(peers::section(&programs, effort));
    report.add(forks::idle(&programs, effort));
    report.add(forks::busy(&programs, effort));
    report.add(startup::section(effort));
    report.add(size::section());
    report.conclude(start.elapsed())
}

/// The compiled programs that are measured.
struct Programs {
    calls: PathBuf,
    forks: PathBuf,
}

impl Programs {
    fn build() -> Self {
        let executable = |name: &str| Build::of(&source(&format!("{name}.c"))).output(name);
        Self {
            calls: executable("calls"),
            forks: executable("forks"),
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
