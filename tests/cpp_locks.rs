//! Locks of C++ programs and their libraries, which other threads hold during a fork.

#![cfg(target_os = "linux")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use common::{
    Build, Preload, Program, Run, forks, hangs_bare_passes_protected, hangs_only_bare, need,
};

const FORKS: u64 = 1000;

/// Fewer, as each of them waits until a thread is given up.
const FORKS_GIVEN_UP: u64 = 50;

/// Fewer, as thousands of lines are logged beside each.
const FORKS_BESIDE_LOGS: u64 = 300;

/// How long a suite of death tests may run that ends within a second or never.
const NEVER: Duration = Duration::from_secs(5);

/// No thread is given up: the children find what the lock guards as it should be.
#[track_caller]
fn drains(program: &Program, forks: u64) -> Run {
    hangs_bare_passes_protected(&program.options("locks_ms=10000"), forks)
}

fn lock(name: &str) {
    drains(&Program::compiled("cpp_locks.cc").args([name]), FORKS);
}

#[test]
fn mutex() {
    lock("mutex");
}

#[test]
fn timed_mutex() {
    lock("timed_mutex");
}

#[test]
fn recursive_mutex() {
    lock("recursive_mutex");
}

#[test]
fn shared_mutex() {
    lock("shared_mutex");
}

/// A child's new thread waits for the condition variable that threads of the parent used, and is told.
#[test]
fn condition_variable() {
    lock("condition_variable");
}

/// A variable of `initialise_plugin.cc`, of the kind `kind`, that a thread initialises in the manner of
/// `mode`. With the scope `local`, nobody but the plugin sees the C++ library.
fn initialise(mode: &str, kind: &str, scope: &str) -> Program {
    let plugin = Build::of("initialise_plugin.cc").library("initialise_plugin.so");
    let plugin = plugin.to_str().expect("the target directory's name is UTF-8").to_owned();
    Program::compiled("initialise.c").args([mode, &plugin, kind, scope])
}

/// A fork waits until the variable is initialised.
#[test]
fn slow_static_variable() {
    for scope in ["local", "global"] {
        drains(&initialise("first", "use_static", scope), FORKS);
    }
}

#[test]
fn static_variable_whose_initialiser_throws() {
    drains(&initialise("throw", "use_static", "local"), FORKS);
}

/// A fork cannot wait for the initialiser, which waits for the child to end. The child initialises the
/// variable anew, once, even if two threads of its use it at the same time.
#[test]
fn static_variable_that_is_not_done_in_time() {
    for mode in ["stuck", "race"] {
        let run = hangs_only_bare(&initialise(mode, "use_static", "local"), FORKS_GIVEN_UP);
        assert_eq!(run.stats().get("orphaned"), forks(FORKS_GIVEN_UP), "{run:#?}");
        let told =
            "(initialise) held a guard of a static variable during a fork, initialise_plugin.so+";
        assert!(run.messages().iter().all(|line| line.contains(told)), "{run:#?}");
    }
}

/// Bare, libc has the child run an initialiser again that its parent has half run.
#[test]
fn call_once() {
    let program = initialise("first", "use_call_once", "local").options("locks_ms=10000");
    let program = program.args([&forks(FORKS).to_string(), "1"]);
    let bare = program.run(Preload::Bare).succeeded();
    assert!(bare.tally().crashes > 0, "nothing goes wrong, so this shows nothing: {bare:#?}");
    program.run(Preload::Protected).unharmed(forks(FORKS)).drained();
}

/// The log has every line of every thread and of every child, each once.
#[test]
fn spdlog() {
    need("/usr/include/spdlog/spdlog.h", "libspdlog-dev");
    let logger = Build::of("spdlog_file.cc").flags(["-lspdlog", "-lfmt"]).executable();
    let log = tempfile::NamedTempFile::new().expect("there is room for files");
    let logger = Program::at(logger).args([log.path()]);
    logger.args(["5000", "1"]).run(Preload::Bare).succeeded().hung();
    log.as_file().set_len(0).expect("it is ours");
    let forks = forks(FORKS_BESIDE_LOGS);
    let patient = logger.args([&forks.to_string(), "1"]).options("locks_ms=10000:stdio_ms=10000");
    let run = patient.run(Preload::Protected).unharmed(forks).drained();
    let written = run.stdout.lines().find_map(|line| line.strip_prefix("threads="));
    let written: u64 = written.and_then(|count| count.parse().ok()).expect("a count");
    let text = fs::read_to_string(log.path()).expect("it is ours");
    let lines: BTreeSet<_> = text.lines().map(str::to_owned).collect();
    let threads = (0..written).map(|number| format!("t {number}"));
    let children = (1..=forks).map(|number| format!("c {number}"));
    let expected: BTreeSet<_> = threads.chain(children).collect();
    assert!(lines == expected, "{:?}", lines.symmetric_difference(&expected).collect::<Vec<_>>());
    assert_eq!(text.lines().count(), expected.len(), "a line is there twice");
}

/// The suite that `make demo` shows. Its threads use a lock and libc, as do its death tests.
#[test]
fn death_tests_of_googletest() {
    need("/usr/include/gtest/gtest.h", "libgtest-dev");
    let suite = Build::of("deathtests.cc").flags(["-lgtest", "-lgtest_main"]).executable();
    let suite = Program::at(suite);
    let bare = suite.deadline(NEVER).run(Preload::Bare);
    assert!(bare.status.is_none(), "it ends, so this shows nothing: {bare:#?}");
    let protected = suite.run(Preload::Protected).succeeded();
    assert!(protected.stdout.contains("[  PASSED  ] 100 tests."), "{protected:#?}");
    assert!(protected.stats().get("forks") >= 100, "{protected:#?}");
}
