//! Locks of Python programs, which other threads hold during a fork.

#![cfg(target_os = "linux")]

mod common;

use std::collections::BTreeSet;
use std::fs;

use common::{Preload, Program, Run, need, programs};

const PYTHON: &str = "/usr/bin/python3.11";
const FORKS: u64 = 1000;
/// Processes of multiprocessing; the figure of the reports is for as many.
const PROCESSES: u64 = 40;

/// The use `what` of `python_locks.py`, with files in `directory`.
fn uses(what: &str, directory: &tempfile::TempDir) -> Program {
    need(PYTHON, "python3.11");
    let script = programs().join("python_locks.py");
    let arguments = [script.as_os_str(), what.as_ref(), directory.path().as_os_str()];
    Program::at(PYTHON).args(arguments).env("PYTHONDONTWRITEBYTECODE", "1")
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("there is room for files")
}

/// A child hangs bare, and none of `forks` protected.
#[track_caller]
fn hangs_only_bare(what: &str, forks: u64) {
    uses(what, &directory()).args(["5000", "1"]).run(Preload::Bare).succeeded().hung();
    protected(what, forks, &directory());
}

#[track_caller]
fn protected(what: &str, forks: u64, directory: &tempfile::TempDir) -> Run {
    let program = uses(what, directory).args([&forks.to_string(), "1"]);
    program.run(Preload::Protected).unharmed(forks)
}

#[test]
fn threading() {
    for what in ["lock", "rlock", "condition", "semaphore", "event"] {
        hangs_only_bare(what, FORKS);
    }
}

#[test]
fn queue() {
    hangs_only_bare("queue", FORKS);
}

#[test]
fn file() {
    hangs_only_bare("file", FORKS);
}

#[test]
fn subprocess_with_preexec_fn() {
    hangs_only_bare("preexec", FORKS);
}

/// OpenSSL's locks, which are those of libpthread.
#[test]
fn tls() {
    hangs_only_bare("tls", FORKS);
}

/// What a thread that is gone was importing is imported anew, and whole.
#[test]
fn imports() {
    hangs_only_bare("import", FORKS);
}

/// The module that starts threads has handlers of its own for forks.
#[test]
fn pool_of_threads() {
    let bare = uses("pool", &directory()).args([&FORKS.to_string(), "1"]);
    bare.run(Preload::Bare).unharmed(FORKS);
    protected("pool", FORKS, &directory());
}

/// The log has every line of every thread and of every process, each once.
#[test]
fn logging() {
    hangs_only_bare("logging", FORKS);
    let directory = directory();
    let run = protected("logging", PROCESSES, &directory);
    let written = run.stdout.lines().find_map(|line| line.strip_prefix("threads="));
    let written: u64 = written.and_then(|count| count.parse().ok()).expect("a count");
    let text = fs::read_to_string(directory.path().join("log")).expect("it was logged to");
    let lines: BTreeSet<_> = text.lines().map(str::to_owned).collect();
    let threads = (0..written).map(|number| format!("t {number}"));
    let children = (0..PROCESSES).map(|number| format!("c {number}"));
    let expected: BTreeSet<_> = threads.chain(children).collect();
    assert!(lines == expected, "{:?}", lines.symmetric_difference(&expected).collect::<Vec<_>>());
    assert_eq!(text.lines().count(), expected.len(), "a line is there twice");
}
