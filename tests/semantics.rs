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
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// How often everything is generated anew, and calls of each function each time.
const ROUNDS: u32 = 2;
const CALLS: usize = 25;

/// What `strategy` yields, other than the last time.
fn generated<T>(runner: &mut TestRunner, strategy: &impl Strategy<Value = T>) -> T {
    strategy.new_tree(runner).expect("nothing is filtered").current()
}

/// The program reports the same, line by line; `call` says what a line is about. There is nothing to make
/// smaller: each line is one call.
#[track_caller]
fn assert_same(program: &Program, call: impl Fn(usize) -> String) {
    let [bare, protected] =
        [Preload::Bare, Preload::Protected].map(|preload| program.quiet().run(preload).succeeded());
    let pairs = bare.stdout.lines().zip(protected.stdout.lines());
    for (number, (bare, protected)) in pairs.enumerate() {
        assert!(bare == protected, "{}\nbare: {bare}\nprotected: {protected}", call(number));
    }
    assert_eq!(bare.stdout.lines().count(), protected.stdout.lines().count());
    assert_eq!(bare.stderr, protected.stderr);
    assert!(!bare.stdout.is_empty());
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

/// One without a way to call it in `semantics.c` does not compile.
#[test]
fn every_variadic_function_of_the_table() {
    let functions = table::rows("variadic");
    assert!(functions.len() > 40, "{functions:?}");
    let strategy: Vec<_> = functions.iter().map(|row| vec(cases::of(&row.symbol), CALLS)).collect();
    let mut runner = TestRunner::default();
    for _ in 0..ROUNDS {
        let calls = generated(&mut runner, &strategy).concat();
        let call = |number: usize| format!("{:?}", calls[number]);
        let plain = compiled(&calls, &[]);
        assert_same(&plain.args(["C"]), call);
        assert_same(&plain.args(["C.UTF-8"]), call);
        let fortified = compiled(&calls, &["-O2", "-D_FORTIFY_SOURCE=2"]);
        assert_same(&fortified.args(["C.UTF-8"]), call);
    }
}

/// Calls with a body of their own, or with state: see `semantics_ops.c`.
#[test]
fn other_calls() {
    let number = prop_oneof![0..16_i64, -1000..100_000_i64, 0..4_000_000_000_i64, any::<i64>()];
    let text = prop_oneof![
        "[!-~]{1,20}",
        "[a-z%*?\\[\\]().$~{}=-]{1,12}",
        "[a-zäß€😀]{1,10}",
        "(%[a-zA-Z])+",
    ];
    let strategy = vec((number.clone(), number, text), 60);
    let mut runner = TestRunner::default();
    for _ in 0..ROUNDS {
        let lines = generated(&mut runner, &strategy);
        let text: String = lines.iter().map(|(a, b, text)| format!("{a} {b} {text}\n")).collect();
        let file = tempfile::NamedTempFile::new().expect("there is room for files");
        std::fs::write(file.path(), text).expect("it is ours");
        let build = Build::of("semantics_ops.c").flags(["-fno-builtin"]);
        let program = Program::at(build.executable()).args([file.path()]);
        assert_same(&program, |_| {
            "the line begins with the call and its two numbers and text".to_owned()
        });
    }
}
