//! Interposing changes no semantics: generated calls do under the library what they do without it, to
//! the byte: results, errno, buffers, streams.

#![cfg(target_os = "linux")]

#[path = "semantics/cases.rs"]
mod cases;
mod common;

use std::sync::atomic::{AtomicU32, Ordering};

use cases::Call;
use common::{Build, Preload, Program, table};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestCaseResult, TestRunner};

/// Calls of each function in each round.
const CALLS: usize = 25;

/// Few rounds, as each has a thousand calls; and so are the attempts to find a smaller one that fails.
fn runner() -> TestRunner {
    let failure_persistence = None;
    TestRunner::new(ProptestConfig {
        cases: 2,
        max_shrink_iters: 20,
        failure_persistence,
        ..ProptestConfig::default()
    })
}

/// The program reports the same, line by line.
fn same(program: &Program) -> TestCaseResult {
    let [bare, protected] =
        [Preload::Bare, Preload::Protected].map(|preload| program.quiet().run(preload).succeeded());
    let mut differences = bare.stdout.lines().zip(protected.stdout.lines());
    if let Some((bare, protected)) = differences.find(|(bare, protected)| bare != protected) {
        return Err(TestCaseError::fail(format!("bare:\n{bare}\nprotected:\n{protected}")));
    }
    prop_assert_eq!(bare.stdout.lines().count(), protected.stdout.lines().count());
    prop_assert_eq!(&bare.stderr, &protected.stderr);
    prop_assert!(!bare.stdout.is_empty());
    Ok(())
}

/// `semantics.c` with these calls.
fn compiled(calls: &[Call], flags: &[&str]) -> Program {
    static BUILDS: AtomicU32 = AtomicU32::new(0);
    let file = tempfile::NamedTempFile::new().expect("there is room for files");
    std::fs::write(file.path(), cases::file(calls)).expect("it is ours");
    let later = Build::of("semantics_c23.c").library("libsemantics_c23.so");
    let later = later.to_string_lossy();
    let file = format!("-DCASES=\"{}\"", file.path().display());
    // The compiler must call what is written, and would warn of much that is meant.
    let build = Build::of("semantics.c").flags([&*file, "-fno-builtin", "-w"]);
    let number = BUILDS.fetch_add(1, Ordering::Relaxed);
    let build = build.flags(flags).flags([&*later]);
    Program::at(build.output(&format!("semantics_{number}"))).args(["calls"])
}

#[test]
fn every_variadic_function_of_the_table() {
    let functions = table::rows("variadic");
    assert!(functions.len() > 40, "{functions:?}");
    let per_function: Vec<_> =
        functions.iter().map(|row| vec(cases::of(&row.symbol), CALLS)).collect();
    let checked = runner().run(&per_function, |calls| {
        let calls = calls.concat();
        let plain = compiled(&calls, &[]);
        same(&plain.args(["C"]))?;
        same(&plain.args(["C.UTF-8"]))?;
        same(&compiled(&calls, &["-O2", "-D_FORTIFY_SOURCE=2"]).args(["C.UTF-8"]))?;
        Ok(())
    });
    checked.unwrap_or_else(|failure| panic!("{failure}"));
}

/// Calls with a body of their own, or with state: see `semantics_ops.c`.
#[test]
fn other_calls() {
    let number = prop_oneof![0..16_i64, -1000..100_000_i64, 0..4_000_000_000_i64, any::<i64>(),];
    let text = prop_oneof![
        "[!-~]{1,20}",
        "[a-z%*?\\[\\]().$~{}=-]{1,12}",
        "[a-zäß€😀]{1,10}",
        "(%[a-zA-Z])+",
    ];
    let lines = vec((number.clone(), number, text), 60);
    let checked = runner().run(&lines, |lines| {
        let text: String = lines.iter().map(|(a, b, text)| format!("{a} {b} {text}\n")).collect();
        let file = tempfile::NamedTempFile::new().expect("there is room for files");
        std::fs::write(file.path(), text).expect("it is ours");
        let build = Build::of("semantics_ops.c").flags(["-fno-builtin"]);
        same(&Program::at(build.executable()).args([file.path()]))
    });
    checked.unwrap_or_else(|failure| panic!("{failure}"));
}
